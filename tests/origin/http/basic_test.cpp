// What HttpOrigin does with servers that behave.
#include <strandline/origin/http/protocol/syntax.h>

#include <tests/origin/http/reads.h>

namespace strandline::origin {
namespace {

constexpr std::uint64_t kObjectSize = 5'000'003;

TEST_CASE("HTTP: ranges of an object, and all of it, with what the server says of it") {
  const auto object =
      ServedObject::make({.size = kObjectSize, .version = 7, .last_modified = "Sat, 21 Nov 2026 10:00:00 GMT"});
  HttpServer server(object->script());
  const auto origin = open_origin();
  const std::string url = server.url("/object");

  const auto info = stat_of(*origin, url);
  REQUIRE(info.has_value());
  CHECK(info->size == kObjectSize);
  CHECK(info->validator == strong("\"v7\""));
  CHECK(info->accepts_ranges);

  for (const ByteRange range : {ByteRange{0, kMaxOffset},
                                {0, kObjectSize},
                                {0, 1},
                                {1, 2},
                                {kObjectSize - 1, kObjectSize},
                                {kObjectSize - 10, kObjectSize + 10},
                                {1'000, 3'000'000}}) {
    const auto read = Read::start(*origin, {.key = url, .range = range, .if_match = info->validator});
    CHECK(read->finish() == "ok");
    CHECK(read->info->size == kObjectSize);
    CHECK(read->info->validator == info->validator);
    CHECK(read->info->accepts_ranges);
    CHECK(read->first == range.begin);
    CHECK(read->got.size() == range.clamped_to({0, kObjectSize}).size());
    CHECK(read->is_of(7));
  }
  const auto requests = server.requests();
  CHECK(requests[0].method == "HEAD");
  CHECK(requests[0].header("range").empty());
  CHECK(requests[1].method == "GET");
  CHECK(requests[1].header("range") == "bytes=0-");
  CHECK(requests[2].header("range") == "bytes=0-5000002");
  for (const HttpRequest& request : requests) {
    CHECK(request.header("accept-encoding") == "identity");
    CHECK(request.header("user-agent").starts_with("strandline/"));
    CHECK(request.header("if-match") == (request.method == "GET" ? "\"v7\"" : ""));
  }
  CHECK(server.connections() == 1);  // kept alive
}

TEST_CASE("HTTP: stat asks with HEAD, and where that is refused for the first byte") {
  for (const int status : {403, 405, 501}) {
    for (const bool ranges : {true, false}) {
      const auto object = ServedObject::make({.size = kObjectSize, .ranges = ranges});
      const HttpServer server([&](HttpExchange& exchange) {
        exchange.request().method == "HEAD" ? static_cast<void>(exchange.answer(status)) : object->script()(exchange);
      });
      const auto origin = open_origin();
      const auto info = stat_of(*origin, server.url());
      REQUIRE(info.has_value());
      CHECK(info->size == kObjectSize);
      CHECK(info->validator == strong("\"v1\""));
      CHECK(info->accepts_ranges == ranges);
      CHECK(server.requests().back().header("range") == "bytes=0-0");
    }
  }
  for (const auto& [status, code] : {std::pair(404, "not_found"), {401, "permission_denied"}, {503, "io"}}) {
    const HttpServer server([status = status](HttpExchange& exchange) { exchange.answer(status); });
    CHECK(says(stat_of(*open_origin(), server.url())) == code);
    CHECK(server.requests().size() == 1);
  }
}

TEST_CASE("HTTP: stat of an empty object, and of one that does not say how long it is") {
  const HttpServer server([](HttpExchange& exchange) {
    if (exchange.request().target == "/unknown") {
      exchange.head(200, {"Transfer-Encoding: chunked", "Content-Type: text/plain"});
    } else if (exchange.request().method == "HEAD") {
      exchange.answer(405);
    } else {
      exchange.answer(416, "", {"Content-Range: bytes */0"});
    }
  });
  const auto origin = open_origin();
  CHECK(stat_of(*origin, server.url("/empty"))->size == 0u);
  const auto unknown = stat_of(*origin, server.url("/unknown"));
  REQUIRE(unknown.has_value());
  CHECK_FALSE(unknown->size.has_value());
  CHECK_FALSE(unknown->accepts_ranges);
  CHECK(unknown->content_type == "text/plain");
}

TEST_CASE("HTTP: what an origin cannot do, and a range that is none") {
  const auto origin = open_origin();
  CHECK(origin->name() == "http");
  Errc code{};
  origin->remove("http://127.0.0.1/", [&](Outcome<void> outcome) { code = outcome.error().error.code; }, {});
  CHECK(code == Errc::unsupported);
  CHECK(Read::start(*origin, {.key = "http://127.0.0.1/", .range = {5, 5}})->finish() == "invalid_range");
  CHECK(Read::start(*origin, {.key = "http://127.0.0.1/", .range = {5, 4}})->finish() == "invalid_range");
}

TEST_CASE("HTTP: keys that are no URLs, or other ones, are refused without their text") {
  const auto origin = open_origin();
  for (const auto& one : {std::pair<std::string, std::string>("", "invalid_argument"),
                          {"/etc/passwd", "invalid_argument"},
                          {"example.test/a", "invalid_argument"},
                          {"http://", "invalid_argument"},
                          {"http:///secret", "invalid_argument"},
                          {"http://h:0/secret", "invalid_argument"},
                          {"http://user:secret@/", "invalid_argument"},
                          {"http://a b/secret", "invalid_argument"},
                          {std::string("http://h/\0secret", 15), "invalid_argument"},
                          {"http://h/\r\nsecret: 1", "invalid_argument"},
                          {"http://h:99999/secret", "invalid_argument"},
                          {"http://h/" + std::string(70'000, 'a'), "invalid_argument"},
                          {"ftp://user:secret@h/", "unsupported"},
                          {"file:///secret", "unsupported"}}) {
    CAPTURE(one.first);
    const auto read = Read::start(*origin, {.key = one.first});
    CHECK(read->finish() == one.second);
    CHECK(read->message().find("secret") == std::string::npos);
    CHECK(says(stat_of(*origin, one.first)) == one.second);
    CHECK(to_string(HttpOrigin::check_url(one.first).error().code) == one.second);
  }
  CHECK(HttpOrigin::check_url("http://user:secret@h:1/a//b").has_value());
}

TEST_CASE("HTTP: with a base, keys are paths below it, whatever is in them") {
  const auto object = ServedObject::make({.size = 100});
  const HttpServer server(object->script());
  const auto origin = open_origin({.base = server.url("/dir?sign=secret", "user:secret@127.0.0.1")});
  CHECK(origin->name() == server.url("/dir?sign=..."));
  CHECK(origin->server("any key") == server.url(""));
  for (const auto& [key, target] : {std::pair("a", "/dir/a?sign=secret"),
                                    {"a/b c", "/dir/a/b%20c?sign=secret"},
                                    {"q?x=1#f%41", "/dir/q%3Fx=1%23f%2541?sign=secret"},
                                    {"http://elsewhere/", "/dir/http://elsewhere/?sign=secret"},
                                    {"\xc3\xa4\n", "/dir/%C3%A4%0A?sign=secret"}}) {
    const auto read = Read::start(*origin, {.key = key});
    CHECK(read->finish() == "ok");
    CHECK(http::lower_case(server.requests().back().target) == http::lower_case(target));
    CHECK(server.requests().back().header("authorization") == "Basic dXNlcjpzZWNyZXQ=");
  }
  for (const std::string key : {"", "..", "a/../b", "./a", "a/.."}) {
    CHECK(Read::start(*origin, {.key = key})->finish() == "invalid_argument");
  }
}

TEST_CASE("HTTP: who serves a key, for those who count connections") {
  const auto origin = open_origin();
  CHECK(origin->server("http://EXAMPLE.org/a?b") == "http://example.org:80");
  CHECK(origin->server("https://user:secret@example.org/a") == "https://example.org:443");
  CHECK(origin->server("http://example.org:8080/") == "http://example.org:8080");
  CHECK(origin->server("no URL") == origin->name());
}

TEST_CASE("HTTP: options that make no sense are refused") {
  for (const HttpOptions& options :
       {HttpOptions{.base = "nowhere"}, HttpOptions{.base = "ftp://h/"},
        HttpOptions{.headers = {{"Range", "bytes=0-1"}}}, HttpOptions{.headers = {{"IF-MATCH", "x"}}},
        HttpOptions{.headers = {{"X", "a\r\nY: b"}}}, HttpOptions{.headers = {{"X Y", "a"}}},
        HttpOptions{.headers = {{"", "a"}}}, HttpOptions{.user_agent = "a\nb"}, HttpOptions{.via = "a\nb"},
        HttpOptions{.connect_timeout = std::chrono::milliseconds(0)},
        HttpOptions{.silence = std::chrono::hours(1'000)}}) {
    const auto origin = HttpOrigin::open(options);
    REQUIRE_FALSE(origin.has_value());
    CHECK((origin.error().code == Errc::invalid_argument || origin.error().code == Errc::unsupported));
  }
}

TEST_CASE("HTTP: a proxy is asked with the whole URL, and leads where it likes") {
  const auto object = ServedObject::make({.size = 1'000});
  const HttpServer proxy(object->script());
  const auto origin = open_origin({.proxy = proxy.url()});
  const auto read = Read::start(*origin, {.key = "http://somewhere.test:8080/a?b=c"});
  CHECK(read->finish() == "ok");
  CHECK(read->is_of(1));
  CHECK(proxy.requests().front().target == "http://somewhere.test:8080/a?b=c");
}

TEST_CASE("HTTP: a small answer comes in one piece, a large one in runs of what the socket had") {
  const auto object = ServedObject::make({.size = 32 << 20});
  const HttpServer server(object->script());
  const auto origin = open_origin();
  const auto small = Read::start(*origin, {.key = server.url(), .range = {0, 10'000}});
  CHECK(small->finish() == "ok");
  const auto large = Read::start(*origin, {.key = server.url()});
  CHECK(large->finish() == "ok");
  CHECK(large->is_of(1));
  CHECK(large->got.size() == 32 << 20);
  CHECK(large->calls < (32 << 20) / (16 << 10));  // libcurl would call that often
}

}  // namespace
}  // namespace strandline::origin
