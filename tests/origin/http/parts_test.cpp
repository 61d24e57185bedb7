// The parts of HttpOrigin that decide: on texts, without a server.
#include <strandline/origin/http/protocol/address.h>
#include <strandline/origin/http/protocol/judgement.h>
#include <strandline/origin/http/protocol/pace.h>
#include <strandline/origin/http/redirects.h>

#include <doctest/doctest.h>
#include <netinet/in.h>

#include <limits>
#include <vector>

namespace strandline::origin::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

HttpHead head_of(const std::vector<std::string>& lines) {
  HttpHead head;
  for (const std::string& line : lines) {
    head.add_line(line + "\r\n");
  }
  return head;
}

TEST_CASE("F47: header lines are read whatever their case and spacing, and forgotten at the next response") {
  const HttpHead head =
      head_of({"HTTP/1.1 103 Early Hints", "Content-Length: 3", "Content-Encoding: gzip", "", "HTTP/2 206",
               "CONTENT-RANGE:bytes 0-4/10\t", "content-length:  5", "ETag: \"a:b\"", ""});
  CHECK(head.status == 206);
  CHECK(head.complete);
  CHECK(head.content_range == "bytes 0-4/10");
  CHECK(head.content_length == "5");
  CHECK(head.etag == "\"a:b\"");
  CHECK(head.content_encoding.empty());
  CHECK_FALSE(head.contradictory);
}

TEST_CASE("RFC 9110 7.6.1: what nobody here goes by is told further, but for what is about the connection") {
  const auto others = [](std::vector<std::string> lines) {
    lines.insert(lines.begin(), "HTTP/1.1 200 OK");
    lines.emplace_back();
    return head_of(lines).others.text();
  };
  CHECK(others({"Content-Length: 3", "ETag: \"a\"", "Cache-Control: no-cache", "Retry-After: 1"}).empty());
  CHECK(others({"Link: </a>", "x-b:  c, \"d: e\"\t", "Link: </f>", "Empty:"}) ==
        "Link: </a>\nx-b: c, \"d: e\"\nLink: </f>\nEmpty: \n");
  CHECK(others({"X-A: 1", "X-B: 2", "X-C: 3", "connection: close,X-b", "Connection:\tx-C", "X-Bc: 4"}) ==
        "X-A: 1\nX-Bc: 4\n");
  CHECK(others({"Keep-Alive: 5", "Proxy-Authenticate: Basic", "TE: trailers", "Trailer: a", "Upgrade: h2c",
                "Set-Cookie: a=b", "set-cookie2: c"})
            .empty());
  CHECK(others({"Not a name: 1", ": 2", "X-A : 3", "X-B: a\rX-C: 4", "X-D: a" + std::string(1, '\0')}).empty());
  const std::string large(5000, 'x');
  CHECK(others({"A: " + large, "B: " + large, "C: d"}) == "A: " + large + "\nC: d\n");
  CHECK(others({"A: b", "HTTP/1.1 200 OK", ""}) == "A: b\n");
  CHECK(head_of({"HTTP/1.1 103 Early Hints", "Link: </a>", "", "HTTP/1.1 200 OK", ""}).others.text().empty());
}

TEST_CASE("F47: a status line inside a header is none") {
  const HttpHead head = head_of({"HTTP/1.1 404 Not Found", "HTTP/1.1 206 Partial Content", "Content-Length : 5", ""});
  CHECK(head.status == 404);
  CHECK_FALSE(head.content_length.has_value());
}

TEST_CASE("F47: Content-Range, to the letter") {
  const auto good = parse_content_range("bytes 0-99/1000");
  REQUIRE(good.has_value());
  CHECK(good->first == 0);
  CHECK(good->last == 99);
  CHECK(good->total == 1000);
  CHECK(parse_content_range("BYTES 5-5/*").has_value());
  for (const char* bad : {"",
                          "bytes",
                          "bytes ",
                          "bytes 0-99",
                          "bytes 0-99/",
                          "bytes 0-99/99",
                          "bytes 5-4/10",
                          "bytes 0-/10",
                          "bytes -5/10",
                          "bytes 0-99/1000 ",
                          "bytes  0-99/1000",
                          "bytes 0 -99/1000",
                          "bytes +0-99/1000",
                          "bytes 0-99/-1",
                          "bytes 0-9223372036854775807/*",
                          "bytes 0-99/18446744073709551616",
                          "0-99/1000",
                          "lines 0-99/1000",
                          "bytes 0-99/1000,200-299/1000",
                          "bytes 0x0-99/1000"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_content_range(bad).has_value());
  }
  CHECK(parse_unsatisfied_range("bytes */0") == 0u);
  CHECK(parse_unsatisfied_range("Bytes */1000") == 1000u);
  for (const char* bad : {"", "bytes */", "bytes *", "*/10", "bytes */*", "bytes */10x", "bytes */-1"}) {
    CHECK_FALSE(parse_unsatisfied_range(bad).has_value());
  }
}

