// The radix tree of BlockMap: its nodes, and how an offset finds its way through them.
// Threads: words and children by anybody, what is marked guarded under the owner's lock. Blocks: never. Errors:
// none. Cost: a leaf is 528 bytes and covers 16 MiB, 2 KiB more where there are ragged edges. Lifetime: the map's.
#pragma once

#include <strandline/base/block_map/block_map.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace strandline {

namespace block_bits {

inline constexpr std::uint64_t kAllOnes = ~std::uint64_t{0};
inline constexpr std::uint64_t kLongRun = std::uint64_t{64} << 30;  // bytes; their words would be 2 MiB
inline constexpr unsigned kFanOutBits = 6;                          // 64 words to a leaf, 64 children to an inner node
inline constexpr unsigned kBlockBits = 12;
inline constexpr unsigned kWordBits = kBlockBits + 6;
inline constexpr unsigned kLeafBits = kWordBits + kFanOutBits;

// The bytes under one node of a level, as a power of two; leaves are level 0.
constexpr unsigned bits_of(unsigned level) noexcept {
  return kLeafBits + kFanOutBits * level;
}
constexpr bool fits(std::uint64_t offset, unsigned level) noexcept {
  return bits_of(level) >= 64 || offset >> bits_of(level) == 0;
}
constexpr std::size_t slot(std::uint64_t offset, unsigned bits) noexcept {
  return offset >> bits & 63;
}
// One past the 2^bits bytes that the offset lies in.
constexpr std::uint64_t end_of(std::uint64_t offset, unsigned bits) noexcept {
  return (offset | ((std::uint64_t{1} << bits) - 1)) + 1;
}
constexpr std::uint64_t floor_of(std::uint64_t offset, unsigned bits) noexcept {
  return offset >> bits << bits;
}
constexpr std::uint32_t in_word(std::uint64_t offset) noexcept {
  return offset & ((std::uint64_t{1} << kWordBits) - 1);
}
// A range that is not empty and lies in one word.
constexpr Fragments::Run in_word(ByteRange range) noexcept {
  return {in_word(range.begin), in_word(range.end - 1) + 1};
}
// Bits first..last, both included.
constexpr std::uint64_t mask_of(std::size_t first, std::size_t last) noexcept {
  return kAllOnes >> (63 - last) & kAllOnes << first;
}

}  // namespace block_bits

struct BlockMap::Node {
  explicit Node(unsigned of_level) noexcept : level(of_level) {}
  const unsigned level;
};

struct BlockMap::Inner : Node {
  using Node::Node;
  std::array<Sync::Atomic<Node*>, 64> children{};
  std::uint64_t full = 0;  // guarded: the children of which every byte is there
};

struct BlockMap::Leaf : Node {
  Leaf() noexcept : Node(0) {}
  std::array<Sync::Atomic<std::uint64_t>, 64> words{};
  std::uint64_t full = 0;                                // guarded: the words that are all ones
  std::unique_ptr<std::array<Fragments, 64>> fragments;  // guarded; only where there are ragged edges

  [[nodiscard]] std::uint64_t word(std::size_t index) const noexcept {
    return words[index].load(std::memory_order_acquire);
  }
  [[nodiscard]] const Fragments* fragments_at(std::size_t index) const noexcept {
    return fragments ? &(*fragments)[index] : nullptr;
  }
};

}  // namespace strandline
