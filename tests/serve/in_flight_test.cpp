// What a client has been handed by sendfile(2) and has not got yet: pages of the file, not copies.
#include <tests/serve/scene.h>

#include <thread>

using namespace strandline;
using namespace strandline::testing;

namespace {

constexpr std::uint64_t kLength = 1 << 20;

// An entry of which all is there, as another process sees it.
store::Lease whole_entry(const Scene& scene, store::Store& store) {
  REQUIRE(scene.client().get("/a").body == text(1, {0, kLength}));
  auto lease = required(store.peek(scene.origin.url("/a")));
  REQUIRE(eventually([&] { return lease.resource().status().state == State::committed; }));
  return lease;
}

}  // namespace

TEST_CASE("D1: what is on its way to a client is not given up, so that no zeros arrive") {
  Scene scene;
  scene.object({.size = kLength, .lines = {"Cache-Control: max-age=3600"}});
  auto store = scene.store();
  const auto lease = whole_entry(scene, store);
  auto client = scene.client();
  client.take_little();
  bool goes_on = false;
  SUBCASE("the connection goes on") {
    client.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    goes_on = true;
  }
  SUBCASE("the connection ends") {
    client.send("GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  }
  SUBCASE("the client says no more") {
    client.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.end_sending();
  }
  std::string got = client.take_some();
  const std::size_t all = got.find("\r\n\r\n") + 4 + kLength;
  for (int i = 0; i < 50; ++i) {
    CHECK(says(lease.entry().evict({0, kLength})) == "!busy");
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  while (got.size() < all) {
    const std::string more = client.take_some();
    REQUIRE_FALSE(more.empty());
    got += more;
  }
  CHECK(got.substr(all - kLength) == text(1, {0, kLength}));
  CHECK(eventually([&] { return says(lease.entry().evict({0, kLength})) == std::to_string(kLength); }));
  if (goes_on) {
    CHECK(client.get("/a").body == text(1, {0, kLength}));  // brought anew
  }
}

TEST_CASE("D1: a server that stops sees what is on its way to its clients, for as long as it was told") {
  Scene scene;
  scene.object({.size = kLength, .lines = {"Cache-Control: max-age=3600"}});
  auto store = scene.store();
  const auto lease = whole_entry(scene, store);
  auto client = scene.client();
  client.take_little();
  client.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
  std::string got = client.take_some();
  const std::size_t all = got.find("\r\n\r\n") + 4 + kLength;
  bool waits = true;
  SUBCASE("to their end") {}
  SUBCASE("not at all") {
    waits = false;
  }
  std::thread stopping([&] { scene.server->stop(waits ? std::chrono::hours(1) : std::chrono::milliseconds(0)); });
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  CHECK(says(lease.entry().evict({0, kLength})) == (waits ? "!busy" : std::to_string(kLength)));
  for (std::string more; !(more = client.take_some()).empty();) {
    got += more;
  }
  stopping.join();
  CHECK((got.size() == all) == waits);  // the other knows that it has not got all
  CHECK(got.substr(all - kLength) == text(1, {0, got.size() - (all - kLength)}));
}
