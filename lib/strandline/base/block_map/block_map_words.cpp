// BlockMap: as journals have it: whole blocks word by word, and the runs beside them.
#include <strandline/base/block_map/block_map_nodes.h>

#include <algorithm>
#include <bit>
#include <new>

namespace strandline {

using namespace block_bits;

namespace {

// Of the word at `at`, the blocks that are wholly in the range.
std::uint64_t bits_in(std::uint64_t at, ByteRange range) noexcept {
  const ByteRange inside = range.clamped_to({at, at + BlockMap::kWordBytes});
  const std::uint64_t first = (inside.begin - at + BlockMap::kBlockBytes - 1) / BlockMap::kBlockBytes;
  const std::uint64_t last = (inside.end - at) / BlockMap::kBlockBytes;
  return first < last ? mask_of(first, last - 1) : 0;
}

}  // namespace

Result<void> BlockMap::insert_words(std::uint64_t first, std::span<const std::uint64_t> words) noexcept {
  try {
    for (std::size_t index = 0; index < words.size(); ++index) {
      if (words[index] != 0) {
        static_cast<void>(make_leaf(first + index * kWordBytes));
      }
    }
  } catch (const std::bad_alloc&) {
    return fail(Errc::no_memory, "block map");
  }
  std::uint64_t end = 0;
  for (std::size_t index = 0; index < words.size(); ++index) {
    if (words[index] != 0) {
      const std::uint64_t at = first + index * kWordBytes;
      Leaf& leaf = made_leaf(at);
      set_word(leaf, at, leaf.word(slot(at, kWordBits)) | words[index]);
      end = at + static_cast<std::uint64_t>(std::bit_width(words[index])) * kBlockBytes;
    }
  }
  end_ = std::max(end_, end);
  if (first <= prefix() && prefix() < end) {
    advance_prefix(prefix());
  }
  return {};
}

void BlockMap::whole_blocks(std::uint64_t first, std::span<std::uint64_t> words) const noexcept {
  const Leaf* leaf = nullptr;
  for (std::size_t index = 0; index < words.size(); ++index) {
    const std::uint64_t at = first + index * kWordBytes;
    if (index == 0 || floor_of(at, kLeafBits) == at) {
      leaf = leaf_of(at);
    }
    std::uint64_t bits = bits_in(at, {0, prefix()}) | (leaf != nullptr ? leaf->word(slot(at, kWordBits)) : 0);
    ByteRange rest{at, std::min(at + kWordBytes, kMaxOffset)};
    for (auto run = long_runs_.first_covered(rest); run; run = long_runs_.first_covered(rest)) {
      bits |= bits_in(at, *run);
      rest.begin = run->end;
    }
    words[index] = bits;
  }
}

// Of a run in the fragments of a word, what lies in no whole block.
template <class Visit>
void BlockMap::visit_ragged(std::uint64_t blocks, ByteRange run, Visit&& visit) {
  while (!run.empty()) {
    const std::uint64_t later = blocks >> slot(run.begin, kBlockBits);
    const std::uint64_t block = floor_of(run.begin, kBlockBits);
    if ((later & 1) != 0) {
      run.begin = block + static_cast<unsigned>(std::countr_one(later)) * kBlockBytes;
      continue;
    }
    const std::uint64_t whole =
        later == 0 ? run.end : block + static_cast<unsigned>(std::countr_zero(later)) * kBlockBytes;
    const ByteRange ragged{run.begin, std::min(run.end, whole)};
    visit(ragged);
    run.begin = ragged.end;
  }
}

void BlockMap::collect_ragged(ByteRange range, std::vector<ByteRange>& out) const {
  const auto add = [&](ByteRange ragged) {
    ragged = ragged.clamped_to(range);
    if (!ragged.empty()) {
      out.push_back(ragged);
    }
  };
  add({floor_of(prefix(), kBlockBits), prefix()});
  for (const ByteRange run : long_runs_) {
    // Of which erase() may have left little.
    add({run.begin, std::min(run.end, end_of(run.begin - 1, kBlockBits))});
    add({std::max(run.begin, floor_of(run.end, kBlockBits)), run.end});
  }
  range = range.clamped_to({prefix(), end_});
  for (std::uint64_t at = range.begin; const Leaf* const leaf = next_leaf(at, range.end);) {
    const std::uint64_t leaf_end = std::min(range.end, end_of(at, kLeafBits));
    for (; leaf->fragments && at < leaf_end; at = end_of(at, kWordBits)) {
      const std::uint64_t begin = floor_of(at, kWordBits);
      const std::size_t index = slot(at, kWordBits);
      (*leaf->fragments)[index].visit([&](Fragments::Run run) {
        visit_ragged(leaf->word(index), ByteRange{begin + run.begin, begin + run.end}.clamped_to(range), add);
      });
    }
    at = leaf_end;
  }
}

}  // namespace strandline
