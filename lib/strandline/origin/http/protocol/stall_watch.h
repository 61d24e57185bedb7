// StallWatch: has a connection fallen silent, or is too little coming over it to be worth waiting for?
// Threads: one at a time. Blocks: never. Errors: none. Cost: some words. Lifetime: a value.
// libcurl's own low-speed limit will not do: it counts the time that a sink, another's too, holds up the thread. So the
// times given here are those of a clock that stands still meanwhile (LoopClock).
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace strandline::origin::http {

// steady_clock less what was spent in callbacks.
class LoopClock {
 public:
  using Clock = std::chrono::steady_clock;
  [[nodiscard]] Clock::time_point now() const noexcept { return Clock::now() - held_up_; }
  void held_up(Clock::duration time) noexcept { held_up_ += time; }

 private:
  Clock::duration held_up_{};
};

class StallWatch {
 public:
  using Clock = LoopClock::Clock;
  struct Limits {
    std::chrono::milliseconds silence{30'000};  // without a byte
    std::uint64_t low_speed = 100;              // in bytes per second, over
    std::chrono::milliseconds low_speed_time{30'000};
  };
  enum class Verdict : std::uint8_t { fine, silent, slow };

  StallWatch() = default;
  StallWatch(const Limits& limits, Clock::time_point now) noexcept : limits_(limits), last_(now), begin_(now) {}

  void arrived(std::uint64_t bytes, Clock::time_point now) noexcept {
    bytes_ += bytes;
    last_ = now;
  }
  // To be asked again at the latest when due() has passed.
  [[nodiscard]] Verdict judge(Clock::time_point now) noexcept {
    if (now - last_ >= limits_.silence) {
      return Verdict::silent;
    }
    if (now - begin_ < limits_.low_speed_time) {
      return Verdict::fine;
    }
    const auto wanted = limits_.low_speed * static_cast<std::uint64_t>(limits_.low_speed_time.count()) / 1000;
    const bool slow = bytes_ < wanted;
    begin_ = now;
    bytes_ = 0;
    return slow ? Verdict::slow : Verdict::fine;
  }
  [[nodiscard]] Clock::time_point due() const noexcept {
    return std::min(last_ + limits_.silence, begin_ + limits_.low_speed_time);
  }

 private:
  Limits limits_{};
  Clock::time_point last_{};   // a byte came
  Clock::time_point begin_{};  // of the span that is judged next
  std::uint64_t bytes_ = 0;    // in it
};

}  // namespace strandline::origin::http
