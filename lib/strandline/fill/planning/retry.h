// Retry: when to ask again after a failure, and when to give up.
// Threads: one at a time. Blocks: never; has no clock, and is given its chance. Errors: none. Cost: a few words.
// Lifetime: a value.
#pragma once

#include <strandline/fill/planning/planner.h>

#include <algorithm>
#include <optional>

namespace strandline::fill {

struct RetryOptions {
  Seconds first{0.1};
  Seconds longest{10};
  Seconds give_up{120};       // after so long without a byte, whatever an origin asks for
  Seconds longest_asked{60};  // of what an origin may ask for by Retry-After
};

// Exponential, with jitter (M. Brooker, "Exponential Backoff And Jitter", 2015): clients that failed together do
// not come back together.
class Retry {
 public:
  explicit Retry(RetryOptions options) noexcept : options_(options) {}

  // Something has come.
  void progress(Seconds now) noexcept {
    failures_ = 0;
    last_progress_ = now;
  }
  // When to ask again, in seconds from now; none: give up. `chance` in [0, 1).
  [[nodiscard]] std::optional<Seconds> failed(Seconds now, double chance, std::optional<Seconds> asked) noexcept {
    if (failures_ == 0 || !last_progress_) {
      last_progress_ = now;  // nobody may have asked for anything for hours
    }
    if (now - *last_progress_ >= options_.give_up) {
      return std::nullopt;
    }
    const double longest =
        std::min(options_.longest.count(), options_.first.count() * double(1ULL << std::min(failures_, 30U)));
    ++failures_;
    // The first one at once: most breaks are of one connection.
    const Seconds wait = failures_ == 1 ? Seconds(0) : Seconds(longest * (0.5 + 0.5 * chance));
    const Seconds left = options_.give_up - (now - *last_progress_);
    return std::min(left, asked ? std::max(wait, std::min(*asked, options_.longest_asked)) : wait);
  }
  [[nodiscard]] unsigned failures() const noexcept { return failures_; }

 private:
  RetryOptions options_;
  std::optional<Seconds> last_progress_;
  unsigned failures_ = 0;
};

}  // namespace strandline::fill
