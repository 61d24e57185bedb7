// What a server knows of objects that another process has brought: what the store has noted with them.
#include <strandline/serve/objects/notes/said.h>
#include <tests/serve/scene.h>

#include <filesystem>

using namespace strandline;
using namespace strandline::testing;
using serve::Said;
using std::chrono::seconds;

namespace {

constexpr std::uint64_t kSize = 300'000;

ObjectSettings film(std::vector<std::string> lines) {
  lines.emplace_back("Content-Type: video/mp4");
  return {.size = kSize, .last_modified = "Tue, 15 Nov 1994 12:45:26 GMT", .lines = std::move(lines)};
}

// All of it, in the store and noted there once the server has ended.
void fetch(Scene& scene) {
  auto client = scene.client();
  CHECK(client.get("/a").body == text(1, {0, kSize}));
  CHECK(eventually([&] {
    auto store = scene.store();
    return required(store.peek(scene.origin.url("/a"))).resource().status().state == State::committed;
  }));
}

// While no server runs: has the note say something else.
void note(Scene& scene, const std::function<void(Said&)>& change) {
  scene.server.reset();
  auto store = scene.store();
  const auto lease = required(store.peek(scene.origin.url("/a")));
  auto said = serve::said_in(required(lease.note()));
  REQUIRE(said);
  change(*said);
  const std::string changed = serve::note_of(*said).value();
  REQUIRE(lease.set_note(std::as_bytes(std::span(changed))));
}
void came(Said& said, seconds ago) {
  said.asked = said.answered = serve::wall_clock() - ago;
  said.info.caching.date = "";
}

std::string noted(Scene& scene) {
  auto store = scene.store();
  const auto note = required(required(store.peek(scene.origin.url("/a"))).note());
  return {reinterpret_cast<const char*>(note.data()), note.size()};
}

serve::ServerOptions offline() {
  serve::ServerOptions options;
  options.objects.offline = true;
  options.objects.stale_if_error = serve::http::kForever;
  return options;
}

}  // namespace

TEST_CASE("restart: what is fresh is served unasked, as its origin has described it") {
  Scene scene;
  scene.object(film({"Cache-Control: max-age=1000", "Age: 10"}));
  fetch(scene);
  scene.restart();
  const auto asked = scene.origin.requests().size();
  auto client = scene.client();
  const auto whole = client.get("/a");
  CHECK(whole.body == text(1, {0, kSize}));
  CHECK(whole.field("etag") == "\"v1\"");
  CHECK(whole.field("content-type") == "video/mp4");
  CHECK(whole.field("last-modified") == "Tue, 15 Nov 1994 12:45:26 GMT");
  CHECK(whole.field("cache-control") == "max-age=1000");
  CHECK(std::stoi(whole.field("age")) >= 10);
  CHECK(whole.field("cache-status").starts_with("strandline; hit; ttl="));
  scene.restart();
  auto next = scene.client();
  CHECK(next.get("/a", "If-None-Match: \"v1\"\r\n").status == 304);
  scene.restart();
  auto last = scene.client();
  CHECK(last.ask("HEAD", "/a").field("content-type") == "video/mp4");
  CHECK(last.get("/a", "Range: bytes=7-9\r\n").body == text(1, {7, 10}));
  CHECK(scene.origin.requests().size() == asked);
}

TEST_CASE("restart: how old it is, the wall clock says, and what is stale is asked for, not fetched") {
  Scene scene;
  const auto object = scene.object(film({"Cache-Control: max-age=1000"}));
  fetch(scene);
  note(scene, [](Said& said) { came(said, seconds(600)); });
  scene.restart();
  auto asked = scene.origin.requests().size();
  {
    auto client = scene.client();
    CHECK(std::stoi(client.get("/a").field("age")) >= 600);
    CHECK(scene.origin.requests().size() == asked);
  }
  note(scene, [](Said& said) { came(said, seconds(1600)); });
  scene.restart();
  auto client = scene.client();
  const auto again = client.get("/a");
  CHECK(again.body == text(1, {0, kSize}));
  CHECK(std::stoi(again.field("age")) < 600);
  CHECK(scene.origin.requests().size() == asked + 1);
  CHECK(object->sent_bytes() == kSize);
  // What was said last is what the next process goes by.
  scene.restart();
  auto next = scene.client();
  CHECK(next.get("/a").status == 200);
  CHECK(scene.origin.requests().size() == asked + 1);
  // And another version is another version.
  auto settings = film({});
  settings.version = 2;
  object->change(settings);
  note(scene, [](Said& said) { came(said, seconds(1600)); });
  scene.restart();
  auto other = scene.client();
  CHECK(other.get("/a").body == text(2, {0, kSize}));
}

