// LeaseTarget: a store's entry, filled through its lease, for readers of all processes.
// Threads, Blocks, Errors: as Target. Cost: a pointer. Lifetime: the lease outlives it, and is the writer while it
// lives.
#pragma once

#include <strandline/base/mutex.h>
#include <strandline/fill/target.h>
#include <strandline/store/lease.h>

#include <memory>
#include <optional>
#include <utility>

namespace strandline::fill {

// Why what is missing cannot be had, once that is known.
class GivenUp {
 public:
  void because(const Error& error) noexcept STRANDLINE_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    why_ = error.clone();
  }
  [[nodiscard]] std::optional<Error> why() const noexcept STRANDLINE_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return why_ ? std::optional<Error>(why_->clone()) : std::nullopt;
  }

 private:
  mutable Mutex mutex_;  // a leaf
  std::optional<Error> why_ STRANDLINE_GUARDED_BY(mutex_);
};

class LeaseTarget final : public Target {
 public:
  LeaseTarget(store::Lease& lease, std::shared_ptr<GivenUp> given_up) noexcept
      : lease_(lease), writer_(*lease.writer()), given_up_(std::move(given_up)) {}

  Result<void> begin(const origin::ObjectInfo& object) noexcept override {
    return object.size ? writer_.set_length(*object.size) : Result<void>();
  }
  Result<std::size_t> write(std::uint64_t offset, std::span<const std::byte> data,
                            const std::stop_token& stop) noexcept override {
    return writer_.write_at(offset, data, {.stop = stop, .deadline = {}});
  }
  Result<void> set_length(std::uint64_t length) noexcept override { return writer_.set_length(length); }
  Result<void> commit(std::uint64_t length) noexcept override {
    auto done = writer_.commit(length);
    if (done) {
      lease_.end_finished();  // here, where a sync holds nobody up
    }
    return done;
  }
  void fail(Error error) noexcept override {
    given_up_->because(error);
    // What has become of the writer meanwhile stands.
    static_cast<void>(writer_.fail(std::move(error)));
    lease_.end_writing();
  }
  void leave() noexcept override { lease_.end_writing(); }

  std::optional<ByteRange> next_gap(std::uint64_t from, std::uint64_t limit) const noexcept override {
    return lease_.resource().next_gap(from, limit);
  }
  Result<std::vector<Demand>> demand(std::size_t limit) const noexcept override { return lease_.demand(limit); }
  std::vector<std::uint64_t> readers(std::size_t limit) const override {
    return lease_.resource().reader_positions(limit).value_or(std::vector<std::uint64_t>());
  }
  Result<void> observe(std::shared_ptr<DemandObserver> observer) noexcept override {
    const bool given = observer != nullptr;
    auto set = lease_.set_demand_observer(std::move(observer));
    return set && given ? not_cancelled(lease_.resource().status()) : set;
  }

 private:
  store::Lease& lease_;
  Writer<store::EntryDriver>& writer_;  // the lease's
  const std::shared_ptr<GivenUp> given_up_;
};

}  // namespace strandline::fill
