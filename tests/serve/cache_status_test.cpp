// Cache-Status (RFC 9211), and Via (RFC 9110, section 7.6.3).
#include <strandline/origin/http/protocol/syntax.h>
#include <strandline/serve/http/caching/cache_status.h>
#include <strandline/serve/http/request/via.h>

#include <doctest/doctest.h>

#include <limits>
#include <string>
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

TEST_CASE("RFC 9211 2.3, 2.8: what the origin answered, and why it failed") {
  CacheStatus status{.forward = Forward::stale, .forward_status = 503, .ttl = -30, .detail = "io"};
  CHECK(status.text() == "strandline; fwd=stale; fwd-status=503; ttl=-30; detail=io");
  status.forward.reset();
  CHECK(status.text() == "strandline; hit; ttl=-30; detail=io");
}

TEST_CASE("RFC 8941 3.3.1: integers") {
  CacheStatus status;
  status.ttl = std::numeric_limits<std::int64_t>::max();
  CHECK(status.text() == "strandline; hit; ttl=999999999999999");
  status.ttl = std::numeric_limits<std::int64_t>::min();
  CHECK(status.text() == "strandline; hit; ttl=-999999999999999");
}

TEST_CASE("RFC 9110 7.6.3: who has passed a request on") {
  for (const char* via : {"1.1 me", "HTTP/1.1 me", "1.0 fred, 1.1 me", "1.1 me, 1.0 fred", " 1.1\t me\t", ",,1.1 me,",
                          "1.1 me (a comment)", "1.1 me(a comment)", "1.1 fred (one, two), 1.1 me (three)"}) {
    CAPTURE(std::string(via));
    CHECK(has_passed(via, "me"));
  }
  for (const char* via : {"", ",", "1.1", "me", "1.1 fred", "1.1 menace", "1.1 Me", "1.1 fred (me)", "1.1 fred me",
                          "me fred", "1.1 me:80", "1.1me"}) {
    CAPTURE(std::string(via));
    CHECK_FALSE(has_passed(via, "me"));
  }
}

TEST_CASE("RFC 9110 7.6.3: a pseudonym is a token, and nobody else's") {
  const std::string one = new_pseudonym();
  CHECK(one.size() == std::string("strandline-0123456789abcdef").size());
  CHECK(origin::http::is_token(one));
  CHECK(has_passed("1.1 " + one, one));
  CHECK_FALSE(has_passed("1.1 " + one, new_pseudonym()));
}

}  // namespace
}  // namespace strandline::serve::http
