// EventQueue: puts a resource's events in one total order and delivers them outside every lock.
// Threads: thread-safe; append() is called under the resource's lock, which fixes the order. Blocks: append
// never; drain() runs observers. Errors: nodes are allocated by the caller, before the state changes.
// Cost: O(1) an event, O(observers) a delivery. Lifetime: shared with every Subscription.
#pragma once

#include <strandline/base/mutex.h>
#include <strandline/base/sync.h>
#include <strandline/resource/observer.h>

#include <cstdint>
#include <list>
#include <memory>
#include <vector>

namespace strandline {

struct Event {
  enum class Kind : std::uint8_t { write, evict, commit, fail, reactivate };
  Kind kind = Kind::write;
  ByteRange range;                     // write, evict
  std::uint64_t value = 0;             // commit: length; reactivate: generation
  std::shared_ptr<const Error> error;  // fail
  std::uint64_t sequence = 0;          // set by append()
};

// Guarded by the queue's mutex, but for `observer`, which never changes.
struct ObserverSlot {
  std::shared_ptr<AvailabilityObserver> observer;
  std::uint64_t since = 0;  // the first sequence it is told of
  bool subscribed = true;
  bool running = false;
  Sync::ThreadId runner{};
};

// Invariant: at most one thread delivers at a time (draining_), in sequence order; whoever appends and
// finds it taken leaves its events to that thread, so no event is left behind and none is overtaken.
class EventQueue : public std::enable_shared_from_this<EventQueue> {
 public:
  using Batch = std::list<Event>;  // spliced in whole, so that append() cannot fail

  // May throw std::bad_alloc, and then changes nothing.
  [[nodiscard]] Subscription subscribe(std::shared_ptr<AvailabilityObserver> observer) STRANDLINE_EXCLUDES(mutex_);
  // Subscribes for as long as the queue lives. May throw, likewise.
  void keep(std::shared_ptr<AvailabilityObserver> observer) STRANDLINE_EXCLUDES(mutex_);
  void unsubscribe(const std::shared_ptr<ObserverSlot>& slot) noexcept STRANDLINE_EXCLUDES(mutex_);

  // Is anybody listening? Without listeners callers need not build batches.
  [[nodiscard]] bool wanted() const noexcept { return listeners_.load(std::memory_order_relaxed) > 0; }
  void append(Batch&& batch) noexcept STRANDLINE_EXCLUDES(mutex_);
  // Delivers what is queued unless another thread, or an outer call on this one, is doing so.
  void drain() noexcept STRANDLINE_EXCLUDES(mutex_);

 private:
  using Slots = std::vector<std::shared_ptr<ObserverSlot>>;

  [[nodiscard]] std::shared_ptr<ObserverSlot> add(std::shared_ptr<AvailabilityObserver> observer)
      STRANDLINE_EXCLUDES(mutex_);
  void deliver(const Event& event, ObserverSlot& slot) noexcept STRANDLINE_EXCLUDES(mutex_);

  mutable Mutex mutex_;
  CondVar idle_;  // signalled when a slot stops running
  Batch queue_ STRANDLINE_GUARDED_BY(mutex_);
  // Replaced, never changed, so that drain() walks a list that cannot move under it.
  std::shared_ptr<const Slots> slots_ STRANDLINE_GUARDED_BY(mutex_) = std::make_shared<const Slots>();
  std::uint64_t next_sequence_ STRANDLINE_GUARDED_BY(mutex_) = 1;
  bool draining_ STRANDLINE_GUARDED_BY(mutex_) = false;
  // How many slots are subscribed. Changed under mutex_, after `since` was fixed; read by appenders, under the
  // resource's lock: one that misses a listener appends before the listener's subscribe() has returned.
  Sync::Atomic<std::size_t> listeners_{0};
};

}  // namespace strandline
