// Cache-Status (RFC 9211) of what the server answers: exactly, for each way in which a request is handled.
#include <strandline/serve/connection/answer.h>
#include <strandline/serve/objects/notes/said.h>
#include <tests/serve/scene.h>

#include <future>
#include <span>

using namespace strandline;
using namespace strandline::testing;

namespace {

constexpr std::uint64_t kLarge = 64 * kMiB;

// Nothing is fetched that nobody waits for.
serve::ServerOptions on_demand() {
  serve::ServerOptions options;
  options.objects.limits = {.policy = fill::Policy::demand_only, .min_subrange = kMiB, .max_subrange = kMiB};
  return options;
}

// The field with the word "fresh" or "old" for its ttl, which a second changes.
std::string handled(std::string status) {
  CAPTURE(status);
  REQUIRE(status.starts_with("strandline; "));
  status.erase(0, std::string_view("strandline; ").size());
  if (const auto at = status.find("ttl="); at != std::string::npos) {
    const bool fresh = std::stoll(status.substr(at + 4)) > 0;
    status.replace(at, std::min(status.find(';', at), status.size()) - at, fresh ? "fresh" : "old");
  }
  return status;
}
std::string handled(const Response& response) {
  return handled(response.field("cache-status"));
}

struct Case {
  std::string request;  // a method, and fields
  std::string handled;
};
void check(Client& client, std::initializer_list<Case> cases) {
  for (const Case& one : cases) {
    CAPTURE(one.request);
    CAPTURE(one.handled);
    const std::string& words = one.request;
    const auto space = words.find(' ');
    const auto response = client.ask(words.substr(0, space), "/a", words.substr(space + 1));
    CAPTURE(response.status);
    CHECK(handled(response) == one.handled);
  }
}

}  // namespace

TEST_CASE("RFC 9211 2.2: what is fresh: the first request, hits, parts, and what the client will have asked") {
  Scene scene(on_demand());
  auto settings = ObjectSettings{.size = kLarge, .lines = {"Cache-Control: max-age=1000"}};
  const auto object = scene.object(settings);
  auto client = scene.client();
  check(client, {{"GET Range: bytes=0-99\r\n", "fwd=uri-miss; fresh; stored"},
                 {"GET Range: bytes=0-99\r\n", "hit; fresh"},
                 {"GET Range: bytes=40000000-40000099\r\n", "fwd=partial; fresh; stored"},
                 {"GET Range: bytes=40000000-40000099\r\n", "hit; fresh"},
                 {"GET Range: bytes=0-9,50000000-50000009\r\n", "fwd=partial; fresh; stored"},
                 {"HEAD ", "hit; fresh"},
                 {"GET If-None-Match: \"v1\"\r\n", "hit; fresh"},
                 {"GET Range: bytes=64000000000-\r\n", "hit; fresh"},
                 {"HEAD Cache-Control: no-cache\r\n", "fwd=request; fresh"},
                 {"GET Range: bytes=0-99\r\nCache-Control: no-cache\r\n", "fwd=request; fresh"},
                 {"GET Range: bytes=0-99\r\nCache-Control: min-fresh=5000\r\n", "fwd=request; fresh"},
                 {"GET Range: bytes=20000000-20000099\r\nCache-Control: no-cache\r\n", "fwd=request; fresh; stored"},
                 {"GET Range: bytes=0-99\r\nCache-Control: only-if-cached\r\n", "hit; fresh"}});
  settings.version = 2;
  object->change(settings);
  check(client, {{"HEAD Cache-Control: no-cache\r\n", "fwd=request; fresh; stored"}});
}

