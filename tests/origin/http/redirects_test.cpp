// F54: redirects: which are followed, what they are told, and where they may lead.
#include <tests/origin/http/network_faults.h>
#include <tests/origin/http/reads.h>

#include <algorithm>
#include <atomic>

namespace strandline::origin {
namespace {

using testing::NetworkFaults;

constexpr std::uint64_t kTargetSize = 10'000;

HttpServer::Script redirects(std::string location, int status = 302) {
  return [=](HttpExchange& exchange) { exchange.answer(status, "over there", {"Location: " + location}); };
}

std::size_t asked_for(const HttpServer& server, const std::string& path) {
  const auto requests = server.requests();
  return static_cast<std::size_t>(std::count_if(requests.begin(), requests.end(),
                                                [&](const HttpRequest& request) { return request.target == path; }));
}

TEST_CASE("F54: redirects of all five kinds, absolute and relative, keep the range and the conditions") {
  for (const int status : {301, 302, 303, 307, 308}) {
    const auto object = ServedObject::make({.size = kTargetSize});
    HttpServer server;
    server.on("/dir/a", redirects("b?c=d#fragment", status));
    server.on("/dir/b", redirects("../object", status));
    server.on("/object", redirects(server.url("/final"), status));
    server.on("/final", object->script());
    const auto origin = open_origin();
    const auto read =
        Read::start(*origin, {.key = server.url("/dir/a"), .range = {100, 200}, .if_match = strong("\"v1\"")});
    CHECK(read->finish() == "ok");
    CHECK(read->is_of(1));
    CHECK(stat_of(*origin, server.url("/dir/a"))->size == kTargetSize);
    const auto requests = server.requests();
    REQUIRE(requests.size() >= 4);
    CHECK(requests[1].target == "/dir/b?c=d");
    CHECK(requests[3].header("range") == "bytes=100-199");
    CHECK(requests[3].header("if-match") == "\"v1\"");
  }
}

TEST_CASE("F54: ten redirects are followed, eleven are not") {
  HttpServer server;
  for (int i = 0; i < 11; ++i) {
    server.on("/" + std::to_string(i), redirects("/" + std::to_string(i + 1)));
  }
  server.on("/11", ServedObject::make({.size = kTargetSize})->script());
  const auto origin = open_origin();
  CHECK(Read::start(*origin, {.key = server.url("/1")})->finish() == "ok");
  const auto read = Read::start(*origin, {.key = server.url("/0")});
  CHECK(read->finish() == "io");
  CHECK_FALSE(read->failure().may_pass);
  CHECK(read->message().find("more than 10 redirects") != std::string::npos);
}

TEST_CASE("F54: a circle is told as such, at once") {
  HttpServer server;
  server.on("/a", redirects("/b"));
  server.on("/b", redirects("/c"));
  server.on("/c", redirects("/b"));
  server.on("/self", redirects("/self"));
  const auto origin = open_origin();
  const auto read = Read::start(*origin, {.key = server.url("/a")});
  CHECK(read->finish() == "io");
  CHECK(read->message().find("circle") != std::string::npos);
  CHECK(server.requests().size() == 3);
  CHECK(Read::start(*origin, {.key = server.url("/self")})->finish() == "io");
  CHECK(asked_for(server, "/self") == 1);
}

TEST_CASE("F54: other schemes, and what is no URL") {
  for (const auto& one : {std::pair("file:///etc/passwd", "unsupported"),
                          {"ftp://127.0.0.1/a", "unsupported"},
                          {"gopher://127.0.0.1/a", "unsupported"},
                          {"http://", "corrupt"},
                          {"http://127.0.0.1:99999/", "corrupt"},
                          {"", "corrupt"}}) {
    CAPTURE(one.first);
    const auto read = read_from(redirects(one.first));
    CHECK(read->finish() == one.second);
    CHECK_FALSE(read->failure().may_pass);
  }
  const auto read = read_from([](HttpExchange& exchange) {
    exchange.answer(302, "", {"Location: /a", "Location: /b"});
  });
  CHECK(read->finish() == "corrupt");
}

TEST_CASE("F54: credentials and headers of one's own go to the first server only") {
  const auto object = ServedObject::make({.size = kTargetSize});
  HttpServer other(object->script());
  HttpServer server;
  server.on("/same", redirects("/object"));
  server.on("/object", object->script());
  server.on("/other", redirects(other.url("/object", "own:secret@127.0.0.1")));
  server.on("/back", redirects(other.url("/back")));
  other.on("/back", redirects(server.url("/object")));
  const auto origin = open_origin({.headers = {{"X-Secret", "1"}, {"X-Empty", ""}}, .via = "1.1 me"});
  const auto start = [&](const std::string& path) {
    return Read::start(*origin, {.key = server.url(path, "user:pass%20word@127.0.0.1")});
  };
  for (const std::string path : {"/same", "/other", "/back"}) {
    const auto read = start(path);
    CHECK(read->finish() == "ok");
    CHECK(read->is_of(1));
  }
  for (const HttpRequest& request : server.requests()) {
    CHECK(request.header("authorization") == "Basic dXNlcjpwYXNzIHdvcmQ=");
    CHECK(request.header("x-secret") == "1");
    CHECK(request.headers.contains("x-empty"));
    CHECK(request.header("via") == "1.1 me");
  }
  REQUIRE(other.requests().size() == 2);
  for (const HttpRequest& request : other.requests()) {
    CHECK(request.header("authorization").empty());
    CHECK(request.header("x-secret").empty());
    CHECK(request.header("via") == "1.1 me");  // which says who asks, and is for all
  }
  // Nor do they reach a message.
  server.on("/gone", redirects(other.url("/gone", "own:secret@127.0.0.1")));
  other.on("/gone", [](HttpExchange& exchange) { exchange.answer(404); });
  const auto read = start("/gone");
  CHECK(read->finish() == "not_found");
  CHECK(read->message() == server.url("/gone") + " (redirected to " + other.url("/gone") + "): HTTP status 404");
}

TEST_CASE("F54: a public server does not lead to a private address, by its number or by a name") {
  const NetworkFaults faults;
  const auto object = ServedObject::make({.size = kTargetSize});
  HttpServer server;
  server.on("/object", object->script());
  std::vector<std::string> places = {
      server.url("/object"),
      server.url("/object", "127.0.0.2"),
      server.url("/object", "localhost"),
      server.url("/object", "private.test"),
      "http://10.1.2.3/",
      "http://169.254.169.254/latest/meta-data/",
      "http://[::1]/",
      "http://[fe80::1]/",
      "http://[::ffff:127.0.0.1]/",
      "http://0x7f.1/",
  };
  const auto origin = open_origin();
  for (const std::string& place : places) {
    CAPTURE(place);
    server.on("/away", redirects(place));
    const int before = faults.connections();
    const auto read = Read::start(*origin, {.key = server.url("/away", "public.test")});
    CHECK(read->finish() == "permission_denied");
    CHECK_FALSE(read->failure().may_pass);
    CHECK(read->message().find("private") != std::string::npos);
    CHECK(faults.connections() - before <= 1);  // not even a connection is made
  }
  CHECK(asked_for(server, "/object") == 0);
}

TEST_CASE("F54: nor over a connection that is there already") {
  const NetworkFaults faults;
  const auto object = ServedObject::make({.size = kTargetSize});
  HttpServer server;
  server.on("/object", object->script());
  server.on("/away", redirects(server.url("/object", "private.test")));
  const auto origin = open_origin();
  CHECK(Read::start(*origin, {.key = server.url("/object", "private.test")})->finish() == "ok");
  const auto read = Read::start(*origin, {.key = server.url("/away", "public.test")});
  CHECK(read->finish() == "permission_denied");
  CHECK(asked_for(server, "/object") == 1);
}

TEST_CASE("F54: from public to public, within a host, and from private to private redirects are followed") {
  const NetworkFaults faults;
  const auto object = ServedObject::make({.size = kTargetSize});
  HttpServer server;
  server.on("/object", object->script());
  server.on("/public", redirects(server.url("/object", "elsewhere.test")));
  server.on("/within", redirects("/object"));
  server.on("/private", redirects(server.url("/object", "127.0.0.1")));
  // One of the addresses will do: the public one.
  server.on("/both", redirects(server.url("/object", "both.test")));
  const auto origin = open_origin();
  for (const auto& one : {std::pair("/public", "public.test"),
                          {"/within", "public.test"},
                          {"/both", "public.test"},
                          {"/private", "private.test"},
                          {"/public", "127.0.0.1"}}) {
    CAPTURE(one.first);
    const auto read = Read::start(*origin, {.key = server.url(one.first, one.second)});
    CHECK(read->finish() == "ok");
    CHECK(read->is_of(1));
  }
  const auto lenient = open_origin({.allow_private_redirects = true});
  CHECK(Read::start(*lenient, {.key = server.url("/private", "public.test")})->finish() == "ok");
}

TEST_CASE("F54: where only some hosts may be redirected to, it is gone to no other") {
  const NetworkFaults faults;
  const auto object = ServedObject::make({.size = kTargetSize});
  HttpServer server;
  server.on("/object", object->script());
  server.on("/same", redirects(server.url("/object", "public.test")));
  server.on("/other", redirects(server.url("/object", "elsewhere.test")));
  server.on("/back", redirects(server.url("/away", "elsewhere.test")));
  server.on("/away", redirects(server.url("/object", "public.test")));
  const auto read = [&](const HttpOptions& options, const char* path) {
    return Read::start(*open_origin(options), {.key = server.url(path, "public.test")})->finish();
  };
  CHECK(read({.redirects_to = std::vector<std::string>()}, "/same") == "ok");
  CHECK(read({.redirects_to = std::vector<std::string>()}, "/other") == "permission_denied");
  CHECK(read({.redirects_to = std::vector<std::string>{"private.test"}}, "/other") == "permission_denied");
  CHECK(read({.redirects_to = std::vector<std::string>{"elsewhere.test"}}, "/other") == "ok");
  CHECK(read({.redirects_to = std::vector<std::string>()}, "/back") == "permission_denied");
  CHECK(read({.redirects_to = std::vector<std::string>{"elsewhere.test"}}, "/back") == "ok");
  CHECK(read({}, "/other") == "ok");
}

TEST_CASE("F54: through a proxy only what a URL says of its host is known") {
  const NetworkFaults faults;
  const auto object = ServedObject::make({.size = kTargetSize});
  const HttpServer proxy([&](HttpExchange& exchange) {
    const std::string& target = exchange.request().target;
    const std::size_t to = target.find("?to=");
    to == std::string::npos ? object->script()(exchange) : redirects(target.substr(to + 4))(exchange);
  });
  const auto origin = open_origin({.proxy = proxy.url()});
  const auto from = [&](const std::string& to) {
    return Read::start(*origin, {.key = "http://a.test/?to=" + to})->finish();
  };
  CHECK(from("http://b.test/object") == "ok");  // the proxy's address is private, and nobody minds
  CHECK(from("http://127.0.0.1/object") == "permission_denied");
  CHECK(from("http://localhost/object") == "permission_denied");
  CHECK(from("http://[fd00::1]/object") == "permission_denied");
}

TEST_CASE("F54: a way that led from public to public is guarded on the next reads, too") {
  const NetworkFaults faults;
  const auto object = ServedObject::make({.size = kTargetSize});
  HttpServer server;
  server.on("/a", redirects(server.url("/b", "elsewhere.test")));
  std::atomic<int> turn{0};
  server.on("/b", [&](HttpExchange& exchange) {
    turn++ == 0 ? object->script()(exchange) : redirects(server.url("/object", "127.0.0.1"))(exchange);
  });
  server.on("/object", object->script());
  const auto origin = open_origin();
  CHECK(Read::start(*origin, {.key = server.url("/a", "public.test")})->finish() == "ok");
  CHECK(Read::start(*origin, {.key = server.url("/a", "public.test")})->finish() == "permission_denied");
  CHECK(asked_for(server, "/object") == 0);
}

TEST_CASE("F54: where redirects lead is remembered, and forgotten when it fails") {
  const auto object = ServedObject::make({.size = kTargetSize});
  HttpServer server;
  std::atomic<bool> expired{false};
  server.on("/a", [&](HttpExchange& exchange) { redirects(expired ? "/new" : "/old")(exchange); });
  server.on("/old", [&](HttpExchange& exchange) {
    expired ? static_cast<void>(exchange.answer(403)) : object->script()(exchange);
  });
  server.on("/new", object->script());
  const auto origin = open_origin();
  for (std::uint64_t at = 0; at < kTargetSize; at += 1'000) {
    expired = at >= 5'000;
    const auto read = Read::start(*origin, {.key = server.url("/a"), .range = {at, at + 1'000}});
    CHECK(read->finish() == "ok");
    CHECK(read->is_of(1));
  }
  CHECK(asked_for(server, "/a") == 2);
  CHECK(asked_for(server, "/old") == 6);
  CHECK(asked_for(server, "/new") == 5);
}

TEST_CASE("F54: a place that is only busy is not asked for by the other way") {
  HttpServer server;
  std::atomic<bool> busy{false};
  server.on("/a", redirects("/b"));
  const auto object = ServedObject::make({.size = kTargetSize});
  server.on("/b", [&](HttpExchange& exchange) {
    busy ? static_cast<void>(exchange.answer(503, "", {"Retry-After: 1"})) : object->script()(exchange);
  });
  const auto origin = open_origin();
  CHECK(Read::start(*origin, {.key = server.url("/a")})->finish() == "ok");
  busy = true;
  CHECK(Read::start(*origin, {.key = server.url("/a")})->finish() == "io");
  CHECK(asked_for(server, "/a") == 1);
}

}  // namespace
}  // namespace strandline::origin
