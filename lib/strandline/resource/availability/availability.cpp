#include <strandline/resource/availability/availability.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace strandline {

Availability::Availability(RangeSet window, std::optional<std::uint64_t> length, std::optional<std::uint64_t> capacity,
                           BlockMap blocks) noexcept
    : capacity_(capacity), length_(length.value_or(kUnknown)), blocks_(std::move(blocks)), window_(std::move(window)) {
  window_begin_ = window_begin_for(window_.end_offset());
}

std::optional<std::uint64_t> Availability::length() const noexcept {
  const std::uint64_t length = length_.load(std::memory_order_relaxed);
  return length == kUnknown ? std::nullopt : std::optional(length);
}

ByteRange Availability::clamp(ByteRange range) const noexcept {
  return range.clamped_to({0, length_.load(std::memory_order_relaxed)});
}

std::uint64_t Availability::next_missing(std::uint64_t from, std::uint64_t limit) const noexcept {
  if (!capacity_) {
    return from < limit ? blocks_.next_missing(from, limit) : limit;
  }
  return from < limit ? from + window_.covered_prefix({from, limit}) : limit;
}

std::uint64_t Availability::next_covered(std::uint64_t from, std::uint64_t limit) const noexcept {
  if (!capacity_) {
    return from < limit ? blocks_.next_covered(from, limit) : limit;
  }
  const auto covered = window_.first_covered({from, limit});
  return covered ? covered->begin : limit;
}

Coverage Availability::check(ByteRange range, WaitFor until) const noexcept {
  if (range.empty()) {
    return Coverage::ready;
  }
  if (range.begin >= length_.load(std::memory_order_relaxed)) {
    return Coverage::eof;
  }
  if (range.begin < window_begin_) {
    return Coverage::evicted;
  }
  const ByteRange needed = until == WaitFor::any ? ByteRange{range.begin, range.begin + 1} : clamp(range);
  return covers(needed) ? Coverage::ready : Coverage::missing;
}

ByteRange Availability::prefix(ByteRange range) const noexcept {
  const ByteRange inside = clamp(range);
  return {range.begin, std::max(range.begin, next_missing(inside.begin, inside.end))};
}

std::uint64_t Availability::first_missing(ByteRange range) const noexcept {
  return next_missing(range.begin, range.end);
}

std::optional<ByteRange> Availability::next_gap(ByteRange range) const noexcept {
  const ByteRange inside = clamp(range).clamped_to({window_begin_, kMaxOffset});
  const std::uint64_t begin = next_missing(inside.begin, inside.end);
  return begin < inside.end ? std::optional(ByteRange{begin, next_covered(begin, inside.end)}) : std::nullopt;
}

std::optional<ByteRange> Availability::commit_gap(std::uint64_t length) const noexcept {
  const ByteRange inside = ByteRange{0, length}.clamped_to({window_begin_, kMaxOffset});
  const std::uint64_t begin = next_missing(inside.begin, inside.end);
  return begin < inside.end ? std::optional(ByteRange{begin, next_covered(begin, inside.end)}) : std::nullopt;
}

Result<RangeSet> Availability::snapshot() const noexcept {
  if (capacity_) {
    return window_.clone();
  }
  return blocks_.ranges();
}

std::uint64_t Availability::end_offset() const noexcept {
  return capacity_ ? std::max(window_.end_offset(), window_begin_) : blocks_.end_offset();
}

Result<void> Availability::publish(ByteRange range) noexcept {
  if (!capacity_) {
    return blocks_.insert(range);
  }
  auto added = window_.insert(range);
  return added ? Result<void>() : fail(std::move(added.error()));
}

Result<void> Availability::evict_before(std::uint64_t begin) noexcept {
  auto removed = window_.erase({window_begin_, begin});
  if (!removed) {
    return fail(std::move(removed.error()));
  }
  window_begin_ = begin;
  return {};
}

Availability::Tail Availability::prepare_truncate(std::uint64_t length) const {
  Tail tail;
  if (!capacity_) {
    tail.blocks = blocks_.prepare_truncate(length);
  } else if (auto before = window_.clone()) {
    tail.window = std::move(*before);
  } else {
    throw std::bad_alloc();
  }
  return tail;
}

Result<void> Availability::truncate(std::uint64_t length, Tail& tail) noexcept {
  if (!capacity_) {
    blocks_.truncate(length, tail.blocks);
    return {};
  }
  auto removed = window_.erase({length, kMaxOffset});
  return removed ? Result<void>() : fail(std::move(removed.error()));
}

void Availability::restore(Tail&& tail) noexcept {
  if (!capacity_) {
    blocks_.restore(std::move(tail.blocks));
  } else if (tail.window) {
    window_ = std::move(*tail.window);
  }
}

std::uint64_t Availability::window_begin_for(std::uint64_t end) const noexcept {
  const std::uint64_t begin = capacity_ && end > *capacity_ ? end - *capacity_ : 0;
  return std::max(begin, window_begin_);
}

void Availability::check_invariants() const {
  blocks_.check_invariants();
  window_.check_invariants();
  const auto first = window_.begin();
  const std::uint64_t begin = first != window_.end() ? (*first).begin : window_begin_;
  const bool behind = begin < window_begin_;
  const bool past = std::max(blocks_.end_offset(), window_.end_offset()) > length_.load(std::memory_order_relaxed);
  const bool wide = window_.end_offset() > begin && window_.end_offset() - begin > capacity();
  const bool mixed = capacity_ ? blocks_.end_offset() != 0 : !window_.empty() || window_begin_ != 0;
  if (behind || past || wide || mixed) {
    std::abort();
  }
}

}  // namespace strandline
