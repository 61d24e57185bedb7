// How a server ends: what has just begun, what is idle, what waits.
#include <tests/serve/scene.h>

using namespace strandline;
using namespace strandline::testing;
using std::chrono::minutes;
using std::chrono::steady_clock;

TEST_CASE("stop: connections that are just being made are ended, too, and none is waited for") {
  for (int turn = 0; turn < 20; ++turn) {
    Scene scene;
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 50; ++i) {
      clients.push_back(std::make_unique<Client>(scene.server->port()));
    }
    const auto since = steady_clock::now();
    scene.server->stop(minutes(10));
    CHECK(steady_clock::now() - since < minutes(1));
    CHECK(scene.server->connections() == 0);
    for (const auto& client : clients) {
      CHECK(client->closed());
    }
  }
}
