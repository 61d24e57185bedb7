#include <strandline/resource/event_queue.h>

#include <utility>

namespace strandline {

Subscription::Subscription(std::shared_ptr<EventQueue> queue, std::shared_ptr<ObserverSlot> slot) noexcept
    : queue_(std::move(queue)), slot_(std::move(slot)) {}

Subscription::Subscription(Subscription&& other) noexcept
    : queue_(std::move(other.queue_)), slot_(std::move(other.slot_)) {}

Subscription& Subscription::operator=(Subscription&& other) noexcept {
  if (this != &other) {
    unsubscribe();
    queue_ = std::move(other.queue_);
    slot_ = std::move(other.slot_);
  }
  return *this;
}

Subscription::~Subscription() {
  unsubscribe();
}

void Subscription::unsubscribe() noexcept {
  // Emptied first: the observer may, from inside its callback, come here again.
  const auto queue = std::exchange(queue_, nullptr);
  const auto slot = std::exchange(slot_, nullptr);
  if (slot) {
    queue->unsubscribe(slot);
  }
}

std::shared_ptr<ObserverSlot> EventQueue::add(std::shared_ptr<AvailabilityObserver> observer) {
  auto slot = std::make_shared<ObserverSlot>();
  slot->observer = std::move(observer);
  std::shared_ptr<const Slots> old;  // lists end outside the lock, for they may own observers
  MutexLock lock(mutex_);
  auto slots = std::make_shared<Slots>(*slots_);
  slots->push_back(slot);
  slot->since = next_sequence_;
  listeners_.fetch_add(1, std::memory_order_relaxed);
  old = std::exchange(slots_, std::move(slots));
  lock.unlock();
  return slot;
}

Subscription EventQueue::subscribe(std::shared_ptr<AvailabilityObserver> observer) {
  return {shared_from_this(), add(std::move(observer))};
}

void EventQueue::keep(std::shared_ptr<AvailabilityObserver> observer) {
  [[maybe_unused]] const auto slot = add(std::move(observer));
}

void EventQueue::unsubscribe(const std::shared_ptr<ObserverSlot>& slot) noexcept {
  std::shared_ptr<const Slots> old;
  MutexLock lock(mutex_);
  if (std::exchange(slot->subscribed, false)) {
    listeners_.fetch_sub(1, std::memory_order_relaxed);
  }
  // The list is only trimmed when memory allows; `subscribed` is what decides.
  try {
    auto slots = std::make_shared<Slots>(*slots_);
    std::erase(*slots, slot);
    old = std::exchange(slots_, std::move(slots));
  } catch (const std::bad_alloc&) {
  }
  while (slot->running && slot->runner != Sync::this_thread()) {
    idle_.wait(mutex_);
  }
  lock.unlock();
}

void EventQueue::append(Batch&& batch) noexcept {
  MutexLock lock(mutex_);
  for (Event& event : batch) {
    event.sequence = next_sequence_++;
  }
  queue_.splice(queue_.end(), batch);
}

void EventQueue::drain() noexcept {
  MutexLock lock(mutex_);
  if (draining_) {
    return;
  }
  draining_ = true;
  Batch current;
  while (!queue_.empty()) {
    current.splice(current.begin(), queue_, queue_.begin());
    std::shared_ptr<const Slots> slots = slots_;
    lock.unlock();
    for (const auto& slot : *slots) {
      deliver(current.front(), *slot);
    }
    current.clear();
    slots.reset();  // may end an observer that unsubscribed itself, which may do anything
    lock.lock();
  }
  draining_ = false;
}

void EventQueue::deliver(const Event& event, ObserverSlot& slot) noexcept {
  {
    MutexLock lock(mutex_);
    if (!slot.subscribed || event.sequence < slot.since) {
      return;
    }
    slot.running = true;
    slot.runner = Sync::this_thread();
  }
  switch (event.kind) {
    case Event::Kind::write:
      slot.observer->on_write(event.range);
      break;
    case Event::Kind::evict:
      slot.observer->on_evict(event.range);
      break;
    case Event::Kind::commit:
      slot.observer->on_commit(event.value);
      break;
    case Event::Kind::fail:
      slot.observer->on_fail(*event.error);
      break;
    case Event::Kind::reactivate:
      slot.observer->on_reactivate(event.value);
      break;
  }
  MutexLock lock(mutex_);
  slot.running = false;
  idle_.notify_all();
}

}  // namespace strandline
