// What is for one client only: passed on to it, past the store (RFC 9111, section 3).
#include <strandline/serve/connection/answer.h>
#include <tests/serve/scene.h>

#include <atomic>

using namespace strandline;
using namespace strandline::testing;

TEST_CASE("F65: what is one client's is passed on to it, and not given to another") {
  Scene scene;
  for (const char* line : {"Cache-Control: private", "Cache-Control: no-store", "Set-Cookie: a=b", "Vary: *"}) {
    CAPTURE(line);
    const auto object = scene.object({.size = 3 * kMiB + 1000, .lines = {line}});
    auto client = scene.client();
    const auto whole = client.get("/a");
    CHECK(whole.status == 200);
    CHECK(whole.body == text(1, {0, 3 * kMiB + 1000}));
    CHECK(whole.field("cache-status") == "strandline; fwd=bypass");
    const auto part = client.get("/a", "Range: bytes=5-1000004,2000000-2000009\r\n");
    CHECK(part.status == 206);
    CHECK(part.body.find(text(1, {5, 1'000'005})) != std::string::npos);
    CHECK(part.body.find(text(1, {2'000'000, 2'000'010})) != std::string::npos);
    auto store = required(store::Store::open((scene.directory.path() / "store").native()));
    CHECK_FALSE(required(store.contains(scene.origin.url("/a"))));
  }
}

TEST_CASE("F65: a first request past the end, which tells how long it is, does not make everybody's what is one's") {
  Scene scene;
  const auto object = scene.object({.size = 1000, .lines = {"Cache-Control: private"}});
  auto client = scene.client();
  const auto past = client.get("/a", "Range: bytes=1000-1999\r\n");
  CHECK(past.status == 416);
  CHECK(past.field("content-range") == "bytes */1000");
  const auto whole = client.get("/a");
  CHECK(whole.field("etag") == "\"v1\"");
  CHECK(whole.field("cache-status") == "strandline; fwd=bypass");
  CHECK(whole.body == text(1, {0, 1000}));
}

