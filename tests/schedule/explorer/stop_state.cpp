#include <tests/schedule/explorer/scheduler.h>

#include <stop_token>

namespace strandline::schedule {

bool StopState::request() noexcept {
  // Callbacks may end the last source.
  mutex_.lock();
  if (std::exchange(requested_, true)) {
    mutex_.unlock();
    return false;
  }
  runner_ = Scheduler::self().current_number();
  while (first_ != nullptr) {
    Callback& callback = *first_;
    first_ = callback.next;
    if (first_ != nullptr) {
      first_->previous = nullptr;
    }
    callback.listed = false;
    running_ = &callback;
    mutex_.unlock();
    callback.run();  // may destroy itself
    mutex_.lock();
    running_ = nullptr;
    done_.notify_all();
  }
  mutex_.unlock();
  return true;
}

bool StopState::requested() noexcept {
  mutex_.lock();
  const bool requested = requested_;
  mutex_.unlock();
  return requested;
}

bool StopState::possible() noexcept {
  mutex_.lock();
  const bool possible = requested_ || sources_ > 0;
  mutex_.unlock();
  return possible;
}

bool StopState::add(Callback& callback, bool& run_now) noexcept {
  mutex_.lock();
  run_now = requested_;
  const bool listed = !requested_ && sources_ > 0;
  if (listed) {
    callback.listed = true;
    callback.next = first_;
    if (first_ != nullptr) {
      first_->previous = &callback;
    }
    first_ = &callback;
  }
  mutex_.unlock();
  return listed;
}

void StopState::remove(Callback& callback) noexcept {
  mutex_.lock();
  if (callback.listed) {
    (callback.previous != nullptr ? callback.previous->next : first_) = callback.next;
    if (callback.next != nullptr) {
      callback.next->previous = callback.previous;
    }
  } else {
    // Of another fiber: its call must be over before the callback may go.
    while (running_ == &callback && runner_ != Scheduler::self().current_number()) {
      done_.wait(mutex_);
    }
  }
  mutex_.unlock();
}

void StopState::count_source(int by) noexcept {
  mutex_.lock();
  sources_ += by;
  mutex_.unlock();
}

}  // namespace strandline::schedule
