#include <strandline/serve/control/desk.h>

#include <utility>

namespace strandline::serve {
namespace {

constexpr std::size_t kMostWaiting = 256;

}  // namespace

Desk::Desk(Tick tick) : tick_(std::move(tick)), thread_([this] { run(); }) {}

bool Desk::post(Job job) {
  MutexLock lock(mutex_);
  if (stopping_ || jobs_.size() >= kMostWaiting) {
    return false;
  }
  jobs_.push_back(std::move(job));
  happened_.notify_all();
  return true;
}

void Desk::wake() noexcept {
  MutexLock lock(mutex_);
  woken_ = true;
  happened_.notify_all();
}

void Desk::stop() noexcept {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    happened_.notify_all();
  }
  if (thread_.joinable()) {
    thread_.join();
  }
}

void Desk::run() noexcept {
  auto next = Clock::time_point::max();
  for (;;) {
    Job job;
    {
      MutexLock lock(mutex_);
      while (jobs_.empty() && !woken_ && !stopping_ && Clock::now() < next) {
        static_cast<void>(happened_.wait_until(mutex_, next));
      }
      if (jobs_.empty() && stopping_) {
        return;
      }
      woken_ = false;
      if (!jobs_.empty()) {
        job = std::move(jobs_.front());
        jobs_.pop_front();
      }
    }
    if (job) {
      job();
    }
    next = tick_();
  }
}

}  // namespace strandline::serve
