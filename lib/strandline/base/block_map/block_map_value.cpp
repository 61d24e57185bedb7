// BlockMap: as a value: made, moved, copied, turned into a set.
#include <strandline/base/block_map/block_map_nodes.h>

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

namespace strandline {

using namespace block_bits;

BlockMap::BlockMap(const RangeSet& set) {
  for (const ByteRange range : set) {
    if (!insert(range)) {
      destroy(root_.load(std::memory_order_relaxed));
      throw std::bad_alloc();
    }
  }
}

BlockMap::BlockMap(BlockMap&& other) noexcept {
  take(other);
}

BlockMap& BlockMap::operator=(BlockMap&& other) noexcept {
  if (this != &other) {
    destroy(root_.load(std::memory_order_relaxed));
    take(other);
  }
  return *this;
}

BlockMap::~BlockMap() {
  destroy(root_.load(std::memory_order_relaxed));
}

void BlockMap::take(BlockMap& other) noexcept {
  prefix_.store(other.prefix_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  root_.store(other.root_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  end_ = std::exchange(other.end_, 0);
  swept_ = std::exchange(other.swept_, 0);
  long_runs_ = std::move(other.long_runs_);
  recent_ = std::exchange(other.recent_, nullptr);
  recent_begin_ = other.recent_begin_;
  other.prefix_.store(0, std::memory_order_relaxed);
  other.root_.store(nullptr, std::memory_order_relaxed);
}

void BlockMap::destroy(Node* node) noexcept {
  if (node == nullptr) {
    return;
  }
  if (node->level == 0) {
    delete static_cast<Leaf*>(node);
    return;
  }
  auto* const inner = static_cast<Inner*>(node);
  for (auto& child : inner->children) {
    destroy(child.load(std::memory_order_relaxed));
  }
  delete inner;
}

BlockMap::Node* BlockMap::copy(const Node& node) {
  if (node.level == 0) {
    const auto& from = static_cast<const Leaf&>(node);
    auto leaf = std::make_unique<Leaf>();
    for (std::size_t index = 0; index < from.words.size(); ++index) {
      leaf->words[index].store(from.word(index), std::memory_order_relaxed);
    }
    leaf->full = from.full;
    if (from.fragments) {
      leaf->fragments = std::make_unique<std::array<Fragments, 64>>();
      for (std::size_t index = 0; index < from.fragments->size(); ++index) {
        (*leaf->fragments)[index] = (*from.fragments)[index].clone();
      }
    }
    return leaf.release();
  }
  const auto& from = static_cast<const Inner&>(node);
  auto* const inner = new Inner(node.level);
  try {
    inner->full = from.full;
    for (std::size_t index = 0; index < from.children.size(); ++index) {
      if (const Node* const child = from.children[index].load(std::memory_order_relaxed)) {
        inner->children[index].store(copy(*child), std::memory_order_relaxed);
      }
    }
  } catch (...) {
    destroy(inner);
    throw;
  }
  return inner;
}

Result<BlockMap> BlockMap::clone() const noexcept {
  auto long_runs = long_runs_.clone();
  if (!long_runs) {
    return fail(std::move(long_runs.error()));
  }
  BlockMap other;
  try {
    if (const Node* const root = root_.load(std::memory_order_relaxed)) {
      other.root_.store(copy(*root), std::memory_order_relaxed);
    }
  } catch (const std::bad_alloc&) {
    return fail(Errc::no_memory, "block map");
  }
  other.prefix_.store(prefix(), std::memory_order_relaxed);
  other.end_ = end_;
  other.swept_ = swept_;
  other.long_runs_ = std::move(*long_runs);
  return other;
}

Result<RangeSet> BlockMap::ranges() const noexcept {
  RangeSet set;
  for (const ByteRange run : runs()) {
    if (auto added = set.insert(run); !added) {
      return fail(std::move(added.error()));
    }
  }
  return set;
}

// One past what the words and fragments below a node say; 0 when they say nothing.
std::uint64_t BlockMap::end_in(const Node* node, std::uint64_t begin) noexcept {
  if (node == nullptr) {
    return 0;
  }
  for (std::size_t index = 64; index-- > 0;) {
    std::uint64_t end = 0;
    if (node->level == 0) {
      const auto& leaf = *static_cast<const Leaf*>(node);
      const Fragments* const fragments = leaf.fragments_at(index);
      end = std::max<std::uint64_t>(static_cast<std::uint64_t>(std::bit_width(leaf.word(index))) * kBlockBytes,
                                    fragments != nullptr ? fragments->end() : 0);
      end = end != 0 ? begin + index * kWordBytes + end : 0;
    } else {
      end = end_in(static_cast<const Inner*>(node)->children[index].load(std::memory_order_relaxed),
                   begin + (index << bits_of(node->level - 1)));
    }
    if (end != 0) {
      return end;
    }
  }
  return 0;
}

std::uint64_t BlockMap::covered_end() const noexcept {
  return std::max({prefix(), long_runs_.end_offset(), end_in(root_.load(std::memory_order_relaxed), 0)});
}

bool operator==(const BlockMap& a, const BlockMap& b) noexcept {
  const auto runs_a = a.runs();
  const auto runs_b = b.runs();
  auto in_a = runs_a.begin();
  auto in_b = runs_b.begin();
  while (in_a != runs_a.end() && in_b != runs_b.end() && *in_a == *in_b) {
    ++in_a;
    ++in_b;
  }
  return in_a == runs_a.end() && in_b == runs_b.end();
}

std::string to_string(const BlockMap& map) {
  std::string text = "{";
  for (const ByteRange run : map.runs()) {
    text += (text.size() > 1 ? " " : "") + to_string(run);
  }
  return text + "}";
}

}  // namespace strandline
