#include <strandline/origin/file/work_queue.h>

#include <algorithm>
#include <new>
#include <system_error>
#include <utility>

namespace strandline::origin::file {
namespace {

Error cancelled() noexcept {
  return Error::make(Errc::cancelled, "the origin is going");
}

}  // namespace

std::span<std::byte> Scratch::bytes() noexcept {
  if (!bytes_) {
    bytes_.reset(new (std::nothrow) std::byte[kBytes]);
  }
  return {bytes_.get(), bytes_ ? kBytes : 0};
}

WorkQueue::WorkQueue(unsigned threads) : most_threads_(std::max(threads, 1U)) {
  threads_.reserve(most_threads_);
}

void WorkQueue::end() noexcept {
  MutexLock lock(mutex_);
  going_.store(true, std::memory_order_relaxed);
  changed_.notify_all();
  auto threads = std::move(threads_);
  lock.unlock();
  for (std::thread& thread : threads) {
    thread.join();
  }
}

void WorkQueue::post(std::unique_ptr<Job> job) noexcept {
  MutexLock lock(mutex_);
  if (going_.load(std::memory_order_relaxed)) {
    lock.unlock();
    job->refuse(cancelled(), false);
    return;
  }
  insert_locked(*job, Sync::now());
  Job* const queued = job.release();
  if (auto staffed = staff_locked(); !staffed) {
    jobs_.erase(jobs_.iterator_to(*queued));
    queued->queued_ = false;
    lock.unlock();
    job.reset(queued);
    job->refuse(std::move(staffed.error()), true);
  }
}

void WorkQueue::hasten(Job& job) noexcept {
  MutexLock lock(mutex_);
  job.hastened_ = true;
  if (job.queued_) {
    jobs_.erase(jobs_.iterator_to(job));
    insert_locked(job, Sync::time_point::min());
  }
}

void WorkQueue::insert_locked(Job& job, Sync::time_point due) noexcept {
  job.due_ = job.hastened_ ? Sync::time_point::min() : due;
  job.number_ = next_number_++;
  job.queued_ = true;
  jobs_.insert(job);
  changed_.notify_one();
}

Result<void> WorkQueue::staff_locked() noexcept {
  if (jobs_.size() <= idle_ || threads_.size() == most_threads_) {
    return {};
  }
  try {
    threads_.emplace_back([this] { run(); });
  } catch (const std::system_error& error) {
    return threads_.empty() ? fail(Error{Errc::busy, error.code(), "no thread for files"}) : Result<void>();
  } catch (const std::bad_alloc&) {
    return threads_.empty() ? fail(Errc::no_memory, "a thread for files") : Result<void>();
  }
  return {};
}

std::unique_ptr<Job> WorkQueue::next_locked() noexcept {
  for (;;) {
    const bool going = going_.load(std::memory_order_relaxed);
    const auto first = jobs_.begin();
    if (first != jobs_.end() && (going || first->due_ <= Sync::now())) {
      Job* const job = &*first;
      jobs_.erase(first);
      job->queued_ = false;
      return std::unique_ptr<Job>(job);
    }
    if (going) {
      return nullptr;
    }
    ++idle_;
    changed_.wait_until(mutex_, first == jobs_.end() ? Sync::time_point::max() : first->due_);
    --idle_;
  }
}

void WorkQueue::run() noexcept {
  Scratch scratch;
  MutexLock lock(mutex_);
  for (auto job = next_locked(); job; job = next_locked()) {
    const bool going = going_.load(std::memory_order_relaxed);
    lock.unlock();
    std::optional<Sync::time_point> due;
    if (going) {
      job->refuse(cancelled(), false);
    } else {
      due = job->step(scratch);
    }
    if (!due) {
      job.reset();  // outside the lock: it may own anything
    }
    lock.lock();
    if (due) {
      insert_locked(*job.release(), *due);
    }
  }
}

}  // namespace strandline::origin::file
