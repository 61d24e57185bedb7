// A store that is smaller than what is read through it.
#include <tests/serve/scene.h>

#include <nlohmann/json.hpp>

using namespace strandline;
using namespace strandline::testing;

namespace {

store::StoreOptions of(std::uint64_t cap) {
  store::StoreOptions options;
  options.max_bytes = cap;
  return options;
}

// As the command serves, from a store of so many bytes; 0: no cap.
void serve_from(Scene& scene, std::uint64_t cap, fill::Seconds give_up = patience()) {
  serve::ServerOptions options;
  options.objects.limits.policy = fill::Policy::window;
  options.objects.limits.ahead_of_waits = false;
  scene.restart(options, of(cap), give_up);
}

}  // namespace

TEST_CASE("cap: a download of many times what the store holds is complete, and each byte is fetched about once") {
  for (const std::uint64_t cap : {4 * kMiB, 16 * kMiB}) {
    Scene scene;
    serve_from(scene, cap);
    const auto object = scene.object({.size = 40 * kMiB});
    auto client = scene.client();
    const auto answer = client.get("/a");
    CHECK(answer.whole);
    CHECK(answer.body == text(1, {0, 40 * kMiB}));
    CHECK(object->sent_bytes() <= 50 * kMiB);
  }
}

TEST_CASE("cap: several who read at once do not push out what the others will read next") {
  Scene scene;
  serve_from(scene, 16 * kMiB);
  const auto object = scene.object({.size = 64 * kMiB, .rate = 20'000'000});
  std::vector<std::thread> reading;
  std::atomic<int> right{0};
  for (std::uint64_t i = 0; i < 4; ++i) {
    reading.emplace_back([&, i] {
      auto client = scene.client();
      const ByteRange range{i * 16 * kMiB, i * 16 * kMiB + 10 * kMiB};
      const auto answer = client.get(
          "/a", "Range: bytes=" + std::to_string(range.begin) + "-" + std::to_string(range.end - 1) + "\r\n");
      right += answer.body == text(1, range) ? 1 : 0;
    });
  }
  for (std::thread& each : reading) {
    each.join();
  }
  CHECK(right == 4);
  CHECK(object->sent_bytes() <= 60 * kMiB);
}

TEST_CASE("cap: what the store has no room for is read past it, until there is some") {
  Scene scene;
  serve_from(scene, 4 * kMiB, fill::Seconds(0.2));
  const auto object = scene.object({.size = 3 * kMiB});
  auto client = scene.client();
  CHECK(client.get("/a", "Range: bytes=0-999\r\n").body == text(1, {0, 1000}));
  scene.origin.on("/b", object->script());
  {
    auto other = scene.store(of(4 * kMiB));
    auto lease = required(other.acquire("pinned", {}));
    const auto bytes = content(1, {0, 64 << 10});
    std::uint64_t at = 0;
    while (lease.pin({at, at + bytes.size()}) && lease.writer()->write_at(at, bytes)) {
      at += bytes.size();
    }
    CHECK(at > 3 * kMiB);
    CHECK_FALSE(client.get("/a").whole);  // it has begun by what was there
    for (int i = 0; i < 3; ++i) {
      const auto answer = scene.client().get("/a");
      CHECK(answer.status == 200);
      CHECK(answer.body == text(1, {0, 3 * kMiB}));
      CHECK(answer.field("cache-status") == "strandline; fwd=bypass");
      CHECK(scene.client().get("/b").body == answer.body);  // nothing of it is there
    }
  }
  CHECK(eventually([&] {
    const auto answer = scene.client().get("/a");
    return answer.body == text(1, {0, 3 * kMiB}) && answer.field("cache-status").find("bypass") == std::string::npos;
  }));
}

TEST_CASE("api: what does not arrive any more is not said to") {
  Scene scene;
  serve_from(scene, 0);
  scene.object({.size = 64 * kMiB, .rate = 5'000'000});
  auto client = scene.client();
  CHECK(client.get("/a", "Range: bytes=0-999999\r\n").body == text(1, {0, 1'000'000}));
  CHECK(eventually([&] {
    const auto listed = nlohmann::json::parse(client.get("/-/api/objects").body);
    return listed["objects"][0]["state"] == "partial" && listed["objects"][0]["rate"] == 0;
  }));
}
