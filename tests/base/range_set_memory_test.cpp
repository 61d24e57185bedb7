// What RangeSet asks of the heap, and what it does when the heap says no.
#include <doctest/doctest.h>
#include <strandline/base/range_set.h>
#include <tests/base/range_set_model.h>
#include <tests/support/failing_new.h>

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

using namespace strandline;
using strandline::testing::Afterwards;
using strandline::testing::FailAllocation;
using strandline::testing::for_each_failing_allocation;
using strandline::testing::live_allocations;
using strandline::testing::live_bytes;

namespace {

constexpr std::uint64_t kFewBytes = 7;
constexpr std::array<Afterwards, 2> kModes = {Afterwards::succeed, Afterwards::keep_going};

// Allocations that the call asked for; 0 fails none.
template <class Call>
std::uint64_t allocations_of(Call&& call) {
  const FailAllocation scope(0);
  call();
  return scope.allocations();
}

struct Walk {
  std::uint64_t failures = 0;
  std::uint64_t wrong = 0;
};

// Fails every allocation of call(set) in turn, on fresh copies of the set that the mask draws. After a
// failure the set must be as it was, must still work, and no block may be lost.
template <class Call>
void fail_each(Walk& walk, std::uint32_t mask, std::uint32_t mask_after, Call&& call) {
  const auto holds = [](const RangeSet& set, std::uint32_t expected) {
    set.check_invariants();
    return std::vector<ByteRange>(set.begin(), set.end()) == model::runs(expected, 0, kFewBytes, 0);
  };
  for (const Afterwards mode : kModes) {
    for_each_failing_allocation([&](std::uint64_t k) {
      const std::int64_t before = live_allocations();
      bool fired = false;
      {
        RangeSet set = model::from_mask(mask, 0);
        {
          const FailAllocation scope(k, mode);
          const auto result = call(set);
          fired = scope.fired();
          walk.wrong += result.has_value() == fired ? 1U : 0U;
          walk.wrong += fired && result.error().code != Errc::no_memory ? 1U : 0U;
        }
        walk.failures += fired ? 1U : 0U;
        walk.wrong += holds(set, fired ? mask : mask_after) ? 0U : 1U;
        walk.wrong += call(set).has_value() && holds(set, mask_after) ? 0U : 1U;
      }
      walk.wrong += live_allocations() == before ? 0U : 1U;
      return fired;
    });
  }
}

}  // namespace

TEST_CASE("F18 R14: the k-th allocation fails, for every k, every set and range of seven bytes: unchanged, no leak") {
  Walk insert;
  Walk erase;
  Walk query;
  for (std::uint32_t mask = 0; mask < 1U << kFewBytes; ++mask) {
    for (std::uint64_t begin = 0; begin <= kFewBytes; ++begin) {
      for (std::uint64_t end = begin; end <= kFewBytes; ++end) {
        const ByteRange range{begin, end};
        const std::uint32_t bits = model::bits(begin, end);
        fail_each(insert, mask, mask | bits, [range](RangeSet& set) { return set.insert(range); });
        fail_each(erase, mask, mask & ~bits, [range](RangeSet& set) { return set.erase(range); });
        fail_each(query, mask, mask, [range](RangeSet& set) { return set.gaps(range); });
        fail_each(query, mask, mask, [range](RangeSet& set) { return set.covered(range); });
      }
    }
  }
  CHECK(insert.wrong == 0);
  CHECK(erase.wrong == 0);
  CHECK(query.wrong == 0);
  // The walk did fail something: at the least, the answer of each change that changes something.
  CHECK(insert.failures > 4000);
  CHECK(erase.failures > 4000);
  CHECK(query.failures > 4000);
}

