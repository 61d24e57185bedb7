// ChunkQueues: the chunks a policy knows of, each in one of a few queues from the oldest to the newest.
// Threads: guarded by the policy's owner. Blocks: never. Errors: none but a null from add(). Cost: find() and add()
// O(log n); the rest O(1); 80 bytes a chunk, in one allocation of add(). Lifetime: a chunk stays put until it is
// erased.
#pragma once

#include <strandline/store/eviction/policy.h>

#include <array>
#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>
#include <cstddef>
#include <cstdint>

namespace strandline::store {

enum class Queue : std::uint8_t {
  fresh,   // on trial
  main,    // has passed it, or there is none
  kept,    // could not go when offered
  ghosts,  // is not there any more
};

struct KnownChunk : boost::intrusive::set_base_hook<boost::intrusive::optimize_size<true>>,
                    boost::intrusive::list_base_hook<> {
  explicit KnownChunk(Chunk which) noexcept : chunk(which) {}

  const Chunk chunk;
  std::uint64_t bytes = 0;       // a ghost has none
  std::uint64_t counted_at = 0;  // when a use last counted, by the policy's own time
  std::uint8_t uses = 0;
  Queue queue = Queue::ghosts;
  Queue home = Queue::main;  // of a kept one: the queue it came from
};

// Invariant: each chunk is in the queue it names, and there once; only ghosts have no bytes.
class ChunkQueues {
 public:
  ChunkQueues() = default;
  ~ChunkQueues();
  ChunkQueues(const ChunkQueues&) = delete;
  ChunkQueues& operator=(const ChunkQueues&) = delete;

  [[nodiscard]] KnownChunk* find(Chunk chunk) noexcept;
  // The newest of the queue, with no bytes yet. It must not be known. Null: no memory, and nothing has changed.
  [[nodiscard]] KnownChunk* add(Chunk chunk, Queue queue) noexcept;
  void add_bytes(KnownChunk& known, std::uint64_t bytes) noexcept;
  void move_to_newest(KnownChunk& known, Queue queue) noexcept;
  void move_to_oldest(KnownChunk& known, Queue queue) noexcept;
  void erase(KnownChunk& known) noexcept;
  void erase_entry(std::uint64_t entry) noexcept;

  [[nodiscard]] KnownChunk* oldest(Queue queue) noexcept;
  [[nodiscard]] KnownChunk* next_newer(KnownChunk& known) noexcept;  // in its queue; null: it is the newest
  [[nodiscard]] std::uint64_t bytes(Queue queue) const noexcept { return at(queue).bytes; }
  [[nodiscard]] std::size_t size(Queue queue) const noexcept { return at(queue).chunks.size(); }
  // Of all but the ghosts.
  [[nodiscard]] std::uint64_t bytes() const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return by_chunk_.size() - size(Queue::ghosts); }
  void check_invariants() const noexcept;

 private:
  struct ByChunk {
    using type = Chunk;
    const Chunk& operator()(const KnownChunk& known) const noexcept { return known.chunk; }
  };
  struct Line {
    boost::intrusive::list<KnownChunk> chunks;  // the oldest in front
    std::uint64_t bytes = 0;
  };
  [[nodiscard]] Line& at(Queue queue) noexcept { return lines_[static_cast<std::size_t>(queue)]; }
  [[nodiscard]] const Line& at(Queue queue) const noexcept { return lines_[static_cast<std::size_t>(queue)]; }
  // Out of its queue, into this one's books; the caller puts it in its place.
  Line& transfer(KnownChunk& known, Queue queue) noexcept;

  // Ordered, so that an entry's chunks are together.
  boost::intrusive::set<KnownChunk, boost::intrusive::key_of_value<ByChunk>> by_chunk_;
  std::array<Line, 4> lines_;
};

}  // namespace strandline::store
