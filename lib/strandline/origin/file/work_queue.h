// WorkQueue: jobs that are done in steps by a few threads, each step when it is due; whoever waits for its time holds
// no thread. Threads: thread-safe; steps of one job come one after the other. Blocks: end() and the destructor, until
// the steps under way have returned. Errors: a job that cannot be done is told why. Cost: a lock and O(log jobs) per
// step, no memory. Lifetime: the queue owns its jobs; it must not be destroyed by one of them. The threads start when
// needed.
#pragma once

#include <strandline/base/error.h>
#include <strandline/base/mutex.h>

#include <atomic>
#include <boost/intrusive/set.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <thread>
#include <vector>

namespace strandline::origin::file {

// Bytes of a thread, for its steps to use.
class Scratch {
 public:
  static constexpr std::size_t kBytes = 1 << 20;
  // kBytes of them, made at the first call; empty when there is no memory.
  [[nodiscard]] std::span<std::byte> bytes() noexcept;

 private:
  std::unique_ptr<std::byte[]> bytes_;
};

class Job : public boost::intrusive::set_base_hook<> {
 public:
  Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  virtual ~Job() = default;

  // When to go on; nothing: it has answered, and is done.
  [[nodiscard]] virtual std::optional<Sync::time_point> step(Scratch& scratch) noexcept = 0;
  // Instead of the next step: answers with this.
  virtual void refuse(Error error, bool may_pass) noexcept = 0;

 private:
  friend class WorkQueue;
  // All under the queue's mutex.
  Sync::time_point due_{};
  std::uint64_t number_ = 0;  // of two due at once the one that came first
  bool queued_ = false;
  bool hastened_ = false;
};

class WorkQueue {
 public:
  // At least one thread. Throws std::bad_alloc.
  explicit WorkQueue(unsigned threads);
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;
  ~WorkQueue() { end(); }
  // Jobs that are not done are refused with cancelled; so are those that come meanwhile, or later.
  void end() noexcept STRANDLINE_EXCLUDES(mutex_);

  // Due now, after those that already are.
  void post(std::unique_ptr<Job> job) noexcept STRANDLINE_EXCLUDES(mutex_);
  // Its next step is due now, whatever it waits for; from then on. Before it is done; also before it is posted, or from
  // within its step.
  void hasten(Job& job) noexcept STRANDLINE_EXCLUDES(mutex_);
  // Set when the queue begins to go: long steps look at it and end.
  [[nodiscard]] const std::atomic<bool>& going() const noexcept { return going_; }

 private:
  struct Sooner {
    bool operator()(const Job& a, const Job& b) const noexcept {
      return a.due_ != b.due_ ? a.due_ < b.due_ : a.number_ < b.number_;
    }
  };

  void insert_locked(Job& job, Sync::time_point due) noexcept STRANDLINE_REQUIRES(mutex_);
  // False: there is not one thread, for this reason.
  [[nodiscard]] Result<void> staff_locked() noexcept STRANDLINE_REQUIRES(mutex_);
  // The next job that is due; null when the queue goes and has none left.
  [[nodiscard]] std::unique_ptr<Job> next_locked() noexcept STRANDLINE_REQUIRES(mutex_);
  void run() noexcept STRANDLINE_EXCLUDES(mutex_);

  const unsigned most_threads_;
  // Written once, by the destructor under mutex_; read without it by steps, for which it publishes nothing.
  std::atomic<bool> going_{false};
  Mutex mutex_;  // a leaf: no job is called under it
  CondVar changed_;
  boost::intrusive::multiset<Job, boost::intrusive::compare<Sooner>> jobs_ STRANDLINE_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ STRANDLINE_GUARDED_BY(mutex_);
  std::size_t idle_ STRANDLINE_GUARDED_BY(mutex_) = 0;
  std::uint64_t next_number_ STRANDLINE_GUARDED_BY(mutex_) = 0;
};

}  // namespace strandline::origin::file
