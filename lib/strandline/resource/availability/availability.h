// Availability: which bytes of one generation are readable, how long it is, and where its window stands:
// the one predicate that reads, waits, views, commits and fills all ask.
// Threads: sure_*() and surely_covers() by anybody at any time; all else is guarded by the resource's lock. Blocks:
// never. Errors: no_memory changes nothing. Cost: as BlockMap; in a window O(log ranges). Lifetime: one per generation.
#pragma once

#include <strandline/base/block_map/block_map.h>
#include <strandline/resource/wait.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace strandline {

// In the order of precedence of rule R4, as far as bytes decide.
enum class Coverage : std::uint8_t { ready, eof, evicted, missing };

// Invariant: every byte that is there lies in [window_begin, length or window_end); window_begin == 0 without a
// window and never decreases. Without a window the bytes are kept in a BlockMap; in one, which holds few
// ranges and whose readers take the lock anyway, in a RangeSet.
class Availability {
 public:
  Availability() : Availability(RangeSet(), std::nullopt, std::nullopt) {}
  // Takes over what a driver found: in a sliding window of `capacity` bytes it is in `window`, without one in `blocks`.
  Availability(RangeSet window, std::optional<std::uint64_t> length, std::optional<std::uint64_t> capacity,
               BlockMap blocks = {}) noexcept;

  // No lock: what of the range, clamped to the length, may be read for certain; empty when only the
  // lock can tell. Never in a window. Callers look again after reading, for truncate() may come between.
  [[nodiscard]] ByteRange sure_hit(ByteRange range) const noexcept {
    const ByteRange clamped{range.begin, std::min(range.end, length_.load(std::memory_order_acquire))};
    return !clamped.empty() && !capacity_ && blocks_.surely_covers(clamped) ? clamped : ByteRange{};
  }

  // Likewise, of what is there from range.begin on without a break; perhaps not all of it.
  [[nodiscard]] ByteRange sure_prefix(ByteRange range) const noexcept {
    const std::uint64_t end = sure_begin();
    return range.begin < end ? sure_hit({range.begin, std::min(range.end, end)}) : sure_hit(range);
  }
  // Likewise, of every byte, whatever the length.
  [[nodiscard]] bool surely_covers(ByteRange range) const noexcept {
    return !capacity_ && blocks_.surely_covers(range);
  }
  // All bytes before this are there; 0 in a window.
  [[nodiscard]] std::uint64_t sure_begin() const noexcept { return capacity_ ? 0 : blocks_.prefix(); }

  // Of a valid range: an empty one is ready.
  [[nodiscard]] Coverage check(ByteRange range, WaitFor until) const noexcept;
  // The range cut off at the length, if that is known.
  [[nodiscard]] ByteRange clamp(ByteRange range) const noexcept;
  // The readable bytes from range.begin on, without a break.
  [[nodiscard]] ByteRange prefix(ByteRange range) const noexcept;
  // The first byte that keeps check() from being ready, from `at` on. Precondition: one is missing.
  [[nodiscard]] std::uint64_t first_missing(ByteRange range) const noexcept;
  // The first gap of the range, clamped to the length and to the window.
  [[nodiscard]] std::optional<ByteRange> next_gap(ByteRange range) const noexcept;
  // What keeps [0, length) from being committed; the window's past does not count.
  [[nodiscard]] std::optional<ByteRange> commit_gap(std::uint64_t length) const noexcept;

  // Byte by byte, whatever the length and the window.
  [[nodiscard]] bool covers(ByteRange range) const noexcept {
    return next_missing(range.begin, range.end) == range.end;
  }
  [[nodiscard]] bool intersects(ByteRange range) const noexcept {
    return next_covered(range.begin, range.end) < range.end;
  }
  // Appends the runs inside the range that are there / that are missing. Throw std::bad_alloc.
  template <class Ranges>
  void collect_covered(ByteRange range, Ranges& out) const;
  template <class Ranges>
  void collect_gaps(ByteRange range, Ranges& out) const;
  [[nodiscard]] Result<RangeSet> snapshot() const noexcept;
  // One past the last byte that is or was there.
  [[nodiscard]] std::uint64_t end_offset() const noexcept;
  // Lowers it, if nothing is there past `end`.
  void lower_end(std::uint64_t end) noexcept {
    if (!capacity_ && end < end_offset() && !intersects({end, kMaxOffset})) {
      blocks_.lower_end(end);
    }
  }

  [[nodiscard]] Result<void> publish(ByteRange range) noexcept;
  // Moves the window's begin to `begin`, past which it never goes back; what is behind it is gone.
  [[nodiscard]] Result<void> evict_before(std::uint64_t begin) noexcept;

  // Takes bytes away in the midst of others; not in a window. They are missing then, and may come again.
  [[nodiscard]] Result<void> evict(ByteRange range) noexcept { return blocks_.erase(range); }

  // Takes away the bytes past a length to be committed, and puts them back if that fails.
  struct Tail {
    BlockMap::Tail blocks;
    std::optional<RangeSet> window;  // as it was
  };
  // Throws std::bad_alloc.
  [[nodiscard]] Tail prepare_truncate(std::uint64_t length) const;
  // Precondition: commit_gap(length) found none.
  [[nodiscard]] Result<void> truncate(std::uint64_t length, Tail& tail) noexcept;
  void restore(Tail&& tail) noexcept;

  void set_length(std::optional<std::uint64_t> length) noexcept {
    length_.store(length.value_or(kUnknown), std::memory_order_release);
  }
  [[nodiscard]] std::optional<std::uint64_t> length() const noexcept;

  [[nodiscard]] bool windowed() const noexcept { return capacity_.has_value(); }
  [[nodiscard]] std::uint64_t capacity() const noexcept { return capacity_.value_or(kMaxOffset); }
  [[nodiscard]] std::uint64_t window_begin() const noexcept { return window_begin_; }
  // Where the window would begin once a byte at end - 1 has been written.
  [[nodiscard]] std::uint64_t window_begin_for(std::uint64_t end) const noexcept;

  // Aborts when the invariant is broken. O(ranges).
  void check_invariants() const;

 private:
  static constexpr std::uint64_t kUnknown = ~std::uint64_t{0};

  // The first byte in [from, limit) that is missing / that is there; `limit` if there is none.
  [[nodiscard]] std::uint64_t next_missing(std::uint64_t from, std::uint64_t limit) const noexcept;
  [[nodiscard]] std::uint64_t next_covered(std::uint64_t from, std::uint64_t limit) const noexcept;

  const std::optional<std::uint64_t> capacity_;
  // Written under the lock, read by anybody.
  Sync::Atomic<std::uint64_t> length_;
  BlockMap blocks_;  // without a window
  RangeSet window_;  // in one
  std::uint64_t window_begin_ = 0;
};

template <class Ranges>
void Availability::collect_covered(ByteRange range, Ranges& out) const {
  for (std::uint64_t at = next_covered(range.begin, range.end); at < range.end;) {
    const std::uint64_t end = next_missing(at, range.end);
    out.push_back(ByteRange{at, end});
    at = next_covered(end, range.end);
  }
}

template <class Ranges>
void Availability::collect_gaps(ByteRange range, Ranges& out) const {
  for (std::uint64_t at = next_missing(range.begin, range.end); at < range.end;) {
    const std::uint64_t end = next_covered(at, range.end);
    out.push_back(ByteRange{at, end});
    at = next_missing(end, range.end);
  }
}

}  // namespace strandline
