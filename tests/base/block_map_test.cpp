// BlockMap against a RangeSet, at the edges of bytes, blocks, words, leaves and of everything.
#include <strandline/base/block_map/block_map.h>

#include <doctest/doctest.h>
#include <tests/support/failing_new.h>

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

using namespace strandline;
using namespace strandline::testing;

namespace {

constexpr std::uint64_t kBlock = BlockMap::kBlockBytes;
constexpr std::uint64_t kWord = BlockMap::kWordBytes;
constexpr std::uint64_t kLeaf = 64 * kWord;

template <class T>
T required(Result<T> result) {
  REQUIRE(result.has_value());
  return std::move(*result);
}

// What the map says of itself in words and ragged runs, put together again.
RangeSet in_words(const BlockMap& map, ByteRange range) {
  RangeSet set;
  std::vector<std::uint64_t> words(range.size() / kWord);
  map.whole_blocks(range.begin, words);
  for (std::size_t index = 0; index < words.size(); ++index) {
    for (std::uint64_t bit = 0; bit < 64; ++bit) {
      if ((words[index] >> bit & 1) != 0) {
        const std::uint64_t begin = range.begin + index * kWord + bit * kBlock;
        static_cast<void>(set.insert({begin, begin + kBlock}).value());
      }
    }
  }
  std::vector<ByteRange> ragged;
  map.collect_ragged(range, ragged);
  for (const ByteRange run : ragged) {
    static_cast<void>(set.insert(run).value());
  }
  return set;
}

// Asks both the same, from every interesting offset to every other.
void compare(const BlockMap& map, const RangeSet& set, const std::vector<std::uint64_t>& offsets) {
  map.check_invariants();
  REQUIRE(map.prefix() == set.covered_prefix({0, kMaxOffset}));
  for (const std::uint64_t from : offsets) {
    for (const std::uint64_t to : offsets) {
      if (from >= to) {
        continue;
      }
      const ByteRange range{from, to};
      const auto gap = set.first_gap(range);
      const auto covered = set.first_covered(range);
      const bool same = map.covers(range) == !gap && map.next_missing(from, to) == (gap ? gap->begin : to) &&
                        map.next_covered(from, to) == (covered ? covered->begin : to) &&
                        (!map.surely_covers(range) || !gap);
      if (!same) {
        FAIL("differs in " << to_string(range) << " of " << to_string(set));
      }
    }
  }
  for (const std::uint64_t offset : {offsets.front(), offsets[offsets.size() / 2], offsets.back()}) {
    const std::uint64_t begin = offset / kLeaf * kLeaf;
    const ByteRange leaf{begin, std::min(begin + kLeaf, kMaxOffset)};
    RangeSet said;
    for (const ByteRange run : required(set.covered(leaf))) {
      static_cast<void>(said.insert(run).value());
    }
    if (!(in_words(map, {begin, begin + kLeaf}) == said)) {
      FAIL("differs in words at " << begin << " of " << to_string(set));
    }
  }
}

std::vector<std::uint64_t> around(std::uint64_t base, std::initializer_list<std::uint64_t> steps) {
  std::vector<std::uint64_t> offsets;
  for (const std::uint64_t step : steps) {
    for (const std::uint64_t delta : {std::uint64_t{0}, std::uint64_t{1}, kBlock - 1, kBlock, kBlock + 1, 3 * kBlock}) {
      if (step <= kMaxOffset - base && delta <= kMaxOffset - base - step) {
        offsets.push_back(base + step + delta);
      }
    }
  }
  offsets.push_back(std::min(kMaxOffset, base + 3 * kLeaf));
  std::sort(offsets.begin(), offsets.end());
  offsets.erase(std::unique(offsets.begin(), offsets.end()), offsets.end());
  return offsets;
}

void random_program(std::mt19937_64& random, const std::vector<std::uint64_t>& offsets) {
  BlockMap map;
  RangeSet set;
  std::uint64_t end_offset = 0;
  for (int step = 0; step < 30; ++step) {
    std::uint64_t begin = offsets[random() % offsets.size()];
    std::uint64_t end = offsets[random() % offsets.size()];
    if (begin > end) {
      std::swap(begin, end);
    }
    if (end - begin < std::uint64_t{64} << 30) {
      end = std::min(end, begin + 4 * kLeaf);  // many leaves are many words to compare
    }
    const std::uint64_t choice = random() % 8;
    if (choice > 3) {
      REQUIRE(map.insert({begin, end}).has_value());
      REQUIRE(set.insert({begin, end}).has_value());
      end_offset = begin < end ? std::max(end_offset, end) : end_offset;
    } else if (choice > 0) {
      REQUIRE(map.erase({begin, end}).has_value());
      REQUIRE(set.erase({begin, end}).has_value());
    } else {
      const std::uint64_t length = std::min(begin, map.prefix());
      BlockMap::Tail tail = map.prepare_truncate(length);
      map.truncate(length, tail);
      const std::uint64_t end_before = std::exchange(end_offset, length);
      RangeSet before = set.clone().value();
      REQUIRE(set.erase({length, kMaxOffset}).has_value());
      compare(map, set, offsets);
      if (random() % 2 == 0) {
        map.restore(std::move(tail));
        set = std::move(before);
        end_offset = end_before;
      }
    }
    compare(map, set, offsets);
    REQUIRE(map.end_offset() == end_offset);
    REQUIRE(map.covered_end() == set.end_offset());
  }
  BlockMap copy = required(map.clone());
  BlockMap moved = std::move(map);
  for (const BlockMap* const same : {&copy, &moved}) {
    compare(*same, set, offsets);
    REQUIRE(same->end_offset() == end_offset);
    REQUIRE(required(same->ranges()) == set);
  }
  compare(map, RangeSet(), offsets);
  // They share nothing.
  REQUIRE(copy.erase({0, kMaxOffset}).has_value());
  compare(moved, set, offsets);
  copy = std::move(moved);
  compare(copy, set, offsets);
}

}  // namespace

