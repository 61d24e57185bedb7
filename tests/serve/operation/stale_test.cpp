// What is given out while the origin fails, or asks for a pause: what is here, and nothing that would break off.
#include <tests/serve/scene.h>

using namespace strandline;
using namespace strandline::testing;

namespace {

// Nothing is fetched that nobody waits for.
serve::ServerOptions on_demand() {
  serve::ServerOptions options;
  options.objects.limits = {.policy = fill::Policy::demand_only};
  return options;
}

ObjectSettings film(std::uint64_t size) {
  return {.size = size, .last_modified = "Tue, 15 Nov 1994 12:45:26 GMT", .lines = {"Cache-Control: max-age=0"}};
}

std::size_t gets(const Scene& scene) {
  const auto requests = scene.origin.requests();
  return static_cast<std::size_t>(
      std::count_if(requests.begin(), requests.end(), [](const HttpRequest& each) { return each.method == "GET"; }));
}

}  // namespace

TEST_CASE("F58: with its origin gone, the ranges that are here are given out, and nothing that would break off") {
  Scene scene(on_demand());
  scene.object(film(4 * kMiB));
  CHECK(scene.client().get("/a", "Range: bytes=0-99999\r\n").body == text(1, {0, 100'000}));
  int failure = 502;
  SUBCASE("refused") {
    scene.origin.on("/a", [](HttpExchange& exchange) { exchange.answer(500, "no"); });
  }
  SUBCASE("cut off") {
    scene.origin.stop_listening();
  }
  SUBCASE("refused, by who knows it from its note") {
    scene.origin.on("/a", [](HttpExchange& exchange) { exchange.answer(500, "no"); });
    scene.restart(on_demand());
  }
  SUBCASE("asks for a pause") {
    failure = 503;
    scene.origin.on("/a", [](HttpExchange& exchange) { exchange.answer(429, "", {"Retry-After: 50"}); });
  }
  const auto asked = gets(scene);
  for (int turn = 0; turn < 2; ++turn) {
    auto client = scene.client();
    const auto part = client.get("/a", "Range: bytes=1000-1999\r\n");
    CHECK(part.status == 206);
    CHECK(part.body == text(1, {1000, 2000}));
    CHECK(part.field("etag") == "\"v1\"");
    CHECK(part.field("cache-status").starts_with("strandline; fwd=stale; "));
    CHECK(part.field("cache-status").find("stored") == std::string::npos);
    CHECK(part.fields.contains("age"));
    CHECK(client.get("/a", "Range: bytes=0-9,5000-5009\r\n").status == 206);
    CHECK(client.get("/a", "Range: bytes=0-9\r\nIf-Range: \"v1\"\r\n").body == text(1, {0, 10}));
    CHECK(client.get("/a", "If-None-Match: \"v1\"\r\n").status == 304);
    CHECK(client.get("/a", "If-Match: \"v2\"\r\n").status == 412);
    CHECK(client.get("/a", "Range: bytes=5000000-\r\n").status == 416);
    const auto head = client.ask("HEAD", "/a");
    CHECK(head.status == 200);
    CHECK(head.field("content-length") == std::to_string(4 * kMiB));
    for (const char* lines : {"", "Range: bytes=99999-100000\r\n", "Range: bytes=0-0,3000000-3000001\r\n",
                              "Range: bytes=0-9\r\nIf-Range: \"v2\"\r\n", "If-None-Match: \"v2\"\r\n",
                              "Range: bytes=0-9\r\nCache-Control: no-cache\r\n"}) {
      CAPTURE(lines);
      const auto refused = client.get("/a", lines);
      CHECK(refused.status == failure);
      CHECK(refused.whole);  // and on the same connection
      CHECK(refused.fields.contains("retry-after") == (failure == 503));
    }
  }
  CHECK(gets(scene) == asked);
}

TEST_CASE("F58: what stands in for an origin that fails may not be standing in for ever, nor where it is forbidden") {
  Scene scene(on_demand());
  auto settings = film(4 * kMiB);
  const char* const kForbids[] = {"max-age=0, must-revalidate", "no-cache", "s-maxage=0"};
  for (const char* forbids : kForbids) {
    CAPTURE(forbids);
    settings.lines = {std::string("Cache-Control: ") + forbids};
    ++settings.version;
    scene.object(settings);
    CHECK(scene.client().get("/a", "Range: bytes=0-9\r\n").status == 206);
    scene.origin.on("/a", [](HttpExchange& exchange) { exchange.answer(500, "no"); });
    CHECK(scene.client().get("/a", "Range: bytes=0-9\r\n").status == 502);
  }
}

TEST_CASE("F58: once the origin is there again, what is missing is fetched") {
  Scene scene(on_demand());
  const auto object = scene.object(film(kMiB));
  auto client = scene.client();
  CHECK(client.get("/a", "Range: bytes=0-9999\r\n").body == text(1, {0, 10'000}));
  scene.origin.on("/a", [](HttpExchange& exchange) { exchange.answer(500, "no"); });
  CHECK(client.get("/a").status == 502);
  CHECK(client.get("/a", "Range: bytes=0-9\r\n").status == 206);
  scene.origin.on("/a", object->script());
  CHECK(client.get("/a").body == text(1, {0, kMiB}));
}

TEST_CASE("F58: what stands in is not evicted while it is sent") {
  constexpr std::uint64_t kCap = 128 * kMiB;  // of less, the socket's buffer would hold all that is held
  auto options = on_demand();
  options.limits.send_buffer = 64 << 10;
  options.limits.at_once = 64 << 10;
  store::StoreOptions kept_by;
  kept_by.max_bytes = kCap;
  Scene scene;
  scene.restart(options, kept_by, fill::Seconds(0.2));
  scene.object(film(16 * kMiB));
  scene.origin.on("/b", ServedObject::make({.size = kCap + 8 * kMiB})->script());
  const std::string range = "Range: bytes=0-" + std::to_string(kCap / 16 - 1) + "\r\n";
  CHECK(scene.client().get("/a", range).whole);
  scene.origin.on("/a", [](HttpExchange& exchange) { exchange.answer(500, "no"); });
  {
    auto client = scene.client();
    client.take_little();
    client.send("GET /a HTTP/1.1\r\nHost: localhost\r\n" + range + "\r\n");
    REQUIRE(client.hears());
    CHECK(scene.client().get("/b").whole);
    CHECK(scene.client().get("/b").whole);
    const auto answer = client.receive();
    CHECK(answer.status == 206);
    CHECK(answer.body == text(1, {0, kCap / 16}));
  }
  // Behind it nothing is kept any more.
  CHECK(scene.client().get("/b").whole);
  CHECK(scene.client().get("/a", range).status == 502);
}

TEST_CASE("F56: an origin that asks for a pause is left alone by all, and what is known of it stands in") {
  Scene scene(on_demand());
  std::atomic<int> asked{0};
  std::atomic<bool> is_busy{true};
  const auto object = ServedObject::make(film(1000));
  const auto busy = [&, script = object->script()](HttpExchange& exchange) {
    ++asked;
    is_busy ? static_cast<void>(exchange.answer(503, "", {"Retry-After: 40"})) : script(exchange);
  };
  for (const char* path : {"/a", "/b", "/c", "/d"}) {
    scene.origin.on(path, busy);
  }
  const auto refused = [&](const std::string& method, const std::string& path, const std::string& lines = "") {
    const auto answer = scene.client().ask(method, path, lines);
    CHECK(answer.status == 503);
    const int after = std::stoi("0" + answer.field("retry-after"));
    CHECK(after > 0);
    CHECK(after <= 40);
  };
  refused("GET", "/a");
  const int once = asked;
  // One object's pause is its own.
  refused("GET", "/a");
  refused("HEAD", "/a");
  refused("GET", "/a", "Cache-Control: no-store\r\n");
  CHECK(asked == once);
  is_busy = false;
  CHECK(scene.client().get("/c").body == text(1, {0, 1000}));
  is_busy = true;
  refused("GET", "/b");
  refused("HEAD", "/d");
  // Two objects', with nothing else answered between, are the server's: also for who knows something.
  const int twice = asked;
  const auto stale = scene.client().get("/c");
  CHECK(stale.body == text(1, {0, 1000}));
  CHECK(stale.field("cache-status").starts_with("strandline; fwd=stale"));
  refused("GET", "/c", "Cache-Control: no-cache\r\n");
  scene.origin.on("/e", busy);
  refused("GET", "/e");
  CHECK(asked == twice);
}
