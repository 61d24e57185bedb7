// What is fetched anew: what nobody can tell to be the same, and what only a HEAD has told of.
#include <tests/serve/scene.h>

using namespace strandline;
using namespace strandline::testing;

namespace {

// "page 1", "page 2", ... at /page, each GET another, with these fields.
class Pages {
 public:
  Pages(Scene& scene, std::vector<std::string> lines) {
    scene.origin.on("/page", [gets = gets_, lines = std::move(lines)](HttpExchange& exchange) {
      const bool is_get = exchange.request().method == "GET";
      exchange.answer(200, "page " + std::to_string(is_get ? ++*gets : gets->load()), lines);
    });
  }
  [[nodiscard]] int gets() const { return *gets_; }

 private:
  const std::shared_ptr<std::atomic<int>> gets_ = std::make_shared<std::atomic<int>>(0);
};

// An object whose HEAD says another length than it has.
void serve_wrong(Scene& scene, const std::shared_ptr<ServedObject>& object, std::string length) {
  scene.origin.on("/a", [length = std::move(length), script = object->script()](HttpExchange& exchange) {
    if (exchange.request().method == "HEAD") {
      exchange.head(200, {"Content-Length: " + length, "ETag: \"v1\"", "Cache-Control: max-age=1000"});
    } else {
      script(exchange);
    }
  });
}

// Nothing is fetched that nobody waits for.
serve::ServerOptions only_what_is_wanted() {
  serve::ServerOptions options;
  options.objects.limits = {.policy = fill::Policy::demand_only};
  return options;
}

}  // namespace

TEST_CASE("RFC 9111 5.2.2.4: what has no validator is not used again where it has to be asked about") {
  Scene scene;
  for (const char* said :
       {"no-cache", "max-age=0", "max-age=0, must-revalidate", "s-maxage=0", "no-cache, max-age=9"}) {
    CAPTURE(said);
    const Pages pages(scene, {std::string("Cache-Control: ") + said});
    const int before = pages.gets();
    CHECK(scene.client().get("/page").body == "page " + std::to_string(before + 1));
    CHECK(scene.client().get("/page").body == "page " + std::to_string(before + 2));
    CHECK(scene.client().get("/page").body == "page " + std::to_string(before + 3));
  }
}

TEST_CASE("RFC 9111 5.2.1.4: nor for a client that wants it asked about") {
  Scene scene;
  std::vector<std::string> lines;
  SUBCASE("fresh") {
    lines = {"Cache-Control: max-age=1000"};
  }
  SUBCASE("nothing is said") {}
  const Pages pages(scene, lines);
  CHECK(scene.client().get("/page").body == "page 1");
  CHECK(scene.client().get("/page").field("cache-status").starts_with("strandline; hit"));
  CHECK(scene.client().get("/page", "Cache-Control: no-cache\r\n").body == "page 2");
  CHECK(scene.client().get("/page", "Cache-Control: max-age=3000\r\n").body == "page 2");
  CHECK(pages.gets() == 2);
}

TEST_CASE("what has no validator is not kept from who comes while it is fetched for another") {
  Gate half;
  std::atomic<int> gets{0};
  Scene scene;
  scene.origin.on("/page", [&](HttpExchange& exchange) {
    exchange.head(200, {"Content-Length: 10", "Cache-Control: no-cache"});
    if (exchange.request().method == "GET") {
      ++gets;
      exchange.send("hello");
      if (exchange.wait(half)) {
        exchange.send("world");
      }
    }
  });
  auto first = scene.client();
  first.send("GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n");
  REQUIRE(first.hears());
  auto second = scene.client();
  second.send("GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n");
  REQUIRE(second.hears());
  CHECK(gets == 1);
  half.open();
  CHECK(first.receive().body == "helloworld");
  CHECK(second.receive().body == "helloworld");
  CHECK(scene.client().get("/page").body == "helloworld");
  CHECK(gets == 2);
}

