// Fragments against a RangeSet, with few runs and with so many that they are kept in a tree.
#include <strandline/base/block_map/fragments.h>

#include <doctest/doctest.h>
#include <tests/support/failing_new.h>

#include <new>
#include <random>
#include <utility>

using namespace strandline;
using namespace strandline::testing;

namespace {

constexpr std::uint32_t kRegion = 256 * 1024;

void compare(const Fragments& fragments, const RangeSet& set, std::uint32_t universe) {
  fragments.check_invariants();
  REQUIRE(fragments.empty() == set.empty());
  REQUIRE(fragments.end() == set.end_offset());
  for (std::uint32_t at = 0; at < universe; ++at) {
    const auto covered = set.first_covered({at, universe});
    if (fragments.run_end(at) != at + set.covered_prefix({at, kRegion}) ||
        fragments.next(at, universe) != (covered ? covered->begin : universe)) {
      FAIL("differs at " << at << " of " << to_string(set));
    }
  }
}

void add(Fragments& fragments, RangeSet& set, Fragments::Run run) {
  fragments.reserve(run.begin);
  fragments.add(run);
  REQUIRE(set.insert({run.begin, run.end}).has_value());
}

void erase(Fragments& fragments, RangeSet& set, Fragments::Run run) {
  fragments.reserve(run.begin);
  fragments.erase(run);
  REQUIRE(set.erase({run.begin, run.end}).has_value());
}

// Every second byte of the first `bytes`.
Fragments alternating(RangeSet& set, std::uint32_t bytes) {
  Fragments fragments;
  for (std::uint32_t at = 0; at < bytes; at += 2) {
    add(fragments, set, {at, at + 1});
  }
  return fragments;
}

}  // namespace

TEST_CASE("fragments say what a set of ranges says (random programs)") {
  std::mt19937_64 random(20261121);
  for (int round = 0; round < 200; ++round) {
    constexpr std::uint32_t kUniverse = 40;
    Fragments fragments;
    RangeSet set;
    for (int step = 0; step < 60; ++step) {
      std::uint32_t begin = random() % kUniverse;
      std::uint32_t end = random() % kUniverse;
      if (begin >= end) {
        std::swap(begin, end);
        ++end;
      }
      random() % 3 == 0 ? erase(fragments, set, {begin, end}) : add(fragments, set, {begin, end});
      compare(fragments, set, kUniverse + 1);
    }
    compare(fragments.clone(), set, kUniverse + 1);
    fragments.clear();
    compare(fragments, RangeSet(), kUniverse + 1);
  }
}

TEST_CASE("fragments: very many, and a change before them") {
  constexpr std::uint32_t kBytes = 12000;
  RangeSet set;
  Fragments fragments = alternating(set, kBytes);
  compare(fragments, set, kBytes + 3);
  add(fragments, set, {1, 2});
  erase(fragments, set, {4, 5});
  erase(fragments, set, {100, 1001});
  compare(fragments, set, kBytes + 3);
  compare(fragments.clone(), set, kBytes + 3);
  erase(fragments, set, {0, kBytes});
  compare(fragments, set, kBytes + 3);
  add(fragments, set, {7, 9});
  compare(fragments, set, kBytes + 3);
}

TEST_CASE("F18: fragments without memory stay what they were") {
  constexpr std::uint32_t kBytes = 12000;
  RangeSet set;
  Fragments fragments = alternating(set, kBytes);
  const auto attempt = [&](std::uint64_t k) {
    const FailAllocation scope(k);
    try {
      const Fragments copy = fragments.clone();
      fragments.reserve(0);
    } catch (const std::bad_alloc&) {
      REQUIRE(scope.fired());
    }
    return scope.fired();
  };
  // A copy, then a tree: its first nodes, and some in the midst of it.
  for (const std::uint64_t k : std::initializer_list<std::uint64_t>{1, 2, 3, 4, 5, 3000, 6000}) {
    CHECK(attempt(k));
    compare(fragments, set, kBytes + 3);
  }
  CHECK_FALSE(attempt(10000));
  {
    const FailAllocation scope(1);
    fragments.add({1, 2});
    REQUIRE(scope.allocations() == 0);
  }
  CHECK(set.insert({1, 2}).has_value());
  compare(fragments, set, kBytes + 3);
}
