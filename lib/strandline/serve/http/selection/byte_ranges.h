// Which bytes a Range field asks for (RFC 9110, section 14), and how Content-Range tells which they are.
// Threads: pure functions. Blocks: never. Errors: what is malformed, or more than is worth it, is as if it were not
// there (section 14.2). Throws bad_alloc. Cost: linear in the field, of which 4 KiB and 64 ranges are looked at.
// Lifetime: values.
#pragma once

#include <strandline/base/byte_range.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace strandline::serve::http {

inline constexpr std::size_t kMaxRangeField = 4096;  // bytes
inline constexpr std::size_t kMaxRangeSpecs = 64;    // that are asked for, empty ones among them
inline constexpr std::size_t kMaxRanges = 16;        // that are answered

struct RequestedRanges {
  enum class Kind : std::uint8_t {
    whole,          // as if no Range had been sent: 200
    parts,          // 206
    unsatisfiable,  // 416
    needs_length    // that of the content decides
  };
  Kind kind = Kind::whole;
  // 1 to kMaxRanges, none of them empty; in the order in which they were asked for. Those that overlapped or touched
  // are one, in the place of the first (section 15.3.7.2).
  std::vector<ByteRange> parts;
};

// `field`: the Range field's value, its lines joined by commas. `length`: of the content, at most kMaxOffset; none
// while it is not known: the parts may then end behind the content.
[[nodiscard]] RequestedRanges requested_ranges(std::string_view field, std::optional<std::uint64_t> length);

// "bytes 0-99/1000", or "bytes 0-99/*", for a 206. The range is not empty.
[[nodiscard]] std::string content_range(ByteRange range, std::optional<std::uint64_t> length);
// "bytes */1000", for a 416.
[[nodiscard]] std::string unsatisfied_content_range(std::uint64_t length);

}  // namespace strandline::serve::http
