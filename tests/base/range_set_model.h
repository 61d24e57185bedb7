// Drawn strings and bit masks as a second opinion on RangeSet; byte i of a drawing is offset origin + i.
// Threads: free functions. Blocks: never. Errors: a set that cannot be drawn throws. Cost: O(bytes drawn).
// Lifetime: values.
#pragma once

#include <strandline/base/range_set.h>
#include <tests/base/runs.h>

#include <bitset>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace strandline::model {

inline constexpr std::size_t kWidth = 12;

// The set of the bytes drawn as '#'.
inline RangeSet drawn(const std::string& drawing, std::uint64_t origin) {
  RangeSet set;
  for (std::size_t i = 0; i < drawing.size(); ++i) {
    if (drawing[i] == '#' && !set.insert({origin + i, origin + i + 1})) {
      throw std::runtime_error("a drawing that cannot be made: " + drawing);
    }
  }
  return set;
}

// The one run of '^'; an empty range when there is none.
inline ByteRange marked(const std::string& drawing, std::uint64_t origin) {
  const std::size_t begin = drawing.find('^');
  return begin == std::string::npos ? ByteRange{origin + 3, origin + 3}
                                    : ByteRange{origin + begin, origin + drawing.rfind('^') + 1};
}

// The drawing of any container of ranges; a byte in two of them, or outside the paper, shows as '!'.
template <class Ranges>
std::string picture(const Ranges& ranges, std::uint64_t origin) {
  std::string drawing(kWidth, '.');
  for (const ByteRange range : ranges) {
    for (std::uint64_t at = range.begin; at < range.end; ++at) {
      if (at < origin || at - origin >= kWidth) {
        return drawing + '!';
      }
      char& mark = drawing[at - origin];
      mark = mark == '.' ? '#' : '!';
    }
  }
  return drawing;
}

// Bit i of a mask is the byte origin + i. The runs of ones inside [begin, end), found bit by bit.
inline std::vector<ByteRange> runs(std::uint32_t mask, std::uint64_t begin, std::uint64_t end, std::uint64_t origin) {
  return testing::runs(std::bitset<32>(mask), begin, end, true, origin);
}

// The bits [begin, end).
inline std::uint32_t bits(std::uint64_t begin, std::uint64_t end) {
  std::uint32_t mask = 0;
  for (std::uint64_t i = begin; i < end; ++i) {
    mask |= std::uint32_t{1} << i;
  }
  return mask;
}

// The set of a mask, built from its runs.
inline RangeSet from_mask(std::uint32_t mask, std::uint64_t origin) {
  RangeSet set;
  for (const ByteRange& run : runs(mask, 0, 32, origin)) {
    if (!set.insert(run)) {
      throw std::runtime_error("a mask that cannot be made");
    }
  }
  return set;
}

}  // namespace strandline::model
