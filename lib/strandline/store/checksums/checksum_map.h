// ChecksumMap: checksums of blocks, by the blocks' numbers.
// Threads: a value; const calls may run at once. Blocks: never. Errors: set() throws std::bad_alloc; what it had set by
// then is set. Cost: O(log blocks) a call and O(1) for each block of it; 5 bytes a block where they are dense, 320
// where they are alone. Lifetime: a value.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>

namespace strandline::store {

class ChecksumMap {
 public:
  // Of the blocks from `first` on; in place of those that they have.
  void set(std::uint64_t first, std::span<const std::uint32_t> checksums);
  // Of blocks [first, last).
  void erase(std::uint64_t first, std::uint64_t last) noexcept;
  void clear() noexcept { *this = ChecksumMap(); }

  [[nodiscard]] std::optional<std::uint32_t> find(std::uint64_t block) const noexcept;
  // The first block from `block` on that has one; nothing when there is none.
  [[nodiscard]] std::optional<std::uint64_t> next(std::uint64_t block) const noexcept;
  // The first block of [first, last) that has none; `last` when all have.
  [[nodiscard]] std::uint64_t next_without(std::uint64_t first, std::uint64_t last) const noexcept;
  // Calls visit(block, checksum), in order.
  template <class Visit>
  void visit(Visit&& visit) const {
    for (const auto& [number, chunk] : chunks_) {
      for (std::uint64_t has = chunk.has; has != 0; has &= has - 1) {
        const auto index = static_cast<unsigned>(std::countr_zero(has));
        visit(number * kBlocks + index, chunk.checksums[index]);
      }
    }
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  friend bool operator==(const ChecksumMap& a, const ChecksumMap& b) noexcept;

 private:
  static constexpr std::uint64_t kBlocks = 64;  // of a chunk
  struct Chunk {
    std::uint64_t has = 0;  // a bit per block
    std::array<std::uint32_t, kBlocks> checksums{};
    friend bool operator==(const Chunk&, const Chunk&) = default;  // without one it is 0
  };

  std::map<std::uint64_t, Chunk> chunks_;  // by the first block's number / kBlocks; none is empty
  std::size_t size_ = 0;
};

}  // namespace strandline::store
