#include <strandline/fill/planning/governor.h>

#include <algorithm>
#include <utility>

namespace strandline::fill {

void Governor::set(unsigned number) noexcept {
  allowed_ = number;
  settling_ = true;
  forget();
}

void Governor::forget() noexcept {
  elapsed_ = Seconds(0);
  bytes_ = 0;
}

void Governor::measured(Seconds elapsed, std::uint64_t bytes, unsigned running, Seconds round_trip) noexcept {
  if (running < allowed_) {
    forget();  // it is not the number of connections that holds it up
    return;
  }
  elapsed_ += elapsed;
  bytes_ += bytes;
  const Seconds shortest = std::max(kShortest, 2 * round_trip);
  if (settling_ || (slow_start_ && wait_ <= Seconds(0))) {
    if (elapsed_ < shortest || bytes_ == 0) {
      return;  // they have still to begin
    }
    forget();
    if (std::exchange(settling_, false)) {
      return;
    }
    slow_start_ = allowed_ * 2 < std::min(most_, kUnjudged);
    fewer_next_ = most_ <= kUnjudged;
    wait_ = fewer_next_ && !slow_start_ ? kFirstTrial : Seconds(0);
    if (allowed_ < most_) {
      set(std::min({most_, kUnjudged, allowed_ * 2}));
    }
    return;
  }
  if (wait_ > Seconds(0)) {
    wait_ -= elapsed;
    forget();
    return;
  }
  if (elapsed_ < std::max(kLook, 8 * round_trip)) {
    return;
  }
  const double rate = static_cast<double>(bytes_) / elapsed_.count();
  forget();
  if (other_ != 0) {
    judge(rate);
  } else if (const unsigned trial = next_trial(); trial != 0) {
    other_ = allowed_;
    other_rate_ = rate;
    set(trial);
  } else {
    wait_ = kLongestPause;
  }
}

unsigned Governor::next_trial() const noexcept {
  const bool may_be_fewer = allowed_ > kFirst;
  if (allowed_ < most_ && !(fewer_next_ && may_be_fewer)) {
    return std::min(most_, allowed_ * 2);
  }
  return may_be_fewer ? std::max(kFirst, allowed_ / 2) : 0;
}

void Governor::judge(double rate) noexcept {
  const unsigned other = std::exchange(other_, 0);
  const bool tried_more = allowed_ > other;
  const double more = static_cast<double>(std::max(allowed_, other));
  const double fewer = static_cast<double>(std::min(allowed_, other));
  const double rate_of_more = tried_more ? rate : other_rate_;
  const double rate_of_fewer = tried_more ? other_rate_ : rate;
  // Half of what they would bring at best.
  const bool more_pay = rate_of_more >= rate_of_fewer * (1 + 0.5 * (more / fewer - 1));
  if (more_pay != tried_more) {
    set(other);
  }
  if (more_pay) {
    next_pause_ = kPause;
    fewer_next_ = allowed_ == most_;
    wait_ = tried_more && !fewer_next_ ? Seconds(0) : kLongestPause;
  } else {
    fewer_next_ = false;
    wait_ = next_pause_;
    next_pause_ = std::min(2 * next_pause_, kLongestPause);
  }
}

void Governor::refused() noexcept {
  set(std::max(1U, allowed_ / 2));
  slow_start_ = false;
  other_ = 0;
  wait_ = kPause;
}

}  // namespace strandline::fill