TEST_CASE("F50: validators, and which agree") {
  const auto of = [](const std::vector<std::string>& lines, std::optional<std::uint64_t> size) {
    std::vector<std::string> all = lines;
    all.insert(all.begin(), "HTTP/1.1 200");
    return validator_of(head_of(all), size);
  };
  const Validator none;
  const Validator strong = of({"ETag: \"1\"", "Last-Modified: then"}, 5);
  const Validator weak = of({"ETag: W/\"1\"", "Last-Modified: then"}, 5);
  const Validator sizeless = of({"ETag: W/\"1\"", "Last-Modified: then"}, {});
  const Validator dated = of({"Last-Modified: then"}, 5);
  CHECK(strong == Validator{Validator::Kind::strong, "\"1\""});
  CHECK(weak == Validator{Validator::Kind::weak, "W/\"1\";then;5"});
  CHECK(dated == Validator{Validator::Kind::weak, "then;5"});
  CHECK(of({}, 5) == none);
  CHECK(of({"ETag: \""}, 5).kind == Validator::Kind::weak);
  for (const Validator& one : {strong, weak, sizeless, dated, none}) {
    CHECK(agree(one, one));
    CHECK(agree(none, one));
  }
  CHECK(agree(weak, sizeless));
  CHECK(agree(sizeless, weak));
  CHECK(agree(weak, none));  // nothing to compare: who reads has the size
  CHECK_FALSE(agree(strong, none));
  CHECK_FALSE(agree(strong, weak));
  CHECK_FALSE(agree(weak, strong));
  CHECK_FALSE(agree(weak, dated));
  CHECK_FALSE(agree(weak, of({"ETag: W/\"1\"", "Last-Modified: then"}, 6)));
  CHECK_FALSE(agree(dated, of({"Last-Modified: now"}, 5)));
}

