// RequestTarget: what a request is for: a path and a query, each in one spelling, so that they can be keys.
// Threads: a value and pure functions. Blocks: never. Errors: a Refusal: 400, or 414 for what is too long. Throws
// bad_alloc. Cost: linear in the target. Lifetime: owns its text.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "refusal.h"

namespace strandline::serve::http {

inline constexpr std::size_t kMaxTarget = std::size_t{8} * 1024;  // bytes, as they came (RFC 9110, section 4.1)

// Invariant: the path begins with '/', has no segment "." or "..", and, as its bytes, no control character, and no '/'
// but those that divide it. Encoded is what must be, with digits in upper case (RFC 3986, section 6.2.2).
struct RequestTarget {
  std::string path;
  std::optional<std::string> query;  // without its '?'

  // The path's bytes, for origins that are no URLs.
  [[nodiscard]] std::string decoded_path() const;
};

// Of a GET or HEAD: origin-form or absolute-form (RFC 9112, section 3.2). `host`: the Host field, when there is one;
// an absolute target that names another is refused.
[[nodiscard]] tl::expected<RequestTarget, Refusal> parse_request_target(std::string_view target,
                                                                        std::optional<std::string_view> host);

}  // namespace strandline::serve::http
