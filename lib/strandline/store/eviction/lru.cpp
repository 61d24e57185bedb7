#include <strandline/store/eviction/queued_policy.h>

#include <new>

namespace strandline::store {

namespace {

// Main, in the order of last use or arrival. A use of a chunk that is kept gives it a new rank, so it is offered again
// when that comes up.
class Lru final : public QueuedPolicy {
  KnownChunk* next() noexcept override { return queues().oldest(Queue::main); }
  [[nodiscard]] Queue first_queue() const noexcept override { return Queue::main; }
  void on_arrival(KnownChunk& known, std::uint64_t /*bytes*/, bool /*was_gone*/) noexcept override { on_use(known); }
  void on_use(KnownChunk& known) noexcept override { queues().move_to_newest(known, Queue::main); }
  [[nodiscard]] bool remembers(Queue /*home*/) const noexcept override { return false; }
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_lru() noexcept {
  return std::unique_ptr<EvictionPolicy>(new (std::nothrow) Lru);
}

}  // namespace strandline::store
