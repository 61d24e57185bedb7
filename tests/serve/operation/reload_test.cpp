// What whoever runs the server says: rules for paths, and changes while it serves.
#include <tests/serve/scene.h>

using namespace strandline;
using namespace strandline::testing;
using std::chrono::seconds;

namespace {

serve::Rules rule(serve::Rule rule, const char* path) {
  rule.path = required(serve::PathPattern::parse(path));
  return {std::make_shared<const serve::Rule>(std::move(rule))};
}

serve::ServerOptions with(serve::Rules rules) {
  serve::ServerOptions options;
  options.rules = std::move(rules);
  return options;
}

}  // namespace

TEST_CASE("rules: what is fresh by a rule is not asked for, whatever the origin says, nor is it for a reload") {
  Scene scene(
      with(rule({.path = {}, .freshness = {.fresh_for = seconds(1000)}, .ignore_client_cache_control = true}, "/*")));
  const auto object = scene.object({.size = 1000, .lines = {"Cache-Control: no-cache"}});
  auto client = scene.client();
  CHECK(client.get("/a").body == text(1, {0, 1000}));
  object->change({.size = 2000, .version = 2});
  const auto again = client.get("/a", "Cache-Control: no-cache\r\n");
  CHECK(again.body == text(1, {0, 1000}));
  CHECK(again.field("cache-control") == "no-cache");  // the origin's word to other caches
}

TEST_CASE("rules: what is not to be kept for anybody") {
  Scene scene(with(rule({.path = {}, .freshness = {.no_store = true}}, "/a")));
  const auto object = scene.object({.size = 1000});
  auto client = scene.client();
  CHECK(client.get("/a").field("cache-status") == "strandline; fwd=bypass");
  scene.origin.on("/b", object->script());
  CHECK(client.get("/b").body == text(1, {0, 1000}));
}

TEST_CASE("rules: as much is read ahead as a rule says") {
  auto options = with(rule({.path = {}, .read_ahead = kMiB}, "/"));
  options.objects.limits = {.policy = fill::Policy::window, .min_subrange = kMiB, .max_subrange = kMiB};
  Scene scene(options);
  const auto object = scene.object({.size = 64 * kMiB});
  auto client = scene.client();
  CHECK(client.get("/a", "Range: bytes=0-2097151\r\n").body == text(1, {0, 2 * kMiB}));
  CHECK(object->sent_bytes() <= 8 * kMiB);
}

TEST_CASE("reload: new requests, on old connections too, are served by what is new") {
  Scene scene;
  scene.object({.size = 10});
  auto client = scene.client();
  CHECK(client.get("/a").status == 200);
  serve::ServerOptions options;
  options.mounts.push_back({.prefix = "/b/",
                            .origin = required(origin::HttpOrigin::open()),
                            .base = scene.origin.url("/"),
                            .name = scene.origin.url("/")});
  options.access.tokens = required(serve::parse_tokens("ann 0123456789abcdef", "t"));
  options.address = "192.0.2.1";  // where it listens does not change
  REQUIRE(scene.server->reload(options));
  CHECK(client.get("/a").status == 401);
  CHECK(client.get("/a", "Authorization: Bearer 0123456789abcdef\r\n").status == 404);
  CHECK(client.get("/b/a", "Authorization: Bearer 0123456789abcdef\r\n").body == text(1, {0, 10}));
}

TEST_CASE("reload: what is open but not read is fetched on as its origin is said to be by now") {
  serve::ServerOptions on_demand;
  on_demand.objects.limits = {.policy = fill::Policy::demand_only, .min_subrange = 65536};
  Scene scene(on_demand);
  scene.object({.size = kMiB, .lines = {"Cache-Control: max-age=1000"}});
  auto client = scene.client();
  CHECK(client.get("/a", "Range: bytes=0-9\r\n").status == 206);
  CHECK(client.get("/-/healthz").status == 200);  // so the answer before has ended here, too
  serve::ServerOptions options;
  options.mounts.push_back(
      {.origin = required(origin::HttpOrigin::open()),
       .base = "http://ann:secret@" + scene.origin.url("/").substr(std::string_view("http://").size()),
       .name = scene.origin.url("/")});
  REQUIRE(scene.server->reload(options));
  CHECK(client.get("/a", "Range: bytes=900000-900009\r\n").body == text(1, {900'000, 900'010}));
  CHECK(scene.origin.requests().back().header("authorization") == "Basic YW5uOnNlY3JldA==");
}

TEST_CASE("reload: what is being sent goes on as it was") {
  Scene scene;
  scene.object({.size = 8 * kMiB, .rate = 50'000'000});
  auto client = scene.client();
  client.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
  std::string seen = client.take_some();
  CHECK(seen.starts_with("HTTP/1.1 200 OK"));
  REQUIRE(scene.server->reload({}));
  const std::size_t all = seen.find("\r\n\r\n") + 4 + 8 * kMiB;
  while (seen.size() < all) {
    const std::string some = client.take_some();
    REQUIRE_FALSE(some.empty());
    seen += some;
  }
  CHECK(client.get("/a").status == 404);
}
