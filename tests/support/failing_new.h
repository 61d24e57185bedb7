// FailAllocation: makes the k-th allocation of this thread fail, so that a test can walk through every k.
// Threads: each thread counts and fails only its own allocations. Blocks: never. Errors: the chosen
// operator new throws std::bad_alloc (the nothrow forms answer nullptr). Cost: a thread-local counter per
// allocation; memory still comes from malloc, so ASan and TSan keep watch. Lifetime: a scope; scopes nest.
#pragma once

#include <cstddef>
#include <cstdint>

namespace strandline::testing {

enum class Afterwards {
  succeed,    // only the k-th allocation fails
  keep_going  // the k-th and all after it, as when memory is really gone
};

class FailAllocation {
 public:
  // The k-th allocation of this thread from here on fails; k counts from 1, and 0 fails none.
  explicit FailAllocation(std::uint64_t k, Afterwards afterwards = Afterwards::succeed) noexcept;
  ~FailAllocation();
  FailAllocation(const FailAllocation&) = delete;
  FailAllocation& operator=(const FailAllocation&) = delete;

  // Has an allocation failed? When not, k was past the last one: the walk is complete.
  [[nodiscard]] bool fired() const noexcept { return fired_; }
  // Allocations that this thread asked for since the scope began, failed ones included.
  [[nodiscard]] std::uint64_t allocations() const noexcept { return allocations_; }

  // For operator new: counts one allocation of this thread and says whether it has to fail.
  [[nodiscard]] static bool next_fails() noexcept;

 private:
  std::uint64_t k_;
  Afterwards afterwards_;
  std::uint64_t allocations_ = 0;
  bool fired_ = false;
  FailAllocation* outer_;
};

// Blocks from operator new, in all threads, that were not deleted yet. Two readings tell a leak.
[[nodiscard]] std::int64_t live_allocations() noexcept;

// The heap bytes those blocks hold, malloc's rounding up included.
[[nodiscard]] std::int64_t live_bytes() noexcept;

// Calls attempt(k) for k = 1, 2, ... with the k-th allocation failing, until one passes without a failure.
// attempt does its preparation, opens the FailAllocation itself around the call under test, checks the
// outcome and answers scope.fired(). Answers the last k: one more than the allocations there were.
template <class Attempt>
std::uint64_t for_each_failing_allocation(Attempt&& attempt) {
  std::uint64_t k = 1;
  while (attempt(k)) {
    ++k;
  }
  return k;
}

}  // namespace strandline::testing
