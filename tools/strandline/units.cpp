#include "units.h"

#include <strandline/origin/http/protocol/syntax.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <utility>

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

std::optional<std::uint64_t> seconds_of(std::string_view text) {
  const auto number = origin::http::take_number(text, std::numeric_limits<std::int32_t>::max());
  constexpr std::array<std::pair<std::string_view, std::uint64_t>, 5> kUnits = {
      {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}}};
  const auto* const unit =
      std::find_if(kUnits.begin(), kUnits.end(), [&](const auto& each) { return each.first == text; });
  return number && unit != kUnits.end() ? std::optional(*number * unit->second) : std::nullopt;
}

std::string in_bytes(const std::string& text) {
  const auto bytes = bytes_of(text);
  if (!bytes) {
    throw CLI::ValidationError("'" + text + "': bytes are wanted, such as 1048576, 500k, 20M or 10G");
  }
  return std::to_string(*bytes);
}

std::string in_seconds(const std::string& text) {
  const auto seconds = seconds_of(text);
  if (!seconds) {
    throw CLI::ValidationError("'" + text + "': seconds are wanted, such as 90, 90s, 15m, 12h or 7d");
  }
  return std::to_string(*seconds);
}

}  // namespace strandline::tool