TEST_CASE("F18 R14: a clone or a literal that runs out of memory leaves nothing behind") {
  Walk clone;
  for (std::uint32_t mask = 0; mask < 1U << kFewBytes; ++mask) {
    fail_each(clone, mask, mask, [](RangeSet& set) { return set.clone(); });
  }
  CHECK(clone.wrong == 0);
  CHECK(clone.failures > 256);

  const std::int64_t before = live_allocations();
  const std::uint64_t last = for_each_failing_allocation([](std::uint64_t k) {
    const FailAllocation scope(k);
    try {
      const RangeSet set = {{0, 1}, {2, 3}, {4, 5}};
      return false;
    } catch (const std::bad_alloc&) {
      return true;
    }
  });
  CHECK(last > 3);
  CHECK(live_allocations() == before);
}

TEST_CASE("R14: an empty set, a move and every counting query ask nothing of the heap") {
  RangeSet from = {{0, 4}, {8, 12}};
  RangeSet to;
  std::uint64_t sum = 0;
  CHECK(allocations_of([&] {
          const RangeSet empty;
          RangeSet moved_empty = RangeSet();
          to = std::move(moved_empty);
          sum += empty.byte_count() + empty.range_count() + empty.end_offset();
          RangeSet taken = std::move(from);
          from = std::move(taken);
          sum += from.byte_count() + from.range_count() + from.end_offset() + from.covered_prefix({0, 9});
          sum += from.covers({0, 4}) && from.intersects({3, 9}) && from.first_gap({0, 9}) && from.first_covered({5, 9});
          for (const ByteRange range : from) {
            sum += range.size();
          }
        }) == 0);
  CHECK(sum == 8 + 2 + 12 + 4 + 1 + 8);
}

TEST_CASE("R14: a sequential writer costs one allocation a write, the answer; a repeated write none") {
  RangeSet set = {{0, 10}, {10, 20}};  // the second left its node in the stash
  for (std::uint64_t at = 20; at < 1000; at += 10) {
    const std::uint64_t asked = allocations_of([&] { (void)set.insert({at, at + 10}); });
    REQUIRE(asked == 1);
  }
  CHECK(allocations_of([&] { (void)set.insert({100, 900}); }) == 0);
  CHECK(allocations_of([&] { (void)set.erase({2000, 3000}); }) == 0);
  CHECK(to_string(set) == "{[0, 1000)}");
}

TEST_CASE("F17: a million one-byte fragments work, and the set says what they cost") {
  constexpr std::uint64_t kFragments = 1'000'000;
  constexpr std::uint64_t kStride = 618'033;  // coprime to kFragments: visits each once, far from the last
  const std::int64_t blocks_before = live_allocations();
  const std::int64_t bytes_before = live_bytes();
  double per_range = 0;
  std::int64_t blocks_held = 0;
  {
    RangeSet set;
    std::uint64_t refused = 0;
    for (std::uint64_t i = 0; i < kFragments; ++i) {
      const std::uint64_t at = i * kStride % kFragments * 2 + 1;  // odd offsets: none touches another
      const auto added = set.insert({at, at + 1});
      refused += added && added->size() == 1 ? 0U : 1U;
    }
    CHECK(refused == 0);
    CHECK(set.range_count() == kFragments);
    CHECK(set.byte_count() == kFragments);
    CHECK(set.end_offset() == 2 * kFragments);
    CHECK(set.first_gap({1, 2 * kFragments}) == ByteRange{2, 3});
    set.check_invariants();

    per_range = static_cast<double>(live_bytes() - bytes_before) / static_cast<double>(kFragments);
    blocks_held = live_allocations() - blocks_before;

    const auto gaps = set.insert({0, 2 * kFragments});
    REQUIRE(gaps.has_value());
    CHECK(gaps->size() == kFragments);
    CHECK(to_string(set) == "{[0, 2000000)}");
    CHECK(set.byte_count() == 2 * kFragments);
    set.check_invariants();
  }
  const std::int64_t blocks_after = live_allocations();
  const std::int64_t bytes_after = live_bytes();
  CHECK(blocks_after == blocks_before);
  CHECK(bytes_after == bytes_before);
  MESSAGE("F17: " << per_range << " heap bytes per range");
  CHECK(per_range <= 64);
  CHECK(blocks_held <= static_cast<std::int64_t>(kFragments) + 4);
}
