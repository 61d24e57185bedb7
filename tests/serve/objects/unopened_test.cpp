// What is in the store, but not open: who gets it without its origin, and who does not.
#include <tests/serve/scene.h>

using namespace strandline;
using namespace strandline::testing;

namespace {

constexpr std::uint64_t kLentSize = 100'000;

ObjectSettings lent_film(std::string lasts) {
  return {.size = kLentSize, .lines = {"Cache-Control: " + std::move(lasts)}};
}

serve::ServerOptions unasked() {
  serve::ServerOptions options;
  options.objects.offline = true;
  return options;
}

}  // namespace

TEST_CASE("RFC 9111 5.2.1.7: only-if-cached is answered from the store, too") {
  Scene scene;
  scene.object(lent_film("max-age=1000"));
  CHECK(scene.client().get("/a").whole);
  scene.restart();
  const auto asked = scene.origin.requests().size();
  CHECK(scene.client().get("/b", "Cache-Control: only-if-cached\r\n").status == 504);
  const auto answer = scene.client().get("/a", "Cache-Control: only-if-cached\r\n");
  CHECK(answer.body == text(1, {0, kLentSize}));
  CHECK(answer.field("cache-status").starts_with("strandline; hit"));
  CHECK(scene.client().get("/a", "Cache-Control: only-if-cached, no-cache\r\n").status == 504);
  CHECK(scene.client().get("/c", "Cache-Control: only-if-cached\r\n").status == 504);
  CHECK(scene.origin.requests().size() == asked);
}

TEST_CASE("RFC 9111 5.2.1.7: what is stale in the store is not, unless the client takes it so") {
  Scene scene;
  scene.object(lent_film("max-age=0"));
  CHECK(scene.client().get("/a").whole);
  scene.restart();
  const auto asked = scene.origin.requests().size();
  CHECK(scene.client().get("/a", "Cache-Control: only-if-cached\r\n").status == 504);
  scene.restart();
  CHECK(scene.client().get("/a", "Cache-Control: only-if-cached, max-stale\r\n").body == text(1, {0, kLentSize}));
  CHECK(scene.origin.requests().size() == asked);
}

TEST_CASE("RFC 9111 5.2.1.5: what is here is not kept from who would have nothing kept, and nothing is kept for it") {
  Scene scene;
  const auto object = scene.object(lent_film("max-age=1000"));
  CHECK(scene.client().get("/a").whole);
  scene.origin.on("/b", object->script());
  scene.restart();
  const auto asked = scene.origin.requests().size();
  CHECK(scene.client().get("/a", "Cache-Control: no-store\r\n").body == text(1, {0, kLentSize}));
  CHECK(scene.origin.requests().size() == asked);
  for (int turn = 0; turn < 2; ++turn) {
    const auto past = scene.client().get("/b", "Cache-Control: no-store\r\n");
    CHECK(past.body == text(1, {0, kLentSize}));
    CHECK(past.field("cache-status") == "strandline; fwd=bypass");
  }
  scene.server.reset();
  CHECK(required(scene.store().list()).size() == 1);
}

TEST_CASE("offline: what the origin has taken back is not given out") {
  Scene scene;
  scene.object(lent_film("max-age=0"));
  CHECK(scene.client().get("/a").whole);
  scene.restart(unasked());
  CHECK(scene.client().get("/a").body == text(1, {0, kLentSize}));
  bool is_open = true;
  int status = 200;
  SUBCASE("gone, as it was open") {
    status = 404;
  }
  SUBCASE("gone, as it was noted") {
    status = 404;
    is_open = false;
  }
  SUBCASE("one client's, as it was open") {}
  SUBCASE("one client's, as it was noted") {
    is_open = false;
  }
  scene.restart();
  if (is_open) {
    CHECK(scene.client().get("/a").status == 200);
  }
  scene.origin.on("/a", [status](HttpExchange& exchange) {
    exchange.answer(status, "mine", {"ETag: \"v1\"", "Cache-Control: private"});
  });
  CHECK(scene.client().get("/a").status == status);
  scene.restart(unasked());
  CHECK(scene.client().get("/a").status == 504);
  // Until the origin says otherwise.
  scene.object(lent_film("max-age=0"));
  scene.restart();
  CHECK(scene.client().get("/a").body == text(1, {0, kLentSize}));
  scene.restart(unasked());
  CHECK(scene.client().get("/a").body == text(1, {0, kLentSize}));
}

TEST_CASE("offline: what was brought without a note is given out, as nothing was said against it") {
  Scene scene;
  scene.object(lent_film("max-age=0"));
  CHECK(scene.client().get("/a").whole);
  scene.server.reset();
  {
    auto store = scene.store();
    REQUIRE(required(store.peek(scene.origin.url("/a"))).set_note({}));
  }
  scene.restart(unasked());
  CHECK(scene.client().get("/a").body == text(1, {0, kLentSize}));
}
