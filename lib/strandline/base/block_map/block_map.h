// BlockMap: which bytes are there, byte-exact, with hits that need no lock.
// Threads: surely_covers() and prefix() by anybody at any time; all else is guarded by its owner's lock.
// Blocks: never. Errors: no_memory changes nothing. Cost: a hit is one load, or one per 256 KiB of the range;
// insert O(1) for whole blocks, O(log fragments of 256 KiB) for ragged edges. Lifetime: outlives who looks at it.
#pragma once

#include <strandline/base/block_map/fragments.h>
#include <strandline/base/range_set.h>
#include <strandline/base/sync.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace strandline {

// Three layers, of which readers ask the first two without a lock:
//   prefix     all bytes in [0, prefix) are there;
//   words      one bit per 4 KiB block that is wholly there, 64 to a word, in a radix tree that only grows:
//              a node, once linked, stays until the map goes, so readers need no reclamation;
//   fragments  for blocks that are partly there, their runs, by word; and a RangeSet for runs so long, written or found
//              in one piece, that their words would take megabytes.
// Invariant: a byte is there iff one of the layers says so. Below the prefix the others may say nothing.
// Ordering: each layer is stored with release after the bytes were written, and loaded with acquire before
// they are read. truncate() and erase() take bytes away under readers: they must look again after reading (Content).
class BlockMap {
 public:
  static constexpr std::uint64_t kBlockBytes = 4096;
  static constexpr std::uint64_t kWordBytes = 64 * kBlockBytes;

  BlockMap() noexcept = default;
  // Throws std::bad_alloc.
  explicit BlockMap(const RangeSet& set);
  // While nobody looks at either; what was moved from is empty.
  BlockMap(BlockMap&& other) noexcept;
  BlockMap& operator=(BlockMap&& other) noexcept;
  BlockMap(const BlockMap&) = delete;  // clone() says when memory runs out
  BlockMap& operator=(const BlockMap&) = delete;
  ~BlockMap();

  [[nodiscard]] Result<BlockMap> clone() const noexcept;
  // The same as a set.
  [[nodiscard]] Result<RangeSet> ranges() const noexcept;

  // No lock. False when a byte is missing or only the fragments know.
  [[nodiscard]] bool surely_covers(ByteRange range) const noexcept {
    return range.end <= prefix_.load(std::memory_order_acquire) || words_cover(range);
  }
  [[nodiscard]] std::uint64_t prefix() const noexcept { return prefix_.load(std::memory_order_acquire); }