TEST_CASE("F58, restart: what is whole stands in while its origin fails, unless that is forbidden") {
  Scene scene;
  scene.object(film({"Cache-Control: max-age=0"}));
  fetch(scene);
  scene.origin.on("/a", [](HttpExchange& exchange) { exchange.answer(503, "later"); });
  scene.restart();
  {
    auto client = scene.client();
    const auto stale = client.get("/a");
    CHECK(stale.body == text(1, {0, kSize}));
    CHECK(stale.field("content-type") == "video/mp4");
  }
  note(scene, [](Said& said) { came(said, seconds(2 * 86'400)); });
  scene.restart();
  CHECK(scene.client().get("/a").status >= 500);
  note(scene, [](Said& said) {
    came(said, seconds(1));
    said.info.caching.cache_control = "no-cache";
  });
  scene.restart();
  CHECK(scene.client().get("/a").status >= 500);
}

TEST_CASE("F41, restart: by the clock it came in the future: nobody knows how old it is, and the origin is asked") {
  Scene scene;
  scene.object(film({"Cache-Control: max-age=1000"}));
  fetch(scene);
  note(scene, [](Said& said) { came(said, -seconds(86'400)); });
  const auto asked = scene.origin.requests().size();
  scene.restart();
  CHECK(scene.client().get("/a").body == text(1, {0, kSize}));
  CHECK(scene.origin.requests().size() == asked + 1);
  scene.server.reset();
  const std::string now = noted(scene);  // which is put right
  CHECK(serve::said_in(std::as_bytes(std::span(now)))->answered <= serve::wall_clock());
}

TEST_CASE("F65, restart: what was for all and is one client's by now is not served from what was noted") {
  Scene scene;
  const auto object = scene.object(film({"Cache-Control: max-age=1000", "Vary: Accept"}));
  fetch(scene);
  object->change(film({"Cache-Control: private, max-age=1000", "Set-Cookie: session=hunter2"}));
  CHECK(scene.client().get("/a", "Cache-Control: no-cache\r\n").field("cache-status") == "strandline; fwd=bypass");
  scene.server.reset();
  CHECK(noted(scene) == serve::kTakenBack);
  scene.restart();
  CHECK(scene.client().get("/a").field("cache-status") == "strandline; fwd=bypass");
  scene.server.reset();
  for (const auto& file : std::filesystem::recursive_directory_iterator(scene.directory.path() / "store")) {
    if (file.is_regular_file()) {
      CHECK(text_of(file.path()).find("hunter2") == std::string::npos);
    }
  }
}

TEST_CASE("restart: what has gone is not served from what was noted") {
  Scene scene;
  scene.object(film({"Cache-Control: max-age=1000"}));
  fetch(scene);
  scene.origin.on("/a", [](HttpExchange& exchange) { exchange.answer(404, "gone"); });
  CHECK(scene.client().get("/a", "Cache-Control: no-cache\r\n").status == 404);
  scene.restart();
  CHECK(scene.client().get("/a").status == 404);
}

TEST_CASE("F33, restart: a note that is none is as if there were no note") {
  Scene scene;
  scene.object(film({"Cache-Control: max-age=1000"}));
  fetch(scene);
  for (const std::string words : {"", "another program's", "strandline serve 1\nasked: 1\n"}) {
    scene.server.reset();
    {
      auto store = scene.store();
      REQUIRE(required(store.peek(scene.origin.url("/a"))).set_note(std::as_bytes(std::span(words))));
    }
    const auto asked = scene.origin.requests().size();
    scene.restart();
    CHECK(scene.client().get("/a").body == text(1, {0, kSize}));
    CHECK(scene.origin.requests().size() == asked + 1);
  }
}

TEST_CASE("restart: rules are those of the server that runs") {
  Scene scene;
  scene.object(film({"Cache-Control: max-age=1000"}));
  fetch(scene);
  serve::ServerOptions options;
  options.rules = {std::make_shared<const serve::Rule>(
      serve::Rule{.path = required(serve::PathPattern::parse("/a")), .freshness = {.no_store = true}})};
  scene.restart(options);
  CHECK(scene.client().get("/a").field("cache-status") == "strandline; fwd=bypass");
}

TEST_CASE("restart: offline, with the type and the times that the origin told") {
  Scene scene;
  scene.object(film({"Cache-Control: max-age=1"}));
  fetch(scene);
  note(scene, [](Said& said) { came(said, seconds(30 * 86'400)); });
  scene.restart(offline());
  const auto asked = scene.origin.requests().size();
  {
    auto client = scene.client();
    for (int turn = 0; turn < 2; ++turn) {
      const auto response = client.get("/a");
      CHECK(response.body == text(1, {0, kSize}));
      CHECK(response.field("content-type") == "video/mp4");
      CHECK(response.field("last-modified") == "Tue, 15 Nov 1994 12:45:26 GMT");
      CHECK(std::stoi(response.field("age")) >= 30 * 86'400);
    }
  }
  note(scene, [](Said& said) { said.info.caching.cache_control = "must-revalidate"; });
  scene.restart(offline());
  CHECK(scene.client().get("/a").status == 504);
  CHECK(scene.origin.requests().size() == asked);
}

TEST_CASE("restart: offline, of what is not whole the ranges that are here, and nothing that would break off") {
  Scene scene;
  serve::ServerOptions options;
  options.objects.limits = {.policy = fill::Policy::demand_only};
  scene.restart(options);
  auto settings = film({"Cache-Control: max-age=1"});
  settings.size = 4 * kMiB;
  scene.object(settings);
  CHECK(scene.client().get("/a", "Range: bytes=0-99999\r\n").body == text(1, {0, 100'000}));
  note(scene, [](Said& said) { came(said, seconds(30 * 86'400)); });
  auto stopped = offline();
  stopped.objects.limits = options.objects.limits;
  scene.restart(stopped);
  const auto asked = scene.origin.requests().size();
  for (int turn = 0; turn < 2; ++turn) {
    CHECK(scene.client().get("/a", "Range: bytes=1000-1999\r\n").body == text(1, {1000, 2000}));
    CHECK(scene.client().get("/a", "Range: bytes=99999-100000\r\n").status == 504);
    CHECK(scene.client().get("/a").status == 504);
    CHECK(scene.client().get("/a", "Range: bytes=0-0,3000000-3000001\r\n").status == 504);
    CHECK(scene.client().ask("HEAD", "/a").field("content-length") == std::to_string(4 * kMiB));
    CHECK(scene.client().get("/a", "Range: bytes=5000000-\r\n").status == 416);
  }
  CHECK(scene.origin.requests().size() == asked);
}

TEST_CASE("F49, restart: of what is fresh and not whole the rest is fetched, of the same version or none") {
  Scene scene;
  serve::ServerOptions options;
  options.objects.limits = {.policy = fill::Policy::window, .min_subrange = kMiB, .max_subrange = kMiB};
  scene.restart(options);
  auto settings = film({"Cache-Control: max-age=1000"});
  settings.size = 64 * kMiB;
  const auto object = scene.object(settings);
  CHECK(scene.client().get("/a", "Range: bytes=0-999\r\n").body == text(1, {0, 1000}));
  scene.restart(options);
  const auto asked = scene.origin.requests().size();
  {
    auto client = scene.client();
    CHECK(client.get("/a", "Range: bytes=0-999\r\n").body == text(1, {0, 1000}));
    CHECK(scene.origin.requests().size() == asked);
    CHECK(client.get("/a", "Range: bytes=40000000-40000999\r\n").body == text(1, {40'000'000, 40'001'000}));
  }
  scene.restart(options);
  settings.version = 2;
  object->change(settings);
  auto client = scene.client();
  CHECK_FALSE(client.get("/a", "Range: bytes=50000000-50000999\r\n").body == text(1, {50'000'000, 50'001'000}));
  CHECK(eventually([&] {
    return scene.client().get("/a", "Range: bytes=50000000-50000999\r\n").body == text(2, {50'000'000, 50'001'000});
  }));
}

TEST_CASE("restart: what has no versions is not noted, and fetched anew") {
  Scene scene;
  const auto object = scene.object({.size = kSize, .etag = "", .lines = {"Cache-Control: max-age=1000"}});
  fetch(scene);
  scene.server.reset();
  CHECK(noted(scene).empty());
  object->change({.size = kSize, .version = 2, .etag = ""});
  scene.restart();
  CHECK(scene.client().get("/a").body == text(2, {0, kSize}));
}

TEST_CASE("notes: not one for each request") {
  Scene scene;
  scene.object(film({"Cache-Control: max-age=0"}));
  fetch(scene);
  const auto journal = [&] {
    for (const auto& file : std::filesystem::recursive_directory_iterator(scene.directory.path() / "store")) {
      if (file.path().extension() == ".journal") {
        return file.file_size();
      }
    }
    return std::uintmax_t{0};
  };
  scene.restart();
  scene.server.reset();
  const auto before = journal();
  scene.restart();
  {
    auto client = scene.client();
    for (int turn = 0; turn < 50; ++turn) {
      REQUIRE(client.get("/a", "Range: bytes=0-9\r\n").status == 206);
    }
  }
  scene.server.reset();
  // At most what changes once a minute, however slow this machine is.
  CHECK(journal() - before < 10 * serve::note_of(Said{}).value().size());
}

TEST_CASE("restart: an end in the midst of a question takes nothing away that was noted") {
  const Gate gate;
  Scene scene;
  scene.object(film({"Cache-Control: max-age=0"}));
  fetch(scene);
  const auto before = scene.origin.requests().size();
  scene.origin.on("/a", [&](HttpExchange& exchange) { static_cast<void>(exchange.wait(gate)); });
  auto client = scene.client();
  client.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
  REQUIRE(eventually([&] { return scene.origin.requests().size() > before; }));
  scene.server.reset();
  CHECK(noted(scene) != "");
}

TEST_CASE("restart: what is one client's by now is taken from a note that nobody went by, too") {
  Scene scene;
  scene.object(film({"Cache-Control: max-age=1000"}));
  fetch(scene);
  note(scene, [](Said& said) { came(said, seconds(-5000)); });  // as a clock that was set back makes it
  scene.object(film({"Cache-Control: private"}));
  scene.restart();
  CHECK(scene.client().get("/a").body == text(1, {0, kSize}));
  scene.server.reset();
  CHECK(noted(scene) == serve::kTakenBack);
}
