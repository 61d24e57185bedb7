// Picture tables: a column is a byte, '#' is in the set. `op` marks the range with '^'; `answer` is what
// the call returned. Each row is run at both ends of the offsets a set can hold.
#include <doctest/doctest.h>
#include <strandline/base/range_set.h>
#include <tests/base/range_set_model.h>

#include <array>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace strandline;
using model::drawn;
using model::picture;

namespace {

constexpr std::array<std::uint64_t, 4> kPictureOrigins = {0, 4096 - 5, (std::uint64_t{1} << 32) - 5, kMaxOffset - 12};

struct ChangeRow {
  const char* what;
  std::string before;
  std::string op;
  std::string after;
  std::string answer;
};

const std::vector<ChangeRow> kInserts = {
    {"into nothing", "............", "...^^^......", "...###......", "...###......"},
    {"the whole universe", "............", "^^^^^^^^^^^^", "############", "############"},
    {"nothing into nothing", "............", "............", "............", "............"},
    {"between two", "##.......##.", "....^^......", "##..##...##.", "....##......"},
    {"touching on the left", "..###.......", ".....^^.....", "..#####.....", ".....##....."},
    {"touching on the right", ".....###....", "...^^.......", "...#####....", "...##......."},
    {"filling a gap exactly", "..###..###..", ".....^^.....", "..########..", ".....##....."},
    {"filling part of a gap", "..###...###.", ".....^^.....", "..#####.###.", ".....##....."},
    {"overlapping on the left", "..####......", "....^^^^....", "..######....", "......##...."},
    {"overlapping on the right", "....####....", "..^^^^......", "..######....", "..##........"},
    {"around one", "....##......", "..^^^^^^....", "..######....", "..##..##...."},
    {"around many", ".#.#.#.#.#..", "^^^^^^^^^^^^", "############", "#.#.#.#.#.##"},
    {"from inside one to inside another", ".####..####.", "...^^^^^^...", ".##########.", ".....##....."},
    {"across three, touching two", "##.#.#.##...", "..^^^^^.....", "#########...", "..#.#.#....."},
    {"what is there", "..######....", "...^^^......", "..######....", "............"},
    {"exactly what is there", "..######....", "..^^^^^^....", "..######....", "............"},
    {"first byte", ".###........", "^...........", "####........", "#..........."},
    {"last byte", "........###.", "...........^", "........####", "...........#"},
};

const std::vector<ChangeRow> kErases = {
    {"from nothing", "............", "...^^^......", "............", "............"},
    {"what is not there", "##.......##.", "...^^^......", "##.......##.", "............"},
    {"one exactly", "..####......", "..^^^^......", "............", "..####......"},
    {"a head", "..####......", "..^^........", "....##......", "..##........"},
    {"a tail", "..####......", "....^^......", "..##........", "....##......"},
    {"a hole", ".######.....", "...^^.......", ".##..##.....", "...##......."},
    {"the touching neighbour only", "..####......", "......^^....", "..####......", "............"},
    {"more than one", "...##.......", "..^^^^......", "............", "...##......."},
    {"many, whole", ".#.#.#.#.#..", "^^^^^^^^^^^^", "............", ".#.#.#.#.#.."},
    {"many, cutting both ends", "####.##.####", "..^^^^^^^^..", "##........##", "..##.##.##.."},
    {"everything", "############", "^^^^^^^^^^^^", "............", "############"},
    {"a byte from everything", "############", ".....^......", "#####.######", ".....#......"},
    {"nothing", "..####......", "............", "..####......", "............"},
};

struct QueryRow {
  std::string set;
  std::string range;
  bool covers;
  bool intersects;
  std::uint64_t prefix;
  std::string gap;      // first_gap
  std::string covered;  // first_covered
};

const std::vector<QueryRow> kQueries = {
    {"............", "..^^^^......", false, false, 0, "..####......", "............"},
    {"############", "..^^^^......", true, true, 4, "............", "..####......"},
    {"..####......", "..^^^^......", true, true, 4, "............", "..####......"},
    {"..####......", "...^^.......", true, true, 2, "............", "...##......."},
    {"..####......", "....^^^^....", false, true, 2, "......##....", "....##......"},
    {"....####....", "..^^^^......", false, true, 0, "..##........", "....##......"},
    {"..####......", "......^^....", false, false, 0, "......##....", "............"},
    {"......##....", "..^^^^......", false, false, 0, "..####......", "............"},
    {"##.##.##....", "^^^^^^^^....", false, true, 2, "..#.........", "##.........."},
    {".##.##.##...", "^^^^^^^^^...", false, true, 0, "#...........", ".##........."},
    {"..####......", "............", true, false, 0, "............", "............"},
};

}  // namespace

TEST_CASE("R14: what insert does, in pictures") {
  for (const ChangeRow& row : kInserts) {
    for (const std::uint64_t origin : kPictureOrigins) {
      CAPTURE(row.what);
      CAPTURE(origin);
      RangeSet set = drawn(row.before, origin);
      const auto answer = set.insert(model::marked(row.op, origin));
      REQUIRE(answer.has_value());
      CHECK(picture(set, origin) == row.after);
      CHECK(picture(*answer, origin) == row.answer);
      set.check_invariants();
    }
  }
}

TEST_CASE("R14: what erase does, in pictures") {
  for (const ChangeRow& row : kErases) {
    for (const std::uint64_t origin : kPictureOrigins) {
      CAPTURE(row.what);
      CAPTURE(origin);
      RangeSet set = drawn(row.before, origin);
      const auto answer = set.erase(model::marked(row.op, origin));
      REQUIRE(answer.has_value());
      CHECK(picture(set, origin) == row.after);
      CHECK(picture(*answer, origin) == row.answer);
      set.check_invariants();
    }
  }
}

