// DeadlineTimer: runs a function when a point in time has come; for waits that no thread sits in.
// Threads: thread-safe; functions run one at a time on the timer's own thread, which starts with the first
// schedule(). Blocks: cancel_and_wait() only. Errors: no_memory, or busy when no thread can be had. Cost: O(log
// scheduled). Lifetime: one per process, never destroyed; a forked child has none.
#pragma once

#include <strandline/base/error.h>
#include <strandline/base/mutex.h>
#include <strandline/base/sync.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>

namespace strandline {

class DeadlineTimer {
 public:
  using time_point = std::chrono::steady_clock::time_point;
  // Names one scheduled function; the number breaks ties in order of scheduling.
  using Ticket = std::pair<time_point, std::uint64_t>;

  static DeadlineTimer& instance() noexcept;

  [[nodiscard]] Result<Ticket> schedule(time_point when, std::function<void()> function) noexcept
      STRANDLINE_EXCLUDES(mutex_);
  // The function will not start any more, and is not running any more either, unless it is the function itself that
  // calls: so what it uses may go. As the destructor of a std::stop_callback; waits for no other function than this
  // one. Unknown tickets are ignored.
  void cancel_and_wait(const Ticket& ticket) noexcept STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] std::size_t scheduled() const noexcept STRANDLINE_EXCLUDES(mutex_);

 private:
  DeadlineTimer() noexcept = default;
  void run() noexcept STRANDLINE_EXCLUDES(mutex_);

  mutable Mutex mutex_;
  CondVar changed_;
  CondVar finished_;
  std::map<Ticket, std::function<void()>> functions_ STRANDLINE_GUARDED_BY(mutex_);
  std::optional<Ticket> running_ STRANDLINE_GUARDED_BY(mutex_);
  // Until when its thread sleeps if nobody wakes it. It is not woken to sleep longer, for most deadlines never come: so
  // it may wake for one that has been cancelled. While it is awake, and looks before it sleeps: before all time.
  time_point sleeps_until_ STRANDLINE_GUARDED_BY(mutex_) = time_point::min();
  Sync::ThreadId thread_ STRANDLINE_GUARDED_BY(mutex_){};
  std::uint64_t next_ STRANDLINE_GUARDED_BY(mutex_) = 0;
  bool started_ STRANDLINE_GUARDED_BY(mutex_) = false;
};

}  // namespace strandline