TEST_CASE("F56: Retry-After in all its forms") {
  const auto now = std::chrono::system_clock::from_time_t(784'111'777);  // RFC 9110's example
  for (const char* date :
       {"Sun, 06 Nov 1994 08:50:37 GMT", "Sunday, 06-Nov-94 08:50:37 GMT", "Sun Nov  6 08:50:37 1994"}) {
    CHECK(parse_retry_after(date, now) == milliseconds(60'000));
  }
  CHECK(parse_retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now) == milliseconds(0));
  CHECK(parse_retry_after("9223372036854775807", now) > std::chrono::hours(24 * 365));
  CHECK_FALSE(parse_retry_after("-1", now).has_value());
  CHECK_FALSE(parse_retry_after("1 minute", now).has_value());
}

TEST_CASE("F54: which addresses are private") {
  for (const char* address : {"0.0.0.0",
                              "0.255.255.255",
                              "10.0.0.0",
                              "10.255.255.255",
                              "100.64.0.1",
                              "100.127.255.255",
                              "127.0.0.1",
                              "127.255.255.255",
                              "169.254.169.254",
                              "172.16.0.0",
                              "172.31.255.255",
                              "192.0.0.8",
                              "192.168.0.1",
                              "198.18.0.1",
                              "198.19.255.255",
                              "224.0.0.1",
                              "239.255.255.255",
                              "240.0.0.1",
                              "255.255.255.255",
                              "::",
                              "::1",
                              "::ffff:127.0.0.1",
                              "::ffff:10.0.0.1",
                              "::127.0.0.1",
                              "fc00::1",
                              "fdff::1",
                              "fe80::1",
                              "fec0::1",
                              "ff02::1",
                              "64:ff9b::7f00:1",
                              "64:ff9b:1::808:808",
                              "2002:7f00:1::",
                              "2002:a00:1::",
                              "100::1"}) {
    CAPTURE(address);
    CHECK(is_private(address) == true);
  }
  for (const char* address :
       {"1.1.1.1",         "9.255.255.255",   "11.0.0.0",        "100.63.255.255",   "100.128.0.0",   "126.255.255.255",
        "128.0.0.0",       "169.253.255.255", "169.255.0.0",     "172.15.255.255",   "172.32.0.0",    "192.0.1.0",
        "192.167.255.255", "192.169.0.0",     "198.17.255.255",  "198.20.0.0",       "203.0.113.1",   "223.255.255.255",
        "::ffff:8.8.8.8",  "2001:db8::1",     "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::"}) {
    CAPTURE(address);
    CHECK(is_private(address) == false);
  }
  for (const char* name : {"", "localhost", "example.com", "1.2.3", "0x7f.0.0.1", "1.2.3.4.5", "[::1]"}) {
    CHECK_FALSE(is_private(name).has_value());
  }
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(80);
  in.sin_addr.s_addr = htonl(0x08080808);
  CHECK(peer_of(&in, sizeof(in)).port == 80);
  CHECK_FALSE(peer_of(&in, sizeof(in)).is_private);
  CHECK(peer_of(&in, sizeof(in) - 1).is_private);
  sockaddr_in6 in6{};
  in6.sin6_family = AF_INET6;
  in6.sin6_port = htons(443);
  in6.sin6_addr.s6_addr[15] = 1;
  CHECK(peer_of(&in6, sizeof(in6)).port == 443);
  CHECK(peer_of(&in6, sizeof(in6)).is_private);
  in.sin_family = AF_UNIX;
  CHECK(peer_of(&in, sizeof(in)).is_private);
}

TEST_CASE("F54: URLs are the same server by scheme, host and port, and are shown without what is secret") {
  const auto url = Url::parse("HTTP://User:p%40ss@Example.COM/a%20b?x=1&X-Amz-Signature=secret&y#part");
  REQUIRE(url.has_value());
  CHECK(url->user() == "User");
  CHECK(url->password() == "p@ss");
  CHECK(url->host() == "example.com");
  CHECK(url->port() == 80);
  CHECK(url->text().find("p%40ss") == std::string::npos);
  CHECK(url->text().find('#') == std::string::npos);
  CHECK(url->shown().find("secret") == std::string::npos);
  CHECK(url->shown().ends_with("/a%20b?x=1&X-Amz-Signature=...&y"));
  CHECK(url->same_server(*Url::parse("http://example.com:80/other")));
  CHECK_FALSE(url->same_server(*Url::parse("https://example.com/")));
  CHECK_FALSE(url->same_server(*Url::parse("http://example.com:81/")));
  CHECK_FALSE(url->same_server(*Url::parse("http://www.example.com/")));
  const auto next = url->follow("//other.test:8080/c?d");
  REQUIRE(next.has_value());
  CHECK(next->text() == "http://other.test:8080/c?d");
  CHECK(url->follow("http://u:p@other.test/")->user().empty());
  CHECK(url->follow("c d?e f")->text().find(' ') == std::string::npos);
  for (const char* name :
       {"localhost", "LOCALHOST", "a.localhost", "127.0.0.1", "127.1", "2130706433", "[::1]", "10.0.0.1"}) {
    CAPTURE(name);
    CHECK(Url::parse("http://" + std::string(name) + "/")->names_private_host());
  }
  CHECK_FALSE(Url::parse("http://example.com/")->names_private_host());
  CHECK_FALSE(Url::parse("http://8.8.8.8/")->names_private_host());
}

TEST_CASE("F54: targets are known for a while, to each user his own, and not too many") {
  const KnownTargets::Clock::time_point start{};
  const auto url = [](const std::string& text) { return Url::parse(text).value(); };
  KnownTargets known;
  known.learn(url("http://a/"), {url("http://b/"), true}, start);
  const auto found = known.find(url("http://a/"), start + seconds(59));
  REQUIRE(found.has_value());
  CHECK(found->url.text() == "http://b/");
  CHECK(found->guarded);
  CHECK_FALSE(known.find(url("http://user@a/"), start).has_value());
  CHECK_FALSE(known.find(url("http://a/"), start + seconds(60)).has_value());
  for (std::size_t i = 0; i <= KnownTargets::kMost; ++i) {
    known.learn(url("http://a/" + std::to_string(i)), {url("http://b/"), false}, start + milliseconds(i));
  }
  CHECK_FALSE(known.find(url("http://a/0"), start).has_value());
  CHECK(known.find(url("http://a/1"), start).has_value());
  known.forget(url("http://a/1"));
  CHECK_FALSE(known.find(url("http://a/1"), start).has_value());
}

TEST_CASE("A read is held back so that its rate is kept, and what was not used is not made up for") {
  const Pace::Clock::time_point start{};
  Pace pace(1'000'000, start);
  CHECK_FALSE(pace.arrived(20'000, start).has_value());  // what comes in kSlack
  const auto until = pace.arrived(10'000, start);
  REQUIRE(until.has_value());
  CHECK(*until - start == milliseconds(30));
  CHECK_FALSE(pace.arrived(10'000, start + milliseconds(30)).has_value());
  // An hour of silence brings no more than kSlack.
  const auto later = start + std::chrono::hours(1);
  CHECK_FALSE(pace.arrived(40'000, later).has_value());
  CHECK(pace.arrived(1'000, later).has_value());
  CHECK_FALSE(Pace(0, start).arrived(std::numeric_limits<std::uint64_t>::max(), start).has_value());
  CHECK(Pace(1, start).arrived(std::numeric_limits<std::uint64_t>::max(), start).has_value());
}

}  // namespace
}  // namespace strandline::origin::http
