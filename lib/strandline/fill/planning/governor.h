// Governor: how many transfers at once are worth while with one server. More are tried while more bring more.
// Threads: one at a time. Blocks: never; has no clock. Errors: none. Cost: a few words. Lifetime: a value.
#pragma once

#include <strandline/fill/planning/planner.h>

namespace strandline::fill {

// Begins as TCP's slow start does (RFC 5681, section 3.1), with twice as many each time, up to a number that is not
// judged. From there on two numbers are compared, each by what it brought for a while: what comes in less than that is
// no basis, for a server with a limit begins with a burst and goes on in large pieces.
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
  static constexpr unsigned kFirst = 8;      // and the fewest that are tried
  static constexpr unsigned kUnjudged = 16;  // begun with
  static constexpr Seconds kShortest{0.05};  // between two numbers
  static constexpr Seconds kLook{0.5};       // that a rate is measured for
  static constexpr Seconds kFirstTrial{3};   // before the number begun with is judged
  static constexpr Seconds kPause{3};        // before more are tried again; twice as long each time in a row
  static constexpr Seconds kLongestPause{60};

  void set(unsigned number) noexcept;
  void forget() noexcept;
  // The number that allowed_ is compared with next; 0: none.
  [[nodiscard]] unsigned next_trial() const noexcept;
  void judge(double rate) noexcept;

  unsigned most_;
  unsigned allowed_;
  bool slow_start_ = true;
  bool settling_ = false;   // the number has just been changed
  bool fewer_next_ = true;  // else more, where more may be tried
  unsigned other_ = 0;      // what allowed_ is being compared with; 0: nothing
  double other_rate_ = 0;   // bytes per second
  Seconds wait_{0};         // until the next comparison
  Seconds next_pause_ = kPause;
  Seconds elapsed_{0};
  std::uint64_t bytes_ = 0;
};

}  // namespace strandline::fill
