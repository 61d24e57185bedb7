// Desk: a thread on which what control is asked is done, one after the other, and what it does now and then.
// Threads: post(), wake() and stop() on any but its own. Blocks: stop(), until all that was posted is done. Errors:
// post() throws bad_alloc. Cost: a thread. Lifetime: stop() ends it, and so does the destructor.
#pragma once

#include <strandline/base/mutex.h>

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <thread>

namespace strandline::serve {

class Desk {
 public:
  using Clock = std::chrono::steady_clock;
  using Job = std::function<void()>;
  // What is done now and then: answers when next, time_point::max() when woken only.
  using Tick = std::function<Clock::time_point()>;

  // Neither a job nor the tick may throw.
  explicit Desk(Tick tick);
  Desk(const Desk&) = delete;
  Desk& operator=(const Desk&) = delete;
  ~Desk() { stop(); }

  // False: too much waits, or it has been stopped.
  [[nodiscard]] bool post(Job job) STRANDLINE_EXCLUDES(mutex_);
  // The tick, soon.
  void wake() noexcept STRANDLINE_EXCLUDES(mutex_);
  void stop() noexcept STRANDLINE_EXCLUDES(mutex_);

 private:
  void run() noexcept STRANDLINE_EXCLUDES(mutex_);

  const Tick tick_;
  Mutex mutex_;  // a leaf
  CondVar happened_;
  bool woken_ STRANDLINE_GUARDED_BY(mutex_) = false;
  bool stopping_ STRANDLINE_GUARDED_BY(mutex_) = false;
  std::deque<Job> jobs_ STRANDLINE_GUARDED_BY(mutex_);
  std::thread thread_;  // the last to be made
};

}  // namespace strandline::serve