TEST_CASE("RFC 9211 2.2: what is stale is asked about, and may be another version, or all that there is") {
  Scene scene;
  auto settings = ObjectSettings{.size = 1000, .lines = {"Cache-Control: max-age=0"}};
  const auto object = scene.object(settings);
  auto client = scene.client();
  check(client, {{"GET ", "fwd=uri-miss; old; stored"},
                 {"GET ", "fwd=stale; old"},
                 {"GET Cache-Control: no-cache\r\n", "fwd=stale; old"},
                 {"GET Cache-Control: max-stale=1000\r\n", "hit; old"}});
  settings.version = 2;
  object->change(settings);
  check(client, {{"GET ", "fwd=stale; old; stored"}});
  scene.origin.on("/a", [](HttpExchange& exchange) { exchange.answer(503, "later"); });
  check(client, {{"GET ", "fwd=stale; fwd-status=503; old; detail=io"}});  // which stands in
  settings.lines = {"Cache-Control: max-age=0, stale-while-revalidate=1000"};
  scene.object(settings);
  check(client, {{"GET ", "fwd=stale; old"}, {"GET ", "hit; old"}});
}

TEST_CASE("RFC 9211 2.2: where no byte is, there is nothing, whoever has asked what it is") {
  Scene scene(on_demand());
  scene.object({.size = 1000, .lines = {"Cache-Control: max-age=1000"}});
  auto client = scene.client();
  check(client, {{"HEAD ", "fwd=uri-miss; fresh; stored"},
                 {"HEAD ", "hit; fresh"},
                 {"HEAD Cache-Control: no-cache\r\n", "fwd=uri-miss; fresh"},
                 {"GET If-None-Match: \"v1\"\r\nCache-Control: no-cache\r\n", "fwd=uri-miss; fresh"},
                 {"GET Range: bytes=1000-\r\nCache-Control: no-cache\r\n", "fwd=uri-miss; fresh; stored"},
                 {"GET ", "fwd=partial; fresh; stored"},  // its first byte has told how long it is
                 {"GET ", "hit; fresh"}});
}

TEST_CASE("RFC 9211 2.2: what is for one client is passed by") {
  Scene scene;
  scene.object({.size = 1000, .lines = {"Cache-Control: private, max-age=1000"}});
  auto client = scene.client();
  check(client, {{"GET ", "fwd=bypass"}, {"GET ", "fwd=bypass"}, {"HEAD ", "fwd=bypass"}});
  scene.object({.size = 1000, .lines = {"Cache-Control: max-age=1000"}});
  check(client, {{"GET Cache-Control: no-store\r\n", "fwd=bypass"},
                 {"GET ", "fwd=uri-miss; fresh; stored"},
                 {"GET Cache-Control: no-store\r\n", "hit; fresh"}});
}

TEST_CASE("RFC 9211 2.2: a second request while the first one's bytes are coming") {
  Scene scene;
  std::string expected;
  ObjectSettings settings{.size = kLarge, .rate = 4'000'000};
  SUBCASE("fresh: what has come is a part") {
    settings.lines = {"Cache-Control: max-age=1000"};
    expected = "fwd=partial; fresh; stored";
  }
  SUBCASE("stale: it is asked about again") {
    expected = "fwd=stale; old; stored";
  }
  scene.object(settings);
  const std::string request = "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n";
  auto first = scene.client();
  first.send(request);
  std::string begun;
  while (begun.find("\r\n\r\n") + 4 >= begun.size()) {
    begun += first.take_some();
  }
  auto second = scene.client();
  second.send(request);
  const std::string head = second.take_some();
  const auto at = head.find("strandline; ");
  REQUIRE(at != std::string::npos);
  CHECK(handled(head.substr(at, head.find("\r\n", at) - at)) == expected);
}

