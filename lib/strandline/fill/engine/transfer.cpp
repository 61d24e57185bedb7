#include <strandline/fill/engine/fill_state.h>
#include <strandline/fill/engine/transfer.h>

#include <algorithm>

namespace strandline::fill {
namespace {

// So that what is written first is more than this, and ends with a block of the store's checksums.
constexpr std::uint64_t kFirstWrite = 64 << 10;

}  // namespace

Result<void> Transfer::begin(const origin::ObjectInfo& object, std::uint64_t offset) noexcept {
  auto taken = fill_->answered(*this, object, offset);
  if (!taken) {
    refused_.store(taken.error().code != Errc::changed, std::memory_order_relaxed);
    return taken;
  }
  if (offset != at()) {
    at_.store(offset, std::memory_order_relaxed);  // an origin without ranges
  }
  first_byte_.store(Clock::now().time_since_epoch().count(), std::memory_order_relaxed);
  answered_.store(true, std::memory_order_relaxed);
  return {};
}

Result<void> Transfer::bytes(std::uint64_t offset, std::span<const std::byte> data) noexcept {
  // Somebody may wait for the first of them while the others are still being written.
  if (const std::size_t few = 2 * kFirstWrite - offset % kFirstWrite;
      data.size() > few && brought_.load(std::memory_order_relaxed) == 0) {
    auto first = bytes(offset, data.first(few));
    return first ? bytes(offset + few, data.subspan(few)) : first;
  }
  const std::uint64_t end = end_offset();
  const auto wanted = data.first(std::min<std::uint64_t>(data.size(), end > offset ? end - offset : 0));
  if (!wanted.empty()) {
    held_up_.store(true, std::memory_order_relaxed);
    auto written = fill_->target().write(offset, wanted, stop_.get_token());
    held_up_.store(false, std::memory_order_relaxed);
    if (!written) {
      // Bytes are there already, and others: the object is not what it was, whatever its validator says.
      const bool conflict = written.error().code == Errc::conflict;
      refused_.store(!conflict && !given_up(), std::memory_order_relaxed);
      return conflict ? strandline::fail(Errc::changed, "bytes that are not those that came before")
                      : strandline::fail(std::move(written.error()));
    }
    at_.store(offset + wanted.size(), std::memory_order_relaxed);
    fresh_.fetch_add(*written, std::memory_order_relaxed);
    brought_.fetch_add(wanted.size(), std::memory_order_release);
  }
  // Cut short: what the origin has sent past there would only come to nothing.
  if (wanted.size() < data.size() || given_up() || (at() >= end && end < last_end())) {
    given_up_.store(true, std::memory_order_relaxed);
    return strandline::fail(Errc::interrupted, "no longer wanted");
  }
  return {};
}

bool Transfer::goes_on() noexcept {
  goes_on_ = fill_->comes_as_a_whole();
  if (goes_on_) {
    end_.store(kMaxOffset, std::memory_order_relaxed);
  }
  return goes_on_;
}

void Transfer::end(origin::Outcome<void> outcome) noexcept {
  outcome_ = std::move(outcome);
  over_.store(true, std::memory_order_release);
  fill_->notice();
}

void Transfer::end_at(std::uint64_t end) noexcept {
  end_.store(end, std::memory_order_relaxed);
  if (at() >= end) {
    give_up();
  }
}

void Transfer::give_up() noexcept {
  given_up_.store(true, std::memory_order_relaxed);
  stop_.request_stop();
}

}  // namespace strandline::fill