TEST_CASE("R6: what the queries answer, in pictures") {
  const auto one = [](const std::optional<ByteRange>& range) {
    return range ? std::vector<ByteRange>{*range} : std::vector<ByteRange>{};
  };
  for (const QueryRow& row : kQueries) {
    for (const std::uint64_t origin : kPictureOrigins) {
      CAPTURE(row.set);
      CAPTURE(row.range);
      CAPTURE(origin);
      const RangeSet set = drawn(row.set, origin);
      const ByteRange range = model::marked(row.range, origin);
      CHECK(set.covers(range) == row.covers);
      CHECK(set.intersects(range) == row.intersects);
      CHECK(set.covered_prefix(range) == row.prefix);
      CHECK(picture(one(set.first_gap(range)), origin) == row.gap);
      CHECK(picture(one(set.first_covered(range)), origin) == row.covered);
    }
  }
}

TEST_CASE("F1 F2: a reversed range, or one past 2^63 - 1, is refused and changes nothing") {
  const std::vector<ByteRange> content = {{2, 5}, {kMaxOffset - 3, kMaxOffset}};
  RangeSet set = {content[0], content[1]};
  for (const ByteRange bad : std::vector<ByteRange>{{9, 3},
                                                    {kMaxOffset, kMaxOffset + 1},
                                                    {0, kMaxOffset + 1},
                                                    {3, ~std::uint64_t{0}},
                                                    {kMaxOffset + 1, kMaxOffset + 1},
                                                    {~std::uint64_t{0}, 0}}) {
    CAPTURE(to_string(bad));
    CHECK(set.insert(bad).error().code == Errc::invalid_range);
    CHECK(set.erase(bad).error().code == Errc::invalid_range);
    CHECK(set.gaps(bad).error().code == Errc::invalid_range);
    CHECK(set.covered(bad).error().code == Errc::invalid_range);
    CHECK_FALSE(set.covers(bad));
    CHECK_FALSE(set.intersects(bad));
    CHECK(set.covered_prefix(bad) == 0);
    CHECK_FALSE(set.first_gap(bad).has_value());
    CHECK_FALSE(set.first_covered(bad).has_value());
    CHECK(std::vector<ByteRange>(set.begin(), set.end()) == content);
    CHECK_THROWS_AS(RangeSet({bad}), std::invalid_argument);
  }
  set.check_invariants();
}

TEST_CASE("F3: an empty range is a no-op anywhere, also at 2^63 - 1") {
  RangeSet set;
  for (const std::uint64_t at : std::vector<std::uint64_t>{0, 7, kMaxOffset - 1, kMaxOffset}) {
    CAPTURE(at);
    const ByteRange nothing{at, at};
    CHECK(set.insert(nothing).value().empty());
    CHECK(set.erase(nothing).value().empty());
    CHECK(set.gaps(nothing).value().empty());
    CHECK(set.covered(nothing).value().empty());
    CHECK(set.covers(nothing));
    CHECK_FALSE(set.intersects(nothing));
    CHECK_FALSE(set.first_gap(nothing).has_value());
    CHECK(set.empty());
  }
}

TEST_CASE("R14: all of [0, 2^63 - 1) is counted") {
  RangeSet set = {{0, kMaxOffset}};
  CHECK(set.byte_count() == kMaxOffset);
  CHECK(set.range_count() == 1);
  CHECK(set.end_offset() == kMaxOffset);
  REQUIRE(set.erase({kMaxOffset - 1, kMaxOffset}).has_value());
  REQUIRE(set.erase({0, 1}).has_value());
  CHECK(to_string(set) == "{[1, 9223372036854775806)}");
  CHECK(set.byte_count() == kMaxOffset - 2);
}

TEST_CASE("range_set: moves, clones, clears and compares like a value") {
  RangeSet set = {{20, 30}, {0, 10}, {30, 31}};
  CHECK(to_string(set) == "{[0, 10) [20, 31)}");
  RangeSet copy = set.clone().value();
  CHECK(copy == set);
  REQUIRE(copy.insert({12, 13}).has_value());
  CHECK_FALSE(copy == set);
  CHECK(to_string(set) == "{[0, 10) [20, 31)}");
  copy.check_invariants();
  REQUIRE(copy.erase({12, 13}).has_value());
  CHECK(copy == set);
  CHECK_FALSE(RangeSet({{0, 2}, {4, 6}}) == RangeSet({{0, 3}, {4, 5}}));  // the same counts

  const RangeSet taken = std::move(set);
  CHECK(taken == copy);
  copy.clear();
  CHECK(copy.empty());
  CHECK(copy.end_offset() == 0);
  CHECK(copy.begin() == copy.end());
  CHECK(copy == RangeSet());
  CHECK(to_string(copy) == "{}");
  REQUIRE(copy.insert({1, 2}).has_value());
  copy = RangeSet();
  CHECK(copy.empty());
  CHECK(copy.clone().value().empty());
}

TEST_CASE("range_set: iterators walk forward, in both spellings") {
  static_assert(std::forward_iterator<RangeSet::const_iterator>);
  const RangeSet set = {{1, 2}, {4, 6}};
  auto it = set.begin();
  CHECK(*it == ByteRange{1, 2});
  CHECK(*it++ == ByteRange{1, 2});
  CHECK(*it == ByteRange{4, 6});
  CHECK(++it == set.end());
}
