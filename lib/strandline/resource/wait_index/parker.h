// Parker: puts its owner to sleep until another thread lets it go on, once.
// Threads: park_until() is the owner's; unpark() anybody's, once. Blocks: park_until(). Errors: none.
// Cost: one futex word; no system call when unpark() came first or nobody sleeps.
// Lifetime: may be destroyed once park_until() has answered true, though unpark() may not have returned: its
// last act is a wake on an address, which is harmless if something else lives there by then (futex(2), NOTES).
#pragma once

#include <strandline/base/sync.h>

#include <cstdint>

namespace strandline {

class Parker {
 public:
  // True after unpark(); false when the deadline came first. `sleep` sleeps as Sync::futex_wait() does.
  template <class Sleep>
  [[nodiscard]] bool park_until(Sync::time_point deadline, Sleep&& sleep) noexcept {
    std::uint32_t seen = kRunning;
    if (!state_.compare_exchange_strong(seen, kParked, std::memory_order_acquire)) {
      return true;  // released already
    }
    while (state_.load(std::memory_order_acquire) == kParked) {
      if (!sleep(state_, kParked, deadline)) {
        seen = kParked;
        // Back to running, so that unpark() need not wake; unless it has just come.
        return !state_.compare_exchange_strong(seen, kRunning, std::memory_order_acquire);
      }
    }
    return true;
  }

  void unpark() noexcept {
    // Acquires too: whatever the owner did before it parked is seen here.
    if (state_.exchange(kReleased, std::memory_order_acq_rel) == kParked) {
      Sync::futex_wake(state_);
    }
  }

 private:
  static constexpr std::uint32_t kRunning = 0, kParked = 1, kReleased = 2;
  // Written by the owner (running <-> parked) and by unpark(), whose release publishes what was decided.
  Sync::Atomic<std::uint32_t> state_{kRunning};
};

}  // namespace strandline
