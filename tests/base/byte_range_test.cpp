#include <doctest/doctest.h>
#include <strandline/base/byte_range.h>

#include <limits>
#include <type_traits>
#include <vector>

using strandline::ByteRange;
using strandline::Errc;
using strandline::kMaxOffset;

namespace {

constexpr std::uint64_t kMaxU64 = std::numeric_limits<std::uint64_t>::max();

// What needs no run: a compiler that accepts this file has passed these.
static_assert(std::is_trivially_copyable_v<ByteRange> && std::is_aggregate_v<ByteRange>);
static_assert(kMaxOffset == (std::uint64_t{1} << 63) - 1);
static_assert(ByteRange{} == ByteRange{0, 0} && ByteRange{}.empty() && ByteRange{}.valid());
static_assert(ByteRange{3, 9}.size() == 6 && ByteRange{9, 3}.size() == 0 && ByteRange{9, 3}.empty());
static_assert(!ByteRange{9, 3}.valid() && !ByteRange{0, kMaxOffset + 1}.valid() && ByteRange{0, kMaxOffset}.valid());
static_assert(ByteRange{3, 9} < ByteRange{4, 5} && ByteRange{3, 5} < ByteRange{3, 9});
static_assert(ByteRange{3, 9}.contains(3) && ByteRange{3, 9}.contains(8));
static_assert(!ByteRange{3, 9}.contains(2) && !ByteRange{3, 9}.contains(9));

}  // namespace

TEST_CASE("R5: a checked range is refused when it begins after its end or ends past 2^63 - 1") {
  CHECK(ByteRange::checked(0, 0).value() == ByteRange{0, 0});
  CHECK(ByteRange::checked(3, 9).value() == ByteRange{3, 9});
  CHECK(ByteRange::checked(kMaxOffset, kMaxOffset).value() == ByteRange{kMaxOffset, kMaxOffset});
  for (const ByteRange bad : std::vector<ByteRange>{{9, 3}, {1, 0}, {0, kMaxOffset + 1}, {kMaxU64, kMaxU64}}) {
    CAPTURE(to_string(bad));
    const auto result = ByteRange::checked(bad.begin, bad.end);
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().code == Errc::invalid_range);
    CHECK_FALSE(result.error().context.empty());
  }
}

TEST_CASE("F1: offset + size never wraps") {
  CHECK(ByteRange::from_size(5, 0).value() == ByteRange{5, 5});
  CHECK(ByteRange::from_size(0, kMaxOffset).value() == ByteRange{0, kMaxOffset});
  CHECK(ByteRange::from_size(kMaxOffset, 0).value() == ByteRange{kMaxOffset, kMaxOffset});
  CHECK(ByteRange::from_size(kMaxOffset - 1, 1).value() == ByteRange{kMaxOffset - 1, kMaxOffset});
  struct Row {
    std::uint64_t offset;
    std::uint64_t size;
  };
  for (const Row row : std::vector<Row>{{kMaxOffset, 1},
                                        {kMaxOffset - 1, 2},
                                        {1, kMaxOffset},
                                        {kMaxOffset + 1, 0},
                                        {0, kMaxU64},
                                        {kMaxU64, 1},
                                        {kMaxU64, kMaxU64}}) {
    CAPTURE(row.offset);
    CAPTURE(row.size);
    const auto result = ByteRange::from_size(row.offset, row.size);
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().code == Errc::invalid_range);
  }
}

TEST_CASE("byte_range: contains, intersects and clamped_to agree with counting bytes") {
  constexpr std::uint64_t kUniverse = 6;
  for (std::uint64_t a = 0; a <= kUniverse; ++a) {
    for (std::uint64_t b = 0; b <= kUniverse; ++b) {
      for (std::uint64_t c = 0; c <= kUniverse; ++c) {
        for (std::uint64_t d = c; d <= kUniverse; ++d) {
          const ByteRange left{a, b};  // may be reversed: holds nothing
          const ByteRange right{c, d};
          std::uint64_t in_left = 0;
          std::uint64_t in_right = 0;
          std::uint64_t in_both = 0;
          for (std::uint64_t i = 0; i < kUniverse; ++i) {
            in_left += left.contains(i) ? 1U : 0U;
            in_right += right.contains(i) ? 1U : 0U;
            in_both += left.contains(i) && right.contains(i) ? 1U : 0U;
          }
          CAPTURE(to_string(left));
          CAPTURE(to_string(right));
          CHECK(left.size() == in_left);
          CHECK(left.empty() == (in_left == 0));
          CHECK(left.contains(right) == (in_both == in_right));
          CHECK(left.intersects(right) == (in_both > 0));
          const ByteRange both = right.clamped_to(left);
          CHECK(both.size() == in_both);
          CHECK(both.begin <= both.end);
          CHECK((both.empty() || (left.contains(both) && right.contains(both))));
        }
      }
    }
  }
}

TEST_CASE("byte_range: prints as it is drawn in the documentation") {
  CHECK(to_string(ByteRange{0, 10}) == "[0, 10)");
  CHECK(to_string(ByteRange{kMaxOffset, kMaxOffset}) == "[9223372036854775807, 9223372036854775807)");
}
