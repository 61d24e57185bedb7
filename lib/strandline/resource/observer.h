// AvailabilityObserver: told what becomes of a resource's bytes; Subscription: for how long.
// Threads: calls come one at a time, in one order for all observers of a resource, on whichever thread
// changed it, outside every lock. Blocks: a slow observer delays writers, never readers. Errors: noexcept.
// Cost: one queue node an event, none without observers.
// Lifetime: no call runs once unsubscribe() has returned (unless made from inside that very call).
#pragma once

#include <strandline/base/byte_range.h>

#include <cstdint>
#include <memory>
#include <stop_token>
#include <utility>
#include <vector>

namespace strandline {

// Every newly available byte is reported by exactly one on_write per generation; an eviction comes after
// the write it takes back; on_commit is the last word on a generation until a reactivation.
// A callback may call back into the resource: what that causes is reported after it returns.
class AvailabilityObserver {
 public:
  virtual ~AvailabilityObserver() = default;
  virtual void on_write(ByteRange /*range*/) noexcept {}
  virtual void on_evict(ByteRange /*range*/) noexcept {}
  virtual void on_commit(std::uint64_t /*length*/) noexcept {}
  virtual void on_fail(const Error& /*error*/) noexcept {}
  // Writes reported from here on belong to this generation.
  virtual void on_reactivate(std::uint64_t /*generation*/) noexcept {}
};

struct ResourceOptions {
  std::stop_token stop;  // requesting it cancels the resource
  std::vector<std::shared_ptr<AvailabilityObserver>> observers;
};

class EventQueue;
struct ObserverSlot;

// Ends the subscription when destroyed. Do not hold a lock that the observer takes while it ends:
// unsubscribe() waits for a call in progress on another thread.
class Subscription {
 public:
  Subscription() noexcept = default;
  Subscription(std::shared_ptr<EventQueue> queue, std::shared_ptr<ObserverSlot> slot) noexcept;
  Subscription(Subscription&& other) noexcept;
  Subscription& operator=(Subscription&& other) noexcept;
  ~Subscription();

  void unsubscribe() noexcept;
  [[nodiscard]] bool active() const noexcept { return slot_ != nullptr; }

 private:
  std::shared_ptr<EventQueue> queue_;
  std::shared_ptr<ObserverSlot> slot_;
};

}  // namespace strandline
