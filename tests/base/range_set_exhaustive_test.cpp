// Every set of ten bytes, every range of them, every operation and query: nothing is left to sampling.
#include <doctest/doctest.h>
#include <strandline/base/range_set.h>
#include <tests/base/range_set_model.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

using namespace strandline;

namespace {

constexpr std::uint64_t kBytes = 10;
constexpr std::uint32_t kSets = 1U << kBytes;
constexpr std::array<std::uint64_t, 2> kOrigins = {0, kMaxOffset - kBytes};

std::vector<ByteRange> content(const RangeSet& set) {
  return {set.begin(), set.end()};
}

// Empty when all agrees, else the first thing that does not.
std::string disagreement(const RangeSet& set, std::uint32_t mask, std::uint64_t origin) {
  const std::vector<ByteRange> expected = model::runs(mask, 0, kBytes, origin);
  std::uint64_t bytes = 0;
  for (std::uint64_t i = 0; i < kBytes; ++i) {
    bytes += mask >> i & 1U;
  }
  set.check_invariants();
  if (content(set) != expected) {
    return "content " + to_string(set);
  }
  if (set.byte_count() != bytes || set.range_count() != expected.size() || set.empty() != (mask == 0)) {
    return "counts";
  }
  if (set.end_offset() != (expected.empty() ? 0 : expected.back().end)) {
    return "end_offset";
  }
  return {};
}

std::optional<ByteRange> first_of(const std::vector<ByteRange>& ranges) {
  return ranges.empty() ? std::nullopt : std::optional<ByteRange>(ranges.front());
}

std::string query_disagreement(const RangeSet& set, std::uint32_t mask, std::uint64_t begin, std::uint64_t end,
                               std::uint64_t origin) {
  const ByteRange range{origin + begin, origin + end};
  const std::vector<ByteRange> in = model::runs(mask, begin, end, origin);
  const std::vector<ByteRange> out = model::runs(~mask, begin, end, origin);
  std::uint64_t prefix = 0;
  while (begin + prefix < end && (mask >> (begin + prefix) & 1U) != 0) {
    ++prefix;
  }
  if (set.covers(range) != out.empty()) {
    return "covers";
  }
  if (set.intersects(range) == in.empty()) {
    return "intersects";
  }
  if (set.covered_prefix(range) != prefix) {
    return "covered_prefix";
  }
  if (set.first_gap(range) != first_of(out) || set.first_covered(range) != first_of(in)) {
    return "first_gap or first_covered";
  }
  if (set.gaps(range) != out || set.covered(range) != in) {
    return "gaps or covered";
  }
  return {};
}

// Runs check(mask, begin, end, origin) -> std::string over everything; reports the first disagreement only.
template <class Check>
void for_everything(Check&& check) {
  std::uint64_t cases = 0;
  for (const std::uint64_t origin : kOrigins) {
    for (std::uint32_t mask = 0; mask < kSets; ++mask) {
      for (std::uint64_t begin = 0; begin <= kBytes; ++begin) {
        for (std::uint64_t end = begin; end <= kBytes; ++end) {
          const std::string what = check(mask, begin, end, origin);
          ++cases;
          if (!what.empty()) {
            FAIL("set " << mask << " range [" << begin << ", " << end << ") origin " << origin << ": " << what);
          }
        }
      }
    }
  }
  CHECK(cases == kOrigins.size() * kSets * 66);
}

}  // namespace

TEST_CASE("R14: insert, over every set and range of ten bytes") {
  for_everything([](std::uint32_t mask, std::uint64_t begin, std::uint64_t end, std::uint64_t origin) -> std::string {
    RangeSet set = model::from_mask(mask, origin);
    const auto added = set.insert({origin + begin, origin + end});
    if (!added || *added != model::runs(~mask, begin, end, origin)) {
      return "the answer of insert";
    }
    return disagreement(set, mask | model::bits(begin, end), origin);
  });
}

TEST_CASE("R14: erase, over every set and range of ten bytes") {
  for_everything([](std::uint32_t mask, std::uint64_t begin, std::uint64_t end, std::uint64_t origin) -> std::string {
    RangeSet set = model::from_mask(mask, origin);
    const auto removed = set.erase({origin + begin, origin + end});
    if (!removed || *removed != model::runs(mask, begin, end, origin)) {
      return "the answer of erase";
    }
    return disagreement(set, mask & ~model::bits(begin, end), origin);
  });
}

TEST_CASE("R6: every query, over every set and range of ten bytes") {
  for_everything([](std::uint32_t mask, std::uint64_t begin, std::uint64_t end, std::uint64_t origin) {
    return query_disagreement(model::from_mask(mask, origin), mask, begin, end, origin);
  });
}

TEST_CASE("range_set: two sets are equal exactly when their bytes are, for every pair of seven bytes") {
  constexpr std::uint32_t kSmall = 1U << 7;
  std::vector<RangeSet> sets;
  for (std::uint32_t mask = 0; mask < kSmall; ++mask) {
    sets.push_back(model::from_mask(mask, 0));
  }
  std::uint32_t wrong = 0;
  for (std::uint32_t a = 0; a < kSmall; ++a) {
    for (std::uint32_t b = 0; b < kSmall; ++b) {
      wrong += (sets[a] == sets[b]) == (a == b) ? 0U : 1U;
    }
  }
  CHECK(wrong == 0);
}
