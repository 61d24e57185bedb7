// CacheStatus: how the cache handled a request, as the field Cache-Status says it (RFC 9211).
// Threads: a value. Blocks: never. Errors: none. Throws bad_alloc. Cost: a few words. Lifetime: `detail` is a literal.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace strandline::serve::http {

struct CacheStatus {
  // Why the request went to the origin (section 2.2): the first of these that holds.
  enum class Forward : std::uint8_t { bypass, uri_miss, request, stale, partial };

  std::optional<Forward> forward{};   // none: a hit
  int forward_status = 0;             // what the origin answered, where it failed (2.3); 0: nothing, or it is not known
  std::optional<std::int64_t> ttl{};  // in seconds; below 0 when stale (2.4)
  bool stored = false;                // 2.5
  bool collapsed = false;             // waited for what another request had asked for (2.6)
  std::string_view detail{};          // why it failed, a token (2.8); empty: it has not

  // A list of one item, by RFC 8941, section 4.1.
  [[nodiscard]] std::string text() const;
};

}  // namespace strandline::serve::http
