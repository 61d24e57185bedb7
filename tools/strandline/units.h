// What a user types for bytes and for seconds, on command lines and in files.
// Threads: pure functions. Blocks: never. Errors: none, or CLI11's for its options. Cost: a small string. Lifetime:
// values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace strandline::tool {

// "4194304", "4096k", "10G"; less than 2^63.
[[nodiscard]] std::optional<std::uint64_t> bytes_of(const std::string& text);
// "90", "90s", "15m", "12h", "7d".
[[nodiscard]] std::optional<std::uint64_t> seconds_of(std::string_view text);

// For Option::transform(): in digits, or CLI::ValidationError.
[[nodiscard]] std::string in_bytes(const std::string& text);
[[nodiscard]] std::string in_seconds(const std::string& text);

}  // namespace strandline::tool