  // Below: under the lock, with valid ranges.
  [[nodiscard]] Result<void> insert(ByteRange range) noexcept;
  // Whole blocks: bit b of word w is the block at first + w * kWordBytes + b * kBlockBytes, and ends at or before
  // kMaxOffset. `first` is a multiple of kWordBytes.
  [[nodiscard]] Result<void> insert_words(std::uint64_t first, std::span<const std::uint64_t> words) noexcept;
  // And back: the blocks that are wholly there.
  void whole_blocks(std::uint64_t first, std::span<std::uint64_t> words) const noexcept;
  // Appends what is there of the range in other blocks, in no order, the edges of long runs perhaps twice. Throws
  // std::bad_alloc.
  void collect_ragged(ByteRange range, std::vector<ByteRange>& out) const;
  // Takes bytes away under readers, as truncate() does; those around them stay. O(log range + 256 KiB words of it).
  [[nodiscard]] Result<void> erase(ByteRange range) noexcept;
  [[nodiscard]] bool covers(ByteRange range) const noexcept {
    return surely_covers(range) || next_missing(range.begin, range.end) >= range.end;
  }
  // The first byte in [from, limit) that is missing / that is there; `limit` if there is none.
  [[nodiscard]] std::uint64_t next_missing(std::uint64_t from, std::uint64_t limit) const noexcept;
  [[nodiscard]] std::uint64_t next_covered(std::uint64_t from, std::uint64_t limit) const noexcept;
  [[nodiscard]] bool intersects(ByteRange range) const noexcept {
    return next_covered(range.begin, range.end) < range.end;
  }
  // The first run inside the range that is there / that is missing; nothing when there is none.
  [[nodiscard]] std::optional<ByteRange> next_run(ByteRange range) const noexcept {
    const std::uint64_t begin = next_covered(range.begin, range.end);
    return begin < range.end ? std::optional(ByteRange{begin, next_missing(begin, range.end)}) : std::nullopt;
  }
  [[nodiscard]] std::optional<ByteRange> next_gap(ByteRange range) const noexcept {
    const std::uint64_t begin = next_missing(range.begin, range.end);
    return begin < range.end ? std::optional(ByteRange{begin, next_covered(begin, range.end)}) : std::nullopt;
  }
  // All of them inside the range, in order: `for (const ByteRange run : map.runs())`. The map must not change
  // meanwhile.
  template <auto kNext>
  class Walk;
  [[nodiscard]] auto runs(ByteRange within) const noexcept;
  [[nodiscard]] auto runs() const noexcept;
  [[nodiscard]] auto gaps(ByteRange within) const noexcept;
  // One past the last byte that is there, or was before erase() took it.
  [[nodiscard]] std::uint64_t end_offset() const noexcept { return end_; }
  // One past the last byte that is there. O(empty leaves behind it).
  [[nodiscard]] std::uint64_t covered_end() const noexcept;
  // What was there past it counts no more; nothing is.
  void lower_end(std::uint64_t end) noexcept { end_ = std::min(end_, end); }

  // What truncate() took away, for undoing it.
  class Tail;
  // Room for the Tail of a truncate(length) to come. Throws std::bad_alloc.
  [[nodiscard]] Tail prepare_truncate(std::uint64_t length) const;
  // Takes away every byte from `length` on. Precondition: [0, length) is there, so nothing needs memory.
  void truncate(std::uint64_t length, Tail& tail) noexcept;
  void restore(Tail&& tail) noexcept;

  // Aborts when the invariant is broken. O(blocks).
  void check_invariants() const;

 private:
  struct Node;
  struct Inner;
  struct Leaf;
  // A run past the prefix, as the layers keep it: whole blocks, and at either side, or in all, a piece of a block.
  struct Run {
    explicit Run(ByteRange range) noexcept;
    ByteRange range, blocks;
    std::array<ByteRange, 2> ragged{};
    bool is_long = false;
  };

  // All that allocates; throws std::bad_alloc. Then add() cannot fail.
  void reserve(const Run& run);
  void add(const Run& run) noexcept;
  [[nodiscard]] bool append(const Run& run) noexcept;
  [[nodiscard]] bool block_is_full(std::uint64_t offset) const noexcept;
  // Of what the prefix and full blocks say around a range inside [0, end_), what its erasure leaves to be said.
  [[nodiscard]] std::array<ByteRange, 2> left_by_erasing(ByteRange range) const noexcept;
  void clear_words(ByteRange range) noexcept;
  [[nodiscard]] bool words_cover(ByteRange range) const noexcept;
  [[nodiscard]] const Leaf* leaf_of(std::uint64_t offset) const noexcept;
  [[nodiscard]] Leaf& make_leaf(std::uint64_t offset);
  [[nodiscard]] Leaf& made_leaf(std::uint64_t offset) noexcept;
  [[nodiscard]] Leaf* next_leaf(std::uint64_t& at, std::uint64_t limit) const noexcept;
  [[nodiscard]] std::uint64_t missing_in_words(std::uint64_t from, std::uint64_t limit) const noexcept;
  [[nodiscard]] std::uint64_t covered_in_words(std::uint64_t from, std::uint64_t limit) const noexcept;
  [[nodiscard]] static std::uint64_t missing_in_word(const Leaf& leaf, std::uint64_t from, std::uint64_t end) noexcept;
  [[nodiscard]] static std::uint64_t covered_in_word(const Leaf& leaf, std::uint64_t from, std::uint64_t end) noexcept;
  void set_word(Leaf& leaf, std::uint64_t offset, std::uint64_t bits) noexcept;
  // Puts right the `full` bits above a leaf; answers whether the node is full.
  static bool refresh_full(Node& node, std::uint64_t offset) noexcept;
  void add_blocks(ByteRange range) noexcept;
  void add_fragment(ByteRange piece) noexcept;
  void advance_prefix(std::uint64_t to) noexcept;
  template <class Visit>
  static void visit_leaves(Node* node, std::uint64_t begin, Visit&& visit);
  template <class Visit>
  static void visit_ragged(std::uint64_t blocks, ByteRange run, Visit&& visit);
  template <class Visit>
  void visit_words_from(std::uint64_t from, Visit&& visit) const;
  static void destroy(Node* node) noexcept;
  [[nodiscard]] static Node* copy(const Node& node);
  [[nodiscard]] static std::uint64_t end_in(const Node* node, std::uint64_t begin) noexcept;
  void take(BlockMap& other) noexcept;

