// Sync: what the concurrent parts are made of: mutex, condition variable, atomics, futex, fences, the clock and
// thread-locals. A program that defines STRANDLINE_SYNC_HEADER builds these parts on its own Sync: the schedule
// explorer (tests/schedule) does, and so decides who runs when.
// Threads: thread-safe. Blocks: lock, wait, futex_wait. Errors: none. Cost: the system's. Lifetime: statics.
#pragma once

#if defined(STRANDLINE_SYNC_HEADER)
#include STRANDLINE_SYNC_HEADER
#else

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

namespace strandline {

struct NativeSync {
  using time_point = std::chrono::steady_clock::time_point;
  using Mutex = std::mutex;
  using ThreadId = std::thread::id;
  template <class T>
  using Atomic = std::atomic<T>;

  class CondVar {
   public:
    // Both may return without cause. False once the deadline has passed.
    void wait(Mutex& mutex) {
      std::unique_lock<std::mutex> lock(mutex, std::adopt_lock);
      condition_.wait(lock);
      lock.release();
    }
    bool wait_until(Mutex& mutex, time_point deadline) {
      std::unique_lock<std::mutex> lock(mutex, std::adopt_lock);
      const std::cv_status status = condition_.wait_until(lock, deadline);
      lock.release();
      return status == std::cv_status::no_timeout;
    }
    void notify_one() noexcept { condition_.notify_one(); }
    void notify_all() noexcept { condition_.notify_all(); }

   private:
    std::condition_variable condition_;
  };

  static time_point now() noexcept { return std::chrono::steady_clock::now(); }
  static ThreadId this_thread() noexcept { return std::this_thread::get_id(); }

  // futex(2): sleeps while the word is `expected`, may return without cause. False once the deadline has
  // passed; time_point::max() never does. The word may be gone by the time of the wake: then nobody is woken.
  static bool futex_wait(Atomic<std::uint32_t>& word, std::uint32_t expected, time_point deadline) noexcept;
  static void futex_wake(Atomic<std::uint32_t>& word) noexcept;

  // Two threads that each store, fence, and load what the other stores: one of them sees the other's store
  // if one used light_fence() and the other heavy_fence(). The light one is free where membarrier(2) works.
  static void light_fence() noexcept {
    if (membarrier_works_.load(std::memory_order_relaxed)) {
      std::atomic_signal_fence(std::memory_order_seq_cst);
    } else {
      std::atomic_thread_fence(std::memory_order_seq_cst);
    }
  }
  // False: it could not be had, and nothing may be concluded from what is loaded after it.
  [[nodiscard]] static bool heavy_fence() noexcept;
  // Once per process, before light fences can be light.
  static void enable_light_fences() noexcept;

  // One T per thread, made at its first use.
  template <class T>
  static T& local() noexcept {
    static thread_local T value;
    return value;
  }

 private:
  static std::atomic<bool> membarrier_works_;  // set by enable_light_fences(), read by everybody
};

using Sync = NativeSync;

}  // namespace strandline

#endif
