// RangeSet: a set of byte offsets kept as disjoint, non-touching half-open ranges, on Boost.ICL.
// Threads: a value; const calls may run at once, anything else wants a lock outside. Blocks: never.
// Errors: no_memory and invalid_range leave the set as it was. Cost: queries O(log ranges), insert and
// erase O(log ranges + ranges touched), counts O(1). Lifetime: iterators die with the next change.
#pragma once

#include <strandline/base/byte_range.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace strandline {

// Invariant: ranges are non-empty, sorted, disjoint, do not touch, and end at or before kMaxOffset;
// byte_count() is the sum of their sizes and range_count() their number.
class RangeSet {
 public:
  class const_iterator;

  RangeSet() noexcept;
  // For tests and literals; throws std::bad_alloc and std::invalid_argument, unlike all else here.
  RangeSet(std::initializer_list<ByteRange> ranges);
  RangeSet(RangeSet&& other) noexcept;
  RangeSet& operator=(RangeSet&& other) noexcept;
  RangeSet(const RangeSet&) = delete;  // clone() says when memory runs out
  RangeSet& operator=(const RangeSet&) = delete;
  ~RangeSet();

  [[nodiscard]] Result<RangeSet> clone() const noexcept;

  // Adds the range; answers the parts of it that were not in the set before, in order.
  [[nodiscard]] Result<std::vector<ByteRange>> insert(ByteRange range) noexcept;
  // Removes the range; answers the parts of it that were in the set, in order.
  [[nodiscard]] Result<std::vector<ByteRange>> erase(ByteRange range) noexcept;
  void clear() noexcept;
  // For callers that change several sets or none: reserve() throws std::bad_alloc, and then that many calls, three at
  // the most, add or remove a valid range each without fail.
  void reserve(std::size_t ranges);
  void add_reserved(ByteRange range) noexcept;
  void erase_reserved(ByteRange range) noexcept;

  // Queries of an invalid range (begin > end, or past kMaxOffset) answer false, 0, nothing or invalid_range.
  // Is every byte of the range in the set? True for an empty range.
  [[nodiscard]] bool covers(ByteRange range) const noexcept;
  [[nodiscard]] bool intersects(ByteRange range) const noexcept;
  // How many bytes from range.begin on are in the set without a break, at most range.size().
  [[nodiscard]] std::uint64_t covered_prefix(ByteRange range) const noexcept;
  // The first maximal run inside the range that is not in the set; nothing when it is covered.
  [[nodiscard]] std::optional<ByteRange> first_gap(ByteRange range) const noexcept;
  // The first maximal run inside the range that is in the set.
  [[nodiscard]] std::optional<ByteRange> first_covered(ByteRange range) const noexcept;
  // All runs inside the range that are not / that are in the set, in order.
  [[nodiscard]] Result<std::vector<ByteRange>> gaps(ByteRange range) const noexcept;
  [[nodiscard]] Result<std::vector<ByteRange>> covered(ByteRange range) const noexcept;

  [[nodiscard]] bool empty() const noexcept { return range_count() == 0; }
  [[nodiscard]] std::uint64_t byte_count() const noexcept;
  [[nodiscard]] std::size_t range_count() const noexcept;
  // The end of the last range; 0 for an empty set.
  [[nodiscard]] std::uint64_t end_offset() const noexcept;

  [[nodiscard]] const_iterator begin() const noexcept;
  [[nodiscard]] const_iterator end() const noexcept;

  friend bool operator==(const RangeSet& a, const RangeSet& b) noexcept;

  // Aborts when the invariant is broken; for tests and fuzzers. O(ranges).
  void check_invariants() const;

 private:
  struct Impl;  // holds the ICL set, so that boost/icl stays in one .cpp
  std::unique_ptr<Impl> impl_;
};

// Forward iterator over the ranges in order, yielding ByteRange by value.
class RangeSet::const_iterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using iterator_concept = std::forward_iterator_tag;
  using value_type = ByteRange;
  using difference_type = std::ptrdiff_t;
  using pointer = const ByteRange*;
  using reference = ByteRange;

  const_iterator() noexcept = default;
  [[nodiscard]] ByteRange operator*() const noexcept;
  const_iterator& operator++() noexcept;
  const_iterator operator++(int) noexcept;
  friend bool operator==(const const_iterator& a, const const_iterator& b) noexcept {
    return a.position_ == b.position_;
  }

 private:
  friend class RangeSet;
  explicit const_iterator(const void* position) noexcept : position_(position) {}
  const void* position_ = nullptr;  // the set node; the set's end sentinel at the end
};

// "{[0, 10) [20, 30)}"
[[nodiscard]] std::string to_string(const RangeSet& set);

}  // namespace strandline
