// S3-FIFO: J. Yang, Y. Zhang, Z. Qiu, Y. Yue, K. V. Rashmi, "FIFO queues are all you need for cache eviction", SOSP
// 2023.
//
// A chunk that arrives is fresh: it joins a queue of a tenth of the bytes. When that is longer, its oldest chunk goes
// to main if a use has counted meanwhile; else it is evicted and becomes a ghost, which comes back to main directly.
// Otherwise the oldest of main is evicted, unless uses have counted: then it joins main anew, at the price of one.
//
// Two things are not the paper's. Its requests are for whole objects; here a reader takes a chunk in many small reads,
// and a scan would look hot (were each to count, most of what bench/store/eviction.cpp shows would be lost). So a use
// counts only if it is apart from the last that did: the correlated references of E. O'Neil, P. O'Neil, G. Weikum, "The
// LRU-K page replacement algorithm", SIGMOD 1993. And since uses that count are few, one suffices where the paper wants
// two.
//
// Its price: of two readers of the same bytes, one behind the other by more than the fresh queue and less than half the
// cache, the second finds gone what LRU would have kept.
#include <strandline/store/eviction/queued_policy.h>

#include <algorithm>
#include <new>

namespace strandline::store {

namespace {

constexpr int kMaxUses = 3;

class S3Fifo final : public QueuedPolicy {
  KnownChunk* next() noexcept override {
    // Ends: no chunk becomes fresh again, and each turn of main costs a use.
    for (;;) {
      const bool from_fresh = queues().size(Queue::main) == 0 || queues().bytes(Queue::fresh) > trial_bytes();
      KnownChunk* const known = queues().oldest(from_fresh ? Queue::fresh : Queue::main);
      if (known == nullptr || known->uses == 0) {
        return known;
      }
      known->uses = from_fresh ? std::uint8_t{0} : static_cast<std::uint8_t>(known->uses - 1);
      queues().move_to_newest(*known, Queue::main);
    }
  }

  [[nodiscard]] Queue first_queue() const noexcept override { return Queue::fresh; }

  void on_arrival(KnownChunk& known, std::uint64_t bytes, bool was_gone) noexcept override {
    arrived_ += bytes;
    if (was_gone) {
      known.uses = 0;
      known.counted_at = arrived_;
    }
  }

  // Time is told in bytes that arrive: while none do, nothing need go. Apart is twice a trial: a reader who stays with
  // a chunk from its arrival to the end of its trial has used it once, even where there are as many readers as fresh
  // chunks. And a chunk at the least, so that its own arrival, piece by piece, is never enough.
  void on_use(KnownChunk& known) noexcept override {
    if (arrived_ - known.counted_at >= std::max(2 * trial_bytes(), kChunkBytes)) {
      known.counted_at = arrived_;
      known.uses = static_cast<std::uint8_t>(std::min(known.uses + 1, kMaxUses));
    }
  }

  [[nodiscard]] bool remembers(Queue home) const noexcept override { return home == Queue::fresh; }

  [[nodiscard]] std::uint64_t trial_bytes() const noexcept { return bytes() / 10; }

  std::uint64_t arrived_ = 0;  // bytes, ever
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_s3_fifo() noexcept {
  return std::unique_ptr<EvictionPolicy>(new (std::nothrow) S3Fifo);
}

}  // namespace strandline::store
