#include <strandline/base/deadline_timer.h>

#include <cstddef>
#include <new>
#include <system_error>
#include <thread>

namespace strandline {

DeadlineTimer& DeadlineTimer::instance() noexcept {
  // Never destroyed, since its thread outlives the static objects of the program; and it needs no memory to be made.
  alignas(DeadlineTimer) static std::byte storage[sizeof(DeadlineTimer)];
  static DeadlineTimer* const timer = new (storage) DeadlineTimer();
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
    if (when < sleeps_until_) {
      sleeps_until_ = time_point::min();
      changed_.notify_one();
    }
    return ticket;
  } catch (const std::bad_alloc&) {
    return fail(Errc::no_memory, "deadline");
  } catch (const std::system_error& error) {
    return fail(Error{Errc::busy, error.code(), "no thread for deadlines"});
  }
}

void DeadlineTimer::cancel_and_wait(const Ticket& ticket) noexcept {
  std::function<void()> dropped;  // destroyed outside the lock: it may own anything
  MutexLock lock(mutex_);
  if (const auto it = functions_.find(ticket); it != functions_.end()) {
    dropped = std::move(it->second);
    functions_.erase(it);
  }
  // Tickets are unique, so that another function under way is not mistaken for this one.
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
  thread_ = Sync::this_thread();
  for (;;) {
    const auto first = functions_.begin();
    if (first == functions_.end() || first->first.first > std::chrono::steady_clock::now()) {
      const time_point until = first == functions_.end() ? time_point::max() : first->first.first;
      sleeps_until_ = until;
      changed_.wait_until(mutex_, until);
      sleeps_until_ = time_point::min();
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
