#include <strandline/base/block_map/block_map_nodes.h>

#include <algorithm>
#include <bit>
#include <new>

namespace strandline {

using namespace block_bits;

const BlockMap::Leaf* BlockMap::leaf_of(std::uint64_t offset) const noexcept {
  const Node* node = root_.load(std::memory_order_acquire);
  if (node == nullptr || !fits(offset, node->level)) {
    return nullptr;
  }
  while (node->level > 0) {
    const auto* const inner = static_cast<const Inner*>(node);
    node = inner->children[slot(offset, bits_of(inner->level - 1))].load(std::memory_order_acquire);
    if (node == nullptr) {
      return nullptr;
    }
  }
  return static_cast<const Leaf*>(node);
}

// Links each node when it is whole; what a failed allocation leaves behind is empty, and says nothing.
BlockMap::Leaf& BlockMap::make_leaf(std::uint64_t offset) {
  if (recent_ != nullptr && floor_of(offset, kLeafBits) == recent_begin_) {
    return *recent_;
  }
  const auto make = [](unsigned level) -> Node* {
    return level == 0 ? static_cast<Node*>(new Leaf()) : static_cast<Node*>(new Inner(level));
  };
  Node* node = root_.load(std::memory_order_relaxed);
  if (node == nullptr) {
    unsigned level = 0;
    while (!fits(offset, level)) {
      ++level;
    }
    node = make(level);
    root_.store(node, std::memory_order_release);
  }
  while (!fits(offset, node->level)) {
    auto* const taller = new Inner(node->level + 1);
    taller->children[0].store(node, std::memory_order_relaxed);
    const bool full =
        node->level == 0 ? static_cast<Leaf*>(node)->full == kAllOnes : static_cast<Inner*>(node)->full == kAllOnes;
    taller->full = full ? 1 : 0;
    node = taller;
    root_.store(node, std::memory_order_release);
  }
  while (node->level > 0) {
    auto& child = static_cast<Inner*>(node)->children[slot(offset, bits_of(node->level - 1))];
    Node* next = child.load(std::memory_order_relaxed);
    if (next == nullptr) {
      next = make(node->level - 1);
      child.store(next, std::memory_order_release);
    }
    node = next;
  }
  recent_ = static_cast<Leaf*>(node);
  recent_begin_ = floor_of(offset, kLeafBits);
  return *recent_;
}

BlockMap::Leaf& BlockMap::made_leaf(std::uint64_t offset) noexcept {
  return recent_ != nullptr && floor_of(offset, kLeafBits) == recent_begin_ ? *recent_
                                                                            : *const_cast<Leaf*>(leaf_of(offset));
}

bool BlockMap::words_cover(ByteRange range) const noexcept {
  std::uint64_t at = std::max(range.begin, prefix());
  while (at < range.end) {
    const Leaf* const leaf = leaf_of(at);
    if (leaf == nullptr) {
      return false;
    }
    const std::uint64_t leaf_end = std::min(range.end, end_of(at, kLeafBits));
    while (at < leaf_end) {
      const std::uint64_t end = std::min(leaf_end, end_of(at, kWordBits));
      const std::uint64_t needed = mask_of(slot(at, kBlockBits), slot(end - 1, kBlockBits));
      if ((leaf->word(slot(at, kWordBits)) & needed) != needed) {
        return false;
      }
      at = end;
    }
  }
  return true;
}

// `from` and `end` lie in one word.
std::uint64_t BlockMap::missing_in_word(const Leaf& leaf, std::uint64_t from, std::uint64_t end) noexcept {
  const std::size_t index = slot(from, kWordBits);
  const std::uint64_t word = leaf.word(index);
  const Fragments* const fragments = leaf.fragments_at(index);
  while (from < end) {
    const auto full_blocks = static_cast<unsigned>(std::countr_one(word >> slot(from, kBlockBits)));
    if (full_blocks > 0) {
      from = floor_of(from, kBlockBits) + full_blocks * kBlockBytes;
      continue;
    }
    const std::uint32_t at = in_word(from);
    const std::uint32_t there = fragments != nullptr ? fragments->run_end(at) - at : 0;
    if (there == 0) {
      return from;
    }
    from += there;
  }
  return end;
}

std::uint64_t BlockMap::covered_in_word(const Leaf& leaf, std::uint64_t from, std::uint64_t end) noexcept {
  const std::size_t index = slot(from, kWordBits);
  const std::uint64_t blocks = leaf.word(index) >> slot(from, kBlockBits);
  if ((blocks & 1) != 0) {
    return from;
  }
  if (blocks != 0) {
    end = std::min(end, floor_of(from, kBlockBits) + static_cast<unsigned>(std::countr_zero(blocks)) * kBlockBytes);
  }
  const Fragments* const fragments = leaf.fragments_at(index);
  if (fragments == nullptr) {
    return end;
  }
  const Fragments::Run asked = in_word(ByteRange{from, end});
  return from + (fragments->next(asked.begin, asked.end) - asked.begin);
}

std::uint64_t BlockMap::next_missing(std::uint64_t from, std::uint64_t limit) const noexcept {
  std::uint64_t at = missing_in_words(std::max(from, prefix()), limit);
  while (at < limit) {
    const std::uint64_t there = long_runs_.covered_prefix({at, limit});
    if (there == 0) {
      return at;
    }
    at = missing_in_words(at + there, limit);
  }
  return limit;
}

std::uint64_t BlockMap::missing_in_words(std::uint64_t at, std::uint64_t limit) const noexcept {
  while (at < limit) {
    const Node* node = root_.load(std::memory_order_relaxed);
    if (node == nullptr || !fits(at, node->level)) {
      return at;
    }
    std::uint64_t skip_to = 0;
    while (node != nullptr && node->level > 0 && skip_to == 0) {
      const auto* const inner = static_cast<const Inner*>(node);
      const unsigned bits = bits_of(inner->level - 1);
      const std::size_t index = slot(at, bits);
      if ((inner->full >> index & 1) != 0) {
        skip_to = end_of(at, bits);
      }
      node = inner->children[index].load(std::memory_order_relaxed);
    }
    if (skip_to != 0) {
      at = skip_to;
      continue;
    }
    if (node == nullptr) {
      return at;
    }
    const std::uint64_t leaf_end = std::min(limit, end_of(at, kLeafBits));
    while (at < leaf_end) {
      const std::uint64_t end = std::min(leaf_end, end_of(at, kWordBits));
      const std::uint64_t missing = missing_in_word(*static_cast<const Leaf*>(node), at, end);
      if (missing < end) {
        return missing;
      }
      at = end;
    }
  }
  return limit;
}

// The first leaf at or after the offset, which moves there; null when there is none before the limit.
BlockMap::Leaf* BlockMap::next_leaf(std::uint64_t& at, std::uint64_t limit) const noexcept {
  while (at < limit) {
    Node* node = root_.load(std::memory_order_relaxed);
    if (node == nullptr || !fits(at, node->level)) {
      break;
    }
    unsigned bits = kLeafBits;
    while (node != nullptr && node->level > 0) {
      bits = bits_of(node->level - 1);
      node = static_cast<Inner*>(node)->children[slot(at, bits)].load(std::memory_order_relaxed);
    }
    if (node != nullptr) {
      return static_cast<Leaf*>(node);
    }
    at = end_of(at, bits);
  }
  at = limit;
  return nullptr;
}

std::uint64_t BlockMap::next_covered(std::uint64_t from, std::uint64_t limit) const noexcept {
  if (from < prefix()) {
    return std::min(from, limit);
  }
  const std::uint64_t in_words = covered_in_words(from, limit);
  const auto run = from < in_words ? long_runs_.first_covered({from, in_words}) : std::nullopt;
  return run ? run->begin : in_words;
}

std::uint64_t BlockMap::covered_in_words(std::uint64_t from, std::uint64_t limit) const noexcept {
  const std::uint64_t stop = std::min(limit, end_);
  std::uint64_t at = from;
  while (const Leaf* const leaf = next_leaf(at, stop)) {
    const std::uint64_t leaf_end = std::min(stop, end_of(at, kLeafBits));
    while (at < leaf_end) {
      const std::uint64_t end = std::min(leaf_end, end_of(at, kWordBits));
      at = covered_in_word(*leaf, at, end);
      if (at < end) {
        return at;
      }
    }
  }
  return limit;
}

bool BlockMap::refresh_full(Node& node, std::uint64_t offset) noexcept {
  if (node.level == 0) {
    return static_cast<Leaf&>(node).full == kAllOnes;
  }
  auto& inner = static_cast<Inner&>(node);
  const std::size_t index = slot(offset, bits_of(node.level - 1));
  const std::uint64_t bit = std::uint64_t{1} << index;
  const bool full = refresh_full(*inner.children[index].load(std::memory_order_relaxed), offset);
  inner.full = full ? inner.full | bit : inner.full & ~bit;
  return inner.full == kAllOnes;
}

void BlockMap::set_word(Leaf& leaf, std::uint64_t offset, std::uint64_t bits) noexcept {
  const std::size_t index = slot(offset, kWordBits);
  leaf.words[index].store(bits, std::memory_order_release);
  const std::uint64_t before = leaf.full;
  const std::uint64_t bit = std::uint64_t{1} << index;
  leaf.full = bits == kAllOnes ? before | bit : before & ~bit;
  if ((before == kAllOnes) != (leaf.full == kAllOnes)) {
    refresh_full(*root_.load(std::memory_order_relaxed), offset);
  }
}

void BlockMap::add_blocks(ByteRange range) noexcept {
  for (std::uint64_t at = range.begin; at < range.end;) {
    Leaf& leaf = made_leaf(at);
    const std::uint64_t end = std::min(range.end, end_of(at, kWordBits));
    const std::uint64_t blocks = mask_of(slot(at, kBlockBits), slot(end - 1, kBlockBits));
    set_word(leaf, at, leaf.word(slot(at, kWordBits)) | blocks);
    at = end;
  }
}

// A piece of one block or of two that share a word.
void BlockMap::add_fragment(ByteRange piece) noexcept {
  Fragments& fragments = (*made_leaf(piece.begin).fragments)[slot(piece.begin, kWordBits)];
  fragments.add(in_word(piece));
  for (std::uint64_t block = floor_of(piece.begin, kBlockBits); block < piece.end; block += kBlockBytes) {
    if (fragments.run_end(in_word(block)) >= in_word(block) + kBlockBytes) {
      add_blocks({block, block + kBlockBytes});
    }
  }
}

BlockMap::Run::Run(ByteRange whole) noexcept
    : range(whole), blocks{end_of(whole.begin - 1, kBlockBits), floor_of(whole.end, kBlockBits)} {
  is_long = blocks.begin < blocks.end && blocks.size() >= kLongRun;
  if (is_long) {
    return;
  }
  const bool one_word = floor_of(range.begin, kWordBits) == floor_of(range.end - 1, kWordBits);
  if (blocks.begin > blocks.end || (blocks.empty() && one_word)) {
    ragged[0] = range;
    blocks = {};
  } else {
    ragged = {ByteRange{range.begin, blocks.begin}, ByteRange{blocks.end, range.end}};
  }
}

void BlockMap::reserve(const Run& run) {
  for (const ByteRange piece : run.ragged) {
    if (!piece.empty()) {
      Leaf& leaf = make_leaf(piece.begin);
      if (!leaf.fragments) {
        leaf.fragments = std::make_unique<std::array<Fragments, 64>>();
      }
      // Both pieces may be this word's; and erase() takes something out of it as well.
      (*leaf.fragments)[slot(piece.begin, kWordBits)].reserve(in_word(piece.begin));
    }
  }
  if (run.is_long) {
    long_runs_.reserve(2);
    return;
  }
  for (std::uint64_t at = run.blocks.begin; at < run.blocks.end; at = end_of(at, kLeafBits)) {
    static_cast<void>(make_leaf(at));
  }
}

void BlockMap::add(const Run& run) noexcept {
  if (run.is_long) {
    long_runs_.add_reserved(run.range);
    return;
  }
  add_blocks(run.blocks);
  for (const ByteRange piece : run.ragged) {
    if (!piece.empty()) {
      add_fragment(piece);
    }
  }
}

// What lies in one word and comes behind all of its fragments, in the leaf of the last one: it joins none, and needs no
// memory.
bool BlockMap::append(const Run& run) noexcept {
  const std::uint64_t at = run.range.begin;
  if (recent_ == nullptr || !recent_->fragments || floor_of(at, kLeafBits) != recent_begin_ ||
      floor_of(at, kWordBits) != floor_of(run.range.end - 1, kWordBits)) {
    return false;
  }
  Fragments& fragments = (*recent_->fragments)[slot(at, kWordBits)];
  if (!fragments.may_append(in_word(at))) {
    return false;
  }
  for (const ByteRange piece : run.ragged) {
    if (!piece.empty()) {
      fragments.append(in_word(piece));
    }
  }
  add_blocks(run.blocks);
  return true;
}

Result<void> BlockMap::insert(ByteRange range) noexcept {
  if (range.empty()) {
    return {};
  }
  if (range.begin <= prefix()) {
    end_ = std::max(end_, range.end);
    if (range.end > prefix()) {
      advance_prefix(range.end);
    }
    return {};
  }
  if (const Run run(range); !append(run)) {
    try {
      reserve(run);
    } catch (const std::bad_alloc&) {
      return fail(Errc::no_memory, "block map");
    }
    add(run);
  }
  end_ = std::max(end_, range.end);
  return {};
}

// Every byte below `to` is there.
void BlockMap::advance_prefix(std::uint64_t to) noexcept {
  prefix_.store(next_missing(to, std::max(to, end_)), std::memory_order_release);
  // Nobody asks below the prefix any more.
  const std::uint64_t end = floor_of(prefix(), kWordBits);
  while (Leaf* const leaf = next_leaf(swept_, end)) {
    if (!leaf->fragments) {
      swept_ = std::min(end, end_of(swept_, kLeafBits));
      continue;
    }
    (*leaf->fragments)[slot(swept_, kWordBits)].clear();
    swept_ += kWordBytes;
    if (slot(swept_, kWordBits) == 0) {
      leaf->fragments.reset();
    }
  }
  if (long_runs_.end_offset() <= prefix()) {
    long_runs_.clear();
  }
  // Nor in the word that it stands in, when nothing lies beyond.
  auto* const leaf = prefix() == end_ ? const_cast<Leaf*>(leaf_of(swept_)) : nullptr;
  if (leaf != nullptr && leaf->fragments) {
    (*leaf->fragments)[slot(swept_, kWordBits)].clear();
  }
}

}  // namespace strandline
