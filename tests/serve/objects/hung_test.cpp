// An origin that says nothing: who else is held up, and what is left when clients have gone.
#include <strandline/serve/objects/lines.h>
#include <tests/serve/scene.h>

#include <deque>

using namespace strandline;
using namespace strandline::testing;

namespace {

constexpr int kMany = 20;  // more than may ask one origin at once
constexpr std::uint64_t kFilmSize = 100'000;

ObjectSettings lasting_film() {
  return {.size = kFilmSize, .lines = {"Cache-Control: max-age=1000"}};
}

// Clients that wait for what is never answered; those that have gone are counted.
class Hung {
 public:
  explicit Hung(Scene& scene) : scene_(scene) {
    for (int i = 0; i < kMany; ++i) {
      scene.origin.on("/hang" + std::to_string(i), [counts = counts_](HttpExchange& exchange) {
        ++counts->asked;
        exchange.wait_for_close();
        ++counts->gone;
      });
    }
  }
  // On a connection each.
  void ask(const std::string& method, const std::string& lines = "") {
    for (int i = 0; i < kMany; ++i) {
      clients_.emplace_back(scene_.server->port());
      clients_.back().send(method + " /hang" + std::to_string(i) + " HTTP/1.1\r\nHost: localhost\r\n" + lines + "\r\n");
    }
  }
  void go() { clients_.clear(); }
  [[nodiscard]] int asked() const { return counts_->asked; }
  [[nodiscard]] int gone() const { return counts_->gone; }

 private:
  struct Counts {
    std::atomic<int> asked{0};
    std::atomic<int> gone{0};
  };
  Scene& scene_;
  const std::shared_ptr<Counts> counts_ = std::make_shared<Counts>();  // the scripts end with the scene
  std::deque<Client> clients_;
};

}  // namespace

TEST_CASE("lines: so many at once, the others in the order in which they came, but those that leave") {
  serve::Lines lines(2);
  std::string turns;
  const int who[] = {0, 1, 2, 3};
  REQUIRE(lines.take("a"));
  for (int i = 0; i < 4; ++i) {
    lines.stand("a", &who[i], [&turns, i] { turns += std::to_string(i); });
  }
  CHECK(turns == "0");
  CHECK_FALSE(lines.take("a"));
  CHECK(lines.take("b"));
  CHECK_FALSE(lines.leave("a", &who[0]));
  CHECK(lines.leave("a", &who[2]));
  CHECK_FALSE(lines.leave("a", &who[2]));
  CHECK_FALSE(lines.leave("c", &who[1]));
  lines.give_back("a");
  CHECK(turns == "01");
  lines.give_back("a");
  lines.give_back("a");
  CHECK(turns == "013");
  CHECK(lines.take("a"));
}

TEST_CASE("F64: an origin that does not answer for some holds nobody up for whom it need not be asked") {
  Scene scene;
  scene.object(lasting_film());
  CHECK(scene.client().get("/a").whole);
  scene.restart();
  Hung hung(scene);
  hung.ask("GET");
  REQUIRE(eventually([&] { return hung.asked() >= 16; }));
  const auto answer = scene.client().get("/a");
  CHECK(answer.body == text(1, {0, kFilmSize}));
  CHECK(answer.field("cache-status").starts_with("strandline; hit"));
  CHECK(hung.gone() == 0);  // nor has it waited for the origin's time to be over
}

TEST_CASE("F64: what nobody waits for any more is not asked, and leaves the line") {
  Scene scene;
  scene.object(lasting_film());
  Hung hung(scene);
  std::string method = "GET";
  std::string lines;
  SUBCASE("read") {}
  SUBCASE("asked about") {
    method = "HEAD";
  }
  SUBCASE("not to be kept") {
    lines = "Cache-Control: no-store\r\n";
  }
  hung.ask(method, lines);
  REQUIRE(eventually([&] { return hung.asked() >= 16; }));
  hung.go();
  CHECK(eventually([&] { return hung.gone() >= 16 && hung.gone() == hung.asked(); }));
  CHECK(scene.client().get("/a").body == text(1, {0, kFilmSize}));
  CHECK(eventually([&] { return hung.gone() == hung.asked(); }));
}

TEST_CASE("F64: what is open and asked about is not, once nobody waits, and stays what it was") {
  std::atomic<bool> asked{false};
  std::atomic<bool> gone{false};
  Scene scene;
  auto settings = lasting_film();
  settings.lines = {"Cache-Control: max-age=0"};
  const auto object = scene.object(settings);
  CHECK(scene.client().get("/a").whole);
  scene.origin.on("/a", [&](HttpExchange& exchange) {
    asked = true;
    exchange.wait_for_close();
    gone = true;
  });
  {
    auto client = scene.client();
    client.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    REQUIRE(eventually([&] { return asked.load(); }));
  }
  CHECK(eventually([&] { return gone.load(); }));
  scene.origin.on("/a", object->script());
  CHECK(scene.client().get("/a").body == text(1, {0, kFilmSize}));
  CHECK(object->sent_bytes() == kFilmSize);
}

TEST_CASE("F64: of those who wait for the same, one may go") {
  Gate gate;
  std::atomic<int> asked{0};
  Scene scene;
  const auto object = ServedObject::make(lasting_film());
  scene.origin.on("/a", [&, script = object->script()](HttpExchange& exchange) {
    ++asked;
    if (exchange.wait(gate)) {
      script(exchange);
    }
  });
  auto stays = scene.client();
  {
    auto goes = scene.client();
    goes.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    REQUIRE(eventually([&] { return asked == 1; }));
    stays.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    REQUIRE(eventually([&] { return scene.server->connections() == 2; }));
  }
  CHECK(eventually([&] { return scene.server->connections() == 1; }));
  gate.open();
  CHECK(stays.receive().body == text(1, {0, kFilmSize}));
}
