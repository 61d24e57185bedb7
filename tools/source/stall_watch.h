// StallWatch: is too little arriving over a connection for it to be worth waiting on?
// Threads: one at a time. Blocks: never. Errors: none. Cost: three words. Lifetime: a value.
// libcurl's own low-speed limit will not do: it counts the time a full ring holds its callback up, so that a
// reader who pauses would be taken for a dead server.
#pragma once

#include <chrono>
#include <cstdint>

namespace strandline::tool {

class StallWatch {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::uint64_t kLowSpeed = 100;  // bytes per second

  StallWatch(std::chrono::seconds timeout, Clock::time_point now) noexcept : timeout_(timeout), begin_(now) {}

  // Time spent in the sink is the reader's, not the server's.
  void arrived(std::uint64_t bytes, Clock::duration in_sink) noexcept {
    bytes_ += bytes;
    begin_ += in_sink;
  }
  // Less than kLowSpeed over a whole timeout. Ask again at the latest when due() has passed.
  [[nodiscard]] bool stalled(Clock::time_point now) noexcept {
    if (now < due()) {
      return false;
    }
    const bool slow = bytes_ < kLowSpeed * static_cast<std::uint64_t>(timeout_.count());
    begin_ = now;
    bytes_ = 0;
    return slow;
  }
  [[nodiscard]] Clock::time_point due() const noexcept { return begin_ + timeout_; }

 private:
  const std::chrono::seconds timeout_;
  Clock::time_point begin_;  // of the span that is judged next
  std::uint64_t bytes_ = 0;  // arrived in it
};

}  // namespace strandline::tool
