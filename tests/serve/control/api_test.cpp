// What the server tells of itself, and lets be done to it, under "/-/api/" and "/-/metrics".
#include <tests/serve/scene.h>

#include <nlohmann/json.hpp>

using namespace strandline;
using namespace strandline::testing;
using nlohmann::json;

namespace {

Response post(const Scene& scene, const std::string& target, const json& body) {
  auto client = scene.client();
  const std::string text = body.dump();
  return client.ask("POST", target,
                    "Content-Type: application/json\r\nContent-Length: " + std::to_string(text.size()) +
                        "\r\nConnection: close\r\n\r\n" + text);
}

json get(const Scene& scene, const std::string& target) {
  auto client = scene.client();
  const auto response = client.get(target);
  CHECK(response.field("content-type") == "application/json");
  return json::parse(response.body);
}

// The next event of a stream: its data.
class EventReader {
 public:
  explicit EventReader(Client& client) : client_(client) {}
  json next() {
    for (;;) {
      if (const auto end = text_.find("\n\n"); end != std::string::npos) {
        const std::string event = text_.substr(0, end);
        text_.erase(0, end + 2);
        if (const auto data = event.find("data: "); data != std::string::npos) {
          CHECK(event.find("event: state\n") != std::string::npos);
          return json::parse(event.substr(data + 6));
        }
      }
      text_ += client_.take_some();
    }
  }

 private:
  Client& client_;
  std::string text_;
};

}  // namespace

