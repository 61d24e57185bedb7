// Request targets (RFC 9112, section 3.2; RFC 3986), and what Host may say of them.
#include <strandline/serve/http/request/authority.h>
#include <strandline/serve/http/request/request_target.h>

#include <doctest/doctest.h>

namespace strandline::serve::http {
namespace {

int status_of(std::string_view target, std::optional<std::string_view> host = "here") {
  const auto parsed = parse_request_target(target, host);
  return parsed ? 200 : parsed.error().status;
}

TEST_CASE("RFC 9112 3.2.1, RFC 3986 6.2.2: a path and a query, each in one spelling") {
  struct Case {
    const char* target;
    const char* path;
    const char* query;  // nullptr: none
  };
  for (const Case& c : {Case{"/", "/", nullptr},
                        {"/a/b.mp4", "/a/b.mp4", nullptr},
                        {"/a?", "/a", ""},
                        {"/a?b=c&d=/e?f", "/a", "b=c&d=/e?f"},
                        {"/?", "/", ""},
                        {"//a//b/", "//a//b/", nullptr},  // empty names are names
                        {"/...", "/...", nullptr},
                        {"/.a/b./..c/d..", "/.a/b./..c/d..", nullptr},
                        {"/%61%2E%62%7e", "/a.b~", nullptr},
                        {"/%c3%a4", "/%C3%A4", nullptr},
                        {"/a%20b%3f%23", "/a%20b%3F%23", nullptr},
                        {"/%252e%252e/%252f", "/%252e%252e/%252f", nullptr},  // decoded once
                        {"/%5c", "/%5C", nullptr},
                        {"/!$&'()*+,;=:@-._~", "/!$&'()*+,;=:@-._~", nullptr},
                        {"/[1]{2}|^`", "/%5B1%5D%7B2%7D%7C%5E%60", nullptr},  // as browsers send them
                        {"/a?[b]=%7e%0a%2f", "/a", "%5Bb%5D=~%0A%2F"},
                        {"/a?../..", "/a", "../.."}}) {
    CAPTURE(c.target);
    const auto parsed = parse_request_target(c.target, "here");
    REQUIRE(parsed.has_value());
    CHECK(parsed->path == c.path);
    CHECK(parsed->query.has_value() == (c.query != nullptr));
    CHECK(parsed->query.value_or("") == (c.query != nullptr ? c.query : ""));
  }
}

TEST_CASE("F66: dot segments, hidden slashes and control characters in a path") {
  for (const char* target : {"/..",       "/.",      "/a/..",   "/a/../b", "/a/./b", "/../",   "/./",    "/%2e%2e",
                             "/%2E%2e/a", "/.%2e/a", "/a/%2e",  "/%2e./",  "/a%2fb", "/a%2Fb", "/..%2f", "/%00",
                             "/a%00.mp4", "/%0a",    "/%0D%0a", "/%1f",    "/%7f",   "/%09"}) {
    CAPTURE(target);
    CHECK(status_of(target) == 400);
    CHECK(status_of("http://here" + std::string(target)) == 400);
  }
}

TEST_CASE("F66: raw characters that no target has, and bad percent-encodings") {
  for (const char* target : {"/a b",   "/a\tb",   "/a\\b",  "/a\"b", "/a<b",  "/a>b",   "/\x7f",        "/\xc3\xa4",
                             "/%",     "/%4",     "/%4g",   "/%zz",  "/%%30", "/% 41",  "/a?b c",       "/a?%",
                             "/a?%g0", "/a?\x01", "/a?b\"", "/a#b",  "/#",    "/a?b#c", "http://here/#"}) {
    CAPTURE(target);
    CHECK(status_of(target) == 400);
  }
  CHECK(status_of(std::string_view("/a\0b", 4)) == 400);
  CHECK(status_of(std::string_view("/a?b\0c", 6)) == 400);
}

TEST_CASE("F66: a target of more than 8 KiB") {
  const std::string longest = "/" + std::string(kMaxTarget - 1, 'a');
  CHECK(status_of(longest) == 200);
  CHECK(status_of(longest + "a") == 414);
  CHECK(status_of("/?" + std::string(kMaxTarget, 'a')) == 414);
  CHECK(status_of(std::string(1 << 20, '%')) == 414);
}

TEST_CASE("RFC 9112 3.2.2: the absolute form") {
  struct Case {
    const char* target;
    std::optional<std::string_view> host;
    const char* path;
  };
  for (const Case& c : {Case{"http://here/a", "here", "/a"},
                        {"HTTP://HERE/a", "here", "/a"},
                        {"http://here/a", "Here:80", "/a"},
                        {"http://here:80/a", "here", "/a"},
                        {"http://here:/a", "here", "/a"},
                        {"https://here/a", "here:443", "/a"},
                        {"http://here:8080/a", "here:8080", "/a"},
                        {"http://[::1]:8080/a", "[::1]:8080", "/a"},
                        {"http://here", "here", "/"},
                        {"http://here?b", "here", "/"},
                        {"http://here/a", std::nullopt, "/a"}}) {  // HTTP/1.0
    CAPTURE(c.target);
    const auto parsed = parse_request_target(c.target, c.host);
    REQUIRE(parsed.has_value());
    CHECK(parsed->path == c.path);
  }
  CHECK(parse_request_target("http://here?b", "here")->query == "b");
}

TEST_CASE("F61: an absolute form that disagrees with Host, or names nobody") {
  struct Case {
    const char* target;
    const char* host;
  };
  for (const Case& c : {Case{"http://there/a", "here"},
                        {"http://here:8080/a", "here"},
                        {"http://here/a", "here:8080"},
                        {"https://here/a", "here:80"},
                        {"http://here/a", ""},
                        {"http://here./a", "here"},
                        {"http:///a", "here"},
                        {"http:///a", ""},
                        {"http://?a", "here"},
                        {"http://user@here/a", "here"},
                        {"http://user:password@here/a", "here"},
                        {"http://here:x/a", "here"},
                        {"http://here:99999/a", "here"},
                        {"http://[::1/a", "[::1]"},
                        {"http://here\\there/a", "here"}}) {
    CAPTURE(c.target);
    CAPTURE(c.host);
    CHECK(status_of(c.target, c.host) == 400);
  }
}

TEST_CASE("RFC 9112 3.2.3 and 3.2.4: other forms are for proxies and for OPTIONS") {
  for (const char* target : {"", "*", "here:443", "here", "a/b", "?a", "ftp://here/a", "file:///etc/passwd", "://here/",
                             "http:/here/a", "http:here", "javascript:1", "127.0.0.1:80"}) {
    CAPTURE(target);
    CHECK(status_of(target) == 400);
  }
}

TEST_CASE("a path's bytes") {
  CHECK(parse_request_target("/a%20b/%c3%A4%252f", "here")->decoded_path() == "/a b/\xc3\xa4%2f");
  CHECK(parse_request_target("/", "here")->decoded_path() == "/");
}

TEST_CASE("RFC 9110 7.2, RFC 3986 3.2: host and port") {
  struct Case {
    const char* text;
    const char* host;
    int port;  // 0: none
  };
  for (const Case& c : {Case{"here", "here", 0},
                        {"HERE.Example:80", "here.example", 80},
                        {"here:", "here", 0},
                        {"", "", 0},
                        {"127.0.0.1:8080", "127.0.0.1", 8080},
                        {"[::1]", "[::1]", 0},
                        {"[::FFFF:1.2.3.4]:65535", "[::ffff:1.2.3.4]", 65535},
                        {"a%20b", "a%20b", 0},
                        {"x:0080", "x", 80}}) {
    CAPTURE(c.text);
    const auto authority = parse_authority(c.text);
    REQUIRE(authority.has_value());
    CHECK(authority->host == c.host);
    CHECK(authority->port.value_or(0) == c.port);
  }
  for (const char* text : {":80",      "here:80:80", "here:-1",     "here:65536", "here:99999999999999999999",
                           "here: 80", " here",      "he re",       "here/",      "here?",
                           "here#",    "user@here",  "[]",          "[::1",       "::1",
                           "[::1]x",   "[::1%25lo]", "[127.0.0.1]", "[v1.a]",     "a%2",
                           "a%zz",     "here,there", "h\xc3\xa4r",  "<here>"}) {
    CAPTURE(text);
    const bool listed = std::string_view(text) == "here,there";  // a comma may be in a name
    CHECK(parse_authority(text).has_value() == listed);
  }
}

}  // namespace
}  // namespace strandline::serve::http