TEST_CASE("RFC 9211 2.6: requests that wait for one answer of the origin are collapsed, but for the first") {
  Gate gate;
  TempDir directory;
  HttpServer server;
  const auto object = ServedObject::make({.size = 1000, .lines = {"Cache-Control: max-age=1000"}});
  server.on("/a", [&, script = object->script()](HttpExchange& exchange) {
    if (exchange.wait(gate)) {
      script(exchange);
    }
  });
  serve::Objects objects(required(store::Store::open(directory.path().native())),
                         std::make_shared<fill::Filler>(required(fill::Filler::create())), {});
  const serve::Source source{required(origin::HttpOrigin::open()), server.url("/a"), "a"};
  const auto request = serve::RequestHead::parse("HEAD /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
  std::vector<std::promise<std::string>> told(3);
  for (std::size_t i = 0; i < told.size(); ++i) {
    objects.find(
        source, {},
        [] {
          return ByteRange{0, 1000};
        },
        [&, i](serve::Objects::Found found) {
          const std::string head = found ? serve::select_answer(request, *found).head : "Cache-Status: none\r\n";
          const auto at = head.find("Cache-Status: ") + 14;
          told[i].set_value(head.substr(at, head.find("\r\n", at) - at));
        });
  }
  gate.open();
  const auto handled_as = [&](std::size_t i) { return handled(told[i].get_future().get()); };
  CHECK(handled_as(0) == "fwd=uri-miss; fresh; stored");
  CHECK(handled_as(1) == "fwd=uri-miss; fresh; stored; collapsed");
  CHECK(handled_as(2) == "fwd=uri-miss; fresh; stored; collapsed");
}

TEST_CASE("RFC 9211 2.2: what another process has left in the store") {
  Scene scene(on_demand());
  ObjectSettings settings{.size = 10'000, .lines = {"Cache-Control: max-age=1000"}};
  const auto object = scene.object(settings);
  {
    auto client = scene.client();
    REQUIRE(client.get("/a").whole);
    REQUIRE(eventually([&] {
      auto store = scene.store();
      return required(store.peek(scene.origin.url("/a"))).resource().status().state == State::committed;
    }));
  }
  const auto note = [&](const char* control, int ago) {
    scene.server.reset();
    auto store = scene.store();
    const auto lease = required(store.peek(scene.origin.url("/a")));
    auto said = serve::said_in(required(lease.note()));
    REQUIRE(said);
    said->asked = said->answered = serve::wall_clock() - std::chrono::seconds(ago);
    said->info.caching.date = "";
    said->info.caching.cache_control = control;
    const std::string text = control[0] != '\0' ? serve::note_of(*said).value() : "none";
    REQUIRE(lease.set_note(std::as_bytes(std::span(text))));
  };
  const auto again = [&](std::initializer_list<Case> cases) {
    scene.restart(on_demand());
    auto client = scene.client();
    check(client, cases);
  };
  again({{"GET ", "hit; fresh"}, {"GET Cache-Control: no-cache\r\n", "fwd=request; fresh"}});
  again({{"GET Cache-Control: no-cache\r\n", "fwd=request; fresh"}});
  note("max-age=1000", 1600);
  again({{"GET ", "fwd=stale; fresh"}, {"GET ", "hit; fresh"}});
  note("", 0);
  again({{"GET ", "fwd=stale; fresh"}, {"GET ", "hit; fresh"}});
  note("max-age=1000", 1600);
  auto offline = on_demand();
  offline.objects.offline = true;
  scene.restart(offline);
  {
    auto client = scene.client();
    check(client, {{"GET ", "hit; old"}, {"GET ", "hit; old"}, {"HEAD ", "hit; old"}});
  }
  settings.version = 2;
  object->change(settings);
  note("max-age=1000", 1600);
  again({{"GET ", "fwd=stale; fresh; stored"}, {"GET ", "hit; fresh"}});
  settings.version = 3;
  object->change(settings);
  note("", 0);
  again({{"GET ", "fwd=stale; fresh; stored"}});
}

TEST_CASE("what has changed within its lifetime is asked about when it is noticed, before anything is sent") {
  Scene scene;
  const auto object = scene.object({.size = 32 * kMiB, .lines = {"Cache-Control: max-age=1000"}});
  auto client = scene.client();
  REQUIRE(client.get("/a", "Range: bytes=0-999\r\n").status == 206);
  object->change({.size = 33 * kMiB, .version = 2, .lines = {"Cache-Control: max-age=1000"}});
  const auto part = client.get("/a", "Range: bytes=31457280-31458279\r\n");
  CHECK(part.status == 206);
  CHECK(part.field("etag") == "\"v2\"");
  CHECK(part.field("content-range") == "bytes 31457280-31458279/" + std::to_string(33 * kMiB));
  CHECK(part.body == text(2, {30 * kMiB, 30 * kMiB + 1000}));
}
