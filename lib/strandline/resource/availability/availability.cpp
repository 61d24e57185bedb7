#include <strandline/resource/availability.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace strandline {

Availability::Availability(RangeSet available, std::optional<std::uint64_t> length,
                           std::optional<std::uint64_t> capacity) noexcept
    : set_(std::move(available)), length_(length), capacity_(capacity), window_begin_(0) {
  window_begin_ = window_begin_for(set_.end_offset());
}

ByteRange Availability::clamp(ByteRange range) const noexcept {
  return length_ ? range.clamped_to({0, *length_}) : range;
}

Coverage Availability::check(ByteRange range, WaitFor until) const noexcept {
  if (range.empty()) {
    return Coverage::ready;
  }
  if (length_ && range.begin >= *length_) {
    return Coverage::eof;
  }
  if (range.begin < window_begin_) {
    return Coverage::evicted;
  }
  const ByteRange needed = until == WaitFor::any ? ByteRange{range.begin, range.begin + 1} : clamp(range);
  return set_.covers(needed) ? Coverage::ready : Coverage::missing;
}

ByteRange Availability::prefix(ByteRange range) const noexcept {
  return {range.begin, range.begin + set_.covered_prefix(clamp(range))};
}

std::uint64_t Availability::first_missing(ByteRange range) const noexcept {
  return range.begin + set_.covered_prefix(range);
}

std::optional<ByteRange> Availability::next_gap(ByteRange range) const noexcept {
  const ByteRange inside = clamp(range).clamped_to({window_begin_, kMaxOffset});
  return set_.first_gap(inside);
}

std::optional<ByteRange> Availability::commit_gap(std::uint64_t length) const noexcept {
  return set_.first_gap(ByteRange{0, length}.clamped_to({window_begin_, kMaxOffset}));
}

Result<void> Availability::publish(ByteRange range) noexcept {
  auto added = set_.insert(range);
  if (!added) {
    return fail(std::move(added.error()));
  }
  return {};
}

Result<void> Availability::drop(ByteRange range) noexcept {
  auto removed = set_.erase(range);
  if (!removed) {
    return fail(std::move(removed.error()));
  }
  return {};
}

std::uint64_t Availability::window_begin_for(std::uint64_t end) const noexcept {
  const std::uint64_t begin = capacity_ && end > *capacity_ ? end - *capacity_ : 0;
  return std::max(begin, window_begin_);
}

void Availability::check_invariants() const {
  set_.check_invariants();
  const auto first = set_.begin();
  const bool behind = first != set_.end() && (*first).begin < window_begin_;
  const bool past = length_ && set_.end_offset() > *length_;
  const bool wide = first != set_.end() && set_.end_offset() - (*first).begin > capacity();
  if (behind || past || wide || (!capacity_ && window_begin_ != 0)) {
    std::abort();
  }
}

}  // namespace strandline
