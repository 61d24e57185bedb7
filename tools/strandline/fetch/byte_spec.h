// ByteSpec: the part of an object that the user asked for, as HTTP counts.
// Threads: a value. Blocks: never. Errors: invalid_argument for what is no range, invalid_range for one past the end.
// Cost: none worth naming. Lifetime: a value.
#pragma once

#include <strandline/base/byte_range.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace strandline::tool {

// First and last byte, both inclusive.
// Invariant: at most one of `first` and `suffix` is set; `last` only with `first`, and not before it; suffix > 0.
struct ByteSpec {
  std::optional<std::uint64_t> first;
  std::optional<std::uint64_t> last;
  std::optional<std::uint64_t> suffix;  // the last so many bytes

  // "A-B", "A-" or "-N". B and N may be as large as they like: past 2^63 - 2 they are that, for no byte lies behind.
  [[nodiscard]] static Result<ByteSpec> parse(std::string_view text);
  [[nodiscard]] bool whole() const noexcept { return !first && !suffix; }
  // Where it lies in content of this length; invalid_range when no byte of it does.
  [[nodiscard]] Result<ByteRange> within(std::uint64_t length) const;
  // As it was written, or as it was cut down: "0-99".
  [[nodiscard]] std::string text() const;
};

}  // namespace strandline::tool
