// Strategy: who runs next. Random: at each point, with a chance of its own per schedule to stay. Priorities: PCT
// (S. Burckhardt et al., ASPLOS 2010), which finds a bug of depth d with probability 1/(n k^(d-1)). Depth-first:
// every schedule with at most so many preemptions (M. Musuvathi, S. Qadeer, PLDI 2007), fewest first.
// Threads: one. Blocks: never. Errors: none. Cost: a few ns a choice. Lifetime: one per scenario and kind.
#pragma once

#include <cstdint>
#include <vector>

namespace strandline::schedule {

inline constexpr unsigned kFibers = 10;

class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept;
  std::uint64_t next() noexcept;
  unsigned below(unsigned bound) noexcept { return static_cast<unsigned>((next() >> 33) % bound); }

 private:
  std::uint64_t state_;
};

enum class Disturbance : std::uint8_t { none, wake_without_cause, time_passes };

class Strategy {
 public:
  virtual ~Strategy() = default;
  // Schedules are numbered from 1. False when there are no more.
  virtual bool begin(std::uint64_t seed) noexcept = 0;
  // Of the fibers in `ready` (a bit each, two at least, or one that is not `current`); `current` may be among them.
  virtual unsigned next(std::uint32_t ready, unsigned current) noexcept = 0;
  // Which of `count` waiters is notified.
  virtual unsigned pick(unsigned count) noexcept = 0;
  virtual Disturbance disturb() noexcept { return Disturbance::none; }
};

class RandomStrategy : public Strategy {
 public:
  bool begin(std::uint64_t seed) noexcept override;
  unsigned next(std::uint32_t ready, unsigned current) noexcept override;
  unsigned pick(unsigned count) noexcept override { return random_.below(count); }
  Disturbance disturb() noexcept override;

 protected:
  Random random_{0};

 private:
  unsigned stay_ = 0;  // of 64
};

class PriorityStrategy final : public RandomStrategy {
 public:
  // contested: points with a choice in a typical schedule.
  explicit PriorityStrategy(std::uint64_t contested) noexcept : contested_(contested + contested / 4 + 1) {}
  bool begin(std::uint64_t seed) noexcept override;
  unsigned next(std::uint32_t ready, unsigned current) noexcept override;

 private:
  static constexpr unsigned kChanges = 4;
  const std::uint64_t contested_;
  std::uint64_t step_ = 0;
  std::uint64_t changes_[kChanges] = {};
  std::uint64_t priorities_[kFibers] = {};
  std::uint64_t lowest_ = 0;
};

class DepthFirstStrategy final : public Strategy {
 public:
  explicit DepthFirstStrategy(unsigned most_preemptions) noexcept : most_(most_preemptions) {}
  bool begin(std::uint64_t seed) noexcept override;
  unsigned next(std::uint32_t ready, unsigned current) noexcept override;
  unsigned pick(unsigned count) noexcept override { return choose(count); }
  // All schedules with so many preemptions have been run; -1: not even those with none.
  [[nodiscard]] int exhausted() const noexcept { return exhausted_; }

 private:
  struct Choice {
    std::uint8_t taken, count;
  };
  unsigned choose(unsigned count) noexcept;

  const unsigned most_;
  unsigned bound_ = 0;
  int exhausted_ = -1;
  bool started_ = false;
  std::vector<Choice> path_;
  std::size_t depth_ = 0;
  unsigned preemptions_ = 0;
};

}  // namespace strandline::schedule
