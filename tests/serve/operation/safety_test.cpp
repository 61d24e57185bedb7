// F61 to F68, at the server: who is served, and what nobody may take more of than there is for one.
#include <tests/serve/scene.h>

using namespace strandline;
using namespace strandline::testing;
using serve::Server;
using std::chrono::milliseconds;

TEST_CASE("F64: when a client goes that has read the beginning, no more is fetched than it was read ahead of") {
  serve::ServerOptions options;
  options.objects.limits.policy = fill::Policy::window;
  constexpr fill::Limits kLimits;
  Scene scene(options);
  const auto object = scene.object({.size = 256 * kMiB});
  {
    auto client = scene.client();
    client.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    CHECK(client.take_some().starts_with("HTTP/1.1 200 OK"));
  }
  CHECK(eventually([&] { return scene.server->connections() == 0; }));
  scene.server->stop();
  constexpr std::uint64_t kInSockets = 16 * kMiB;
  CHECK(object->sent_bytes() <= kInSockets + kLimits.window + kLimits.max_subrange);
}

TEST_CASE("F64: a client that goes while it waits is let go of, though it has sent its next request") {
  const Gate gate;
  Scene scene;
  std::string lines;
  std::string path;
  std::size_t before = 0;  // requests of the origin's that are not waited for
  const auto object = scene.object({.size = 2 * kMiB, .silent_at = kMiB});
  SUBCASE("for what there is") {
    path = "/hang";
    scene.origin.on(path, [&](HttpExchange& exchange) { static_cast<void>(exchange.wait(gate)); });
  }
  SUBCASE("for what is for it alone") {
    path = "/private";
    before = 1;
    scene.origin.on(path, [&](HttpExchange& exchange) {
      exchange.head(200, {"Cache-Control: private", "Content-Length: 1000"});
      static_cast<void>(exchange.wait(gate));
    });
  }
  SUBCASE("for bytes") {
    path = "/a";
    lines = "Range: bytes=1048576-\r\n";
    REQUIRE(scene.client().get("/a", "Range: bytes=0-0\r\n").status == 206);
  }
  const auto since = std::chrono::steady_clock::now();
  {
    auto client = scene.client();
    const auto asked = scene.origin.requests().size();
    client.send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + lines + "\r\n");
    REQUIRE(eventually([&] { return scene.origin.requests().size() > asked + before; }));
    client.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  CHECK(eventually([&] { return scene.server->connections() == 0; }));
  CHECK(std::chrono::steady_clock::now() - since < std::chrono::seconds(15));  // half of what an origin may be silent
}

TEST_CASE("F68: others than this machine are served only when clients are told apart") {
  serve::ServerOptions options;
  for (const char* address : {"0.0.0.0", "::", "192.0.2.1"}) {
    CAPTURE(address);
    options.address = address;
    options.access = {};
    CHECK(Server::may_listen(options).error().code == Errc::permission_denied);
    options.access.tokens = required(serve::parse_tokens("ann 0123456789abcdef", "t"));
    CHECK(Server::may_listen(options));
  }
  options.address = "example.org";
  CHECK(Server::may_listen(options).error().code == Errc::invalid_argument);
}

TEST_CASE("F68: who has no token is told what is wanted, and nothing of the object") {
  serve::ServerOptions options;
  options.access.tokens = required(serve::parse_tokens("ann 0123456789abcdef /a", "t"));
  Scene scene(options);
  const auto object = scene.object({.size = 10});
  auto client = scene.client();
  const auto refused = client.get("/a");
  CHECK(refused.status == 401);
  CHECK(refused.field("www-authenticate") ==
        "Bearer realm=\"strandline\", Basic realm=\"strandline\", charset=\"UTF-8\"");
  CHECK(client.get("/a", "Authorization: Bearer 0123456789abcdeg\r\n").status == 401);
  CHECK(client.get("/b", "Authorization: Bearer 0123456789abcdef\r\n").status == 403);
  CHECK(object->sent_bytes() == 0);
  CHECK(client.get("/a", "Authorization: Bearer 0123456789abcdef\r\n").body == text(1, {0, 10}));
}

TEST_CASE("F63: of one address there are so many connections, and no more") {
  serve::ServerOptions options;
  options.most_per_client = 1;
  Scene scene(options);
  scene.object({.size = 10});
  std::optional<Client> first(scene.server->port());
  CHECK(first->get("/a").status == 200);
  auto second = scene.client();
  CHECK(second.closed());
  CHECK(first->get("/a").status == 200);
  first.reset();
  REQUIRE(eventually([&] { return scene.server->connections() == 0; }));
  CHECK(scene.client().get("/a").status == 200);
}

