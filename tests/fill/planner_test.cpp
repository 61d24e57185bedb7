// One plan at a time, as a table of cases, and a property of all.
#include <strandline/base/range_set.h>
#include <strandline/fill/planning/planner.h>
#include <strandline/fill/planning/retry.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

using namespace strandline;
using namespace strandline::fill;

namespace {

constexpr std::uint64_t kMiB = 1 << 20;

struct Scene {
  RangeSet available;
  std::vector<Running> running;
  std::vector<Wanted> wanted;
  std::vector<std::uint64_t> readers;
  Situation situation;

  Plan plan() {
    situation.next_gap = [this](std::uint64_t from, std::uint64_t limit) -> std::optional<ByteRange> {
      return from < limit ? available.first_gap({from, limit}) : std::nullopt;
    };
    situation.running = running;
    situation.wanted = wanted;
    situation.readers = readers;
    return fill::plan(situation);
  }
};

Scene scene(unsigned free, unsigned background, Policy policy = Policy::whole) {
  Scene made;
  made.situation.length = 100 * kMiB;
  made.situation.free_connections = free;
  made.situation.background_connections = background;
  made.situation.limits.policy = policy;
  return made;
}

}  // namespace

TEST_CASE("plan: who waits comes first, the most urgent first, and then the rest from the start") {
  auto s = scene(4, 4);
  s.wanted = {{{50 * kMiB, 50 * kMiB + 10}, Seconds(2)}, {{90 * kMiB, 90 * kMiB + 10}, Seconds(1)}};
  const Plan plan = s.plan();
  REQUIRE(plan.starts.size() == 4);
  CHECK(plan.starts[0] == Plan::Start{{90 * kMiB, 94 * kMiB}, true});
  CHECK(plan.starts[1] == Plan::Start{{50 * kMiB, 54 * kMiB}, true});
  CHECK(plan.starts[2] == Plan::Start{{94 * kMiB, 98 * kMiB}, false});
  CHECK(plan.starts[3] == Plan::Start{{54 * kMiB, 58 * kMiB}, false});
  CHECK(plan.more);
}

TEST_CASE("plan: what comes free at the edge of a window is not asked for a little at a time") {
  auto s = scene(4, 4, Policy::window);
  s.running = {{1, 2 * kMiB, 16 * kMiB, 1e6, true, true}};
  for (const auto& [reader, begun] : {std::pair(kMiB, false), std::pair(3 * kMiB, false), std::pair(4 * kMiB, true)}) {
    s.available = {};
    REQUIRE(s.available.insert({0, 2 * kMiB}));
    s.readers = {reader};
    const Plan plan = s.plan();
    CHECK(plan.starts.size() == (begun ? 1 : 0));
    CHECK_FALSE(plan.more);
  }
  s.readers = {99 * kMiB};  // the end of the object is no edge
  REQUIRE(s.available.insert({16 * kMiB, 100 * kMiB - 10}));
  CHECK(s.plan().starts == std::vector<Plan::Start>{{{100 * kMiB - 10, 100 * kMiB}, false}});
}

TEST_CASE("plan: what is wanted in the background waits for what is not") {
  auto s = scene(1, 0);
  s.wanted = {{{0, 10}, Seconds(0), true}, {{50 * kMiB, 50 * kMiB + 10}}};
  const Plan plan = s.plan();
  REQUIRE(plan.starts.size() == 1);
  CHECK(plan.starts[0].range.begin == 50 * kMiB);
}

TEST_CASE("plan: a transfer that will soon be there is waited for; one that will not is cut short") {
  for (const auto& [ahead, cut] : {std::pair(100ULL << 10, false), std::pair(10ULL << 20, true)}) {
    auto s = scene(2, 0);
    s.situation.network = {Seconds(0.05), Seconds(0.05), 10e6};  // 100 ms buy 1 MB
    s.running = {{7, 0, 16 * kMiB, 10e6, true, false}};
    s.wanted = {{{ahead, ahead + 10}}};
    const Plan plan = s.plan();
    if (cut) {
      CHECK(plan.trims == std::vector<Plan::Trim>{{7, ahead}});
      REQUIRE(plan.starts.size() == 1);
      CHECK(plan.starts[0] == Plan::Start{{ahead, 16 * kMiB}, true});
    } else {
      CHECK(plan.trims.empty());
      CHECK(plan.starts.empty());
    }
  }
}

