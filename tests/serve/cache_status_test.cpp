// Cache-Status (RFC 9211), and Via (RFC 9110, section 7.6.3).
#include <strandline/serve/http/caching/cache_status.h>

#include <doctest/doctest.h>

#include <limits>
#include <utility>

namespace strandline::serve::http {
namespace {

using Forward = CacheStatus::Forward;

TEST_CASE("RFC 9211 2: a hit, and why a request went to the origin") {
  CHECK(CacheStatus().text() == "strandline; hit");
  for (const auto& [forward, text] : {std::pair{Forward::bypass, "strandline; fwd=bypass"},
                                      {Forward::uri_miss, "strandline; fwd=uri-miss"},
                                      {Forward::request, "strandline; fwd=request"},
                                      {Forward::stale, "strandline; fwd=stale"},
                                      {Forward::partial, "strandline; fwd=partial"}}) {
    CHECK(CacheStatus{.forward = forward}.text() == text);
  }
}

TEST_CASE("RFC 9211 2.4 to 2.6: all there is to say") {
  const CacheStatus status{.forward = Forward::partial, .ttl = -30, .stored = true, .collapsed = true};
  CHECK(status.text() == "strandline; fwd=partial; ttl=-30; stored; collapsed");
}

TEST_CASE("RFC 8941 3.3.1: integers") {
  CacheStatus status;
  status.ttl = std::numeric_limits<std::int64_t>::max();
  CHECK(status.text() == "strandline; hit; ttl=999999999999999");
  status.ttl = std::numeric_limits<std::int64_t>::min();
  CHECK(status.text() == "strandline; hit; ttl=-999999999999999");
}

TEST_CASE("RFC 9110 7.6.3: Via") {
  CHECK(via("", "1.1", "strandline") == "1.1 strandline");
  CHECK(via("1.0 fred, 1.1 p.example.net", "1.1", "strandline") == "1.0 fred, 1.1 p.example.net, 1.1 strandline");
  CHECK(via("", "1.1", "my cache, (1)\r\n") == "1.1 my%20cache%2C%20%281%29%0D%0A");
}

}  // namespace
}  // namespace strandline::serve::http
