// What holds back a resource's writes: the bytes that readers stand on, where cursors stand, and what other writes have
// claimed.
// Threads: guarded by the resource's lock, but for what is said below. Blocks: never. Errors: none. Cost: no
// allocation; they live with the calls and views they stand for. Lifetime: linked until that call or view ends.
#pragma once

#include <strandline/base/byte_range.h>
#include <strandline/base/sync.h>

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>
#include <cstdint>
#include <span>

namespace strandline {

// A read's or view's hold on bytes of a window: they are not overwritten while it is linked.
struct Pin : boost::intrusive::set_base_hook<> {
  std::uint64_t generation = 0;
  ByteRange range;
  friend bool operator<(const Pin& a, const Pin& b) noexcept {
    return a.generation != b.generation ? a.generation < b.generation : a.range.begin < b.range.begin;
  }
};
using Pins = boost::intrusive::multiset<Pin>;

// A write whose driver calls run: nobody else writes what it has claimed, and no window moves over its chunk.
struct InFlight : boost::intrusive::list_base_hook<> {
  std::uint64_t generation = 0;
  ByteRange chunk;                     // what it reads or writes
  std::span<const ByteRange> claimed;  // what it writes
};
using WritesInFlight = boost::intrusive::list<InFlight>;

// Where a cursor stands. Written by the cursor's thread, read by whoever has the resource's lock; it publishes nothing.
// On a cache line of its own: it moves with every read.
struct alignas(64) CursorPosition {
  explicit CursorPosition(std::uint64_t position) noexcept : at(position), told(position) {}
  Sync::Atomic<std::uint64_t> at;
  std::uint64_t told;  // the cursor's thread's: what a DemandObserver has heard of
};

}  // namespace strandline
