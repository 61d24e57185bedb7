#include <tests/schedule/explorer/strategy.h>

#include <bit>

namespace strandline::schedule {

namespace {

// The position of the n-th bit that is set.
unsigned nth_bit(std::uint32_t bits, unsigned n) noexcept {
  for (; n > 0; --n) {
    bits &= bits - 1;
  }
  return static_cast<unsigned>(std::countr_zero(bits));
}

constexpr std::uint64_t kLongest = 3000;  // contested points after which priorities no longer decide

}  // namespace

// splitmix64: seeds that follow each other give streams that do not.
Random::Random(std::uint64_t seed) noexcept : state_(seed * 0x9e3779b97f4a7c15U) {}

std::uint64_t Random::next() noexcept {
  state_ += 0x9e3779b97f4a7c15U;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

bool RandomStrategy::begin(std::uint64_t seed) noexcept {
  random_ = Random(seed);
  // Threads that change places all the time meet some bugs, threads that run for long others.
  constexpr unsigned kStay[] = {0, 32, 48, 56, 60, 62};
  stay_ = kStay[random_.below(6)];
  return true;
}

unsigned RandomStrategy::next(std::uint32_t ready, unsigned current) noexcept {
  const std::uint64_t drawn = random_.next();
  if (((ready >> current) & 1U) != 0 && (drawn & 63U) < stay_) {
    return current;
  }
  return nth_bit(ready, static_cast<unsigned>((drawn >> 33) % static_cast<unsigned>(std::popcount(ready))));
}

Disturbance RandomStrategy::disturb() noexcept {
  switch (random_.next() >> 56) {
    case 0:
      return Disturbance::wake_without_cause;
    case 1:
      return Disturbance::time_passes;
    default:
      return Disturbance::none;
  }
}

bool PriorityStrategy::begin(std::uint64_t seed) noexcept {
  random_ = Random(~seed);
  step_ = 0;
  lowest_ = kFibers;
  for (std::uint64_t& priority : priorities_) {
    priority = kFibers + (random_.next() >> 1);
  }
  const std::uint64_t depth = 1 + seed % kChanges;
  for (unsigned i = 0; i < kChanges; ++i) {
    changes_[i] = i < depth ? 1 + random_.next() % contested_ : 0;
  }
  return true;
}

unsigned PriorityStrategy::next(std::uint32_t ready, unsigned current) noexcept {
  if (++step_ > kLongest) {
    // Somebody turns in circles waiting for who never gets a turn: fairness ends that, or shows that it does not end.
    return nth_bit(ready, random_.below(static_cast<unsigned>(std::popcount(ready))));
  }
  for (const std::uint64_t change : changes_) {
    if (change == step_) {
      priorities_[current] = --lowest_;
    }
  }
  unsigned best = static_cast<unsigned>(std::countr_zero(ready));
  for (std::uint32_t rest = ready & (ready - 1); rest != 0; rest &= rest - 1) {
    const auto other = static_cast<unsigned>(std::countr_zero(rest));
    best = priorities_[other] > priorities_[best] ? other : best;
  }
  return best;
}

bool DepthFirstStrategy::begin(std::uint64_t /*seed*/) noexcept {
  depth_ = 0;
  preemptions_ = 0;
  if (!started_) {
    started_ = true;
    return true;
  }
  // The last choice that has another option, with all after it forgotten.
  while (!path_.empty() && path_.back().taken + 1 == path_.back().count) {
    path_.pop_back();
  }
  if (!path_.empty()) {
    ++path_.back().taken;
    return true;
  }
  exhausted_ = static_cast<int>(bound_);
  return bound_++ < most_;
}

unsigned DepthFirstStrategy::choose(unsigned count) noexcept {
  if (count == 1) {
    return 0;
  }
  if (depth_ == path_.size()) {
    path_.push_back({0, static_cast<std::uint8_t>(count)});
  }
  return path_[depth_++].taken;
}

unsigned DepthFirstStrategy::next(std::uint32_t ready, unsigned current) noexcept {
  const bool may_stay = ((ready >> current) & 1U) != 0;
  if (may_stay && preemptions_ == bound_) {
    return current;
  }
  const unsigned chosen = choose(static_cast<unsigned>(std::popcount(ready)));
  if (!may_stay) {
    return nth_bit(ready, chosen);
  }
  if (chosen == 0) {
    return current;
  }
  ++preemptions_;
  return nth_bit(ready & ~(std::uint32_t{1} << current), chosen - 1);
}

}  // namespace strandline::schedule
