// The parts of Core that only its own source files need.
// Threads, Blocks, Errors: see core.h and each part. Cost: none worth naming. Lifetime: within one Core.
#pragma once

#include <strandline/resource/core/core.h>
#include <strandline/resource/hit_counter.h>

#include <new>
#include <utility>

namespace strandline {

struct Core::Counters {
  // Written by every thread, read by stats(); counts need no order among themselves, so all relaxed.
  using Counter = Sync::Atomic<std::uint64_t>;
  HitCounter read_hits;
  Counter bytes_written{0}, read_misses{0};
  Counter wait_hits{0}, waits{0}, wakes{0}, nanoseconds_waited{0};

  static void add(Counter& counter, std::uint64_t amount = 1) noexcept {
    counter.fetch_add(amount, std::memory_order_relaxed);
  }
  static std::uint64_t get(const Counter& counter) noexcept { return counter.load(std::memory_order_relaxed); }
};

// Filled under the lock, run after it. A waiter that is on the list but never woken would hang, so the
// destructor runs what is left.
class Core::Effects {
 public:
  explicit Effects(Core& core) noexcept : core_(core) {}
  Effects(const Effects&) = delete;
  Effects& operator=(const Effects&) = delete;
  ~Effects() { run(); }

  [[nodiscard]] ReadyList& ready() noexcept { return ready_; }
  // Puts the events in the resource's order; called under its lock.
  void append(EventQueue::Batch&& batch) noexcept {
    if (!batch.empty()) {
      core_.events_->append(std::move(batch));
      appended_ = true;
    }
  }
  // In the midst of a write, whose later pieces may take long.
  void wake_threads() noexcept { count_wakes(ready_.wake_threads()); }
  // Is there more to run than threads to wake?
  [[nodiscard]] bool calls() const noexcept { return ready_.has_had_callbacks() || appended_; }
  // Readers first: an observer that is slow delays none of them.
  void run() noexcept {
    wake_threads();
    // One by one, so that those behind can still be withdrawn, by the one that runs for instance.
    for (bool more = ready_.had_callbacks(); more;) {
      Waiter* waiter = nullptr;
      {
        MutexLock lock(core_.mutex_);
        waiter = ready_.pop_callback();
      }
      if (waiter != nullptr) {
        count_wakes(1);
        ReadyList::wake(*waiter);
      }
      more = waiter != nullptr;
    }
    if (std::exchange(appended_, false)) {
      core_.events_->drain();
    }
  }

  // Does anybody listen, so that events are worth their allocation? For events that are appended before the lock
  // is let go of again: a later listener must not miss what comes after it began to listen.
  [[nodiscard]] bool wanted() const noexcept { return core_.events_->wanted(); }

 private:
  void count_wakes(std::uint64_t count) noexcept {
    if (count > 0) {
      Counters::add(core_.counters_->wakes, count);
    }
  }

  Core& core_;
  ReadyList ready_;
  bool appended_ = false;
};

// A batch to be appended once the state has changed; allocated before, so that the change cannot be left
// half done. Throw std::bad_alloc.
[[nodiscard]] inline EventQueue::Batch batch_of(Event event) {
  EventQueue::Batch batch;
  batch.push_back(std::move(event));
  return batch;
}
// One eviction per run of the range that is there.
[[nodiscard]] EventQueue::Batch evictions(const Availability& availability, ByteRange range);

// Runs a call whose allocations may fail; rule R13: no_memory, not an exception.
template <class Call>
auto without_throwing(Call&& call) noexcept -> decltype(call()) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return fail(Errc::no_memory, "resource");
  }
}

// The answer to a call that the lifecycle refuses.
[[nodiscard]] tl::unexpected<Error> refused(Errc code) noexcept;

}  // namespace strandline
