// What is in the store, but not open: who gets it without its origin, and who does not.
#include <tests/serve/scene.h>

using namespace strandline;
using namespace strandline::testing;

namespace {

constexpr std::uint64_t kLentSize = 100'000;

ObjectSettings lent_film(std::string lasts) {
  return {.size = kLentSize, .lines = {"Cache-Control: " + std::move(lasts)}};
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