TEST_CASE("R6, R14: the block map says what a set of ranges says (random programs)") {
  std::mt19937_64 random(20261121);
  const std::vector<std::vector<std::uint64_t>> worlds = {
      around(0, {0, kWord, 2 * kWord - 2 * kBlock}),
      around(0, {kLeaf - 2 * kBlock, kLeaf, 2 * kLeaf}),
      around((std::uint64_t{1} << 32) - 2 * kBlock, {0, kWord}),
      around(kMaxOffset - 4 * kBlock, {0, 2 * kBlock, 4 * kBlock - 2}),
      around(0, {0, std::uint64_t{1} << 40}),
      around(0, {0, kWord, std::uint64_t{1} << 62, kMaxOffset - 4 * kBlock})};
  for (const auto& offsets : worlds) {
    for (int round = 0; round < 25; ++round) {
      random_program(random, offsets);
    }
  }
}

TEST_CASE("block map: whole blocks in random order, and the prefix that grows out of them") {
  std::mt19937_64 random(7);
  std::vector<std::uint64_t> blocks(64 * 64 * 2);  // two leaves
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    blocks[i] = i;
  }
  std::shuffle(blocks.begin(), blocks.end(), random);
  BlockMap map;
  for (const std::uint64_t block : blocks) {
    CHECK_FALSE(map.covers({block * kBlock, (block + 1) * kBlock}));
    REQUIRE(map.insert({block * kBlock, (block + 1) * kBlock}).has_value());
    REQUIRE(map.surely_covers({block * kBlock, (block + 1) * kBlock}));
  }
  CHECK(map.prefix() == blocks.size() * kBlock);
  map.check_invariants();
}

TEST_CASE("block map: a long full run is skipped, whatever lies before it") {
  BlockMap map;
  REQUIRE(map.insert({kLeaf, 130 * kLeaf}).has_value());  // full leaves, and a full node above them
  REQUIRE(map.insert({130 * kLeaf, 130 * kLeaf + 5}).has_value());
  CHECK(map.next_missing(kLeaf, kMaxOffset) == 130 * kLeaf + 5);
  CHECK(map.next_covered(0, kMaxOffset) == kLeaf);
  map.check_invariants();
}

