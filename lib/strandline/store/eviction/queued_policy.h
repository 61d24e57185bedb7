// QueuedPolicy: what policies made of queues have in common: arrivals, offers, and what is kept.
// Threads: guarded by its owner's lock. Blocks: never. Errors: as EvictionPolicy. Cost: O(log n) per call.
// Lifetime: as EvictionPolicy.
#pragma once

#include <strandline/store/eviction/chunk_queues.h>

#include <cstddef>
#include <cstdint>

namespace strandline::store {

class QueuedPolicy : public EvictionPolicy {
 public:
  [[nodiscard]] Result<void> arrived(Chunk chunk, std::uint64_t bytes) noexcept final;
  void used(Chunk chunk) noexcept final;
  void gone(Chunk chunk) noexcept final;
  void forget(std::uint64_t entry) noexcept final;
  void released(Chunk chunk) noexcept final;
  [[nodiscard]] std::uint64_t bytes() const noexcept final { return queues_.bytes(); }
  [[nodiscard]] std::size_t chunks() const noexcept final { return queues_.size(); }
  void check_invariants() const noexcept override;

 protected:
  // How many of those kept are offered again by an evict() though nobody has released them: some owner may have
  // forgotten to, and they must not stay for good.
  static constexpr std::size_t kRetries = 8;

  // The chunk to offer next, from fresh or main; null: there is none.
  [[nodiscard]] virtual KnownChunk* next() noexcept = 0;
  // Where a chunk begins that was not known at all.
  [[nodiscard]] virtual Queue first_queue() const noexcept = 0;
  // Bytes of a chunk have come. was_gone: it was a ghost, or not known, until now.
  virtual void on_arrival(KnownChunk& known, std::uint64_t bytes, bool was_gone) noexcept = 0;
  virtual void on_use(KnownChunk& known) noexcept = 0;
  // Is it remembered when its bytes have gone? `home` is the queue it was in, before it was kept.
  [[nodiscard]] virtual bool remembers(Queue home) const noexcept = 0;

  [[nodiscard]] ChunkQueues& queues() noexcept { return queues_; }
  [[nodiscard]] const ChunkQueues& queues() const noexcept { return queues_; }

 private:
  void evict_by(Offer offer) noexcept final;
  void put_back(KnownChunk& kept) noexcept { queues_.move_to_oldest(kept, kept.home); }
  void put_some_back() noexcept;
  void drop(KnownChunk& known) noexcept;
  void limit_ghosts() noexcept;

  ChunkQueues queues_;
};

}  // namespace strandline::store
