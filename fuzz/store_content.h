// What the fuzzer of the store holds answers against: the bytes of each version, and what of them was written.
// Threads: one. Blocks: never. Errors: require() says what is wrong, and aborts. Cost: none worth naming. Lifetime:
// values; the bytes of the versions stay.
#pragma once

#include <strandline/base/range_set.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

namespace strandline::fuzz {

constexpr std::uint64_t kReach = 5 * 65536;

inline void require(bool holds, const std::string& what) {
  if (!holds) {
    std::fprintf(stderr, "store: %s\n", what.c_str());
    std::abort();
  }
}

// All of a version. Never zero: a hole shows.
inline const std::vector<std::byte>& bytes_of(unsigned version) {
  static std::array<std::vector<std::byte>, 4> all;
  std::vector<std::byte>& bytes = all.at(version);
  for (std::uint64_t at = bytes.size(); at < kReach; ++at) {
    bytes.push_back(static_cast<std::byte>(1 + (at * 37 + (at >> 8) * 11 + (at >> 16) * 3 + version * 101) % 251));
  }
  return bytes;
}
inline std::uint64_t length_of(unsigned version) {
  return 100'000 + version * 70'001;
}

// What the number stands for. None is another's beginning.
inline std::vector<std::byte> note_of(unsigned number) {
  return std::vector<std::byte>(number * 15, static_cast<std::byte>(number));
}

// One data file: a version of the content, from its beginning to its replacement.
struct Written {
  unsigned version = 0;
  RangeSet may;      // has been written, perhaps, and not evicted for sure
  RangeSet must;     // has been written, and not evicted, not even perhaps
  RangeSet durable;  // must still be there when the power has failed
  // One of these notes is there, by number; 0: none.
  std::set<unsigned> notes{0};
  std::set<unsigned> notes_after_power{0};

  void lose(ByteRange range, bool surely) {
    for (RangeSet* const set : {&must, &durable}) {
      require(set->erase(range).has_value(), "memory");
    }
    require(!surely || may.erase(range).has_value(), "memory");
  }
};

}  // namespace strandline::fuzz
