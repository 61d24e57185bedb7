// The server, between an origin on loopback that a test scripts and clients that say what it likes.
#include <tests/serve/scene.h>

#include <filesystem>

using namespace strandline;
using namespace strandline::testing;
using serve::Server;
using std::chrono::milliseconds;

TEST_CASE("serve: an object, from its origin once, and from the store from then on") {
  Scene scene;
  const auto object = scene.object({.size = 5 * kMiB});
  auto client = scene.client();
  for (int turn = 0; turn < 3; ++turn) {
    const auto response = client.get("/a");
    CHECK(response.status == 200);
    CHECK(response.whole);
    CHECK(response.body == text(1, {0, 5 * kMiB}));
    CHECK(response.field("etag") == "\"v1\"");
    CHECK(response.field("accept-ranges") == "bytes");
    CHECK(response.field("connection").empty());
  }
  CHECK(object->sent_bytes() == 5 * kMiB);
  CHECK(eventually([&] { return scene.server->connections() == 1; }));
}

TEST_CASE("serve: parts of an object, one and several") {
  Scene scene;
  scene.object({.size = 100'000});
  auto client = scene.client();
  const auto one = client.get("/a", "Range: bytes=1000-1999\r\n");
  CHECK(one.status == 206);
  CHECK(one.field("content-range") == "bytes 1000-1999/100000");
  CHECK(one.body == text(1, {1000, 2000}));
  const auto last = client.get("/a", "Range: bytes=-10\r\n");
  CHECK(last.field("content-range") == "bytes 99990-99999/100000");
  CHECK(last.body == text(1, {99'990, 100'000}));
  const auto several = client.get("/a", "Range: bytes=0-9,50000-50009\r\n");
  CHECK(several.status == 206);
  CHECK(several.field("content-type").starts_with("multipart/byteranges; boundary="));
  CHECK(several.whole);
  CHECK(several.body.find("Content-Range: bytes 50000-50009/100000") != std::string::npos);
  CHECK(several.body.find(text(1, {50'000, 50'010})) != std::string::npos);
  const auto none = client.get("/a", "Range: bytes=100000-\r\n");
  CHECK(none.status == 416);
  CHECK(none.field("content-range") == "bytes */100000");
  CHECK(client.get("/a", "Range: bytes=0-9\r\nIf-Range: \"v2\"\r\n").status == 200);
  CHECK(client.get("/a", "Range: bytes=0-9\r\nIf-Range: \"v1\"\r\n").status == 206);
}

TEST_CASE("serve: conditions") {
  Scene scene;
  scene.object({.size = 1000});
  auto client = scene.client();
  const auto same = client.get("/a", "If-None-Match: \"x\", \"v1\"\r\n");
  CHECK(same.status == 304);
  CHECK(same.field("etag") == "\"v1\"");
  CHECK(client.get("/a", "If-None-Match: \"v2\"\r\n").body == text(1, {0, 1000}));
  CHECK(client.get("/a", "If-Match: \"v2\"\r\n").status == 412);
  CHECK(client.get("/a", "If-Match: \"v1\"\r\n").status == 200);
  const auto head = client.ask("HEAD", "/a", "Range: bytes=0-9\r\n");
  CHECK(head.status == 200);
  CHECK(head.field("content-length") == "1000");
  CHECK(client.get("/a").whole);  // and nothing of a body stood between
}

TEST_CASE("RFC 9111 4.3.2: of what is stored without Last-Modified the date counts, or when it came") {
  Scene scene;
  const auto status = [&](const std::vector<std::string>& lines, const std::string& since) {
    scene.object({.size = 1000, .lines = lines});
    return scene.client().get("/a", "If-Modified-Since: " + since + "\r\n").status;
  };
  const std::string date = "Date: Sun, 06 Nov 1994 08:49:37 GMT";
  CHECK(status({date}, "Sun, 06 Nov 1994 08:49:36 GMT") == 200);
  CHECK(status({date}, "Sun, 06 Nov 1994 08:49:37 GMT") == 304);
  CHECK(status({}, "Sun, 06 Nov 1994 08:49:37 GMT") == 200);
  CHECK(status({}, "Fri, 31 Dec 9999 23:59:59 GMT") == 304);
  CHECK(status({date, "Cache-Control: private"}, "Fri, 31 Dec 9999 23:59:59 GMT") == 200);  // is not stored
}

TEST_CASE("RFC 9110 7.6.3: origins are told who asks, and what comes back here by that name goes round") {
  Scene scene;
  scene.object({.size = 100'000, .lines = {"Cache-Control: private"}});
  auto client = scene.client();
  CHECK(client.get("/a").whole);
  scene.object({.size = 100'000});
  CHECK(client.get("/a", "Via: 1.1 another, 1.0 this-one-not\r\n").whole);
  for (const auto& request : scene.origin.requests()) {
    CHECK(request.header("via") == "1.1 this-one");
  }
  const auto sent = scene.origin.requests().size();
  for (const char* path : {"/a", "/none", "/-/"}) {
    const auto looped = client.get(path, "Via: 1.1 another\r\nVia: 1.1 this-one (a comment)\r\n");
    CHECK(looped.status == 508);
    CHECK(looped.body == "an origin of this server is this server\n");
  }
  CHECK(scene.origin.requests().size() == sent);
  const std::string here = "http://127.0.0.1:" + std::to_string(scene.server->port());
  scene.origin.on("/round",
                  [&](HttpExchange& exchange) { exchange.answer(302, "", {"Location: " + here + "/round"}); });
  CHECK(client.get("/round").status == 502);
  CHECK(client.ask("HEAD", "/round").status == 502);
}

TEST_CASE("serve: requests that come at once are answered one after the other") {
  Scene scene;
  scene.object({.size = 300'000});
  auto client = scene.client();
  const std::string request = "GET /a HTTP/1.1\r\nHost: localhost\r\nRange: bytes=";
  client.send(request + "0-99999\r\n\r\n" + request + "200000-299999\r\n\r\n" + request + "0-0\r\n\r\n");
  CHECK(client.receive().body == text(1, {0, 100'000}));
  CHECK(client.receive().body == text(1, {200'000, 300'000}));
  CHECK(client.receive().body == text(1, {0, 1}));
}

TEST_CASE("serve: what is asked for far ahead comes before what is read in order has got there") {
  Scene scene;
  const auto object = scene.object({.size = 64 * kMiB, .rate = 4'000'000});
  auto stream = scene.client();
  stream.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
  REQUIRE(stream.take_some().starts_with("HTTP/1.1 200 OK"));
  auto seek = scene.client();
  const auto there = seek.get("/a", "Range: bytes=60000000-60065535\r\n");
  CHECK(there.body == text(1, {60'000'000, 60'065'536}));
  CHECK(object->sent_bytes() < 60'000'000);
}

TEST_CASE("F61: a head that could be read in two ways is refused, and the connection ends") {
  Scene scene;
  scene.object({.size = 10});
  const std::pair<const char*, int> cases[] = {
      {"GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
      {"GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"GET /a HTTP/1.1\nHost: x\n\n", 400},
      {"GET /a HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400},
      {"GET http://other/a HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET /a HTTP/1.1\r\n\r\n", 400},
      {"GET /%2e%2e/a HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET /a HTTP/3.0\r\nHost: x\r\n\r\n", 505},
      {"POST /a HTTP/1.1\r\nHost: x\r\n\r\n", 405},
      {"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n", 501}};
  for (const auto& one : cases) {
    const std::string request = one.first;
    CAPTURE(request);
    auto client = scene.client();
    client.send(request);
    const auto response = client.receive();
    CHECK(response.status == one.second);
    CHECK(response.field("connection") == "close");
    CHECK(client.closed());
  }
  CHECK(eventually([&] { return scene.server->connections() == 0; }));
}

TEST_CASE("serve: a method that nobody knows is another error than one that is not allowed") {
  Scene scene;
  const std::pair<const char*, int> cases[] = {{"get", 501},    {"Get", 501},  {"FOO", 501},    {"PROPFIND", 501},
                                               {"QUERY!", 501}, {"PUT", 405},  {"DELETE", 405}, {"OPTIONS", 405},
                                               {"TRACE", 405},  {"POST", 405}, {"PATCH", 405}};
  for (const auto& one : cases) {
    const std::string method = one.first;
    CAPTURE(method);
    auto client = scene.client();
    const auto refused = client.ask(method, "/a");
    CHECK(refused.status == one.second);
    CHECK(refused.field("allow") == (one.second == 405 ? "GET, HEAD" : ""));
    CHECK(client.closed());
  }
  const auto refused = scene.client().ask("get", "/-/api/purge");
  CHECK(refused.status == 501);
  CHECK(refused.field("content-type") == "application/json");
}

TEST_CASE("F63: who takes too long over a head is told so; who says nothing is let go of") {
  serve::ServerOptions options;
  options.limits.head = milliseconds(20);
  options.limits.idle = milliseconds(20);
  Scene scene(options);
  auto slow = scene.client();
  slow.send("GET /a HT");
  CHECK(slow.receive().status == 408);
  CHECK(slow.closed());
  auto silent = scene.client();
  CHECK(silent.closed());
}

TEST_CASE("F64: a client that goes in the midst of a body, or while it waits, leaves nothing behind") {
  Scene scene;
  scene.object({.size = 64 * kMiB, .rate = 10'000'000});
  {
    auto client = scene.client();
    client.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    CHECK(client.take_some().starts_with("HTTP/1.1 200 OK"));
    auto waiting = scene.client();
    waiting.send("GET /a HTTP/1.1\r\nHost: localhost\r\nRange: bytes=60000000-\r\n\r\n");
    CHECK(eventually([&] { return scene.server->connections() == 2; }));
  }
  CHECK(eventually([&] { return scene.server->connections() == 0; }));
}

TEST_CASE("F64: a client that goes while nobody knows yet what there is, is let go of at once") {
  const Gate gate;
  Scene scene;
  scene.origin.on("/hang", [&](HttpExchange& exchange) { static_cast<void>(exchange.wait(gate)); });
  {
    auto client = scene.client();
    client.send("GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n");
    REQUIRE(eventually([&] { return !scene.origin.requests().empty(); }));
  }
  CHECK(eventually([&] { return scene.server->connections() == 0; }));
}

TEST_CASE("serve: what is not there, and origins that fail") {
  Scene scene;
  auto client = scene.client();
  CHECK(client.get("/none").status == 404);
  scene.origin.on("/broken", [](HttpExchange& exchange) { exchange.answer(500, "no"); });
  CHECK(client.get("/broken").status == 502);
  scene.origin.on("/closed", [](HttpExchange& exchange) { exchange.answer(403, "no"); });
  CHECK(client.get("/closed").status == 403);
  scene.object({.size = 10});
  CHECK(client.get("/a").body == text(1, {0, 10}));  // on the same connection
}

TEST_CASE("serve: that the store has gone does not say that the object has") {
  Scene scene;
  const auto object = scene.object({.size = 10});
  std::filesystem::remove_all(scene.directory.path() / "store");
  CHECK(scene.client().get("/a").status == 503);
  CHECK(scene.client().ask("HEAD", "/a").status == 503);
}

TEST_CASE("serve: an origin that asks for a pause is not broken, and clients are told for how long") {
  Scene scene;
  auto client = scene.client();
  for (const char* method : {"GET", "HEAD"}) {
    const std::string path = std::string("/busy-") + method;
    scene.origin.on(path, [](HttpExchange& exchange) {
      exchange.head(503, {"Retry-After: 7", "Content-Length: 0"});
      exchange.close();
    });
    const auto refused = client.ask(method, path);
    CHECK(refused.status == 503);
    CHECK(refused.field("retry-after") == "7");
  }
}

TEST_CASE("F68: queries of URLs tell objects apart, and stand in no name and no file") {
  Scene scene;
  scene.object({.size = 100'000});
  auto client = scene.client();
  const auto sent = [&] { return scene.origin.requests().size(); };
  REQUIRE(client.get("/a?key=secret").whole);
  const auto once = sent();
  REQUIRE(client.get("/a?key=secret").whole);
  CHECK(client.get("/a?key=another").whole);
  CHECK(sent() > once);
  for (const auto& file : std::filesystem::recursive_directory_iterator(scene.directory.path())) {
    CAPTURE(file.path());
    CHECK((!file.is_regular_file() || text_of(file.path()).find("secret") == std::string::npos));
  }
}

TEST_CASE("serve: another version in the midst of it breaks the answer off, and is what the next one is of") {
  Scene scene;
  const auto object = scene.object({.size = 64 * kMiB, .rate = 10'000'000});
  auto client = scene.client();
  client.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
  std::string seen = client.take_some();
  object->change({.size = 2 * kMiB, .version = 2});
  for (std::string some = client.take_some(); !some.empty(); some = client.take_some()) {
    seen += some;
  }
  const auto body = seen.find("\r\n\r\n") + 4;
  CHECK(seen.size() - body < 64 * kMiB);
  CHECK(seen.substr(body) == text(1, {0, seen.size() - body}));
  auto again = scene.client();
  const auto response = again.get("/a");
  CHECK(response.field("etag") == "\"v2\"");
  CHECK(response.body == text(2, {0, 2 * kMiB}));
}

TEST_CASE("serve: another version while nothing more of the old one is wanted, and while somebody reads it") {
  serve::ServerOptions options;
  options.objects.limits.policy = fill::Policy::demand_only;
  Scene scene(options);
  const auto object = scene.object({.size = 64 * kMiB});
  auto client = scene.client();
  CHECK(client.get("/a", "Range: bytes=0-9\r\n").body == text(1, {0, 10}));
  auto reader = scene.client();
  SUBCASE("nobody reads it") {}
  SUBCASE("somebody waits for more of it") {
    object->change({.size = 64 * kMiB, .rate = 100'000});
    reader.send("GET /a HTTP/1.1\r\nHost: localhost\r\nRange: bytes=30000000-\r\n\r\n");
    CHECK(reader.take_some().starts_with("HTTP/1.1 206"));
  }
  object->change({.size = 2000, .version = 2});
  const auto next = client.get("/a");
  CHECK(next.status == 200);
  CHECK(next.body == text(2, {0, 2000}));
}

TEST_CASE("serve: an end that comes in the midst of answers") {
  Scene scene;
  scene.object({.size = 64 * kMiB, .rate = 1'000'000});
  auto idle = scene.client();
  CHECK(idle.get("/a", "Range: bytes=0-0\r\n").status == 206);
  auto client = scene.client();
  client.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
  CHECK(client.take_some().starts_with("HTTP/1.1 200 OK"));
  scene.server->stop();
  CHECK(scene.server->connections() == 0);
  CHECK(idle.closed());
}

TEST_CASE("serve: an object whose length nobody knows is sent in chunks, and is whole once it has ended") {
  Scene scene;
  scene.serve_live();
  auto client = scene.client();
  const auto response = client.get("/live");
  CHECK(response.status == 200);
  CHECK(response.whole);
  CHECK(response.body == "hello world");
}

TEST_CASE("serve: what is fresh is not asked for, and what is not is asked whether it is still the same") {
  Scene scene;
  const auto object = scene.object({.size = 1000, .lines = {"Cache-Control: max-age=1000", "Age: 10"}});
  auto client = scene.client();
  CHECK(client.get("/a").field("cache-status").starts_with("strandline; fwd=uri-miss; "));
  object->change({.size = 2000, .version = 2});
  const auto second = client.get("/a");
  CHECK(second.body == text(1, {0, 1000}));
  CHECK(second.field("cache-status").starts_with("strandline; hit; ttl="));
  CHECK(second.field("cache-control") == "max-age=1000");
  CHECK(std::stoi(second.field("age")) >= 10);
  CHECK(client.get("/a", "Cache-Control: no-cache\r\n").body == text(2, {0, 2000}));
}

TEST_CASE("serve: what may be stale for a while is served at once, and asked for behind it") {
  Scene scene;
  const auto object = scene.object({.size = 1000, .lines = {"Cache-Control: max-age=0, stale-while-revalidate=1000"}});
  auto client = scene.client();
  CHECK(client.get("/a").body == text(1, {0, 1000}));
  object->change({.size = 2000, .version = 2});
  CHECK(client.get("/a").body == text(1, {0, 1000}));
  CHECK(eventually([&] { return client.get("/a").body == text(2, {0, 2000}); }));
}

TEST_CASE("serve: what was there is served while its origin fails, unless that is forbidden") {
  Scene scene;
  scene.object({.size = 1000});
  auto client = scene.client();
  CHECK(client.get("/a").status == 200);
  scene.origin.on("/a", [](HttpExchange& exchange) { exchange.answer(503, "later"); });
  const auto stale = client.get("/a");
  CHECK(stale.status == 200);
  CHECK(stale.body == text(1, {0, 1000}));
  scene.object({.size = 1000, .lines = {"Cache-Control: no-cache"}});
  CHECK(client.get("/a").status == 200);
  scene.origin.on("/a", [](HttpExchange& exchange) { exchange.answer(503, "later"); });
  CHECK(client.get("/a").status == 502);
  scene.origin.on("/a", [](HttpExchange& exchange) { exchange.answer(404, "gone"); });
  CHECK(client.get("/a").status == 404);
  CHECK(client.get("/a", "Cache-Control: only-if-cached\r\n").status == 504);
}

TEST_CASE("serve: an origin may take longer over its first byte than over others") {
  Scene scene;
  scene.object({.size = 1000, .latency = std::chrono::milliseconds(3500)});
  auto client = scene.client();
  CHECK(client.get("/a").body == text(1, {0, 1000}));
  CHECK(scene.origin.requests().size() == 1);
}

TEST_CASE("serve: what a client still waits for is not given up while it gets the rest") {
  serve::ServerOptions options;
  options.objects.limits.policy = fill::Policy::window;
  Scene scene(std::move(options));
  scene.object({.size = 500'000, .rate = 1'000'000});
  auto client = scene.client();
  CHECK(client.get("/a").body == text(1, {0, 500'000}));
  CHECK(scene.origin.requests().size() == 1);
}

TEST_CASE("serve: more objects at once than are opened at once") {
  Scene scene;
  const auto object = ServedObject::make({.size = 1000});
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 60; ++i) {
    const std::string path = "/" + std::to_string(i);
    scene.origin.on(path, object->script());
    clients.push_back(std::make_unique<Client>(scene.server->port()));
    clients.back()->send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  for (const auto& client : clients) {
    CHECK(client->receive().body == text(1, {0, 1000}));
  }
}

TEST_CASE("serve: with more objects than may be open, others are let go of, but none that is waited for") {
  serve::ServerOptions options;
  options.objects.most_open = 1;
  Scene scene(options);
  Gate gate;
  const auto object = ServedObject::make({.size = 1000});
  const auto script = object->script();
  scene.origin.on("/slow", [&](HttpExchange& exchange) {
    exchange.wait(gate);
    script(exchange);
  });
  scene.origin.on("/a", script);
  scene.origin.on("/b", script);
  auto slow = scene.client();
  slow.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
  auto client = scene.client();
  for (const char* path : {"/a", "/b", "/a"}) {
    CHECK(client.get(path).body == text(1, {0, 1000}));
  }
  gate.open();
  CHECK(slow.receive().body == text(1, {0, 1000}));
}

TEST_CASE("serve: an object that goes while its origin stalls, and nobody reads it") {
  Scene scene;
  scene.object({.size = 64 * kMiB, .silent_at = 2 * kMiB});
  {
    auto client = scene.client();
    client.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    CHECK(client.take_some().starts_with("HTTP/1.1 200 OK"));
  }
  REQUIRE(eventually([&] { return scene.server->connections() == 0; }));
  scene.origin.on("/a", [](HttpExchange& exchange) { exchange.answer(404, "gone"); });
  auto client = scene.client();
  CHECK(client.get("/a").status == 404);
  CHECK(client.get("/a").status == 404);
}

TEST_CASE("RFC 9110 14.2: a part of what nobody knows the length of is answered with all of it") {
  for (const std::string range : {"0-99", "6-8", "8-", "-3", "0-0,7-8", "100000-100009"}) {
    CAPTURE(range);
    Scene scene;
    Gate end;
    scene.serve_live(&end);
    auto client = scene.client();
    client.send("GET /live HTTP/1.1\r\nHost: localhost\r\nRange: bytes=" + range + "\r\n\r\n");
    REQUIRE(client.hears());
    end.open();
    const auto all = client.receive();
    CHECK(all.status == 200);
    CHECK(all.field("content-range").empty());
    CHECK(all.whole);
    CHECK(all.body == "hello world");
    auto another = scene.client();
    const auto then = another.get("/live", "Range: bytes=6-8\r\n");  // by now it is known
    CHECK(then.status == 206);
    CHECK(then.body == "wor");
    CHECK(another.get("/live", "Range: bytes=100000-100009\r\n").status == 416);
  }
}

TEST_CASE("serve: a fresh object that turns out to be another is asked for anew") {
  Scene scene;
  const auto object = scene.object({.size = 64 * kMiB, .lines = {"Cache-Control: max-age=1000"}, .rate = 10'000'000});
  auto client = scene.client();
  client.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
  CHECK(client.take_some().starts_with("HTTP/1.1 200 OK"));
  object->change({.size = 2000, .version = 2});
  while (!client.take_some().empty()) {
  }
  auto again = scene.client();
  CHECK(again.get("/a").body == text(2, {0, 2000}));
}

TEST_CASE("serve: a file that somebody cuts ends the answer, and nothing spins") {
  Scene scene;
  scene.object({.size = 2 * kMiB, .lines = {"Cache-Control: max-age=1000"}});
  auto client = scene.client();
  REQUIRE(client.get("/a").whole);
  for (const auto& found :
       std::filesystem::recursive_directory_iterator(scene.directory.path() / "store" / "entries")) {
    if (found.path().extension() == ".data") {
      std::filesystem::resize_file(found.path(), kMiB);
    }
  }
  const auto cut = client.get("/a");
  CHECK_FALSE(cut.whole);
  CHECK(cut.body.size() <= kMiB);
  CHECK(cut.body == text(1, {0, cut.body.size()}));
}
