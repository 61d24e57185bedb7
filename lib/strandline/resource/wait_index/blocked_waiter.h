// BlockedWaiter: a waiter whose thread sleeps until it is woken.
// Threads: sleep() is the waiting thread's, wake() the deciding one's, once. Blocks: sleep(). Errors: none.
// Cost: one mutex and one condition variable on the stack. Lifetime: wake() signals under its own mutex and touches
// nothing after letting go of it, so the waiter may be destroyed as soon as sleep() has returned.
#pragma once

#include <strandline/base/mutex.h>
#include <strandline/resource/wait_index.h>

#include <chrono>

namespace strandline {

class BlockedWaiter final : public Waiter {
 public:
  using time_point = std::chrono::steady_clock::time_point;
  BlockedWaiter(ByteRange range, WaitFor until) noexcept : Waiter(range, until, Wake::thread) {}

  // Until wake(), or the deadline: false when that came first.
  bool sleep(time_point deadline) noexcept STRANDLINE_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    while (!woken_) {
      if (!condition_.wait_until(mutex_, deadline) && !woken_) {
        return false;
      }
    }
    return true;
  }

 private:
  void wake() noexcept override STRANDLINE_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    woken_ = true;
    condition_.notify_one();
  }

  Mutex mutex_;
  CondVar condition_;
  bool woken_ STRANDLINE_GUARDED_BY(mutex_) = false;
};

}  // namespace strandline
