// BlockMap: taking away bytes in the midst of others.
#include <strandline/base/block_map/block_map_nodes.h>

#include <algorithm>
#include <array>
#include <bit>
#include <new>

namespace strandline {

using namespace block_bits;

bool BlockMap::block_is_full(std::uint64_t offset) const noexcept {
  const Leaf* const leaf = leaf_of(offset);
  return leaf != nullptr && (leaf->word(slot(offset, kWordBits)) >> slot(offset, kBlockBits) & 1) != 0;
}

std::array<ByteRange, 2> BlockMap::left_by_erasing(ByteRange range) const noexcept {
  std::array<ByteRange, 2> left{};
  const std::uint64_t before = prefix();
  const std::uint64_t last_block = floor_of(range.end, kBlockBits);
  if (range.begin < before) {
    left[0] = {std::min(range.end, before), before};
  } else if (block_is_full(range.begin)) {
    left[0] = {floor_of(range.begin, kBlockBits), range.begin};
  }
  if (range.end > before && range.end > last_block && block_is_full(range.end)) {
    left[1] = {range.end, last_block + kBlockBytes};
  }
  return left;
}

// Its bits and its fragments: of the words at its ends, what lies outside it stays.
void BlockMap::clear_words(ByteRange range) noexcept {
  for (std::uint64_t at = range.begin; Leaf* const leaf = next_leaf(at, range.end);) {
    const std::uint64_t leaf_end = std::min(range.end, end_of(at, kLeafBits));
    while (at < leaf_end) {
      const std::uint64_t end = std::min(leaf_end, end_of(at, kWordBits));
      const std::size_t index = slot(at, kWordBits);
      const std::uint64_t gone = mask_of(slot(at, kBlockBits), slot(end - 1, kBlockBits));
      if ((leaf->word(index) & gone) != 0) {
        set_word(*leaf, at, leaf->word(index) & ~gone);
      }
      if (leaf->fragments && !(*leaf->fragments)[index].empty()) {
        Fragments& fragments = (*leaf->fragments)[index];
        end - at == kWordBytes ? fragments.clear() : fragments.erase(in_word(ByteRange{at, end}));
      }
      at = end;
    }
  }
}

Result<void> BlockMap::erase(ByteRange range) noexcept {
  range = range.clamped_to({0, end_});
  if (range.empty()) {
    return {};
  }
  const auto left = left_by_erasing(range);
  try {
    for (const ByteRange piece : left) {
      if (!piece.empty()) {
        reserve(Run(piece));
      }
    }
    // The words at either end, which may split a fragment.
    for (const std::uint64_t at : {range.begin, range.end - 1}) {
      auto* const leaf = const_cast<Leaf*>(leaf_of(at));
      if (leaf != nullptr && leaf->fragments) {
        (*leaf->fragments)[slot(at, kWordBits)].reserve(in_word(std::max(range.begin, floor_of(at, kWordBits))));
      }
    }
    if (!long_runs_.empty()) {
      long_runs_.reserve(2);
    }
  } catch (const std::bad_alloc&) {
    return fail(Errc::no_memory, "block map");
  }
  // Who looks without the lock may miss for a moment what is left, and then asks again under it.
  prefix_.store(std::min(prefix(), range.begin), std::memory_order_release);
  swept_ = std::min(swept_, floor_of(range.begin, kWordBits));
  clear_words(range);
  if (!long_runs_.empty()) {
    long_runs_.erase_reserved(range);
  }
  for (const ByteRange piece : left) {
    if (!piece.empty()) {
      add(Run(piece));
    }
  }
  return {};
}

}  // namespace strandline
