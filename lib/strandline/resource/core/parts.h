// The parts of Core that only its own source files need.
// Threads, Blocks, Errors: see core.h and each part. Cost: none worth naming. Lifetime: within one Core.
#pragma once

#include <strandline/resource/core/core.h>

#include <atomic>

namespace strandline {

struct Core::Counters {
  // Written by every thread, read by stats(); counts need no order among themselves, so all relaxed.
  using Counter = std::atomic<std::uint64_t>;
  Counter bytes_written{0}, bytes_read{0}, read_hits{0}, read_misses{0};
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
  void wake_threads() noexcept { Counters::add(core_.counters_->wakes, ready_.wake_threads()); }
  // Readers first: an observer that is slow delays none of them.
  void run() noexcept {
    Counters::add(core_.counters_->wakes, ready_.wake());
    if (std::exchange(appended_, false)) {
      core_.events_->drain();
    }
  }

  // A batch to be appended once the state has changed; allocated before, so that the change cannot
  // be left half done. May throw std::bad_alloc. Empty when nobody listens.
  [[nodiscard]] EventQueue::Batch batch(Event event) const {
    EventQueue::Batch batch;
    if (core_.events_->wanted()) {
      batch.push_back(std::move(event));
    }
    return batch;
  }
  // One eviction per range of the set that lies in `range`.
  [[nodiscard]] Result<EventQueue::Batch> evictions(const RangeSet& set, ByteRange range) const {
    EventQueue::Batch batch;
    if (core_.events_->wanted()) {
      auto gone = set.covered(range);
      if (!gone) {
        return strandline::fail(std::move(gone.error()));
      }
      for (const ByteRange part : *gone) {
        batch.push_back(Event{Event::Kind::evict, part, 0, nullptr, 0});
      }
    }
    return batch;
  }

 private:
  Core& core_;
  ReadyList ready_;
  bool appended_ = false;
};

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
