// What is fetched anew: what nobody can tell to be the same.
#include <tests/serve/scene.h>

using namespace strandline;
using namespace strandline::testing;

namespace {

// "page 1", "page 2", ... at /page, each GET another, with these fields.
class Pages {
 public:
  Pages(Scene& scene, std::vector<std::string> lines) : lines_(std::move(lines)) {
    scene.origin.on("/page", [this](HttpExchange& exchange) {
      const bool is_get = exchange.request().method == "GET";
      exchange.answer(200, "page " + std::to_string(is_get ? ++gets_ : gets_.load()), lines_);
    });
  }
  [[nodiscard]] int gets() const { return gets_; }

 private:
  const std::vector<std::string> lines_;
  std::atomic<int> gets_{0};
};

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
  Scene scene;
  std::atomic<int> gets{0};
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
