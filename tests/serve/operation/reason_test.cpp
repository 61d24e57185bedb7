// Why an answer is not what was asked for: what the log says, what Cache-Status does, and what nobody is told.
#include <strandline/serve/log/without_secrets.h>
#include <tests/serve/scene.h>

#include <nlohmann/json.hpp>

using namespace strandline;
using namespace strandline::testing;
using nlohmann::json;
using serve::AccessLog;
using serve::without_secrets;

namespace {

// A scene with a log.
struct Logged {
  explicit Logged(serve::ServerOptions options = {}) : scene(logged(std::move(options))) {}
  serve::ServerOptions logged(serve::ServerOptions options) const {
    options.logging.log = required(AccessLog::open(path(), [](const Error& error) { FAIL_CHECK(error.message()); }));
    return options;
  }
  [[nodiscard]] std::string path() const { return (directory.path() / "log").native(); }
  // The last line, once there are so many.
  [[nodiscard]] json last(std::ptrdiff_t lines) const {
    std::string all;
    REQUIRE(eventually([&] {
      all = text_of(path());
      return std::count(all.begin(), all.end(), '\n') >= lines;
    }));
    all.pop_back();
    return json::parse(all.substr(all.rfind('\n') + 1));
  }
  [[nodiscard]] std::string reason(std::ptrdiff_t lines) const { return last(lines).value("reason", ""); }

  TempDir directory;
  Scene scene;
};

bool has(const std::string& text, std::string_view words) {
  return text.find(words) != std::string::npos;
}

}  // namespace

TEST_CASE("reason: of a message there are no users, passwords and queries") {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},
      {"io: it fails", "io: it fails"},
      {"io: http://host/a: HTTP status 500", "io: http://host/a: HTTP status 500"},
      {"io: http://host/a?key=b&c=d:e: HTTP status 500", "io: http://host/a: HTTP status 500"},
      {"io: http://host/a?b (redirected to https://c/d?e=f?g): no",
       "io: http://host/a (redirected to https://c/d): no"},
      {"http://u:p@host/a@b", "http://host/a@b"},
      {"'ftp://u:p@x@host?q'", "'ftp://host'"},
      {"http://host?q", "http://host"},
      {"http://host?", "http://host"},
      {"u@host  and\tmore ", "u@host  and\tmore "}};
  for (const auto& one : cases) {
    CAPTURE(one.first);
    CHECK(without_secrets(one.first) == one.second);
  }
  CHECK(without_secrets(std::string(5000, 'a')) == std::string(1000, 'a'));
}

TEST_CASE("reason: what an origin answers is in the log, and by its status in Cache-Status") {
  Logged it;
  auto client = it.scene.client();
  std::ptrdiff_t lines = 0;
  const std::tuple<int, int, std::string> cases[] = {
      {500, 502, "io"}, {410, 404, "not_found"}, {401, 403, "permission_denied"}, {503, 502, "io"}};
  for (const auto& [said, answered, code] : cases) {
    const std::string path = "/" + std::to_string(said);
    it.scene.origin.on(path, [status = said](HttpExchange& exchange) { exchange.answer(status, "secret"); });
    const auto refused = client.get(path);
    CHECK(refused.status == answered);
    CHECK(refused.body.find(path) == std::string::npos);
    CHECK(refused.field("cache-status") ==
          "strandline; fwd=uri-miss; fwd-status=" + std::to_string(said) + "; detail=" + code);
    const json line = it.last(++lines);
    CHECK(line["reason"] == code + ": " + it.scene.origin.url(path) + ": HTTP status " + std::to_string(said));
    CHECK(line["cache"] == refused.field("cache-status").substr(std::string_view("strandline; ").size()));
  }
  it.scene.object({.size = 1000});
  CHECK(client.get("/a").status == 200);
  CHECK_FALSE(it.last(++lines).contains("reason"));
}

TEST_CASE("RFC 9211 2: an origin that answers nothing is in the log, but an answer of the server's own has no field") {
  Logged it;
  it.scene.origin.stop_listening();
  auto client = it.scene.client();
  const auto refused = client.get("/a");
  CHECK(refused.status == 502);
  CHECK(refused.field("cache-status").empty());
  CHECK(it.reason(1).starts_with("io: " + it.scene.origin.url("/a") + ": "));
  CHECK(client.get("/a", "Cache-Control: only-if-cached\r\n").field("cache-status").empty());
  CHECK(it.reason(2) == "timed_out: only-if-cached");
}

TEST_CASE("RFC 9211 2.8: what stands in says why it has to") {
  Logged it;
  it.scene.object({.size = 1000});
  auto client = it.scene.client();
  CHECK(client.get("/a").status == 200);
  it.scene.origin.on("/a", [](HttpExchange& exchange) { exchange.answer(503, "later"); });
  const auto stale = client.get("/a");
  CHECK(stale.status == 200);
  CHECK(stale.field("cache-status").starts_with("strandline; fwd=stale; fwd-status=503; ttl="));
  CHECK(stale.field("cache-status").ends_with("; detail=io"));
}

