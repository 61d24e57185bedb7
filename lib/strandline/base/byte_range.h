// ByteRange: a half-open run of bytes [begin, end), offsets in bytes, 64-bit.
// Threads: a value; share copies freely. Blocks: never. Errors: the checked factories answer
// invalid_range. Cost: two words, every operation O(1). Lifetime: owns nothing.
#pragma once

#include <strandline/base/error.h>

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

namespace strandline {

// The last offset a range may end at: what off_t can name, so that every driver can.
inline constexpr std::uint64_t kMaxOffset = std::numeric_limits<std::int64_t>::max();

// Invariant of every range that the library accepts: begin <= end <= kMaxOffset. The type is an
// aggregate, so that users may write {a, b}; what comes from outside goes through checked().
struct ByteRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  // [begin, end), or invalid_range when begin > end or end > kMaxOffset.
  [[nodiscard]] static Result<ByteRange> checked(std::uint64_t begin, std::uint64_t end);

  // [offset, offset + size), or invalid_range when the sum passes kMaxOffset (it never wraps).
  [[nodiscard]] static Result<ByteRange> from_size(std::uint64_t offset, std::uint64_t size);

  [[nodiscard]] constexpr bool valid() const noexcept { return begin <= end && end <= kMaxOffset; }
  [[nodiscard]] constexpr bool empty() const noexcept { return begin >= end; }
  [[nodiscard]] constexpr std::uint64_t size() const noexcept { return empty() ? 0 : end - begin; }

  [[nodiscard]] constexpr bool contains(std::uint64_t offset) const noexcept { return begin <= offset && offset < end; }
  [[nodiscard]] constexpr bool contains(ByteRange other) const noexcept {
    return other.empty() || (begin <= other.begin && other.end <= end);
  }
  [[nodiscard]] constexpr bool intersects(ByteRange other) const noexcept {
    return std::max(begin, other.begin) < std::min(end, other.end);
  }
  // The bytes in both; an empty range when there are none.
  [[nodiscard]] constexpr ByteRange clamped_to(ByteRange other) const noexcept {
    const std::uint64_t from = std::max(begin, other.begin);
    return {from, std::max(from, std::min(end, other.end))};
  }

  friend constexpr bool operator==(const ByteRange&, const ByteRange&) = default;
  friend constexpr auto operator<=>(const ByteRange&, const ByteRange&) = default;
};

// "[begin, end)"
[[nodiscard]] std::string to_string(ByteRange range);

}  // namespace strandline
