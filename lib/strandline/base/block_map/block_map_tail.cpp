// BlockMap: taking bytes away, undoing it, and checking.
#include <strandline/base/block_map/block_map_nodes.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>

namespace strandline {

using namespace block_bits;

template <class Visit>
void BlockMap::visit_leaves(Node* node, std::uint64_t begin, Visit&& visit) {
  if (node == nullptr) {
    return;
  }
  if (node->level == 0) {
    visit(*static_cast<Leaf*>(node), begin);
    return;
  }
  for (std::uint64_t index = 0; index < 64; ++index) {
    visit_leaves(static_cast<Inner*>(node)->children[index].load(std::memory_order_relaxed),
                 begin + (index << bits_of(node->level - 1)), visit);
  }
}

template <class Visit>
void BlockMap::visit_words_from(std::uint64_t from, Visit&& visit) const {
  visit_leaves(root_.load(std::memory_order_relaxed), 0, [&](Leaf& leaf, std::uint64_t begin) {
    for (std::size_t index = 0; index < 64; ++index) {
      const std::uint64_t offset = begin + index * kWordBytes;
      const Fragments* const fragments = leaf.fragments_at(index);
      if (offset + kWordBytes > from && (leaf.word(index) != 0 || (fragments != nullptr && !fragments->empty()))) {
        visit(leaf, offset, index);
      }
    }
  });
}

BlockMap::Tail BlockMap::prepare_truncate(std::uint64_t length) const {
  Tail tail;
  std::size_t count = 0;
  visit_words_from(length, [&](Leaf&, std::uint64_t, std::size_t) { ++count; });
  tail.words_.reserve(count);
  return tail;
}

void BlockMap::truncate(std::uint64_t length, Tail& tail) noexcept {
  tail.prefix_ = prefix();
  tail.end_ = end_;
  tail.long_runs_ = std::move(long_runs_);
  prefix_.store(length, std::memory_order_release);
  end_ = length;
  swept_ = std::min(swept_, floor_of(length, kWordBits));
  // The whole of the word that the length lies in: what is below it, the prefix says.
  visit_words_from(length, [&](Leaf& leaf, std::uint64_t offset, std::size_t index) {
    Fragments fragments = leaf.fragments ? std::move((*leaf.fragments)[index]) : Fragments();
    tail.words_.push_back({&leaf, offset, leaf.word(index), std::move(fragments)});
    set_word(leaf, offset, 0);
  });
}

void BlockMap::restore(Tail&& tail) noexcept {
  for (Tail::Word& word : tail.words_) {
    if (word.leaf->fragments) {
      (*word.leaf->fragments)[slot(word.offset, kWordBits)] = std::move(word.fragments);
    }
    set_word(*word.leaf, word.offset, word.bits);
  }
  long_runs_ = std::move(tail.long_runs_);
  end_ = tail.end_;
  prefix_.store(tail.prefix_, std::memory_order_release);
}

void BlockMap::check_invariants() const {
  bool sound = prefix() <= end_ && next_missing(0, kMaxOffset) == prefix();
  long_runs_.check_invariants();
  std::uint64_t last = std::max(prefix(), long_runs_.end_offset());
  visit_words_from(0, [&](Leaf& leaf, std::uint64_t offset, std::size_t index) {
    const std::uint64_t word = leaf.word(index);
    sound = sound && (leaf.full >> index & 1) == (word == kAllOnes ? 1 : 0);
    if (word != 0) {
      last = std::max(last, offset + (64 - static_cast<unsigned>(std::countl_zero(word))) * kBlockBytes);
    }
    if (const Fragments* const fragments = leaf.fragments_at(index)) {
      fragments->check_invariants();
      sound = sound && fragments->end() <= kWordBytes;
      last = std::max(last, offset + fragments->end());
    }
  });
  if (!sound || last > end_) {
    std::fputs("BlockMap: an invariant is broken\n", stderr);
    std::abort();
  }
}

}  // namespace strandline
