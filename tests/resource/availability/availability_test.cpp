// Availability against a brute-force reading of its rules, over every small case.
#include <strandline/resource/availability/availability.h>

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace strandline;

namespace {

constexpr std::uint64_t kUniverse = 7;

// One small world: which bytes are there, the length, the window.
struct World {
  std::uint64_t bytes = 0;  // bit i: byte i is there
  std::optional<std::uint64_t> length;
  std::optional<std::uint64_t> capacity;
  std::uint64_t window_begin = 0;

  [[nodiscard]] bool has(std::uint64_t offset) const { return (bytes >> offset & 1) != 0; }
  [[nodiscard]] bool all(ByteRange range) const {
    for (std::uint64_t i = range.begin; i < range.end; ++i) {
      if (!has(i)) {
        return false;
      }
    }
    return true;
  }
  [[nodiscard]] Coverage check(ByteRange range, WaitFor until) const {
    if (range.begin == range.end) {
      return Coverage::ready;
    }
    if (length && range.begin >= *length) {
      return Coverage::eof;
    }
    if (range.begin < window_begin) {
      return Coverage::evicted;
    }
    const std::uint64_t end = length && range.end > *length ? *length : range.end;
    const bool there = until == WaitFor::any ? has(range.begin) : all({range.begin, end});
    return there ? Coverage::ready : Coverage::missing;
  }
  [[nodiscard]] std::optional<ByteRange> first_gap(ByteRange range) const {
    for (std::uint64_t i = range.begin; i < range.end; ++i) {
      if (!has(i)) {
        std::uint64_t end = i;
        while (end < range.end && !has(end)) {
          ++end;
        }
        return ByteRange{i, end};
      }
    }
    return std::nullopt;
  }
};

Availability make(const World& world) {
  RangeSet set;
  for (std::uint64_t i = 0; i < kUniverse; ++i) {
    if (world.has(i)) {
      REQUIRE(set.insert({i, i + 1}).has_value());
    }
  }
  if (!world.capacity) {
    return {RangeSet(), world.length, std::nullopt, BlockMap(set)};
  }
  return {std::move(set), world.length, world.capacity};
}

// Calls `examine` for every world of the universe, with a length at or past the last byte or none.
template <class Examine>
void for_each_world(Examine&& examine) {
  for (std::uint64_t bytes = 0; bytes < (1U << kUniverse); ++bytes) {
    std::uint64_t end = 0;
    for (std::uint64_t i = 0; i < kUniverse; ++i) {
      end = (bytes >> i & 1) != 0 ? i + 1 : end;
    }
    for (const std::uint64_t capacity : std::initializer_list<std::uint64_t>{0, 3, 7}) {
      World world{bytes, std::nullopt, std::nullopt, 0};
      if (capacity != 0) {
        world.capacity = capacity;
        world.window_begin = end > capacity ? end - capacity : 0;
        if ((bytes & ((1U << world.window_begin) - 1)) != 0) {
          continue;  // bytes behind the window
        }
      }
      examine(world);
      for (std::uint64_t length = end; length <= kUniverse; ++length) {
        world.length = length;
        examine(world);
      }
    }
  }
}

}  // namespace

