// Room: where entries take what they need on the disk from, so that all of them together stay below a cap.
// Threads: thread-safe. Blocks: reserve() evicts, which waits for the disk. Errors: no_space, saying what is in the
// way. Cost: an atomic add. Lifetime: shared by the entries.
#pragma once

#include <strandline/base/error.h>

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
};

}  // namespace strandline::store
