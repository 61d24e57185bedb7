// EvictionPolicy: in which order a full cache lets go of its chunks. It keeps the order only; its owner moves bytes.
// Threads: guarded by its owner's lock. Blocks: never. Errors: no_memory from arrived() alone, the state unchanged.
// Cost: O(log chunks) per call: 0.1 us among 1e4, 1 us among 1e6; no allocation but in arrived(); evict() as much per
// chunk it offers, amortised. Lifetime: knows chunks by number and holds on to nothing of its owner's.
#pragma once

#include <strandline/base/error.h>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace strandline::store {

// The unit in which an entry loses bytes: small beside a film, and as large as the largest page in which Linux keeps a
// file where the least is 4 KiB. Of a page that goes as a whole whoever still has it keeps what is in it, a socket's
// queue for instance; one that goes in parts is zeroed where it lies.
inline constexpr std::uint64_t kChunkBytes = std::uint64_t{2} << 20;

// Bytes [index * kChunkBytes, (index + 1) * kChunkBytes) of an entry.
struct Chunk {
  std::uint64_t entry = 0;
  std::uint64_t index = 0;
  friend auto operator<=>(const Chunk&, const Chunk&) = default;
};

// What becomes of a chunk that evict() offers.
enum class Take : std::uint8_t {
  evicted,  // taken: it is no longer known, except perhaps as one that was
  keep,     // it cannot go now (pinned, being written): offer the next one
  enough    // it stays, and nothing more has to go
};

// Invariant: a chunk is known from its first arrived() until it is evicted, gone or forgotten, with the bytes that have
// arrived meanwhile. A policy may remember chunks that are gone, at most as many as are known.
class EvictionPolicy {
 public:
  EvictionPolicy() = default;
  virtual ~EvictionPolicy() = default;
  EvictionPolicy(const EvictionPolicy&) = delete;
  EvictionPolicy& operator=(const EvictionPolicy&) = delete;

  // So many bytes more of the chunk are there. Strong guarantee.
  [[nodiscard]] virtual Result<void> arrived(Chunk chunk, std::uint64_t bytes) noexcept = 0;
  // A reader has had bytes of it. Call it for every read: those that belong together count as one.
  virtual void used(Chunk chunk) noexcept = 0;
  // None of its bytes are there any more, for whatever reason.
  virtual void gone(Chunk chunk) noexcept = 0;
  // As gone(), for all chunks of the entry, which are not remembered either.
  virtual void forget(std::uint64_t entry) noexcept = 0;

  // Offers chunks to `take`, a Take(Chunk, std::uint64_t bytes), in the order in which they should go, each at most
  // once, until it answers enough. `take` must neither throw nor call the policy.
  // One that is kept is set aside with its rank, so that pinned chunks are not walked over again and again: it is next
  // offered after released(), or as one of the few that each evict() tries again.
  template <class F>
  requires std::is_invocable_r_v<Take, F&, Chunk, std::uint64_t>
  void evict(F&& take) noexcept {
    using Taker = std::remove_reference_t<F>;
    evict_by(Offer{&take, [](const void* taker, Chunk chunk, std::uint64_t bytes) -> Take {
                     return (*static_cast<Taker*>(const_cast<void*>(taker)))(chunk, bytes);
                   }});
  }
  // What kept the chunk holds it no longer. Of any other chunk it means nothing.
  virtual void released(Chunk chunk) noexcept = 0;

  // Of the chunks known.
  [[nodiscard]] virtual std::uint64_t bytes() const noexcept = 0;
  [[nodiscard]] virtual std::size_t chunks() const noexcept = 0;
  // Aborts when the invariants do not hold. O(chunks).
  virtual void check_invariants() const noexcept = 0;

 protected:
  // A callable that outlives the call, without the allocation that a std::function may need.
  struct Offer {
    const void* taker;
    Take (*call)(const void* taker, Chunk chunk, std::uint64_t bytes);
    Take operator()(Chunk chunk, std::uint64_t bytes) const { return call(taker, chunk, bytes); }
  };
  virtual void evict_by(Offer offer) noexcept = 0;
};

// The least recently used first. A scan of the cache's size leaves nothing else in it: the measure for others. Null
// when there is no memory.
[[nodiscard]] std::unique_ptr<EvictionPolicy> make_lru() noexcept;
// What is read once leaves before what is read again: a scan costs the rest of the cache little. Null when there is
// no memory. s3_fifo.cpp has the rules.
[[nodiscard]] std::unique_ptr<EvictionPolicy> make_s3_fifo() noexcept;

}  // namespace strandline::store
