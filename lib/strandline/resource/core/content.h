// Content: one generation's bytes and what is known of them.
// Threads: as said at each member. Blocks: never. Errors: making one throws std::bad_alloc. Cost: see BlockMap.
// Lifetime: until replaced and left by the last reader (Core::reclaim).
#pragma once

#include <strandline/resource/availability/availability.h>
#include <strandline/resource/core/holds.h>
#include <strandline/resource/core/storage.h>

#include <cstdint>
#include <memory>
#include <utility>

namespace strandline {

struct Content {
  Content(std::shared_ptr<Storage> bytes, DriverState state, std::optional<std::uint64_t> capacity,
          std::uint64_t number)
      : storage(std::move(bytes)),
        generation(number),
        availability(std::move(state.available), state.length, capacity, std::move(state.blocks)) {}

  // Constant while any reader may be in it.
  std::shared_ptr<Storage> storage;
  const std::uint64_t generation;
  // Counts the times that bytes were taken away from readers outside a window; written under the lock, after
  // the bytes have gone from `availability` and before their storage may change. A reader loads it before it asks
  // for a hit and after it has copied: if both are equal, what it copied was there all the time (a seqlock).
  Sync::Atomic<std::uint64_t> drops{0};
  // Guarded by the resource's lock but for its hits.
  Availability availability;
  // Guarded: what a window has moved over and the driver has not been told of.
  ByteRange to_discard;
  std::uint64_t counted_readers = 0;      // guarded: those that had no room for a hazard
  std::unique_ptr<Content> next_retired;  // guarded
};

}  // namespace strandline