TEST_CASE("reason: neither a password nor a signature is in it") {
  serve::ServerOptions options;
  std::atomic<bool> said_private{false};
  HttpServer origin;
  options.mounts.push_back({.prefix = "/s/",
                            .origin = required(origin::HttpOrigin::open({})),
                            .base = origin.url("/", "ann:hunter2@127.0.0.1"),
                            .name = origin.url("/")});
  Logged it(std::move(options));
  origin.on("/gone", [](HttpExchange& exchange) { exchange.answer(500); });
  origin.on("/private", [&](HttpExchange& exchange) {
    const bool first = !said_private.exchange(true);
    first ? exchange.answer(200, "hello", {"Cache-Control: private"}) : exchange.answer(500);
  });
  auto client = it.scene.client();
  std::ptrdiff_t lines = 0;
  for (const std::string query : {"", "?sig=hunter2", "?a=hunter2&b", "?hunter2"}) {
    CHECK(client.get("/s/gone" + query).status == 502);
    CHECK(has(it.reason(++lines), origin.url("/gone") + ": HTTP status 500"));
    said_private = false;
    auto another = it.scene.client();
    CHECK(another.get("/s/private" + query).status == 502);
    CHECK(has(it.reason(++lines), origin.url("/private") + ": HTTP status 500"));
  }
  CHECK_FALSE(has(text_of(it.path()), "hunter2"));
}

TEST_CASE("log: a client that goes before there is an answer has had none, and no fault has anybody") {
  const Gate gate;
  Logged it;
  std::size_t requests = 1;
  SUBCASE("while it is asked what there is") {
    it.scene.origin.on("/a", [&](HttpExchange& exchange) { static_cast<void>(exchange.wait(gate)); });
  }
  SUBCASE("while it waits for bytes") {
    it.scene.origin.on("/a", [&](HttpExchange& exchange) {
      exchange.head(200, {"ETag: \"x\"", "Content-Length: 1000"});
      static_cast<void>(exchange.wait(gate));
    });
  }
  SUBCASE("while it waits for what is for it alone") {
    requests = 2;
    it.scene.origin.on("/a", [&](HttpExchange& exchange) {
      exchange.head(200, {"Cache-Control: private", "Content-Length: 1000"});
      static_cast<void>(exchange.wait(gate));
    });
  }
  {
    auto client = it.scene.client();
    client.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    REQUIRE(eventually([&] { return it.scene.origin.requests().size() == requests; }));
  }
  const json line = it.last(1);
  CHECK(line["status"] == 0);
  CHECK_FALSE(line.contains("reason"));
  const std::string counted = it.scene.client().get("/-/metrics").body;
  CHECK_FALSE(has(counted, "strandline_requests_total{"));
  CHECK(has(counted, "strandline_broken_answers_total 0\n"));
}

TEST_CASE("log: an origin's own Cache-Status is not taken for the server's") {
  Logged it;
  it.scene.object({.size = 1000, .lines = {"Cache-Control: max-age=60", "Cache-Status: strandline; hit; ttl=9"}});
  auto client = it.scene.client();
  client.send("GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  while (!client.take_some().empty()) {
  }
  const json line = it.last(1);
  CHECK(line["cache"].get<std::string>().starts_with("fwd=uri-miss; "));
  CHECK_FALSE(line["hit"]);
}

TEST_CASE("log: what is for one client and comes slowly has been waited for") {
  Logged it;
  it.scene.object({.size = 2 * kMiB, .lines = {"Cache-Control: private"}, .rate = 10'000'000});
  CHECK(it.scene.client().get("/a").body == text(1, {0, 2 * kMiB}));
  CHECK(it.last(1)["wait_ms"] >= 20);
}

TEST_CASE("reason: an answer that breaks off says why") {
  Logged it;
  it.scene.object({.size = 64 * kMiB, .rate = 10'000'000});
  auto client = it.scene.client();
  SUBCASE("the origin goes") {
    client.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    REQUIRE(client.take_some().starts_with("HTTP/1.1 200 OK"));
    it.scene.origin.stop_listening();
    while (!client.take_some().empty()) {
    }
    CHECK(it.last(1)["status"] == 200);
    CHECK(it.reason(1).starts_with("broke off: io: " + it.scene.origin.url("/a")));
  }
  SUBCASE("the origin goes, of what is for one client") {
    it.scene.object({.size = 64 * kMiB, .lines = {"Cache-Control: private"}, .rate = 10'000'000});
    client.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    REQUIRE(client.take_some().starts_with("HTTP/1.1 200 OK"));
    it.scene.origin.stop_listening();
    while (!client.take_some().empty()) {
    }
    CHECK(it.reason(1).starts_with("broke off: io: " + it.scene.origin.url("/a")));
  }
  SUBCASE("the client goes") {
    {
      auto gone = it.scene.client();
      gone.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
      REQUIRE(gone.take_some().starts_with("HTTP/1.1 200 OK"));
    }
    CHECK(it.reason(1).starts_with("broke off: the client has gone"));
  }
}
