// A program of operations on RangeSet, run side by side with a model that shares nothing with it: one bit
// per byte of a 64-byte window. The window is laid over the offsets where arithmetic goes wrong. Any
// allocation of a step may be told to fail; the set must then be what it was before.
//
// Input: byte 0 picks the window; then four bytes a step: operation, begin, end, failing allocation.
#include <strandline/base/range_set.h>
#include <tests/base/runs.h>
#include <tests/support/failing_new.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace {

using strandline::ByteRange;
using strandline::Errc;
using strandline::kMaxOffset;
using strandline::RangeSet;
using strandline::Result;
using strandline::testing::FailAllocation;

constexpr std::uint64_t kWindow = 64;
constexpr std::uint64_t k4K = 4096;
constexpr std::uint64_t k4G = std::uint64_t{1} << 32;
constexpr std::array<std::uint64_t, 7> kOrigins = {
    0, 1, k4K - 33, k4K + 1 - 32, k4G - 33, k4G + 1 - 32, kMaxOffset - kWindow};

void require(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "range_set: %s\n", what);
    std::abort();
  }
}

// Bits, and nothing but loops over bits.
struct Model {
  std::uint64_t origin = 0;
  std::array<bool, kWindow> held{};

  // The runs of bytes in [begin, end) whose presence is `wanted`, as offsets in the file.
  [[nodiscard]] std::vector<ByteRange> runs(std::uint64_t begin, std::uint64_t end, bool wanted) const {
    return strandline::testing::runs(held, begin, end, wanted, origin);
  }

  void assign(std::uint64_t begin, std::uint64_t end, bool value) {
    for (std::uint64_t i = begin; i < end; ++i) {
      held[i] = value;
    }
  }
};

std::optional<ByteRange> first_of(const std::vector<ByteRange>& runs) {
  return runs.empty() ? std::nullopt : std::optional<ByteRange>(runs.front());
}

void compare_content(const RangeSet& set, const Model& model) {
  set.check_invariants();
  const std::vector<ByteRange> expected = model.runs(0, kWindow, true);
  const std::vector<ByteRange> actual(set.begin(), set.end());
  require(actual == expected, "the ranges differ from the model's");
  std::uint64_t bytes = 0;
  for (const ByteRange& range : expected) {
    bytes += range.size();
  }
  require(set.byte_count() == bytes, "byte_count() differs");
  require(set.range_count() == expected.size(), "range_count() differs");
  require(set.empty() == expected.empty(), "empty() differs");
  require(set.end_offset() == (expected.empty() ? 0 : expected.back().end), "end_offset() differs");
}

void compare_queries(const RangeSet& set, const Model& model, std::uint64_t begin, std::uint64_t end) {
  const ByteRange range{model.origin + begin, model.origin + end};
  const std::vector<ByteRange> in = model.runs(begin, end, true);
  const std::vector<ByteRange> out = model.runs(begin, end, false);
  const std::uint64_t prefix = !in.empty() && in.front().begin == range.begin ? in.front().size() : 0;
  require(set.covers(range) == out.empty(), "covers() differs");
  require(set.intersects(range) == !in.empty(), "intersects() differs");
  require(set.covered_prefix(range) == prefix, "covered_prefix() differs");
  require(set.first_gap(range) == first_of(out), "first_gap() differs");
  require(set.first_covered(range) == first_of(in), "first_covered() differs");
  require(set.gaps(range) == out, "gaps() differs");
  require(set.covered(range) == in, "covered() differs");
}

// Runs the step with its k-th allocation failing and checks what came back. False: it failed, as told.
template <class Call>
bool answered(std::uint64_t k, const std::vector<ByteRange>& expected, Call&& call) {
  FailAllocation scope(k);
  const Result<std::vector<ByteRange>> result = call();
  if (!result) {
    require(scope.fired() && result.error().code == Errc::no_memory, "an error that is not the injected one");
    return false;
  }
  require(*result == expected, "the answer differs from the model's");
  return true;
}

void refuse_invalid(RangeSet& set, ByteRange range) {
  require(!range.valid(), "the harness made a valid range");
  const auto refused = [](const auto& result) { return !result && result.error().code == Errc::invalid_range; };
  require(refused(set.insert(range)) && refused(set.erase(range)), "an invalid range was accepted");
  require(refused(set.gaps(range)) && refused(set.covered(range)), "an invalid range was answered");
  require(!set.covers(range) && !set.intersects(range) && set.covered_prefix(range) == 0, "an invalid range is held");
  require(!set.first_gap(range) && !set.first_covered(range), "an invalid range has a run");
}

void step(RangeSet& set, Model& model, const std::uint8_t* code) {
  std::uint64_t begin = code[1] % (kWindow + 1);
  std::uint64_t end = code[2] % (kWindow + 1);
  if (begin > end) {
    std::swap(begin, end);
  }
  const std::uint64_t k = code[3] % 8;  // 0: nothing fails
  const ByteRange range{model.origin + begin, model.origin + end};
  switch (code[0] % 10) {
    case 0:
    case 1:
    case 2:
      if (answered(k, model.runs(begin, end, false), [&] { return set.insert(range); })) {
        model.assign(begin, end, true);
      }
      break;
    case 3:
    case 4:
      if (answered(k, model.runs(begin, end, true), [&] { return set.erase(range); })) {
        model.assign(begin, end, false);
      }
      break;
    case 5:
      (void)answered(k, model.runs(begin, end, false), [&] { return std::as_const(set).gaps(range); });
      break;
    case 6:
      (void)answered(k, model.runs(begin, end, true), [&] { return std::as_const(set).covered(range); });
      break;
    case 7: {
      FailAllocation scope(k);
      Result<RangeSet> copy = set.clone();
      require(copy.has_value() || scope.fired(), "clone() failed without cause");
      if (copy) {
        require(*copy == set, "a clone that is not equal");
        set = std::move(*copy);
      }
      break;
    }
    case 8: {
      const std::uint64_t past = kMaxOffset + 1 + code[2];
      refuse_invalid(set, {range.begin, past});
      refuse_invalid(set, {range.end + 1, range.begin});
      break;
    }
    default:
      set.clear();
      model.held.fill(false);
  }
  compare_queries(set, model, begin, end);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::int64_t before = strandline::testing::live_allocations();
  {
    RangeSet set;
    Model model;
    model.origin = kOrigins[data[0] % kOrigins.size()];
    for (std::size_t at = 1; at + 4 <= size; at += 4) {
      step(set, model, data + at);
      compare_content(set, model);
    }
  }
  require(strandline::testing::live_allocations() == before, "memory leaked");
  return 0;
}