TEST_CASE("plan: of an origin that answers at once, too, what will soon be there is waited for") {
  // 4 ms and 20 ms off.
  for (const auto& [ahead, cut] : {std::pair(400ULL << 10, false), std::pair(2ULL << 20, true)}) {
    for (const bool answered : {false, true}) {
      auto s = scene(2, 0);
      s.situation.network = {Seconds(1e-4), Seconds(1e-4), 1e8};
      s.running = {{7, 0, 16 * kMiB, 1e8, answered, false}};
      s.wanted = {{{ahead, ahead + 10}}};
      const Plan plan = s.plan();
      CHECK(plan.trims.size() == (cut ? 1 : 0));
      CHECK(plan.starts.size() == (cut ? 1 : 0));
    }
  }
}

TEST_CASE("plan: a transfer that crawls is replaced, for who waits and for nobody, unless others would too") {
  for (const bool wait : {true, false}) {
    for (const auto& [rate, replaced] : {std::pair(20e6, true), std::pair(2e4, false)}) {
      auto s = scene(2, 2);
      s.situation.length = kMiB;
      s.situation.network = {Seconds(0.05), Seconds(0.05), rate};
      s.running = {{7, 0, kMiB, 1e4, true, false, true}};
      if (wait) {
        s.wanted = {{{0, 64 << 10}}};
      }
      const Plan plan = s.plan();
      REQUIRE(plan.trims.size() == (replaced ? 1 : 0));
      REQUIRE(plan.starts.size() == plan.trims.size());
      if (replaced) {
        CHECK(plan.trims[0] == Plan::Trim{7, 0});
        CHECK(to_string(plan.starts[0].range) == "[0, 1048576)");
        CHECK(plan.starts[0].demanded == wait);
      }
    }
  }
}

TEST_CASE("plan: with no connection free, what nobody waits for gives one up") {
  auto s = scene(0, 0);
  s.running = {{1, 0, 4 * kMiB, 1e6, true, true}, {2, 8 * kMiB, 16 * kMiB, 1e6, true, false}};
  s.wanted = {{{50 * kMiB, 50 * kMiB + 10}}};
  const Plan plan = s.plan();
  CHECK(plan.trims == std::vector<Plan::Trim>{{2, 8 * kMiB}});
  REQUIRE(plan.starts.size() == 1);
  CHECK(plan.starts[0].range.begin == 50 * kMiB);
}

TEST_CASE("plan: with no connection free and all of them waited for, it waits") {
  auto s = scene(0, 0);
  s.running = {{1, 0, 4 * kMiB, 1e6, true, true}};
  s.wanted = {{{50 * kMiB, 50 * kMiB + 10}}};
  const Plan plan = s.plan();
  CHECK(plan.trims.empty());
  CHECK(plan.starts.empty());
  CHECK(plan.more);
}

