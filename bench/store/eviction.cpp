// B18: what a full cache has of what it is asked for, by the policy that says what it lets go of.
#include <bench/measure.h>
#include <bench/support/traces.h>
#include <strandline/store/eviction/policy.h>

#include <memory>
#include <unordered_map>

namespace {

using namespace strandline;
using namespace strandline::bench;
using namespace strandline::store;

constexpr std::uint64_t kPieceBytes = kChunkBytes / kPiecesPerChunk;

// A cache with nothing in it but the record of what is there.
class Cache {
 public:
  Cache(std::unique_ptr<EvictionPolicy> policy, std::uint64_t capacity)
      : policy_(std::move(policy)), capacity_(capacity) {
    must(policy_ != nullptr, "no memory");
  }

  // Was the piece there? It is now.
  [[nodiscard]] bool read(PieceRead read) {
    const Chunk chunk{read.entry, read.piece / kPiecesPerChunk};
    const unsigned piece = 1U << read.piece % kPiecesPerChunk;
    const bool hit = (pieces_[key_of(chunk)] & piece) != 0;
    if (!hit) {
      make_room();
      pieces_[key_of(chunk)] |= piece;
      must(policy_->arrived(chunk, kPieceBytes));
    }
    policy_->used(chunk);
    return hit;
  }

 private:
  [[nodiscard]] static std::uint64_t key_of(Chunk chunk) { return chunk.entry << 32 | chunk.index; }
  void make_room() {
    if (policy_->bytes() + kPieceBytes > capacity_) {
      std::uint64_t left = policy_->bytes();
      policy_->evict([&](Chunk chunk, std::uint64_t bytes) {
        if (left + kPieceBytes <= capacity_) {
          return Take::enough;
        }
        left -= bytes;
        pieces_[key_of(chunk)] = 0;
        return Take::evicted;
      });
    }
  }

  std::unique_ptr<EvictionPolicy> policy_;
  std::uint64_t capacity_;
  std::unordered_map<std::uint64_t, unsigned> pieces_;
};

[[nodiscard]] double hit_percent(const Trace& trace, std::unique_ptr<EvictionPolicy> policy, std::uint64_t capacity) {
  Cache cache(std::move(policy), capacity);
  std::uint64_t hits = 0;
  for (const PieceRead read : trace.reads) {
    hits += cache.read(read);
  }
  return 100.0 * static_cast<double>(hits) / static_cast<double>(trace.reads.size());
}

void b18(const Context& context) {
  const std::uint64_t chunks = context.scaled(20000, 1000);
  for (const Trace& trace :
       {zipf_trace(chunks, 10 * chunks, 0.95), scan_trace(chunks), player_trace(chunks / 120, 10 * chunks)}) {
    for (const std::uint64_t percent : {1U, 10U, 30U}) {
      const std::uint64_t capacity = trace.footprint * kChunkBytes * percent / 100;
      report(Row{"B18", trace.name + ", a cache of " + std::to_string(percent) + " %", "%",
                 hit_percent(trace, make_s3_fifo(), capacity), hit_percent(trace, make_lru(), capacity), "LRU",
                 Gate::ratio_at_least(1)});
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, {{"B18", b18}});
}
