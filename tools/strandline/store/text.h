// How keys, ranges and sizes are read from a command line, and written for people and for programs.
// Threads: pure functions. Blocks: never. Errors: invalid_argument, with what was typed; the others throw
// std::bad_alloc. Cost: none worth naming. Lifetime: values.
#pragma once

#include <strandline/base/byte_range.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace strandline::tool {

using Json = nlohmann::ordered_json;

// Keys are any bytes. On a line of text: UTF-8 as it is; a backslash is doubled; what would break the line, control
// the terminal or is no UTF-8 is written \xHH, a byte each. So no two keys look the same, and printf(1) reads it back.
[[nodiscard]] std::string key_text(std::string_view key);
// Bytes in JSON: NAME, the text itself; of what is no UTF-8 NAME_hex instead, two hexadecimal digits a byte.
void put_text(Json& object, const std::string& name, std::string_view bytes);
inline void put_key(Json& object, std::string_view key) {
  put_text(object, "key", key);
}
// From a command line; `hex`: two hexadecimal digits a byte. What a store does not take as a key is refused here.
[[nodiscard]] Result<std::string> parse_key(const std::string& typed, bool hex);
// Likewise the beginning of a key, which may be empty.
[[nodiscard]] Result<std::string> parse_prefix(const std::string& typed, bool hex);

[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

// "1048576", "1024K", "1M", "1MiB", "1G", "1T": powers of 1024.
[[nodiscard]] Result<std::uint64_t> parse_size(const std::string& typed);

// As --range takes it: the first byte and the last, "0-1048575".
[[nodiscard]] std::string range_text(ByteRange range);
// How much of it is there, never more than there is: "62%", "<1%", "complete" only if it is; "3.0 MiB" of an unknown
// length.
[[nodiscard]] std::string share_text(std::uint64_t there, std::optional<std::uint64_t> length, bool complete);

}  // namespace strandline::tool
