#include "chunk_queues.h"

#include <cstdlib>
#include <iterator>
#include <memory>
#include <new>

namespace strandline::store {

ChunkQueues::~ChunkQueues() {
  for (Line& line : lines_) {
    line.chunks.clear();
  }
  by_chunk_.clear_and_dispose(std::default_delete<KnownChunk>());
}

KnownChunk* ChunkQueues::find(Chunk chunk) noexcept {
  const auto found = by_chunk_.find(chunk);
  return found == by_chunk_.end() ? nullptr : &*found;
}

KnownChunk* ChunkQueues::add(Chunk chunk, Queue queue) noexcept {
  auto* const known = new (std::nothrow) KnownChunk(chunk);
  if (known != nullptr) {
    by_chunk_.insert(*known);
    known->queue = queue;
    at(queue).chunks.push_back(*known);
  }
  return known;
}

void ChunkQueues::add_bytes(KnownChunk& known, std::uint64_t bytes) noexcept {
  known.bytes += bytes;
  at(known.queue).bytes += bytes;
}

ChunkQueues::Line& ChunkQueues::transfer(KnownChunk& known, Queue queue) noexcept {
  Line& from = at(known.queue);
  from.chunks.erase(from.chunks.iterator_to(known));
  from.bytes -= known.bytes;
  if (queue == Queue::ghosts) {
    known.bytes = 0;
  }
  known.queue = queue;
  Line& to = at(queue);
  to.bytes += known.bytes;
  return to;
}

void ChunkQueues::move_to_newest(KnownChunk& known, Queue queue) noexcept {
  transfer(known, queue).chunks.push_back(known);
}

void ChunkQueues::move_to_oldest(KnownChunk& known, Queue queue) noexcept {
  transfer(known, queue).chunks.push_front(known);
}

void ChunkQueues::erase(KnownChunk& known) noexcept {
  Line& from = at(known.queue);
  from.chunks.erase(from.chunks.iterator_to(known));
  from.bytes -= known.bytes;
  by_chunk_.erase_and_dispose(by_chunk_.iterator_to(known), std::default_delete<KnownChunk>());
}

void ChunkQueues::erase_entry(std::uint64_t entry) noexcept {
  auto next = by_chunk_.lower_bound(Chunk{entry, 0});
  while (next != by_chunk_.end() && next->chunk.entry == entry) {
    KnownChunk& known = *next;
    ++next;
    erase(known);
  }
}

KnownChunk* ChunkQueues::oldest(Queue queue) noexcept {
  auto& chunks = at(queue).chunks;
  return chunks.empty() ? nullptr : &chunks.front();
}

KnownChunk* ChunkQueues::next_newer(KnownChunk& known) noexcept {
  auto& chunks = at(known.queue).chunks;
  const auto next = std::next(chunks.iterator_to(known));
  return next == chunks.end() ? nullptr : &*next;
}

std::uint64_t ChunkQueues::bytes() const noexcept {
  return bytes(Queue::fresh) + bytes(Queue::main) + bytes(Queue::kept);
}

void ChunkQueues::check_invariants() const noexcept {
  bool sound = true;
  std::size_t count = 0;
  for (std::size_t number = 0; number < lines_.size(); ++number) {
    const auto queue = static_cast<Queue>(number);
    std::uint64_t bytes = 0;
    for (const KnownChunk& known : lines_[number].chunks) {
      const auto found = by_chunk_.find(known.chunk);
      sound = sound && found != by_chunk_.end() && &*found == &known && known.queue == queue &&
              (known.bytes == 0) == (queue == Queue::ghosts) && known.home != Queue::kept &&
              known.home != Queue::ghosts;
      bytes += known.bytes;
      ++count;
    }
    sound = sound && bytes == lines_[number].bytes;
  }
  if (!sound || count != by_chunk_.size()) {
    std::abort();
  }
}

}  // namespace strandline::store
