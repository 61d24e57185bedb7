// DeadlineTimer on the scheduler: its thread is a fiber, which ends with the schedule.
#include <strandline/base/deadline_timer.h>

#include <tests/schedule/explorer/scheduler.h>

namespace strandline {

DeadlineTimer& DeadlineTimer::instance() noexcept {
  static DeadlineTimer* const timer = new DeadlineTimer();
  return *timer;
}

Result<DeadlineTimer::Ticket> DeadlineTimer::schedule(time_point when, std::function<void()> function) noexcept {
  MutexLock lock(mutex_);
  if (!started_) {
    started_ = true;
    schedule::Scheduler::self().spawn(
        "timer", [this] { run(); }, true);
  }
  const Ticket ticket{when, next_++};
  functions_.emplace(ticket, std::move(function));
  changed_.notify_one();
  return ticket;
}

void DeadlineTimer::cancel_and_wait(const Ticket& ticket) noexcept {
  std::function<void()> dropped;
  MutexLock lock(mutex_);
  if (const auto it = functions_.find(ticket); it != functions_.end()) {
    dropped = std::move(it->second);
    functions_.erase(it);
  }
  while (running_ == ticket && thread_ != Sync::this_thread()) {
    finished_.wait(mutex_);
  }
  lock.unlock();
}

std::size_t DeadlineTimer::scheduled() const noexcept {
  MutexLock lock(mutex_);
  return functions_.size();
}

void DeadlineTimer::run() noexcept {
  MutexLock lock(mutex_);
  for (;;) {
    if (functions_.empty()) {
      if (schedule::Scheduler::self().ending()) {
        started_ = false;
        return;
      }
      changed_.wait(mutex_);
      continue;
    }
    if (schedule::Scheduler::self().ending()) {
      schedule::Scheduler::self().fail("a wait has ended and left its deadline behind");
    }
    const auto first = functions_.begin();
    if (first->first.first > Sync::now()) {
      changed_.wait_until(mutex_, time_point(first->first.first));
      continue;
    }
    std::function<void()> due = std::move(first->second);
    running_ = first->first;
    thread_ = Sync::this_thread();
    functions_.erase(first);
    lock.unlock();
    due();
    due = nullptr;
    lock.lock();
    running_.reset();
    finished_.notify_all();
  }
}

}  // namespace strandline