TEST_CASE("api: an object as it is") {
  Scene scene;
  scene.object({.size = 100'000});
  auto client = scene.client();
  REQUIRE(client.get("/a", "Range: bytes=0-9999\r\n").status == 206);
  REQUIRE(client.get("/a").whole);
  const json listed = get(scene, "/-/api/objects?cells=10");
  REQUIRE(listed["objects"].size() == 1);
  const json& object = listed["objects"][0];
  CHECK(object["url"] == "/a");
  CHECK(object["length"] == 100'000);
  CHECK(object["present"] == 100'000);
  CHECK(object["state"] == "whole");
  CHECK(object["strip"] == "##########");
  CHECK(object["validator"] == "\"v1\"");
  CHECK(object["readers"].empty());
  const json found = get(scene, "/-/api/objects/" + object["id"].get<std::string>() + "?cells=2&from=10&to=20");
  CHECK(found["ranges"] == json::array({{0, 100'000}}));
  CHECK(found["strip"] == "##");
  CHECK(found["block_bytes"] == 4096);
  CHECK(get(scene, "/-/api/objects?prefix=/b")["objects"].empty());
  CHECK(client.get("/-/api/objects/0000000000000000").status == 404);
  CHECK(client.get("/-/api/objects?cells=0").status == 400);
  CHECK(client.get("/-/api/objects?prefix=x").status == 400);
}

TEST_CASE("api: an object that is not open, by an id that has been told, or was by another process") {
  Scene scene;
  scene.object({.size = 1000});
  REQUIRE(scene.client().get("/a").whole);
  scene.restart();
  const std::string id = get(scene, "/-/api/objects")["objects"][0]["id"];
  CHECK(get(scene, "/-/api/objects/" + id)["present"] == 1000);
  scene.restart();
  CHECK(get(scene, "/-/api/objects/" + id)["present"] == 1000);
  CHECK(scene.client().get("/-/api/objects/0123456789abcdef").status == 404);
}

TEST_CASE("api: queries of URLs are told to nobody, for credentials may be in them") {
  Scene scene;
  scene.object({.size = 100});
  auto client = scene.client();
  REQUIRE(client.get("/a?key=secret").status == 200);
  const json listed = get(scene, "/-/api/objects");
  REQUIRE(listed["objects"].size() == 1);
  CHECK(listed["objects"][0]["url"] == "/a");
  CHECK(listed.dump().find("secret") == std::string::npos);
}

TEST_CASE("api: a purge takes what nobody reads, and it is fetched anew") {
  Scene scene;
  const auto object = scene.object({.size = 100'000, .lines = {"Cache-Control: max-age=1000"}});
  auto client = scene.client();
  json asked;
  SUBCASE("by its path") {
    asked = {{"url", "/a"}};
  }
  SUBCASE("by what its path begins with") {
    asked = {{"prefix", "/"}};
  }
  SUBCASE("all") {
    asked = {{"all", true}};
  }
  REQUIRE(client.get("/a").whole);
  CHECK(eventually([&] {
    const auto purged = json::parse(post(scene, "/-/api/purge", asked).body);
    CHECK(purged["purged"].get<int>() + purged["in_use"].get<int>() <= 1);
    return purged["purged"] == 1;
  }));
  CHECK(json::parse(post(scene, "/-/api/purge", asked).body) == json{{"purged", 0}, {"in_use", 0}});
  CHECK(client.get("/a").body == text(1, {0, 100'000}));
  CHECK(object->sent_bytes() == 200'000);
}

TEST_CASE("api: a purge that cannot remove something removes the others, and says how many") {
  Scene scene;
  for (const char* path : {"/a", "/b", "/c"}) {
    scene.origin.on(path, ServedObject::make({.size = 1000})->script());
    REQUIRE(scene.client().get(path).whole);
  }
  scene.restart();
  {
    auto store = scene.store();
    const auto lease = required(store.peek(scene.origin.url("/b")));
    const std::string name = lease.entry().name();
    const auto journal = scene.directory.path() / "store" / "entries" / name.substr(0, 2) / (name + ".journal");
    REQUIRE(std::filesystem::remove(journal));
    REQUIRE(std::filesystem::create_directory(journal));
  }
  const auto answer = post(scene, "/-/api/purge", {{"all", true}});
  CHECK(answer.status == 500);
  const auto done = json::parse(answer.body);
  CHECK(done["purged"] == 2);
  CHECK(done["in_use"] == 0);
  CHECK(done["failed"] == 1);
  CHECK(done["error"].get<std::string>().starts_with("purged 2, in use 0, failed 1: "));
  CHECK(post(scene, "/-/api/purge", {{"url", "/b"}}).status == 500);
  CHECK(get(scene, "/-/api/objects")["objects"].empty());
}

TEST_CASE("api: what is being read is not purged") {
  Scene scene;
  scene.object({.size = 64 * kMiB, .rate = 5'000'000});
  auto client = scene.client();
  client.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
  REQUIRE(client.take_some().starts_with("HTTP/1.1 200 OK"));
  CHECK(json::parse(post(scene, "/-/api/purge", {{"all", true}}).body) == json{{"purged", 0}, {"in_use", 1}});
  CHECK_FALSE(client.take_some().empty());
}

TEST_CASE("api: what is prefetched is there when it is asked for") {
  Scene scene;
  scene.object({.size = 8 * kMiB, .lines = {"Cache-Control: max-age=1000"}});
  const auto taken = post(scene, "/-/api/prefetch", {{"url", "/a"}, {"range", {kMiB, 2 * kMiB}}});
  CHECK(taken.status == 202);
  const std::string id = json::parse(taken.body)["id"];
  const auto is_there = [&](std::uint64_t end) {
    const json found = get(scene, "/-/api/objects/" + id);
    const auto& ranges = found["ranges"];
    return std::any_of(ranges.begin(), ranges.end(), [&](const json& each) {
      return each[0].get<std::uint64_t>() <= kMiB && each[1].get<std::uint64_t>() >= end;
    });
  };
  CHECK(eventually([&] { return is_there(2 * kMiB); }));
  CHECK(post(scene, "/-/api/prefetch", {{"url", "/a"}}).status == 202);
  CHECK(eventually([&] { return get(scene, "/-/api/objects/" + id)["state"] == "whole"; }));
  auto client = scene.client();
  const auto got = client.get("/a");
  CHECK(got.body == text(1, {0, 8 * kMiB}));
  CHECK(got.field("cache-status").find("fwd=") == std::string::npos);
}

TEST_CASE("api: what is prefetched may have an open end") {
  Scene scene;
  const auto object = scene.object({.size = 3 * kMiB});
  const auto taken = post(scene, "/-/api/prefetch", {{"url", "/a"}, {"range", {2 * kMiB, nullptr}}});
  REQUIRE(taken.status == 202);
  CHECK(eventually([&] { return object->sent_bytes() >= kMiB; }));
}

TEST_CASE("api: a prefetch that fails says why") {
  Scene scene;
  const auto taken = post(scene, "/-/api/prefetch", {{"url", "/none"}});
  REQUIRE(taken.status == 202);
  const std::string id = json::parse(taken.body)["id"];
  CHECK(eventually([&] { return get(scene, "/-/api/objects/" + id)["state"] == "failed"; }));
  CHECK(get(scene, "/-/api/objects/" + id)["error"].get<std::string>().find("not_found") != std::string::npos);
}

TEST_CASE("api: of what stands in for an origin that fails, what is missing is not prefetched") {
  Scene scene;
  scene.object({.size = 64 * kMiB, .rate = 20'000'000});
  CHECK(scene.client().get("/a", "Range: bytes=0-9\r\n").status == 206);
  scene.origin.on("/a", [](HttpExchange& exchange) { exchange.answer(500, "no"); });
  const std::string id = json::parse(post(scene, "/-/api/prefetch", {{"url", "/a"}}).body)["id"];
  CHECK(
      eventually([&] { return get(scene, "/-/api/objects/" + id)["error"].dump().find("500") != std::string::npos; }));
}

TEST_CASE("api: why something failed names no query") {
  Scene scene;
  scene.origin.on("/a", [](HttpExchange& exchange) { exchange.answer(500); });
  const std::string id = json::parse(post(scene, "/-/api/prefetch", {{"url", "/a?x=hunter2&hunter2"}}).body)["id"];
  const std::string path = "/-/api/objects/" + id;
  CHECK(eventually([&] { return get(scene, path)["state"] == "failed"; }));
  CHECK(get(scene, path)["error"] == "io: " + scene.origin.url("/a") + ": HTTP status 500");
}

TEST_CASE("api: a prefetch of what is behind the end says where that is") {
  Scene scene;
  scene.object({.size = 1000});
  const auto prefetched = [&](const json& range) {
    const std::string id = json::parse(post(scene, "/-/api/prefetch", {{"url", "/a"}, {"range", range}}).body)["id"];
    return "/-/api/objects/" + id;
  };
  const std::string behind = prefetched({1000, 2000});
  CHECK(eventually([&] { return get(scene, behind).value("error", "") == "it ends at 1000"; }));
  const std::string last = prefetched({999, 2000});
  CHECK(eventually([&] { return get(scene, last)["present"] > 0; }));
  CHECK(get(scene, last).value("error", "").empty());
}

TEST_CASE("api: what is one client's is not prefetched") {
  Scene scene;
  scene.object({.size = 100, .lines = {"Cache-Control: private"}});
  const std::string id = json::parse(post(scene, "/-/api/prefetch", {{"url", "/a"}}).body)["id"];
  CHECK(eventually([&] { return get(scene, "/-/api/objects/" + id)["state"] == "failed"; }));
}

TEST_CASE("api: a server ends though it prefetches what does not come") {
  Scene scene;
  scene.object({.size = 64 * kMiB, .rate = 1000});
  for (int i = 0; i < 30; ++i) {
    CHECK(post(scene, "/-/api/prefetch", {{"url", "/a"}}).status == 202);
  }
}

TEST_CASE("api: bodies that are not what is wanted") {
  Scene scene;
  const char* const bodies[] = {"", "{", "[]", "1", R"({"url": 1})", R"({"url": "a"})", R"({"url": "/a/../b"})", "{}"};
  for (const char* const body : bodies) {
    for (const char* const target : {"/-/api/purge", "/-/api/prefetch"}) {
      CAPTURE(body);
      auto client = scene.client();
      client.send("POST " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
                  "Content-Length: " + std::to_string(std::string_view(body).size()) + "\r\n\r\n" + body);
      CHECK(client.receive().status == 400);
    }
  }
  CHECK(post(scene, "/-/api/purge", {{"url", "/a"}, {"all", true}}).status == 400);
  CHECK(post(scene, "/-/api/purge", {{"all", false}}).status == 400);
  CHECK(post(scene, "/-/api/prefetch", {{"url", "/a"}, {"range", {2, 1}}}).status == 400);
  CHECK(post(scene, "/-/api/prefetch", {{"url", "/a"}, {"range", {1, -1}}}).status == 400);
  CHECK(post(scene, "/-/api/prefetch", {{"url", "/a"}, {"range", {nullptr, 1}}}).status == 400);
  CHECK(post(scene, "/-/api/prefetch", {{"url", "/"}}).status == 404);
}

TEST_CASE("api: what is wrong with a path is said") {
  Scene scene;
  const std::pair<std::string, std::string> cases[] = {{"/f/../x", "a path with a segment . or .."},
                                                       {"n", "it does not begin with '/'"},
                                                       {"/f/\xc3\xbc.txt", "a path with a character that no path has"}};
  for (const auto& one : cases) {
    const std::string& path = one.first;
    const std::string& why = one.second;
    for (const json& asked : {json{{"url", path}}, json{{"prefix", path}}}) {
      CAPTURE(asked.dump());
      const auto refused = post(scene, "/-/api/purge", asked);
      CHECK(refused.status == 400);
      const std::string said = json::parse(refused.body)["error"];
      CHECK(said.starts_with("not a path of this server: " + why));
    }
    CHECK(json::parse(post(scene, "/-/api/prefetch", {{"url", path}}).body)["error"].get<std::string>().find(why) !=
          std::string::npos);
  }
  const auto why_not = [&](const std::string& target, const json& asked) {
    return json::parse(post(scene, target, asked).body)["error"].get<std::string>();
  };
  CHECK(why_not("/-/api/purge", {{"prefix", "/a?b"}}) == "a prefix has no query");
  CHECK(why_not("/-/api/purge", {{"url", 1}}).starts_with("wanted: "));
  CHECK(why_not("/-/api/prefetch", {{"url", "/a"}, {"range", {2, 1}}}).starts_with("a range of no bytes"));
  CHECK(get(scene, "/-/api/objects?prefix=x")["error"] ==
        "prefix: not a path of this server: it does not begin with '/'");
  CHECK(get(scene, "/-/api/objects?cells=0")["error"] == "cells: 1 to 4096");
}

TEST_CASE("api: states, as they come") {
  Scene scene;
  scene.object({.size = 64 * kMiB, .rate = 5'000'000});
  auto listening = scene.client();
  listening.send("GET /-/api/events?cells=8 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const std::string head = listening.take_some();
  CHECK(head.starts_with("HTTP/1.1 200"));
  CHECK(head.find("Content-Type: text/event-stream\r\n") != std::string::npos);
  EventReader events(listening);
  auto client = scene.client();
  client.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
  REQUIRE(client.take_some().starts_with("HTTP/1.1 200 OK"));
  for (bool seen = false; !seen;) {
    const json state = events.next();
    seen = !state["objects"].empty() && !state["objects"][0]["readers"].empty();
    if (seen) {
      const json& object = state["objects"][0];
      CHECK(object["strip"].get<std::string>().size() == 8);
      CHECK(object["readers"][0]["client"].get<std::string>().starts_with("127.0.0.1:"));
      CHECK(object["readers"][0]["range"] == json::array({0, 64 * kMiB}));
      CHECK(state["connections"] >= 2);
    }
  }
}

TEST_CASE("api: events of strips that cannot be drawn are refused") {
  Scene scene;
  for (const char* const query : {"cells=0", "cells=4097", "cells=x", "cells=-1", "cells="}) {
    CAPTURE(std::string(query));
    CHECK(get(scene, "/-/api/events?" + std::string(query))["error"] == "cells: 1 to 4096");
    CHECK(scene.client().ask("HEAD", "/-/api/events?" + std::string(query)).status == 400);
    CHECK(scene.client().get("/-/api/objects?" + std::string(query)).status == 400);
  }
  CHECK(scene.client().ask("HEAD", "/-/api/events").field("content-type") == "text/event-stream");
}

TEST_CASE("api: events are told to a few, and end with the server") {
  Scene scene;
  std::vector<std::unique_ptr<Client>> listening;
  for (int i = 0; i < 64; ++i) {
    listening.push_back(std::make_unique<Client>(scene.server->port()));
    listening.back()->send("GET /-/api/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    CHECK(listening.back()->take_some().starts_with("HTTP/1.1 200"));
  }
  auto client = scene.client();
  CHECK(client.get("/-/api/events").status == 503);
  scene.server->stop(std::chrono::seconds(60));  // which they do not take
  while (!listening.front()->take_some().empty()) {
  }
}

TEST_CASE("api: who listens has to ask again once other rules are in force") {
  Scene scene;
  auto listening = scene.client();
  listening.send("GET /-/api/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  CHECK(listening.take_some().starts_with("HTTP/1.1 200"));
  serve::ServerOptions options;
  options.access.tokens = required(serve::parse_tokens("ann 0123456789abcdef", "t"));
  REQUIRE(scene.server->reload(options));
  auto client = scene.client();
  CHECK(client.get("/-/api/events").status == 401);
  while (!listening.take_some().empty()) {
  }
}

TEST_CASE("metrics: what was served") {
  Scene scene;
  scene.object({.size = 100'000});
  auto client = scene.client();
  REQUIRE(client.get("/a").whole);
  REQUIRE(client.get("/a").whole);
  REQUIRE(client.get("/none").status == 404);
  CHECK(client.get("/-/metrics").field("content-type") == "text/plain; version=0.0.4; charset=utf-8");
  for (const std::string line :
       {"strandline_requests_total{status=\"200\"} 2\n", "strandline_requests_total{status=\"404\"} 1\n",
        "strandline_hit_bytes_total 100000\n", "strandline_miss_bytes_total 100000\n",
        "strandline_origin_bytes_total 100000\n", "strandline_connections 1\n",
        "strandline_origin_first_byte_seconds_bucket{le=\"+Inf\"} 1\n", "strandline_wait_seconds_bucket{le=\"30\"} "}) {
    CAPTURE(line);
    // What came from an origin is counted by another thread.
    CHECK(eventually([&] { return client.get("/-/metrics").body.find("\n" + line) != std::string::npos; }));
  }
}

TEST_CASE("metrics: what was passed on to one client, and what of it was broken off") {
  Scene scene;
  const auto object = scene.object({.size = 3 * kMiB, .lines = {"Cache-Control: private"}});
  REQUIRE(scene.client().get("/a").whole);
  scene.origin.on("/short", [](HttpExchange& exchange) {
    exchange.head(200, {"Cache-Control: no-store", "Content-Length: 10"});
    exchange.send("hello");
    exchange.close();
  });
  CHECK_FALSE(scene.client().get("/short").whole);
  const std::string told = scene.client().get("/-/metrics").body;
  CAPTURE(told);
  CHECK(told.find("strandline_passed_bytes_total " + std::to_string(3 * kMiB + 5) + "\n") != std::string::npos);
  CHECK(told.find("strandline_broken_answers_total 1\n") != std::string::npos);
  CHECK(told.find("strandline_miss_bytes_total 0\n") != std::string::npos);
}
