// Rate: how fast a count grows, over a second or so.
// Threads: one. Blocks: never. Errors: none. Cost: some words. Lifetime: a value.
#pragma once

#include <chrono>
#include <cstdint>

namespace strandline::serve {

class Rate {
 public:
  using Clock = std::chrono::steady_clock;

  void update(std::uint64_t count, Clock::time_point now) noexcept {
    const std::chrono::duration<double> elapsed = now - at_;
    if (at_ == Clock::time_point() || count < count_) {
      per_second_ = 0;
    } else if (elapsed.count() < 0.05) {
      return;  // too short for a rate: it is of the next one
    } else {
      const double just_now = static_cast<double>(count - count_) / elapsed.count();
      const double share = elapsed.count() / (elapsed.count() + 0.3);
      per_second_ += (just_now - per_second_) * share;
      per_second_ = per_second_ < 1 ? 0 : per_second_;
    }
    at_ = now;
    count_ = count;
  }
  [[nodiscard]] std::uint64_t per_second() const noexcept { return static_cast<std::uint64_t>(per_second_); }

 private:
  Clock::time_point at_{};
  std::uint64_t count_ = 0;
  double per_second_ = 0;
};

}  // namespace strandline::serve
