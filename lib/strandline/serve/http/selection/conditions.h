// Conditions: what a GET or HEAD with If-Match and its like is answered, by what is there (RFC 9110, section 13).
// Threads: pure functions. Blocks: never. Errors: what is malformed never makes a 304 or a 206: a date is ignored, a
// tag equals none. Throws bad_alloc. Cost: linear in the fields. Lifetime: borrows the fields.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "entity_tag.h"

namespace strandline::serve::http {

// Fields of the request, the lines of each joined by commas; none: not sent.
struct ConditionalFields {
  std::optional<std::string_view> if_match{};
  std::optional<std::string_view> if_unmodified_since{};
  std::optional<std::string_view> if_none_match{};
  std::optional<std::string_view> if_modified_since{};
  std::optional<std::string_view> if_range{};
  bool ranged = false;  // a GET with a Range that requested_ranges does not answer with `whole`
};

// What is there.
struct Version {
  std::optional<EntityTag> tag{};
  std::optional<std::chrono::sys_seconds> last_modified{};
  std::optional<std::chrono::sys_seconds> date{};  // of the origin's answer that said so
  // Of what is stored: that date, or when the answer came.
  std::optional<std::chrono::sys_seconds> stored{};
};

enum class Selection : std::uint8_t { whole, parts, not_modified, precondition_failed };

// In the order of section 13.2.2. `now` is for dates with years of two digits.
[[nodiscard]] Selection select(const ConditionalFields& fields, const Version& version, std::chrono::sys_seconds now);

}  // namespace strandline::serve::http
