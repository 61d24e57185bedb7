// Pace: holds a read back that is to be no faster than so many bytes per second.
// Threads: one at a time. Blocks: never. Errors: none. Cost: some words. Lifetime: a value.
// libcurl's own limit will not do: it is looked at only after up to a hundred reads of a whole buffer each, tens of
// MiB.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

namespace strandline::origin::http {

class Pace {
 public:
  using Clock = std::chrono::steady_clock;
  // How far a read may be ahead before it is held back: a wake-up for each piece of that.
  static constexpr std::chrono::milliseconds kSlack{20};

  Pace() = default;
  // 0: no limit.
  Pace(std::uint64_t rate, Clock::time_point now) noexcept : rate_(rate), due_(now) {}

  // Until when to wait before more is read, if at all.
  [[nodiscard]] std::optional<Clock::time_point> arrived(std::uint64_t bytes, Clock::time_point now) noexcept {
    if (rate_ == 0) {
      return std::nullopt;
    }
    // What was not taken up while nothing came is not made up for.
    due_ = std::max(due_, now - kSlack) + time_for(bytes);
    return due_ > now + kSlack ? std::optional(due_) : std::nullopt;
  }

 private:
  [[nodiscard]] Clock::duration time_for(std::uint64_t bytes) const noexcept {
    constexpr double kMost = 1e9;  // seconds; far from what a duration cannot hold
    const double seconds = std::min(kMost, static_cast<double>(bytes) / static_cast<double>(rate_));
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  }

  std::uint64_t rate_ = 0;
  Clock::time_point due_{};  // by its rate, all that came should have come by then
};

}  // namespace strandline::origin::http