TEST_CASE("a length that only a HEAD has told is not believed by who wants the content") {
  for (const char* length : {"0", "10", "200000"}) {
    for (const bool restarts : {false, true}) {
      CAPTURE(length);
      CAPTURE(restarts);
      Scene scene(only_what_is_wanted());
      const auto object = ServedObject::make({.size = 100'000, .lines = {"Cache-Control: max-age=1000"}});
      serve_wrong(scene, object, length);
      CHECK(scene.client().ask("HEAD", "/a").field("content-length") == length);
      CHECK(scene.client().ask("HEAD", "/a").field("cache-status").starts_with("strandline; hit"));
      if (restarts) {
        scene.restart(only_what_is_wanted());
      }
      CHECK(scene.client().get("/a").body == text(1, {0, 100'000}));
      CHECK(scene.client().ask("HEAD", "/a").field("content-length") == "100000");
      // It is asked about, by HEAD, and fetched anew at the most.
      CHECK(scene.client().get("/a", "Cache-Control: no-cache\r\n").body == text(1, {0, 100'000}));
      CHECK(scene.client().get("/a").body == text(1, {0, 100'000}));
      CHECK(scene.client().get("/a", "Range: bytes=-10\r\n").body == text(1, {99'990, 100'000}));
    }
  }
}

TEST_CASE("a length that only a HEAD has told is not believed by who asks with a condition, or for the end") {
  for (const char* length : {"0", "10", "200000"}) {
    CAPTURE(length);
    Scene scene;
    const auto object = ServedObject::make({.size = 100'000, .lines = {"Cache-Control: max-age=1000"}});
    serve_wrong(scene, object, length);
    SUBCASE("condition") {
      CHECK(scene.client().get("/a", "If-None-Match: \"v1\"\r\n").status == 304);
      CHECK(scene.client().get("/a", "If-None-Match: \"v2\"\r\n").body == text(1, {0, 100'000}));
    }
    SUBCASE("end") {
      CHECK(scene.client().get("/a", "Range: bytes=-10\r\n").body == text(1, {99'990, 100'000}));
    }
    SUBCASE("failure") {
      CHECK(scene.client().ask("HEAD", "/a").status == 200);
      scene.origin.on("/a", [](HttpExchange& exchange) { exchange.answer(500, "no"); });
      CHECK(scene.client().get("/a").status == 502);
      CHECK(scene.client().ask("HEAD", "/a").status == 200);
    }
  }
}

TEST_CASE("a length that a HEAD has told rightly costs no more") {
  Scene scene(only_what_is_wanted());
  const auto object = scene.object({.size = 100'000, .lines = {"Cache-Control: max-age=1000"}});
  CHECK(scene.client().ask("HEAD", "/a").field("content-length") == "100000");
  CHECK(scene.client().get("/a").body == text(1, {0, 100'000}));
  CHECK(scene.client().get("/a").field("cache-status").starts_with("strandline; hit"));
  CHECK(scene.origin.requests().size() == 2);
  CHECK(object->sent_bytes() == 100'000);
}

TEST_CASE("what is empty is, and stays it without being asked for") {
  Scene scene;
  scene.object({.size = 0, .lines = {"Cache-Control: max-age=1000"}});
  CHECK(scene.client().ask("HEAD", "/a").field("content-length") == "0");
  CHECK(scene.client().get("/a").status == 200);
  const auto asked = scene.origin.requests().size();
  CHECK(scene.client().get("/a").field("cache-status").starts_with("strandline; hit"));
  CHECK(scene.client().get("/a").field("content-length") == "0");
  CHECK(scene.origin.requests().size() == asked);
}

TEST_CASE("RFC 9111 4.3.5: another length is another version, whatever the validator") {
  Scene scene;
  const auto object = scene.object({.size = 100'000, .lines = {"Cache-Control: max-age=0"}});
  CHECK(scene.client().get("/a").body == text(1, {0, 100'000}));
  object->change({.size = 105'000, .version = 2, .etag = "\"v1\"", .lines = {"Cache-Control: max-age=0"}});
  CHECK(scene.client().get("/a").body == text(2, {0, 105'000}));
  object->change({.size = 90'000, .version = 3, .etag = "\"v1\"", .lines = {"Cache-Control: max-age=0"}});
  CHECK(scene.client().ask("HEAD", "/a").field("content-length") == "90000");
  CHECK(scene.client().get("/a").body == text(3, {0, 90'000}));
}
