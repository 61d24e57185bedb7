// The Sync of base/sync.h on the schedule explorer: who includes this instead is run by explorer/scheduler.h.
// Threads: fibers. Blocks: as NativeSync does. Errors: none. Cost: a point of the scheduler each. Lifetime: statics.
#pragma once

#include <tests/schedule/explorer/primitives.h>
#include <tests/schedule/explorer/scheduler.h>

#include <chrono>
#include <cstdint>
#include <type_traits>

namespace strandline {

struct ScheduledSync {
  using time_point = schedule::Time;
  using Mutex = schedule::Mutex;
  using CondVar = schedule::CondVar;
  using ThreadId = unsigned;  // all fibers are one thread
  template <class T>
  using Atomic = schedule::Atomic<T>;

  static time_point now() noexcept { return schedule::Scheduler::self().now(); }
  static ThreadId this_thread() noexcept { return schedule::Scheduler::self().current_number(); }

  static bool futex_wait(Atomic<std::uint32_t>& word, std::uint32_t expected, time_point deadline) noexcept {
    return schedule::Futex::wait(word, expected, deadline);
  }
  static void futex_wake(Atomic<std::uint32_t>& word) noexcept { schedule::Futex::wake(word); }

  // Everything is sequentially consistent here, so a fence adds a point and no order.
  static void light_fence() noexcept { schedule::Scheduler::self().before("light_fence", nullptr); }
  static bool heavy_fence() noexcept {
    schedule::Scheduler::self().before("heavy_fence", nullptr);
    return true;
  }
  static void enable_light_fences() noexcept {}

  // Per fiber, and ended with it.
  template <class T>
  static T& local() noexcept {
    static const unsigned index = next_local_++;
    if (!schedule::Scheduler::self().active()) {
      static T of_nobody;
      return of_nobody;
    }
    schedule::Fiber::Local& slot = schedule::Scheduler::self().local(index);
    if (slot.value == nullptr) {
      slot.value = new T();
      slot.trivial = std::is_trivially_destructible_v<T>;
      slot.destroy = [](void* value) { delete static_cast<T*>(value); };
    }
    return *static_cast<T*>(slot.value);
  }

 private:
  static inline unsigned next_local_ = 0;
};

using Sync = ScheduledSync;

}  // namespace strandline
