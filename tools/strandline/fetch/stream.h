// stream_out(): what a resource has and gets, in order, to an Output; WindowTarget: fills no more of a resource than a
// reader who goes on will want.
// Threads: stream_out(): the reader's; WindowTarget: as Target. Blocks: stream_out() until the bytes are there and
// taken. Errors: the cursor's and the output's. Cost: a buffer of 256 KiB, a copy. Lifetime: of the call; the resource
// is the caller's, of whatever driver.
#pragma once

#include <strandline/fill/target.h>

#include "../output.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace strandline::tool {

// Up to `end` or the resource's, whichever comes first. `went_out(position)` is called after each piece.
template <Driver D, class WentOut>
[[nodiscard]] Result<Wrote> stream_out(Cursor<D>& cursor, std::uint64_t end, Output& out, const std::stop_token& stop,
                                       WentOut&& went_out) {
  constexpr std::size_t kPiece = 256 * 1024;
  std::vector<std::byte> buffer(kPiece);
  while (cursor.position() < end) {
    const auto piece = std::span(buffer).first(std::min<std::uint64_t>(kPiece, end - cursor.position()));
    const auto count = cursor.read(piece, {.stop = stop, .deadline = {}, .until = WaitFor::any});
    if (!count) {
      if (count.error().code == Errc::interrupted && stop.stop_requested()) {
        return Wrote::stopped;
      }
      return fail(count.error().clone());
    }
    if (*count == 0) {
      break;
    }
    auto wrote = out.write(piece.first(*count), stop);
    if (!wrote || *wrote != Wrote::all) {
      return wrote;
    }
    went_out(cursor.position());
  }
  return Wrote::all;
}

// Where the reader stands. Written by the reader, read by whoever fetches; nothing else is told by it.
using ReaderPosition = std::atomic<std::uint64_t>;

// Of an object, the bytes from the reader on, up to `end`: no others are missing, or written. The resource need not
// keep what the reader has had.
template <Driver D>
class WindowTarget final : public fill::Target {
 public:
  WindowTarget(Resource<D> resource, Writer<D> writer, std::shared_ptr<ReaderPosition> reader, std::uint64_t end)
      : inner_(std::move(resource), std::move(writer)), reader_(std::move(reader)), end_(end) {}

  Result<void> begin(const origin::ObjectInfo& object) noexcept override { return inner_.begin(object); }
  Result<std::size_t> write(std::uint64_t offset, std::span<const std::byte> data,
                            const std::stop_token& stop) noexcept override {
    const std::uint64_t from = std::clamp(reader_->load(std::memory_order_relaxed), offset, offset + data.size());
    const std::uint64_t to = std::clamp(end_, from, offset + data.size());
    const auto wanted = data.subspan(from - offset, to - from);
    return wanted.empty() ? Result<std::size_t>(0) : inner_.write(from, wanted, stop);
  }
  Result<void> set_length(std::uint64_t length) noexcept override { return inner_.set_length(length); }
  // All that is wanted is there: not all there is.
  Result<void> commit(std::uint64_t) noexcept override {
    inner_.leave();
    return {};
  }
  void fail(Error error) noexcept override { inner_.fail(std::move(error)); }
  void leave() noexcept override { inner_.leave(); }
  std::optional<ByteRange> next_gap(std::uint64_t from, std::uint64_t limit) const noexcept override {
    from = std::max(from, reader_->load(std::memory_order_relaxed));
    limit = std::min(limit, end_);
    return from < limit ? inner_.next_gap(from, limit) : std::nullopt;
  }
  Result<std::vector<Demand>> demand(std::size_t limit) const noexcept override { return inner_.demand(limit); }
  std::vector<std::uint64_t> readers(std::size_t limit) const override { return inner_.readers(limit); }
  Result<void> observe(std::shared_ptr<DemandObserver> observer) noexcept override {
    return inner_.observe(std::move(observer));
  }

 private:
  fill::ResourceTarget<D> inner_;
  const std::shared_ptr<ReaderPosition> reader_;
  const std::uint64_t end_;
};

}  // namespace strandline::tool