TEST_CASE("plan: small islands are fetched again rather than asked around") {
  auto s = scene(1, 1, Policy::demand_only);
  s.wanted = {{{0, kMiB}}};
  CHECK(s.available.insert({100'000, 110'000}));
  CHECK(s.plan().starts[0].range == ByteRange{0, kMiB});
  CHECK(s.available.insert({100'000, 400'000}));
  CHECK(s.plan().starts[0].range == ByteRange{0, 100'000});
}

TEST_CASE("plan: nothing past the end, nothing when all is there") {
  auto s = scene(16, 16);
  s.wanted = {{{200 * kMiB, 201 * kMiB}}, {{99 * kMiB, 300 * kMiB}}};
  for (const auto& start : s.plan().starts) {
    CHECK(start.range.end <= 100 * kMiB);
  }
  CHECK(s.available.insert({0, 100 * kMiB}));
  CHECK(s.plan().starts.empty());
  CHECK_FALSE(s.plan().more);
}

TEST_CASE("plan: whatever the situation, no missing byte is asked for twice") {
  std::mt19937_64 random(1);
  const auto up_to = [&](std::uint64_t most) { return random() % (most + 1); };
  const auto some = [&] {
    const std::uint64_t begin = up_to(100 * kMiB - 1);
    return ByteRange{begin, std::min(100 * kMiB, begin + 1 + up_to(12 * kMiB))};
  };
  for (int round = 0; round < 3000; ++round) {
    auto s = scene(static_cast<unsigned>(up_to(16)), static_cast<unsigned>(up_to(16)), static_cast<Policy>(up_to(2)));
    s.situation.background_connections = std::min(s.situation.background_connections, s.situation.free_connections);
    for (std::uint64_t i = up_to(8); i > 0; --i) {
      CHECK(s.available.insert(some()));
    }
    RangeSet claimed;
    for (std::uint64_t i = up_to(6); i > 0; --i) {
      const ByteRange range = some();
      if (claimed.gaps(range).value() == std::vector{range}) {
        CHECK(claimed.insert(range));
        s.running.push_back(
            {i, range.begin, range.end, static_cast<double>(up_to(2)) * 1e7, up_to(1) == 1, up_to(1) == 1});
      }
    }
    for (std::uint64_t i = up_to(6); i > 0; --i) {
      s.wanted.push_back({some(), Seconds(static_cast<double>(up_to(9))), up_to(3) == 0});
    }
    s.readers.assign(up_to(2), up_to(100 * kMiB));
    const Plan plan = s.plan();
    RangeSet brought;
    unsigned freed = 0;
    for (Running left : s.running) {
      for (const auto& trim : plan.trims) {
        if (trim.id == left.id) {
          CHECK(trim.end <= left.end);
          left.end = std::max(left.at, trim.end);
          freed += left.end == left.at ? 1 : 0;
        }
      }
      CHECK(brought.insert({left.at, left.end}));
    }
    CHECK(plan.starts.size() <= s.situation.free_connections + freed);
    for (const auto& start : plan.starts) {
      CHECK_FALSE(start.range.empty());
      CHECK(start.range.end <= 100 * kMiB);
      CHECK_FALSE(s.available.covers({start.range.begin, start.range.begin + 1}));
      const auto missing = s.available.gaps(start.range);
      for (const ByteRange gap : *missing) {
        CHECK(brought.gaps(gap).value() == std::vector{gap});
      }
      CHECK(brought.insert(start.range));
    }
  }
}

TEST_CASE("retry: at once, then longer and longer, then never") {
  Retry retry({Seconds(0.1), Seconds(10), Seconds(120), Seconds(60)});
  CHECK(retry.failed(Seconds(0), 0, std::nullopt) == Seconds(0));
  CHECK(retry.failed(Seconds(0), 0, std::nullopt) == Seconds(0.1));
  CHECK(retry.failed(Seconds(1), 0.5, std::nullopt)->count() == doctest::Approx(0.3));
  for (int i = 0; i < 20; ++i) {
    CHECK(*retry.failed(Seconds(2), 0.999, std::nullopt) <= Seconds(10));
  }
  CHECK_FALSE(retry.failed(Seconds(120), 0, std::nullopt));
  retry.progress(Seconds(121));
  CHECK(retry.failed(Seconds(122), 0, std::nullopt) == Seconds(0));
}

TEST_CASE("F56: whatever an origin asks for by Retry-After, who gives up after so long does then") {
  Retry retry({.give_up = Seconds(3)});
  CHECK(retry.failed(Seconds(10), 0, Seconds(1e9)) == Seconds(3));
  CHECK(retry.failed(Seconds(11), 0, Seconds(1e9)) == Seconds(2));
  CHECK_FALSE(retry.failed(Seconds(13), 0, Seconds(1e9)));
}

TEST_CASE("F56: what an origin asks for by Retry-After is waited for, within reason") {
  Retry retry({});
  CHECK(retry.failed(Seconds(0), 0, Seconds(7)) == Seconds(7));
  CHECK(retry.failed(Seconds(0), 0, Seconds(31536000)) == Seconds(60));
}