TEST_CASE("F63: who takes too little while there is more for it is let go of") {
  serve::ServerOptions options;
  options.limits.least_rate = std::uint64_t{1} << 62;
  options.limits.slow_for = milliseconds(0);
  Scene scene(options);
  scene.object({.size = 64 * kMiB});
  auto client = scene.client();
  client.take_little();  // it has to be waited for, however slowly the origin sends
  client.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
  std::size_t seen = 0;
  for (std::string some = client.take_some(); !some.empty(); some = client.take_some()) {
    seen += some.size();
  }
  CHECK(seen < 64 * kMiB);
  CHECK(eventually([&] { return scene.server->connections() == 0; }));
}

TEST_CASE("F63: who takes enough is not, however long all of it takes") {
  serve::ServerOptions options;
  options.limits.least_rate = 1;
  options.limits.slow_for = milliseconds(0);
  Scene scene(options);
  scene.object({.size = 64 * kMiB});
  CHECK(scene.client().get("/a").whole);
}

TEST_CASE("F68: a name that is not this machine's is not served") {
  Scene scene;
  scene.object({.size = 10});
  const std::pair<const char*, int> cases[] = {{"localhost", 200},        {"127.0.0.1:8080", 200}, {"[::1]:1", 200},
                                               {"127.evil.example", 421}, {"evil.example", 421},   {"10.0.0.1", 421}};
  for (const auto& one : cases) {
    const std::string host = one.first;
    CAPTURE(host);
    auto client = scene.client();
    client.send("GET /a HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
    CHECK(client.receive().status == one.second);
  }
}

TEST_CASE("CORS: pages of the sites that are named may read, with ranges, and no others") {
  serve::ServerOptions options;
  options.access.cors.origins = {"https://a.example", "https://b.example"};
  Scene scene(std::move(options));
  scene.object({.size = 1000});
  auto client = scene.client();
  const std::string preflight =
      "OPTIONS /a HTTP/1.1\r\nHost: localhost\r\nAccess-Control-Request-Method: GET\r\nOrigin: ";
  client.send(preflight + "https://b.example\r\n\r\n");
  const std::string allowed = client.take_some();
  CHECK(allowed.starts_with("HTTP/1.1 204 "));
  CHECK(allowed.find("\r\nAccess-Control-Allow-Origin: https://b.example\r\n") != std::string::npos);
  CHECK(allowed.find(", Range\r\n") != std::string::npos);
  const auto part = client.get("/a", "Origin: https://a.example\r\nRange: bytes=10-19\r\n");
  CHECK(part.status == 206);
  CHECK(part.body == text(1, {10, 20}));
  CHECK(part.field("access-control-allow-origin") == "https://a.example");
  CHECK(part.field("access-control-expose-headers").find("Content-Range") != std::string::npos);
  CHECK(part.field("vary") == "Origin");
  const auto stranger = client.get("/a", "Origin: https://c.example\r\n");
  CHECK(stranger.status == 200);
  CHECK(stranger.field("access-control-allow-origin").empty());
  CHECK(stranger.field("vary") == "Origin");
  const auto none = client.get("/none", "Origin: https://a.example\r\n");
  CHECK(none.status == 404);
  CHECK(none.field("access-control-allow-origin") == "https://a.example");
  CHECK(client.get("/-/healthz", "Origin: https://a.example\r\n").field("access-control-allow-origin").empty());
  client.send(preflight + "https://c.example\r\n\r\n");
  CHECK(client.receive().status == 405);
}

TEST_CASE("CORS: all sites, and what is no site") {
  serve::ServerOptions options;
  options.access.cors.origins = {"*"};
  Scene scene(std::move(options));
  scene.object({.size = 10});
  auto client = scene.client();
  const auto answer = client.get("/a", "Origin: null\r\n");
  CHECK(answer.field("access-control-allow-origin") == "*");
  CHECK(answer.field("vary").empty());
  for (const char* name : {"*", "https://a.example", "http://localhost:8080"}) {
    CHECK_MESSAGE(serve::Cors::is_origin(name), name);
  }
  for (const char* name : {"", "a.example", "https://", "https://a.example/", "https://a b", "https://*.example"}) {
    CHECK_FALSE_MESSAGE(serve::Cors::is_origin(name), name);
  }
}
