// Room: where an entry takes what it needs on the disk from, and who is told what is there and what is used, so that
// all entries together stay below a cap and the right bytes go.
// Threads: thread-safe. Blocks: reserve() evicts, which waits for the disk. Errors: no_space, saying what is in the
// way. Cost: an atomic add; being told, a lock now and then. Lifetime: one per entry, shared with its driver.
#pragma once

#include <strandline/base/byte_range.h>

#include <cstdint>

namespace strandline::store {

class Room {
 public:
  virtual ~Room() = default;
  // Bytes, about to be taken.
  [[nodiscard]] virtual Result<void> reserve(std::uint64_t bytes) noexcept = 0;
  virtual void give_back(std::uint64_t bytes) noexcept = 0;
  // More has been taken than was reserved: it counts, whatever the cap.
  virtual void taken(std::uint64_t bytes) noexcept = 0;
  // The disk is full though the cap is not reached: frees this much, if it can.
  [[nodiscard]] virtual bool make_room(std::uint64_t bytes) noexcept = 0;

  virtual void wrote(ByteRange range) noexcept = 0;
  virtual void read(ByteRange range) noexcept = 0;
  virtual void gave_up(ByteRange range) noexcept = 0;
};

}  // namespace strandline::store
