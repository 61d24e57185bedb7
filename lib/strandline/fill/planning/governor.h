// Governor: how many transfers at once are worth while with one server. More are tried while more bring more.
// Threads: one at a time. Blocks: never; has no clock. Errors: none. Cost: a few words. Lifetime: a value.
#pragma once

#include <strandline/fill/planning/planner.h>

namespace strandline::fill {

// As TCP's slow start (RFC 5681, section 3.1) does with segments: twice as many each time, until that no longer pays.
class Governor {
 public:
  explicit Governor(unsigned most) noexcept : most_(most), allowed_(std::min(kFirst, most)) {}

  // Transfers that may run for what nobody waits for yet.
  [[nodiscard]] unsigned allowed() const noexcept { return allowed_; }

  // What came in all since the last call, while so many transfers ran. Ask often: it waits until it has seen enough.
  void measured(Seconds elapsed, std::uint64_t bytes, unsigned running, Seconds round_trip) noexcept;
  // A server that refuses or breaks connections gets fewer.
  void refused() noexcept;

 private:
  static constexpr unsigned kFirst = 8;
  static constexpr Seconds kShortest{0.05};  // of a measurement
  static constexpr Seconds kLongest{0.5};    // of one that says that they brought too little
  static constexpr Seconds kPause{3};        // before more are tried again; twice as long each time in a row
  static constexpr Seconds kLongestPause{60};

  unsigned most_;
  unsigned allowed_;
  unsigned before_ = 0;     // allowed, when rate_before_ was measured; 0: nothing was
  double rate_before_ = 0;  // bytes per second
  Seconds elapsed_{0};
  Seconds pause_{0};
  Seconds next_pause_ = kPause;
  std::uint64_t bytes_ = 0;
  bool settling_ = false;  // the number has just been changed
};

}  // namespace strandline::fill