TEST_CASE("F65: of an origin without ranges, or that changes, or does not say how much it will be") {
  Scene scene;
  scene.object({.size = 3 * kMiB, .lines = {"Cache-Control: private"}, .ranges = false});
  auto client = scene.client();
  CHECK(client.get("/a", "Range: bytes=2000000-2000999\r\n").body == text(1, {2'000'000, 2'001'000}));
  CHECK(client.get("/a").body == text(1, {0, 3 * kMiB}));

  const auto object = scene.object({.size = 64 * kMiB, .lines = {"Cache-Control: private"}, .rate = 20'000'000});
  auto reader = scene.client();
  reader.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
  std::string got = reader.take_some();
  CHECK(got.starts_with("HTTP/1.1 200 OK"));
  object->change({.size = 64 * kMiB, .version = 2});
  for (std::string more; !(more = reader.take_some()).empty();) {
    got += more;
  }
  const std::string body = got.substr(got.find("\r\n\r\n") + 4);
  CHECK(body.size() < 64 * kMiB);  // broken off
  CHECK(body == text(1, {0, body.size()}));

  scene.origin.on("/live", [](HttpExchange& exchange) {
    exchange.head(200, {"Cache-Control: no-store", "Transfer-Encoding: chunked"});
    if (exchange.request().method == "GET") {
      exchange.send("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
    }
  });
  auto live = scene.client();
  CHECK(live.get("/live").body == "hello world");
  CHECK(live.get("/live").body == "hello world");  // the connection goes on
}

TEST_CASE("F63: a client that is slower than an origin which sends all at once lets that wait, and gets all of it") {
  constexpr std::uint64_t kLength = 96 * kMiB;  // more than sockets take
  Scene scene;
  const auto object = scene.object({.size = kLength, .lines = {"Cache-Control: private"}, .ranges = false});
  auto client = scene.client();
  client.send("GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  std::string got = client.take_some();
  // Nobody tells that the origin waits: it has sent nothing for a while. Too short a while only shows less.
  for (std::uint64_t before = 1; before != object->sent_bytes();) {
    before = object->sent_bytes();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  CHECK(object->sent_bytes() < kLength);
  for (std::string more; !(more = client.take_some()).empty();) {
    got += more;
  }
  CHECK(got.substr(got.find("\r\n\r\n") + 4) == text(1, {0, kLength}));
}

TEST_CASE("F65: what has no validator and is passed on comes as one answer of the origin's") {
  Scene scene;
  scene.object({.size = 3 * kMiB, .etag = "", .lines = {"Cache-Control: private"}});
  auto client = scene.client();
  CHECK(client.get("/a").body == text(1, {0, 3 * kMiB}));
  const auto requests = scene.origin.requests();
  const auto gets =
      std::count_if(requests.begin(), requests.end(), [](const auto& each) { return each.method == "GET"; });
  CHECK(gets == 2);  // the first told that it is private
}

TEST_CASE("RFC 9111 5.2.1.5: what a client does not want kept is not, and what is here is not kept from it") {
  Scene scene;
  const auto object = scene.object({.size = 1000, .lines = {"Cache-Control: max-age=1000"}});
  auto client = scene.client();
  const auto passed = client.get("/a", "Cache-Control: no-store\r\n");
  CHECK(passed.body == text(1, {0, 1000}));
  CHECK(passed.field("cache-status") == "strandline; fwd=bypass");
  CHECK(client.get("/a").body == text(1, {0, 1000}));
  CHECK(object->sent_bytes() == 2000);
  CHECK(client.get("/a", "Cache-Control: no-store\r\n").body == text(1, {0, 1000}));
  CHECK(object->sent_bytes() == 2000);
  scene.origin.on("/b", [](HttpExchange& exchange) { exchange.answer(404, "none"); });
  CHECK(client.get("/b", "Cache-Control: no-store\r\n").status == 404);
}

TEST_CASE("what is for one client and another each time: head and body are of one answer") {
  Scene scene;
  std::atomic<int> count{0};
  std::string kind;
  scene.origin.on("/page", [&](HttpExchange& exchange) {
    const std::string number = std::to_string(++count);
    std::string body;
    for (int i = 0; i < count; ++i) {
      body += "page " + number + "\n";
    }
    std::vector<std::string> lines = {"Cache-Control: private", "Content-Type: text/x-" + number,
                                      "X-Number: " + number};
    if (kind == "told") {
      lines.push_back("ETag: \"" + number + "\"");
    }
    if (kind != "chunked") {
      exchange.answer(200, body, lines);
      return;
    }
    lines.emplace_back("Transfer-Encoding: chunked");
    exchange.head(200, lines);
    if (exchange.request().method != "HEAD") {
      exchange.send(serve::chunk_head(body.size()) + body + "\r\n0\r\n\r\n");
    }
  });
  for (const char* each : {"told", "sized", "chunked"}) {
    CAPTURE(each);
    kind = each;
    auto client = scene.client();
    for (int i = 0; i < 3; ++i) {
      const auto page = client.get("/page");
      CHECK(page.status == 200);
      CHECK(page.whole);
      const std::string number = page.field("x-number");
      CHECK(page.field("content-type") == "text/x-" + number);
      CHECK(page.field("etag") == (kind == "told" ? "\"" + number + "\"" : ""));
      CHECK(page.body.starts_with("page " + number + "\n"));
      CHECK(page.body.size() == page.body.find('\n') * std::stoull(number) + std::stoull(number));
    }
  }
}

TEST_CASE("what is for one client and has changed since it was asked about: what is sent is of the new version") {
  constexpr std::uint64_t kSize = 3 * kMiB;
  Scene scene;
  const auto before = ServedObject::make({.size = kSize, .lines = {"Cache-Control: private"}});
  const auto get_behind = [&](std::uint64_t size, bool ranges, const std::string& lines) {
    const auto after =
        ServedObject::make({.size = size, .version = 2, .lines = {"Cache-Control: private"}, .ranges = ranges});
    const auto first = std::make_shared<std::atomic<bool>>(true);
    scene.origin.on("/a", [=, one = before->script(), other = after->script()](HttpExchange& exchange) {
      first->exchange(false) ? one(exchange) : other(exchange);
    });
    return scene.client().get("/a", lines);
  };
  for (const bool ranges : {true, false}) {
    for (const std::uint64_t size : {kSize + 5000, kSize, kSize - 5000, std::uint64_t{1000}}) {
      CAPTURE(size);
      const auto whole = get_behind(size, ranges, "");
      CHECK(whole.status == 200);
      CHECK(whole.field("etag") == "\"v2\"");
      CHECK(whole.body == text(2, {0, size}));
    }
    const auto part = get_behind(kSize + 5000, ranges, "Range: bytes=5-1000004,2000000-2000009\r\n");
    CHECK(part.status == 206);
    CHECK(part.field("etag") == "\"v2\"");
    CHECK(part.body.find(text(2, {5, 1'000'005})) != std::string::npos);
    CHECK(part.body.find(text(2, {2'000'000, 2'000'010})) != std::string::npos);
    const auto past = get_behind(1000, ranges, "Range: bytes=2000000-2000999\r\n");
    CHECK(past.status == 416);
    CHECK(past.field("content-range") == "bytes */1000");
    const auto all = get_behind(kSize + 5000, ranges, "Range: bytes=5-9\r\nIf-Range: \"v1\"\r\n");
    CHECK(all.status == 200);
    CHECK(all.body == text(2, {0, kSize + 5000}));
  }
}

TEST_CASE("RFC 9112 8: what ends with its connection, and breaks off, is reset, so that nobody takes it for whole") {
  Scene scene;
  for (const std::string each : {"no-cache", "private"}) {
    for (const bool breaks : {true, false}) {
      CAPTURE(each);
      CAPTURE(breaks);
      const std::string target = "/live-" + each + (breaks ? "-cut" : "-whole");
      scene.origin.on(target, [each, breaks](HttpExchange& exchange) {
        exchange.head(200, {"ETag: \"x\"", "Cache-Control: " + each, "Transfer-Encoding: chunked"});
        if (exchange.request().method == "HEAD") {
          return;
        }
        exchange.send("5\r\nhello\r\n");
        if (breaks) {
          exchange.close();
          return;
        }
        exchange.send("0\r\n\r\n");
      });
      auto client = scene.client();
      client.send("GET " + target + " HTTP/1.0\r\nHost: localhost\r\n\r\n");
      std::string got;
      for (std::string more; !(more = client.take_some()).empty();) {
        got += more;
      }
      CHECK(got.starts_with("HTTP/1.1 200 OK"));
      CHECK(client.was_reset() == breaks);
    }
  }
}

namespace {

// As the command serves: nothing is fetched that nobody asks for.
serve::ServerOptions as_the_command_serves(std::chrono::seconds untold_for = std::chrono::minutes(1)) {
  serve::ServerOptions options;
  options.objects.limits.policy = fill::Policy::window;
  options.objects.limits.ahead_of_waits = false;
  options.objects.untold_for = untold_for;
  return options;
}

const std::vector<std::string> kPublic = {"Cache-Control: max-age=1000"};
const std::vector<std::string> kPrivate = {"Cache-Control: private", "Set-Cookie: a=b"};

bool is_in_store(const Scene& scene, ByteRange range) {
  const auto there = scene.store().peek(scene.origin.url("/a"));
  return there && there->resource().next_gap(range.begin, range.end) != range;
}

}  // namespace

TEST_CASE("F65: what a HEAD says is everybody's, and its bytes one client's, is neither kept nor given to another") {
  Scene scene(as_the_command_serves());
  const auto described = ServedObject::make({.size = 1000, .lines = kPublic});
  const auto object = ServedObject::make({.size = 1000, .lines = kPrivate});
  scene.origin.on("/a", [head = described->script(), get = object->script()](HttpExchange& exchange) {
    exchange.request().method == "HEAD" ? head(exchange) : get(exchange);
  });
  auto client = scene.client();
  CHECK(client.ask("HEAD", "/a").status == 200);
  CHECK(client.ask("HEAD", "/a").field("cache-status").starts_with("strandline; hit"));
  for (std::size_t i = 0; i < 3; ++i) {
    const auto answer = client.get("/a");
    CHECK(answer.status == 200);
    CHECK(answer.body == text(1, {0, 1000}));
    CHECK(answer.field("cache-status") == "strandline; fwd=bypass");
    CHECK(answer.field("cache-control") == "private");
    CHECK(object->sent().size() >= i + 1);
  }
  CHECK(client.get("/a", "Range: bytes=10-19\r\n").body == text(1, {10, 20}));
  CHECK(client.get("/a", "Cache-Control: only-if-cached\r\n").status == 504);
  CHECK_FALSE(is_in_store(scene, {0, 1000}));
  scene.restart(as_the_command_serves());
  CHECK_FALSE(scene.client().ask("HEAD", "/a").field("cache-status").starts_with("strandline; hit"));  // no note
}

TEST_CASE("F65: what is one client's from some byte on is not kept from there, and none of it is given any more") {
  Scene scene(as_the_command_serves());
  const auto object = scene.object({.size = 8 * kMiB, .lines = kPublic});
  auto client = scene.client();
  CHECK(client.get("/a", "Range: bytes=0-999\r\n").body == text(1, {0, 1000}));
  CHECK(client.get("/a", "Range: bytes=0-999\r\n").field("cache-status").starts_with("strandline; hit"));
  object->change({.size = 8 * kMiB, .lines = kPrivate});
  for (const std::uint64_t at : {std::uint64_t{4 * kMiB}, std::uint64_t{4 * kMiB}, std::uint64_t{0}}) {
    const auto answer =
        client.get("/a", "Range: bytes=" + std::to_string(at) + "-" + std::to_string(at + 999) + "\r\n");
    CHECK(answer.body == text(1, {at, at + 1000}));
    CHECK(answer.field("cache-status") == "strandline; fwd=bypass");
  }
  CHECK_FALSE(is_in_store(scene, {4 * kMiB, 8 * kMiB}));
}

TEST_CASE("F65: what was one client's is tried as everybody's again after a while") {
  Scene scene(as_the_command_serves(std::chrono::seconds(0)));
  const auto object = scene.object({.size = 8 * kMiB, .lines = kPublic});
  auto client = scene.client();
  CHECK(client.get("/a", "Range: bytes=0-999\r\n").body == text(1, {0, 1000}));
  object->change({.size = 8 * kMiB, .lines = kPrivate});
  CHECK(client.get("/a", "Range: bytes=5000-5999\r\n").body == text(1, {5000, 6000}));
  object->change({.size = 8 * kMiB, .lines = kPublic});
  CHECK(client.get("/a", "Range: bytes=6000-6999\r\n").body == text(1, {6000, 7000}));
  CHECK(client.get("/a", "Range: bytes=6000-6999\r\n").field("cache-status").starts_with("strandline; hit"));
}
