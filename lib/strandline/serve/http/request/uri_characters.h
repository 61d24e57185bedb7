// The characters of URIs (RFC 3986, sections 2.2, 2.3 and 3.3).
// Threads: pure functions. Blocks: never. Errors: none. Cost: a search in some dozen characters. Lifetime: none.
#pragma once

#include <strandline/origin/http/protocol/syntax.h>

namespace strandline::serve::http {

// Those that mean the same percent-encoded.
[[nodiscard]] constexpr bool is_unreserved(char c) noexcept {
  return origin::http::is_letter(c) || origin::http::is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

[[nodiscard]] constexpr bool is_sub_delimiter(char c) noexcept {
  return std::string_view("!$&'()*+,;=").find(c) != std::string_view::npos;
}

// Of a path's segment, percent-encoding apart.
[[nodiscard]] constexpr bool is_path_character(char c) noexcept {
  return is_unreserved(c) || is_sub_delimiter(c) || c == ':' || c == '@';
}

}  // namespace strandline::serve::http
