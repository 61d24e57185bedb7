// Mutex, MutexLock, CondVar: those of Sync with clang's thread-safety annotations, which see
// through these and do not see std::mutex (https://clang.llvm.org/docs/ThreadSafetyAnalysis.html).
// Threads: that is their purpose. Blocks: lock() and wait() do. Errors: none. Cost: the wrapped
// type's. Lifetime: a CondVar may be destroyed once every notify call on it was made under the mutex.
#pragma once

#include <strandline/base/sync.h>

#if defined(__clang__)
#define STRANDLINE_ANNOTATE(x) __attribute__((x))
#else
#define STRANDLINE_ANNOTATE(x)
#endif

#define STRANDLINE_CAPABILITY(name) STRANDLINE_ANNOTATE(capability(name))
#define STRANDLINE_SCOPED_CAPABILITY STRANDLINE_ANNOTATE(scoped_lockable)
#define STRANDLINE_GUARDED_BY(m) STRANDLINE_ANNOTATE(guarded_by(m))
#define STRANDLINE_REQUIRES(...) STRANDLINE_ANNOTATE(requires_capability(__VA_ARGS__))
#define STRANDLINE_EXCLUDES(...) STRANDLINE_ANNOTATE(locks_excluded(__VA_ARGS__))
#define STRANDLINE_ACQUIRE(...) STRANDLINE_ANNOTATE(acquire_capability(__VA_ARGS__))
#define STRANDLINE_TRY_ACQUIRE(...) STRANDLINE_ANNOTATE(try_acquire_capability(__VA_ARGS__))
#define STRANDLINE_RELEASE(...) STRANDLINE_ANNOTATE(release_capability(__VA_ARGS__))
#define STRANDLINE_ASSERT_CAPABILITY(m) STRANDLINE_ANNOTATE(assert_capability(m))

namespace strandline {

class STRANDLINE_CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() STRANDLINE_ACQUIRE() { mutex_.lock(); }
  [[nodiscard]] bool try_lock() STRANDLINE_TRY_ACQUIRE(true) { return mutex_.try_lock(); }
  void unlock() STRANDLINE_RELEASE() { mutex_.unlock(); }
  // Tells the analysis, inside a lambda that runs under the lock, what it cannot see; does nothing.
  void assert_held() const noexcept STRANDLINE_ASSERT_CAPABILITY(this) {}

 private:
  friend class CondVar;
  Sync::Mutex mutex_;
};

// Holds the mutex for a scope; unlock() and lock() let go of it in between.
class STRANDLINE_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) STRANDLINE_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() STRANDLINE_RELEASE() {
    if (held_) {
      mutex_.unlock();
    }
  }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  void unlock() STRANDLINE_RELEASE() {
    held_ = false;
    mutex_.unlock();
  }
  void lock() STRANDLINE_ACQUIRE() {
    mutex_.lock();
    held_ = true;
  }

 private:
  Mutex& mutex_;
  bool held_ = true;
};

class CondVar {
 public:
  using time_point = Sync::time_point;

  // Both may wake without cause: call them in a loop over the condition.
  void wait(Mutex& mutex) STRANDLINE_REQUIRES(mutex) { condition_.wait(mutex.mutex_); }
  // False once the deadline has passed. time_point::max() never passes.
  bool wait_until(Mutex& mutex, time_point deadline) STRANDLINE_REQUIRES(mutex) {
    if (deadline == time_point::max()) {
      wait(mutex);
      return true;
    }
    return condition_.wait_until(mutex.mutex_, deadline);
  }
  void notify_one() noexcept { condition_.notify_one(); }
  void notify_all() noexcept { condition_.notify_all(); }

 private:
  Sync::CondVar condition_;
};

}  // namespace strandline
