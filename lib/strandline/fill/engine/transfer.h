// Transfer: one read of an origin under way, and what it has brought so far.
// Threads: a Sink on the origin's thread; end_at(), stop() and what is measured on the filler's. Blocks: on the
// storage. Errors: told to its fill. Cost: a write per call. Lifetime: held by the origin until its end, and by its
// fill.
#pragma once

#include <strandline/fill/planning/planner.h>
#include <strandline/origin/origin.h>

#include <atomic>
#include <memory>

namespace strandline::fill {

class FillState;
using Clock = std::chrono::steady_clock;

class Transfer final : public origin::Sink {
 public:
  Transfer(std::shared_ptr<FillState> fill, std::uint64_t id, ByteRange range, bool demanded, double others_rate,
           Clock::time_point now)
      : id(id),
        asked(range),
        demanded(demanded),
        began(now),
        heard(now),
        fill_(std::move(fill)),
        others_rate_(others_rate),
        at_(range.begin),
        end_(range.end) {}

  Result<void> begin(const origin::ObjectInfo& object, std::uint64_t offset) noexcept override;
  Result<void> bytes(std::uint64_t offset, std::span<const std::byte> data) noexcept override;
  bool goes_on() noexcept override;
  void end(origin::Outcome<void> outcome) noexcept override;

  [[nodiscard]] std::uint64_t at() const noexcept { return at_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t end_offset() const noexcept { return end_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool answered() const noexcept { return answered_.load(std::memory_order_relaxed); }
  // Where it would end by itself. On the origin's thread, or once it is over().
  [[nodiscard]] std::uint64_t last_end() const noexcept { return goes_on_ ? kMaxOffset : asked.end; }
  // What it brings past there is not wanted: it is over when it has come so far.
  void end_at(std::uint64_t end) noexcept;
  [[nodiscard]] std::stop_token token() const noexcept { return stop_.get_token(); }
  // Was it ended by us? Then what it answers is no failure.
  [[nodiscard]] bool given_up() const noexcept { return given_up_.load(std::memory_order_relaxed); }
  void give_up() noexcept;
  // Does the target hold up what has come? That is no silence of the origin's.
  [[nodiscard]] bool held_up() const noexcept { return held_up_.load(std::memory_order_relaxed); }
  // Did the target refuse? Then asking again would not help.
  [[nodiscard]] bool refused() const noexcept { return refused_.load(std::memory_order_relaxed); }

  // Bytes per second, as measured on the filler's thread; 0: not known yet.
  [[nodiscard]] double rate() const noexcept { return rate_.load(std::memory_order_relaxed); }
  void set_rate(double rate) noexcept { rate_.store(rate, std::memory_order_relaxed); }
  // The same, or until it is known that of others from its server.
  [[nodiscard]] double supposed_rate() const noexcept { return rate() > 0 ? rate() : others_rate_; }

  // The filler's own notes.
  const std::uint64_t id;
  const ByteRange asked;
  const bool demanded;
  const Clock::time_point began;
  Clock::time_point heard;      // when bytes last came, or it began
  std::uint64_t wanted_at = 0;  // of one that brings the whole: where it was when somebody last had a use for it
  std::uint64_t noted_fresh = 0;
  std::uint64_t noted = 0;    // bytes by then
  bool silent = false;        // given up because nothing came
  Clock::time_point rated;    // when that was last measured, or the first byte came
  std::uint64_t unrated = 0;  // bytes since
  Seconds longest_gap{0};     // without a byte, between two

  // When the first byte came.
  [[nodiscard]] Clock::time_point first_byte() const noexcept {
    return Clock::time_point(Clock::duration(first_byte_.load(std::memory_order_relaxed)));
  }
  [[nodiscard]] std::uint64_t brought() const noexcept { return brought_.load(std::memory_order_acquire); }
  // Of those, bytes that were not there already.
  [[nodiscard]] std::uint64_t fresh() const noexcept { return fresh_.load(std::memory_order_relaxed); }
  // Has the origin ended it? Then outcome() says how.
  [[nodiscard]] bool over() const noexcept { return over_.load(std::memory_order_acquire); }
  [[nodiscard]] origin::Outcome<void>& outcome() noexcept { return outcome_; }

 private:
  const std::shared_ptr<FillState> fill_;
  const double others_rate_;
  std::stop_source stop_;
  // Written by the origin's thread, read by the filler's; relaxed: nothing but themselves is told by them.
  std::atomic<std::uint64_t> at_;
  std::atomic<std::uint64_t> fresh_{0};
  std::atomic<std::uint64_t> brought_{0};  // release: first_byte_ is told by it
  std::atomic<bool> answered_{false};
  std::atomic<bool> refused_{false};
  std::atomic<bool> held_up_{false};
  std::atomic<Clock::rep> first_byte_{0};
  bool goes_on_ = false;           // past what was asked; published by over_, release
  origin::Outcome<void> outcome_;  // likewise
  std::atomic<bool> over_{false};
  // Written by the filler's thread, read by the origin's.
  std::atomic<std::uint64_t> end_;
  std::atomic<bool> given_up_{false};
  std::atomic<double> rate_{0};  // read by who waits
};

}  // namespace strandline::fill
