#include "queued_policy.h"

#include <array>
#include <cstdlib>

namespace strandline::store {

Result<void> QueuedPolicy::arrived(Chunk chunk, std::uint64_t bytes) noexcept {
  if (bytes == 0) {
    return {};
  }
  KnownChunk* known = queues_.find(chunk);
  const bool was_gone = known == nullptr || known->queue == Queue::ghosts;
  if (known == nullptr) {
    known = queues_.add(chunk, first_queue());
    if (known == nullptr) {
      return fail(Errc::no_memory);
    }
  } else if (was_gone) {
    queues_.move_to_newest(*known, Queue::main);
  }
  queues_.add_bytes(*known, bytes);
  on_arrival(*known, bytes, was_gone);
  return {};
}

void QueuedPolicy::used(Chunk chunk) noexcept {
  KnownChunk* const known = queues_.find(chunk);
  if (known != nullptr && known->queue != Queue::ghosts) {
    on_use(*known);
  }
}

void QueuedPolicy::gone(Chunk chunk) noexcept {
  KnownChunk* const known = queues_.find(chunk);
  if (known != nullptr && known->queue != Queue::ghosts) {
    drop(*known);
  }
}

void QueuedPolicy::forget(std::uint64_t entry) noexcept {
  queues_.erase_entry(entry);
  limit_ghosts();
}

void QueuedPolicy::released(Chunk chunk) noexcept {
  KnownChunk* const known = queues_.find(chunk);
  if (known != nullptr && known->queue == Queue::kept) {
    put_back(*known);
  }
}

void QueuedPolicy::evict_by(Offer offer) noexcept {
  put_some_back();
  // Ends: an offer that does not end it takes its chunk out of the queues that next() looks at.
  while (KnownChunk* const known = next()) {
    switch (offer(known->chunk, known->bytes)) {
      case Take::evicted:
        drop(*known);
        break;
      case Take::keep:
        known->home = known->queue;
        queues_.move_to_newest(*known, Queue::kept);
        break;
      case Take::enough:
        return;
    }
  }
}

void QueuedPolicy::put_some_back() noexcept {
  std::array<KnownChunk*, kRetries> some{};
  std::size_t count = 0;
  for (KnownChunk* known = queues_.oldest(Queue::kept); known != nullptr && count < kRetries;
       known = queues_.next_newer(*known)) {
    some[count++] = known;
  }
  // The last first: each goes before all others, and so the first kept is the first offered.
  while (count > 0) {
    put_back(*some[--count]);
  }
}

void QueuedPolicy::drop(KnownChunk& known) noexcept {
  if (remembers(known.queue == Queue::kept ? known.home : known.queue)) {
    queues_.move_to_newest(known, Queue::ghosts);
  } else {
    queues_.erase(known);
  }
  limit_ghosts();
}

void QueuedPolicy::limit_ghosts() noexcept {
  while (queues_.size(Queue::ghosts) > queues_.size()) {
    queues_.erase(*queues_.oldest(Queue::ghosts));
  }
}

void QueuedPolicy::check_invariants() const noexcept {
  queues_.check_invariants();
  if (queues_.size(Queue::ghosts) > queues_.size()) {
    std::abort();
  }
}

}  // namespace strandline::store
