// Target: what a fill fills: a resource and its writer, of whatever driver.
// Threads: begin() and write() on the origin's threads, several at once but begin(); commit() on the filler's second,
// while a write() may still be returning, or be called for what is there already; the others on the filler's. fail() or
// leave() is the last of all, once, with nothing else under way.
// Blocks: on the storage. Errors: of begin(), write() and commit() end the fill. Cost: the storage's. Lifetime: until
// the fill has ended, and nobody calls it any more.
#pragma once

#include <strandline/origin/origin.h>
#include <strandline/resource/resource.h>

#include <utility>
#include <vector>

namespace strandline::fill {

class Target {
 public:
  Target() = default;
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;
  virtual ~Target() = default;

  // The origin's first answer, once, before any byte.
  [[nodiscard]] virtual Result<void> begin(const origin::ObjectInfo& object) noexcept = 0;
  // How many of them are newly there. `stop` ends a write that is held up: interrupted.
  [[nodiscard]] virtual Result<std::size_t> write(std::uint64_t offset, std::span<const std::byte> data,
                                                  const std::stop_token& stop) noexcept = 0;
  // The length became known later than begin(): an origin that did not say it has come to the end.
  [[nodiscard]] virtual Result<void> set_length(std::uint64_t length) noexcept = 0;
  [[nodiscard]] virtual Result<void> commit(std::uint64_t length) noexcept = 0;
  // No more comes, because of this.
  virtual void fail(Error error) noexcept = 0;
  // No more comes from here, it may be committed; nothing is wrong.
  virtual void leave() noexcept = 0;

  // The first run of bytes at or past `from` and before `limit` that is missing. Before begin(), all are.
  [[nodiscard]] virtual std::optional<ByteRange> next_gap(std::uint64_t from, std::uint64_t limit) const noexcept = 0;
  // What is waited for, at the most so much of it.
  [[nodiscard]] virtual Result<std::vector<Demand>> demand(std::size_t limit) const noexcept = 0;
  [[nodiscard]] virtual std::vector<std::uint64_t> readers(std::size_t limit) const = 0;
  // Who is told of new demand; null: nobody any more. An error: there will be none, it has been cancelled.
  [[nodiscard]] virtual Result<void> observe(std::shared_ptr<DemandObserver> observer) noexcept = 0;
};

// Of what is observed by now: who is cancelled later tells its observer.
[[nodiscard]] inline Result<void> not_cancelled(const ResourceStatus& status) {
  return status.state == State::cancelled ? fail(Errc::cancelled, "fill") : Result<void>();
}

// A resource that its user has opened, and the writer taken from it.
template <Driver D>
class ResourceTarget : public Target {
 public:
  ResourceTarget(Resource<D> resource, Writer<D> writer) noexcept
      : resource_(std::move(resource)), writer_(std::move(writer)) {}

  Result<void> begin(const origin::ObjectInfo& object) noexcept override {
    return object.size ? writer_.set_length(*object.size) : Result<void>();
  }
  Result<std::size_t> write(std::uint64_t offset, std::span<const std::byte> data,
                            const std::stop_token& stop) noexcept override {
    return writer_.write_at(offset, data, {.stop = stop, .deadline = {}});
  }
  Result<void> set_length(std::uint64_t length) noexcept override { return writer_.set_length(length); }
  Result<void> commit(std::uint64_t length) noexcept override { return writer_.commit(length); }
  // What has become of the writer meanwhile stands.
  void fail(Error error) noexcept override { static_cast<void>(writer_.fail(std::move(error))); }
  void leave() noexcept override { static_cast<void>(writer_.abandon(Abandon::stop)); }
  std::optional<ByteRange> next_gap(std::uint64_t from, std::uint64_t limit) const noexcept override {
    return resource_.next_gap(from, limit);
  }
  Result<std::vector<Demand>> demand(std::size_t limit) const noexcept override { return resource_.demand(limit); }
  std::vector<std::uint64_t> readers(std::size_t limit) const override {
    return resource_.reader_positions(limit).value_or(std::vector<std::uint64_t>());
  }
  Result<void> observe(std::shared_ptr<DemandObserver> observer) noexcept override {
    const bool given = observer != nullptr;
    resource_.set_demand_observer(std::move(observer));
    return given ? not_cancelled(resource_.status()) : Result<void>();
  }

 private:
  const Resource<D> resource_;
  Writer<D> writer_;
};

}  // namespace strandline::fill
