#include "units.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <limits>

namespace strandline::tool {

std::optional<std::uint64_t> bytes_of(const std::string& text) {
  // CLI11 takes a number below 0 for a very large one, and a unit alone for one of it.
  if (text.empty() || text.front() < '0' || text.front() > '9') {
    return std::nullopt;
  }
  try {
    std::string digits = text;
    if (!CLI::AsSizeValue(false)(digits).empty()) {
      return std::nullopt;
    }
    const std::uint64_t bytes = std::strtoull(digits.c_str(), nullptr, 0);  // as CLI11 reads it
    constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
    return bytes <= kMost ? std::optional(bytes) : std::nullopt;
  } catch (const CLI::ValidationError&) {
    return std::nullopt;
  }
}

std::string in_bytes(std::string text) {
  const auto bytes = bytes_of(text);
  if (!bytes) {
    throw CLI::ValidationError("'" + text + "': bytes are wanted, such as 1048576, 500k, 20M or 10G");
  }
  return std::to_string(*bytes);
}

}  // namespace strandline::tool
