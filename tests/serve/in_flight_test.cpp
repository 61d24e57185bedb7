// What a client has been handed by sendfile(2) and has not got yet: pages of the file, not copies.
#include <tests/serve/scene.h>

#include <thread>

using namespace strandline;
using namespace strandline::testing;

namespace {

constexpr std::uint64_t kLength = 1 << 20;

// All of an object is in the store, which another process has open, too, and a client that takes little asks for it.
struct Handing {
  Scene scene;
  std::shared_ptr<ServedObject> object = scene.object({.size = kLength, .lines = {"Cache-Control: max-age=3600"}});
  store::Store store = scene.store();
  store::Lease lease = [this] {
    REQUIRE(scene.client().get("/a").body == text(1, {0, kLength}));
    return required(store.peek(scene.origin.url("/a")));
  }();
  Client client = scene.client();
  std::string got{};
  std::size_t all = 0;  // bytes of the answer

  Handing() {
    REQUIRE(eventually([&] { return lease.resource().status().state == State::committed; }));
    client.take_little();
  }
  // Until the server has handed over all of it.
  void ask(const std::string& lines = "") {
    client.send("GET /a HTTP/1.1\r\nHost: localhost\r\n" + lines + "\r\n");
    got = client.take_some();
    all = got.find("\r\n\r\n") + 4 + kLength;
    REQUIRE(eventually([&] { return handed() == 2 * kLength; }));
  }
  // Bytes of content, to all clients.
  std::uint64_t handed() {
    const std::string metrics = scene.client().get("/-/metrics").body;
    std::uint64_t bytes = 0;
    for (const std::string name : {"\nstrandline_hit_bytes_total ", "\nstrandline_miss_bytes_total "}) {
      bytes += std::stoull(metrics.substr(metrics.find(name) + name.size()));
    }
    return bytes;
  }
  // The rest, and what of the content has come.
  std::string take_all() {
    for (std::string more; got.size() < all && !(more = client.take_some()).empty();) {
      got += more;
    }
    return got.substr(all - kLength);
  }
  std::string evict() { return says(lease.entry().evict({0, kLength})); }
};

}  // namespace

TEST_CASE("D1: what is on its way to a client is not given up, so that no zeros arrive") {
  Handing it;
  bool goes_on = false;
  SUBCASE("the connection goes on") {
    it.ask();
    goes_on = true;
  }
  SUBCASE("the connection ends") {
    it.ask("Connection: close\r\n");
  }
  SUBCASE("the client says no more") {
    it.ask();
    it.client.end_sending();
  }
  // The server looks every tenth of a second whether it has arrived, and nobody hears of it; and a connection that ends
  // is read from for a second. On a slow machine less is shown.
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  CHECK(it.evict() == "!busy");
  CHECK(it.take_all() == text(1, {0, kLength}));
  CHECK(eventually([&] { return it.evict() == std::to_string(kLength); }));
  if (goes_on) {
    CHECK(it.client.get("/a").body == text(1, {0, kLength}));  // brought anew
  }
}

TEST_CASE("D1: a server that stops sees what is on its way to its clients") {
  Handing it;
  it.ask();
  std::thread stopping([&] { it.scene.server->stop(std::chrono::hours(1)); });
  REQUIRE(eventually([&] { return !Client::listens(it.scene.server->port()); }));
  CHECK(it.evict() == "!busy");
  CHECK(it.take_all() == text(1, {0, kLength}));
  stopping.join();
}

TEST_CASE("D1: what is on its way is broken off by a server that has no time") {
  Handing it;
  it.ask();
  it.scene.server->stop(std::chrono::milliseconds(0));
  CHECK(it.evict() == std::to_string(kLength));
  const std::string content = it.take_all();
  CHECK(content.size() < kLength);
  CHECK(content == text(1, {0, content.size()}));
}
