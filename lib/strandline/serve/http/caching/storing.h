// May an answer be kept for others than who asked for it? (RFC 9111, section 3, of a cache that is shared.)
// Threads: pure functions. Blocks: never. Errors: none. Cost: linear in Vary. Lifetime: borrows the fields; the reasons
// are literals.
#pragma once

#include <optional>
#include <string_view>

#include "cache_control.h"

namespace strandline::serve::http {

// A GET, and what the origin answered.
struct Exchange {
  CacheControl request{};
  bool authorized = false;  // the request to the origin had Authorization
  int status = 200;
  CacheControl response{};
  bool sets_cookie = false;    // the answer has Set-Cookie
  std::string_view vary = {};  // its lines joined by commas
};

// Why not, in a word; none: it may.
[[nodiscard]] std::optional<std::string_view> reason_not_to_store(const Exchange& exchange) noexcept;

}  // namespace strandline::serve::http