TEST_CASE("block map: whole words at once, beside what is there already") {
  std::mt19937_64 random(11);
  for (std::uint64_t round = 0; round < 100; ++round) {
    BlockMap map;
    RangeSet set;
    const auto add = [&](ByteRange range) {
      REQUIRE(map.insert(range).has_value());
      REQUIRE(set.insert(range).has_value());
    };
    const std::uint64_t base = round % 3 * (kLeaf - 2 * kWord);
    if (round % 2 == 0) {
      add({base, base + kBlock + round});
    }
    add({base + kWord - 5, base + kWord + 7});
    std::vector<std::uint64_t> words(5);
    for (std::size_t index = 0; index < words.size(); ++index) {
      const std::uint64_t kind = random() % 4;
      words[index] = kind == 0 ? 0 : kind == 1 ? ~std::uint64_t{0} : kind == 2 ? random() : random() | 1;
      for (std::uint64_t bit = 0; bit < 64; ++bit) {
        if ((words[index] >> bit & 1) != 0) {
          const std::uint64_t begin = base + index * kWord + bit * kBlock;
          REQUIRE(set.insert({begin, begin + kBlock}).has_value());
        }
      }
    }
    REQUIRE(map.insert_words(base, words).has_value());
    compare(map, set, around(base, {0, kWord, 2 * kWord, 3 * kWord, 5 * kWord}));
    REQUIRE(map.covered_end() == set.end_offset());
    REQUIRE(map.end_offset() == set.end_offset());
    REQUIRE(required(map.ranges()) == set);
    ByteRange rest{0, kMaxOffset};
    for (const ByteRange range : set) {
      REQUIRE(map.next_run(rest) == range);
      rest.begin = range.end;
    }
    REQUIRE_FALSE(map.next_run(rest).has_value());
  }
}

TEST_CASE("block map: the last word that there is") {
  BlockMap map;
  const std::uint64_t first = kMaxOffset + 1 - kWord;
  REQUIRE(map.insert_words(first, std::vector<std::uint64_t>{~std::uint64_t{0} >> 1, 0, 0}).has_value());
  map.check_invariants();
  CHECK(map.covered_end() == kMaxOffset + 1 - kBlock);
  REQUIRE(map.insert({kMaxOffset + 1 - kBlock, kMaxOffset}).has_value());
  CHECK(map.covered_end() == kMaxOffset);
  CHECK(map.next_run({0, kMaxOffset}) == ByteRange{first, kMaxOffset});
}

TEST_CASE("F18: a block map without memory stays what it was") {
  const std::vector<std::uint64_t> words(130, 0x5555555555555555);
  RangeSet set;
  REQUIRE(set.insert({3, 5000}).has_value());
  REQUIRE(set.insert({2 * kLeaf + 1, 2 * kLeaf + 2}).has_value());
  REQUIRE(set.insert({4 * kLeaf, 4 * kLeaf + (std::uint64_t{128} << 30)}).has_value());
  CHECK(for_each_failing_allocation([&](std::uint64_t k) {
          BlockMap map(set);
          const std::int64_t before = live_allocations();
          bool fired = false;
          {
            const FailAllocation scope(k);
            const auto copy = map.clone();
            const auto added = copy ? map.insert_words(8 * kLeaf, words) : Result<void>();
            fired = scope.fired();
            REQUIRE((!copy || !added) == fired);
          }
          if (fired) {
            REQUIRE(required(map.ranges()) == set);
            map.check_invariants();
            REQUIRE(live_allocations() - before <= 8);  // empty nodes that the next insertion will use
            REQUIRE(map.insert_words(8 * kLeaf, words).has_value());
          }
          REQUIRE(map.covers({8 * kLeaf, 8 * kLeaf + kBlock}));
          return fired;
        }) > 8);
}
