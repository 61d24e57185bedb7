// The runs of a model that keeps a bit per byte: the slow, plain way, which range sets are held to.
// Threads: any. Blocks: never. Errors: none. Cost: a look at every byte. Lifetime: none.
#pragma once

#include <strandline/base/byte_range.h>

#include <cstdint>
#include <vector>

namespace strandline::testing {

// Runs of `wanted` in bits [begin, end), as ranges of bytes of which the first bit's is `origin`.
template <class Bits>
[[nodiscard]] std::vector<ByteRange> runs(const Bits& bits, std::uint64_t begin, std::uint64_t end, bool wanted,
                                          std::uint64_t origin) {
  std::vector<ByteRange> found;
  for (std::uint64_t i = begin; i < end; ++i) {
    if (bits[i] != wanted) {
      continue;
    }
    if (!found.empty() && found.back().end == origin + i) {
      ++found.back().end;
    } else {
      found.push_back({origin + i, origin + i + 1});
    }
  }
  return found;
}

}  // namespace strandline::testing