  // Both are written under the lock and read by anybody.
  Sync::Atomic<std::uint64_t> prefix_{0};
  Sync::Atomic<Node*> root_{nullptr};  // of any height; a taller one has the shorter one as its first child
  // Guarded, and on another cache line, since every write changes it.
  alignas(64) std::uint64_t end_ = 0;
  std::uint64_t swept_ = 0;  // fragments before this have been let go of
  RangeSet long_runs_;
  // The leaf that was last made or asked to be: writes come side by side.
  Leaf* recent_ = nullptr;
  std::uint64_t recent_begin_ = 0;
};

class BlockMap::Tail {
 public:
  Tail() noexcept = default;

 private:
  friend class BlockMap;
  struct Word {
    Leaf* leaf;
    std::uint64_t offset;
    std::uint64_t bits;
    Fragments fragments;
  };
  std::vector<Word> words_;
  RangeSet long_runs_;
  std::uint64_t prefix_ = 0;
  std::uint64_t end_ = 0;
};

template <auto kNext>
class BlockMap::Walk {
 public:
  class iterator {
   public:
    using difference_type = std::ptrdiff_t;
    using value_type = ByteRange;

    iterator(const BlockMap& map, ByteRange within) noexcept
        : map_(&map), end_(within.end), at_((map.*kNext)(within)) {}
    [[nodiscard]] ByteRange operator*() const noexcept { return *at_; }
    iterator& operator++() noexcept {
      at_ = (map_->*kNext)({at_->end, end_});
      return *this;
    }
    void operator++(int) noexcept { ++*this; }
    friend bool operator==(const iterator& walk, std::default_sentinel_t /*end*/) noexcept { return !walk.at_; }

   private:
    const BlockMap* map_;
    std::uint64_t end_;
    std::optional<ByteRange> at_;
  };

  Walk(const BlockMap& map, ByteRange within) noexcept : map_(map), within_(within) {}
  [[nodiscard]] iterator begin() const noexcept { return {map_, within_}; }
  [[nodiscard]] static std::default_sentinel_t end() noexcept { return {}; }

 private:
  const BlockMap& map_;
  const ByteRange within_;
};

inline auto BlockMap::runs(ByteRange within) const noexcept {
  return Walk<&BlockMap::next_run>(*this, within);
}
inline auto BlockMap::runs() const noexcept {
  return runs({0, end_});
}
inline auto BlockMap::gaps(ByteRange within) const noexcept {
  return Walk<&BlockMap::next_gap>(*this, within);
}

// Is the same there? O(runs).
[[nodiscard]] bool operator==(const BlockMap& a, const BlockMap& b) noexcept;
// "{[0, 10) [20, 30)}"
[[nodiscard]] std::string to_string(const BlockMap& map);

}  // namespace strandline
