#include <strandline/base/deadline_timer.h>

#include <new>

namespace strandline {

DeadlineTimer& DeadlineTimer::instance() {
  // Never destroyed: its thread outlives the static objects of the program.
  static DeadlineTimer* const timer = new DeadlineTimer();
  return *timer;
}

Result<DeadlineTimer::Ticket> DeadlineTimer::schedule(time_point when, std::function<void()> function) noexcept {
  MutexLock lock(mutex_);
  try {
    if (!started_) {
      std::thread([this] { run(); }).detach();
      started_ = true;
    }
    const Ticket ticket{when, next_++};
    functions_.emplace(ticket, std::move(function));
    changed_.notify_one();
    return ticket;
  } catch (const std::bad_alloc&) {
    return fail(Errc::no_memory, "deadline");
  } catch (const std::system_error& error) {
    return fail(Error{Errc::busy, error.code(), "no thread for deadlines"});
  }
}

void DeadlineTimer::cancel(const Ticket& ticket) noexcept {
  std::function<void()> dropped;  // destroyed outside the lock: it may own anything
  MutexLock lock(mutex_);
  if (const auto it = functions_.find(ticket); it != functions_.end()) {
    dropped = std::move(it->second);
    functions_.erase(it);
  }
  lock.unlock();
}

void DeadlineTimer::cancel_and_wait(const Ticket& ticket) noexcept {
  cancel(ticket);
  MutexLock lock(mutex_);
  // Tickets are unique, so that another function under way is not mistaken for this one.
  while (running_ == ticket && thread_ != std::this_thread::get_id()) {
    finished_.wait(mutex_);
  }
}

std::size_t DeadlineTimer::scheduled() const noexcept {
  MutexLock lock(mutex_);
  return functions_.size();
}

void DeadlineTimer::run() noexcept {
  MutexLock lock(mutex_);
  thread_ = std::this_thread::get_id();
  for (;;) {
    if (functions_.empty()) {
      changed_.wait(mutex_);
      continue;
    }
    const auto first = functions_.begin();
    if (first->first.first > std::chrono::steady_clock::now()) {
      changed_.wait_until(mutex_, time_point(first->first.first));
      continue;
    }
    std::function<void()> due = std::move(first->second);
    running_ = first->first;
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
