// Cache-Status (RFC 9211), in the quoting of RFC 8941, and Via (RFC 9110, section 7.6.3).
#include <strandline/serve/http/caching/cache_status.h>

#include <doctest/doctest.h>

#include <limits>

namespace strandline::serve::http {
namespace {

using Forward = CacheStatus::Forward;

TEST_CASE("RFC 9211 2: a hit, and why a request went to the origin") {
  CHECK(CacheStatus().text() == "strandline; hit");
  struct Case {
    Forward forward;
    const char* text;
  };
  for (const Case& c : {Case{Forward::bypass, "strandline; fwd=bypass"},
                        {Forward::method, "strandline; fwd=method"},
                        {Forward::uri_miss, "strandline; fwd=uri-miss"},
                        {Forward::vary_miss, "strandline; fwd=vary-miss"},
                        {Forward::miss, "strandline; fwd=miss"},
                        {Forward::request, "strandline; fwd=request"},
                        {Forward::stale, "strandline; fwd=stale"},
                        {Forward::partial, "strandline; fwd=partial"}}) {
    CacheStatus status;
    status.forward = c.forward;
    CHECK(status.text() == c.text);
  }
}

TEST_CASE("RFC 9211 2.3 to 2.8: all there is to say") {
  CacheStatus status;
  status.cache = "cache.example";
  status.forward = Forward::partial;
  status.forward_status = 206;
  status.ttl = -30;
  status.stored = true;
  status.collapsed = true;
  status.key = "http://here/a\"b\\c";
  status.detail = "set-cookie";
  CHECK(status.text() ==
        "cache.example; fwd=partial; fwd-status=206; ttl=-30; stored; collapsed; key=\"http://here/a\\\"b\\\\c\"; "
        "detail=set-cookie");
}

TEST_CASE("RFC 8941 3.3: tokens, strings and integers") {
  struct Case {
    const char* detail;
    const char* text;
  };
  for (const Case& c : {Case{"a", "a"},
                        {"*", "*"},
                        {"A1:/-._~!#$%&'*+^`|", "A1:/-._~!#$%&'*+^`|"},
                        {"", "\"\""},
                        {"1a", "\"1a\""},
                        {"-a", "\"-a\""},
                        {"a b", "\"a b\""},
                        {"a,b", "\"a,b\""},
                        {"a;b=c", "\"a;b=c\""},
                        {"\"\\", "\"\\\"\\\\\""},
                        {"a\r\nX: y", "\"a%0D%0AX: y\""},
                        {"\x7f", "\"%7F\""},
                        {"\xc3\xa4", "\"%C3%A4\""}}) {
    CAPTURE(c.detail);
    CacheStatus status;
    status.detail = c.detail;
    CHECK(status.text() == "strandline; hit; detail=" + std::string(c.text));
    // The name of a cache is a token or a string as well, a key always a string.
    status = {};
    status.cache = c.detail;
    CHECK(status.text() == std::string(c.text) + "; hit");
    status = {};
    status.key = c.detail;
    const std::string plain = c.text;
    CHECK(status.text() == "strandline; hit; key=" + (plain.starts_with('"') ? plain : '"' + plain + '"'));
  }
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
