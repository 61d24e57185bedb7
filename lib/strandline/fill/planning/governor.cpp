#include <strandline/fill/planning/governor.h>

#include <algorithm>
#include <utility>

namespace strandline::fill {

void Governor::measured(Seconds elapsed, std::uint64_t bytes, unsigned running, Seconds round_trip) noexcept {
  if (running < allowed_ || bytes == 0) {
    // It is not the number of connections that holds it up; or they have still to be made.
    elapsed_ = Seconds(0);
    bytes_ = 0;
    return;
  }
  elapsed_ += elapsed;
  bytes_ += bytes;
  const Seconds window = std::max(kShortest, 2 * round_trip);
  if (elapsed_ < window) {
    return;
  }
  const double rate = static_cast<double>(bytes_) / elapsed_.count();
  // Half of what they would have brought at best.
  const double enough =
      before_ == 0 ? 0 : rate_before_ * (1 + 0.5 * (static_cast<double>(allowed_) / static_cast<double>(before_) - 1));
  const bool sure = rate >= enough || elapsed_ >= std::max(kLongest, 8 * round_trip);
  if (!settling_ && pause_ <= Seconds(0) && !sure) {
    return;  // several may have been between two requests
  }
  const Seconds measured = std::exchange(elapsed_, Seconds(0));
  bytes_ = 0;
  if (std::exchange(settling_, false)) {
    return;  // the new ones had still to begin
  }
  if (pause_ > Seconds(0)) {
    pause_ -= measured;
    if (pause_ <= Seconds(0)) {
      before_ = 0;
    }
    return;
  }
  if (rate >= enough && allowed_ < most_) {
    before_ = allowed_;
    rate_before_ = rate;
    allowed_ = std::min(most_, allowed_ * 2);
    settling_ = true;
  } else if (rate < enough) {
    allowed_ = before_;
    pause_ = next_pause_;
    next_pause_ = std::min(2 * next_pause_, kLongestPause);
    settling_ = true;
  } else {
    next_pause_ = kPause;
  }
}

void Governor::refused() noexcept {
  allowed_ = std::max(1U, allowed_ / 2);
  before_ = 0;
  pause_ = kPause;
}

}  // namespace strandline::fill
