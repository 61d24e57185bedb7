// May an answer be kept for others than who asked for it? (RFC 9111, section 3, of a cache that is shared.)
// Threads: pure functions. Blocks: never. Errors: none. Cost: linear in Vary. Lifetime: borrows the fields; the reasons
// are literals.
#pragma once

#include <optional>
#include <string_view>

#include "cache_control.h"

namespace strandline::serve::http {

// What the origin answered to a GET, with 200, 203 or 206; all three may be kept without being told for how long (RFC
// 9110, section 15.1).
struct Answered {
  CacheControl response{};
  bool sets_cookie = false;    // it has Set-Cookie
  std::string_view vary = {};  // its lines joined by commas
};

// Why not, in a word; none: it may. Section 3.5 is not gone by: with which credentials an origin is asked is told by
// whoever runs the server, who thereby shares what they open; those of clients are not handed on.
[[nodiscard]] std::optional<std::string_view> reason_not_to_store(const Answered& answered) noexcept;

}  // namespace strandline::serve::http
