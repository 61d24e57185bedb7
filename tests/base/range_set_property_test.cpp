// Random programs against std::vector<bool>, and laws that need no model.
#include <doctest/doctest.h>
#include <rapidcheck.h>
#include <strandline/base/range_set.h>
#include <tests/base/runs.h>

#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

using namespace strandline;

namespace {

constexpr std::uint64_t kManyBytes = 300;
constexpr std::array<std::uint64_t, 4> kManyOrigins = {0, 4096 - 150, (std::uint64_t{1} << 32) - 150,
                                                       kMaxOffset - kManyBytes};

struct Step {
  bool insert;
  std::uint64_t begin;
  std::uint64_t size;
};

std::ostream& operator<<(std::ostream& out, const Step& step) {
  return out << (step.insert ? "insert" : "erase") << '(' << step.begin << ", +" << step.size << ')';
}

rc::Gen<std::vector<Step>> programs() {
  return rc::gen::container<std::vector<Step>>(rc::gen::construct<Step>(rc::gen::arbitrary<bool>(),
                                                                        rc::gen::inRange<std::uint64_t>(0, kManyBytes),
                                                                        rc::gen::inRange<std::uint64_t>(0, 40)));
}

rc::Gen<std::uint64_t> origins() {
  return rc::gen::elementOf(kManyOrigins);
}

ByteRange range_of(const Step& step, std::uint64_t origin) {
  const std::uint64_t end = std::min(kManyBytes, step.begin + step.size);
  return {origin + step.begin, origin + end};
}

RangeSet run(const std::vector<Step>& program, std::uint64_t origin) {
  RangeSet set;
  for (const Step& step : program) {
    const ByteRange range = range_of(step, origin);
    RC_ASSERT((step.insert ? set.insert(range) : set.erase(range)).has_value());
  }
  return set;
}

// The bytes of the ranges, after checking that they are sorted and apart.
std::uint64_t bytes_of(const std::vector<ByteRange>& ranges) {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    RC_ASSERT(!ranges[i].empty());
    RC_ASSERT((i == 0 || ranges[i - 1].end < ranges[i].begin));  // bare, || would not short-circuit
    total += ranges[i].size();
  }
  return total;
}

}  // namespace

TEST_CASE("R14: a program of inserts and erases gives what it gives on a vector<bool>") {
  CHECK(rc::check("set == model after every step", [] {
    const std::uint64_t origin = *origins();
    const std::vector<Step> program = *programs();
    RangeSet set;
    std::vector<bool> bytes(kManyBytes, false);
    for (const Step& step : program) {
      const ByteRange range = range_of(step, origin);
      const auto answer = step.insert ? set.insert(range) : set.erase(range);
      RC_ASSERT(answer.has_value());
      RC_ASSERT(*answer == testing::runs(bytes, range.begin - origin, range.end - origin, !step.insert, origin));
      for (std::uint64_t at = range.begin; at < range.end; ++at) {
        bytes[at - origin] = step.insert;
      }
      set.check_invariants();
      RC_ASSERT(std::vector<ByteRange>(set.begin(), set.end()) == testing::runs(bytes, 0, kManyBytes, true, origin));
    }
  }));
}

TEST_CASE("R6: gaps and covered runs of a range partition it, and the short queries agree with them") {
  CHECK(rc::check("partition", [] {
    const std::uint64_t origin = *origins();
    const RangeSet set = run(*programs(), origin);
    const std::uint64_t a = *rc::gen::inRange<std::uint64_t>(0, kManyBytes + 1);
    const std::uint64_t b = *rc::gen::inRange<std::uint64_t>(0, kManyBytes + 1);
    const ByteRange range{origin + std::min(a, b), origin + std::max(a, b)};
    const std::vector<ByteRange> gaps = set.gaps(range).value();
    const std::vector<ByteRange> covered = set.covered(range).value();
    RC_ASSERT(bytes_of(gaps) + bytes_of(covered) == range.size());
    for (const ByteRange& gap : gaps) {
      RC_ASSERT((range.contains(gap) && !set.intersects(gap)));
    }
    for (const ByteRange& run_of_bytes : covered) {
      RC_ASSERT((range.contains(run_of_bytes) && set.covers(run_of_bytes)));
    }
    RC_ASSERT(set.covers(range) == gaps.empty());
    RC_ASSERT(set.intersects(range) == !covered.empty());
    RC_ASSERT(set.first_gap(range) == (gaps.empty() ? std::nullopt : std::optional(gaps.front())));
    RC_ASSERT(set.first_covered(range) == (covered.empty() ? std::nullopt : std::optional(covered.front())));
    const std::uint64_t prefix = set.covered_prefix(range);
    RC_ASSERT(set.covers({range.begin, range.begin + prefix}));
    RC_ASSERT((prefix == range.size() || !set.covers({range.begin, range.begin + prefix + 1})));
  }));
}

TEST_CASE("R14: inserting in any order, whole or in pieces, gives the same set") {
  CHECK(rc::check("order does not matter", [] {
    const std::uint64_t origin = *origins();
    std::vector<Step> program = *programs();
    for (Step& step : program) {
      step.insert = true;
    }
    const RangeSet forward = run(program, origin);
    RangeSet backward;
    for (auto step = program.rbegin(); step != program.rend(); ++step) {
      const ByteRange range = range_of(*step, origin);
      for (std::uint64_t at = range.begin; at < range.end; ++at) {
        RC_ASSERT(backward.insert({at, at + 1}).has_value());
      }
    }
    RC_ASSERT(forward == backward);
    RC_ASSERT(forward.clone().value() == backward);
  }));
}

TEST_CASE("R14: erasing what an insert added gives back the set from before") {
  CHECK(rc::check("insert then erase the answer", [] {
    const std::uint64_t origin = *origins();
    RangeSet set = run(*programs(), origin);
    const RangeSet before = set.clone().value();
    const ByteRange range = range_of({true, *rc::gen::inRange<std::uint64_t>(0, kManyBytes), 60}, origin);
    const std::vector<ByteRange> added = set.insert(range).value();
    RC_ASSERT(set.byte_count() == before.byte_count() + bytes_of(added));
    RC_ASSERT(set.covers(range));
    for (const ByteRange& piece : added) {
      RC_ASSERT(set.erase(piece).value() == std::vector<ByteRange>{piece});
    }
    RC_ASSERT(set == before);
  }));
}
