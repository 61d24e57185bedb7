// IntervalSet: a plain boost::icl::interval_set of byte ranges, as one gets it by default: no pool, no hints.
// It is the yardstick of B7 and B8 and the set of the simple design. ICL stays in one .cpp: it is slow to compile.
#pragma once

#include <strandline/base/byte_range.h>

#include <cstddef>
#include <memory>

namespace strandline::bench::baseline {

// Throws std::bad_alloc, as ICL does. Ranges must be valid and not empty.
class IntervalSet {
 public:
  IntervalSet();
  IntervalSet(const IntervalSet& other);
  IntervalSet& operator=(const IntervalSet&) = delete;
  ~IntervalSet();

  void insert(ByteRange range);
  [[nodiscard]] bool covers(ByteRange range) const;
  [[nodiscard]] std::size_t range_count() const;
  // The end of the last range; 0 for an empty set.
  [[nodiscard]] std::uint64_t end_offset() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace strandline::bench::baseline
