// CacheControl: the directives of a request or a response (RFC 9111, section 5.2; RFC 5861; RFC 8246).
// Threads: a value. Blocks: never. Errors: what is invalid or said twice counts as what asks the origin sooner (section
// 4.2.1); what is unknown is ignored (5.2.3). Cost: linear, no allocation. Lifetime: a value.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace strandline::serve::http {

// What a greater number of seconds is taken for (RFC 9111, section 1.2.2).
inline constexpr std::chrono::seconds kForever{std::int64_t{1} << 31};

struct CacheControl {
  // `field`: the lines of all Cache-Control fields, joined by commas.
  [[nodiscard]] static CacheControl parse(std::string_view field) noexcept;

  // Of both.
  bool no_cache = false;  // with or without names of fields (5.2.2.4)
  bool no_store = false;  // also where a quote is not closed: nobody knows what stands behind it
  std::optional<std::chrono::seconds> max_age{};
  std::optional<std::chrono::seconds> stale_if_error{};
  // Of requests.
  bool only_if_cached = false;
  std::optional<std::chrono::seconds> min_fresh{};
  std::optional<std::chrono::seconds> max_stale{};  // without a number: kForever
  // Of responses.
  bool is_private = false;  // with or without names of fields (5.2.2.7)
  bool is_public = false;
  bool must_revalidate = false;
  bool proxy_revalidate = false;
  bool immutable = false;
  std::optional<std::chrono::seconds> s_maxage{};
  std::optional<std::chrono::seconds> stale_while_revalidate{};
};

}  // namespace strandline::serve::http
