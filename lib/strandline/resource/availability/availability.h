// Availability: which bytes of one generation are readable, how long it is, and where its window stands:
// the one predicate that reads, waits, views, commits and fills all ask.
// Threads: guarded by the resource's lock. Blocks: never. Errors: no_memory changes nothing. Cost: O(log ranges).
// Lifetime: one per generation.
#pragma once

#include <strandline/base/range_set.h>
#include <strandline/resource/wait.h>

#include <cstdint>
#include <optional>
#include <utility>

namespace strandline {

// In the order of precedence of rule R4, as far as bytes decide.
enum class Coverage : std::uint8_t { ready, eof, evicted, missing };

// Invariant: every range of the set lies in [window_begin, length or window_end); the length, once known, is at
// or past the end of the set; window_begin == 0 without a window and never decreases.
class Availability {
 public:
  Availability() noexcept = default;
  // capacity: bytes of a sliding window; none when the storage keeps everything.
  Availability(RangeSet available, std::optional<std::uint64_t> length, std::optional<std::uint64_t> capacity) noexcept;

  // Of a valid range: an empty one is ready.
  [[nodiscard]] Coverage check(ByteRange range, WaitFor until) const noexcept;
  // The range cut off at the length, if that is known.
  [[nodiscard]] ByteRange clamp(ByteRange range) const noexcept;
  // The readable bytes from range.begin on, without a break.
  [[nodiscard]] ByteRange prefix(ByteRange range) const noexcept;
  // The first byte that keeps check() from being ready. Precondition: it is missing.
  [[nodiscard]] std::uint64_t first_missing(ByteRange range) const noexcept;
  // The first gap of the range, clamped to the length and to the window.
  [[nodiscard]] std::optional<ByteRange> next_gap(ByteRange range) const noexcept;
  // What keeps [0, length) from being committed; the window's past does not count.
  [[nodiscard]] std::optional<ByteRange> commit_gap(std::uint64_t length) const noexcept;

  [[nodiscard]] Result<void> publish(ByteRange range) noexcept;
  // Takes every byte of the range out of the set.
  [[nodiscard]] Result<void> drop(ByteRange range) noexcept;

  // Puts back the set as it was before a drop().
  void restore(RangeSet set) noexcept { set_ = std::move(set); }

  void set_length(std::optional<std::uint64_t> length) noexcept { length_ = length; }
  [[nodiscard]] std::optional<std::uint64_t> length() const noexcept { return length_; }

  [[nodiscard]] bool windowed() const noexcept { return capacity_.has_value(); }
  [[nodiscard]] std::uint64_t capacity() const noexcept { return capacity_.value_or(kMaxOffset); }
  [[nodiscard]] std::uint64_t window_begin() const noexcept { return window_begin_; }
  // Where the window would begin once a byte at end - 1 has been written.
  [[nodiscard]] std::uint64_t window_begin_for(std::uint64_t end) const noexcept;
  // Precondition: the bytes before `begin` have been dropped.
  void advance_window(std::uint64_t begin) noexcept { window_begin_ = begin; }

  [[nodiscard]] const RangeSet& set() const noexcept { return set_; }
  // Aborts when the invariant is broken. O(ranges).
  void check_invariants() const;

 private:
  RangeSet set_;
  std::optional<std::uint64_t> length_;
  std::optional<std::uint64_t> capacity_;
  std::uint64_t window_begin_ = 0;
};

}  // namespace strandline
