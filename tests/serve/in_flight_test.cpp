// What a client has been handed by sendfile(2) and has not got yet: pages of the file, not copies.
#include <tests/serve/scene.h>

#include <fcntl.h>

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

namespace {

// A page of the kernel's holds as much of a file as was written or read at once, up to 2 MiB. All bytes are put down
// anew, or read ahead, in as large pages as there are.
void put_into_large_pages(const TempDir& directory, bool written) {
  for (const auto& file : std::filesystem::recursive_directory_iterator(directory.path() / "store" / "entries")) {
    if (file.path().extension() == ".data") {
      const std::string bytes = text_of(file.path());
      const int fd = ::open(file.path().c_str(), O_RDWR | O_CLOEXEC);
      REQUIRE(fd >= 0);
      REQUIRE(::fsync(fd) == 0);
      REQUIRE(::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
      if (written) {
        REQUIRE(::pwrite(fd, bytes.data(), bytes.size(), 0) == static_cast<::ssize_t>(bytes.size()));
      } else {
        REQUIRE(text_of(file.path()) == bytes);
      }
      ::close(fd);
    }
  }
}

}  // namespace

TEST_CASE("D1: what a client on the same machine has yet to read stays what it was when the store gives it up") {
  constexpr std::uint64_t kSize = 4 * kMiB + 13'000;
  constexpr std::uint64_t kUnread = 48 << 10;  // what a receive queue takes at once
  for (const std::uint64_t at : {std::uint64_t{0}, kMiB, 3 * kMiB, 4 * kMiB}) {
    for (const bool written : {true, false}) {
      CAPTURE(at);
      CAPTURE(written);
      Scene scene;
      const auto object = scene.object({.size = kSize, .lines = {"Cache-Control: max-age=3600"}});
      REQUIRE(scene.client().get("/a").body == text(1, {0, kSize}));
      auto store = scene.store();
      const auto lease = required(store.peek(scene.origin.url("/a")));
      REQUIRE(eventually([&] { return lease.resource().status().state == State::committed; }));
      put_into_large_pages(scene.directory, written);
      const ByteRange range{at, std::min(at + kUnread, kSize)};
      auto client = scene.client();
      client.send("GET /a HTTP/1.1\r\nHost: localhost\r\nRange: bytes=" + std::to_string(range.begin) + "-" +
                  std::to_string(range.end - 1) + "\r\n\r\n");
      REQUIRE(eventually([&] { return client.unread() > range.size(); }));
      // And until the store may give it up.
      REQUIRE(eventually([&] {
        static_cast<void>(required(store.evict(1)));
        return !lease.resource().contains({range.begin, range.begin + 1});
      }));
      CHECK(client.receive().body == text(1, range));
    }
  }
}