TEST_CASE("R6: one predicate, against brute force over every small case") {
  std::uint64_t compared = 0;
  for_each_world([&](const World& world) {
    const Availability availability = make(world);
    availability.check_invariants();
    CHECK(availability.window_begin() == world.window_begin);
    for (std::uint64_t begin = 0; begin <= kUniverse; ++begin) {
      for (std::uint64_t end = begin; end <= kUniverse; ++end) {
        const ByteRange range{begin, end};
        for (const WaitFor until : {WaitFor::all, WaitFor::any}) {
          const Coverage expected = world.check(range, until);
          if (availability.check(range, until) != expected) {
            FAIL_CHECK("bytes " << world.bytes << ", range " << to_string(range));
          }
          ++compared;
          if (expected == Coverage::missing) {
            // The key of a parked wait: everything before it is there, and it is not.
            const std::uint64_t missing = availability.first_missing(range);
            const bool right = begin <= missing && missing < end && !world.has(missing) && world.all({begin, missing});
            if (!right) {
              FAIL_CHECK("first missing of " << to_string(range) << " in " << world.bytes << ": " << missing);
            }
          }
        }
        // What a reader may take without a break, and what it lacks.
        const ByteRange clamped = availability.clamp(range);
        CHECK(clamped.begin == begin);
        CHECK(
            clamped.size() ==
            (world.length && end > *world.length ? (begin < *world.length ? *world.length - begin : 0) : end - begin));
        const ByteRange prefix = availability.prefix(range);
        CHECK(world.all(prefix));
        CHECK((prefix.end == clamped.end || prefix.size() == clamped.size() || !world.has(prefix.end)));
        const ByteRange seen = clamped.clamped_to({world.window_begin, kMaxOffset});
        CHECK(availability.next_gap(range) == world.first_gap(seen));
      }
      CHECK(availability.commit_gap(begin) ==
            world.first_gap(ByteRange{0, begin}.clamped_to({world.window_begin, kMaxOffset})));
    }
  });
  CHECK(compared > 20000);
}

TEST_CASE("R12: where a window begins") {
  const Availability ring(RangeSet(), std::nullopt, 10);
  CHECK(ring.windowed());
  CHECK(ring.capacity() == 10);
  CHECK(ring.window_begin_for(0) == 0);
  CHECK(ring.window_begin_for(10) == 0);
  CHECK(ring.window_begin_for(11) == 1);
  CHECK(ring.window_begin_for(kMaxOffset) == kMaxOffset - 10);
  Availability moved(RangeSet(), std::nullopt, 10);
  REQUIRE(moved.evict_before(5).has_value());
  CHECK(moved.window_begin_for(12) == 5);  // it never goes back
  CHECK(moved.window_begin_for(16) == 6);
  const Availability whole;
  CHECK_FALSE(whole.windowed());
  CHECK(whole.window_begin_for(kMaxOffset) == 0);
}

TEST_CASE("availability: what a truncation took away comes back when it is undone") {
  for (const std::optional<std::uint64_t> capacity :
       {std::optional<std::uint64_t>(), std::optional<std::uint64_t>(20)}) {
    Availability availability(RangeSet(), std::nullopt, capacity);
    REQUIRE(availability.publish({0, 6}).has_value());
    REQUIRE(availability.publish({8, 10}).has_value());
    auto tail = availability.prepare_truncate(4);
    REQUIRE(availability.truncate(4, tail).has_value());
    CHECK(to_string(availability.snapshot().value()) == "{[0, 4)}");
    CHECK(availability.end_offset() == 4);
    availability.check_invariants();
    availability.restore(std::move(tail));
    CHECK(to_string(availability.snapshot().value()) == "{[0, 6) [8, 10)}");
    CHECK(availability.end_offset() == 10);
    availability.check_invariants();
  }
}

TEST_CASE("availability: the last offsets there are") {
  Availability availability;
  REQUIRE(availability.publish({kMaxOffset - 2, kMaxOffset}).has_value());
  CHECK(availability.check({kMaxOffset - 2, kMaxOffset}, WaitFor::all) == Coverage::ready);
  CHECK(availability.check({kMaxOffset - 3, kMaxOffset}, WaitFor::all) == Coverage::missing);
  CHECK(availability.check({kMaxOffset, kMaxOffset}, WaitFor::any) == Coverage::ready);
  CHECK(availability.first_missing({kMaxOffset - 3, kMaxOffset}) == kMaxOffset - 3);
  CHECK(availability.next_gap({0, kMaxOffset}) == ByteRange{0, kMaxOffset - 2});
  availability.set_length(kMaxOffset);
  CHECK(availability.check({kMaxOffset - 2, kMaxOffset}, WaitFor::all) == Coverage::ready);
  availability.check_invariants();
}
