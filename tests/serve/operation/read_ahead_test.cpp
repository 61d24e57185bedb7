// What the origin is asked for beyond what clients ask for.
#include <tests/serve/scene.h>

using namespace strandline;
using namespace strandline::testing;

namespace {

// As the command serves.
serve::ServerOptions options() {
  serve::ServerOptions made;
  made.objects.limits.policy = fill::Policy::window;
  made.objects.limits.ahead_of_waits = false;
  return made;
}

std::string ask(Client& client, std::uint64_t begin, std::uint64_t size) {
  const std::string range = std::to_string(begin) + "-" + std::to_string(begin + size - 1);
  return client.get("/a", "Range: bytes=" + range + "\r\n").body;
}

}  // namespace

TEST_CASE("read-ahead: who asks for a byte here and there costs the origin little more") {
  Scene scene(options(), patience());
  const auto object = scene.object({.size = 256 * kMiB});
  auto client = scene.client();
  constexpr std::uint64_t kPlaces = 100;
  for (std::uint64_t i = 0; i < kPlaces; ++i) {
    const std::uint64_t at = (i * 37 % kPlaces) * 2 * kMiB;
    CHECK(ask(client, at, 1) == text(1, {at, at + 1}));
  }
  CHECK(object->sent_bytes() <= 2 * kPlaces + fill::Limits().max_subrange);
}

TEST_CASE("read-ahead: who goes on where it was is recognised, until it jumps") {
  Scene scene(options(), patience());
  const auto object = scene.object({.size = 256 * kMiB});
  auto client = scene.client();
  constexpr std::uint64_t kStep = 64 << 10;
  for (std::uint64_t i = 0; i < 8; ++i) {
    CHECK(ask(client, i * kStep, kStep) == text(1, {i * kStep, (i + 1) * kStep}));
  }
  CHECK(eventually([&] { return object->sent_bytes() == 16 * kStep; }));  // twice what it has asked for
  CHECK(ask(client, 200 * kMiB, kStep) == text(1, {200 * kMiB, 200 * kMiB + kStep}));
  const std::uint64_t sent = object->sent_bytes();
  for (std::uint64_t i = 0; i < 8; ++i) {
    const std::uint64_t at = (100 + 7 * i) * kMiB;
    CHECK(ask(client, at, kStep) == text(1, {at, at + kStep}));
  }
  CHECK(object->sent_bytes() <= sent + 9 * kStep);
}

TEST_CASE("read-ahead: nothing behind the end of what is asked for") {
  Scene scene(options(), patience());
  const auto object = scene.object({.size = 256 * kMiB});
  auto client = scene.client();
  CHECK(ask(client, 10 * kMiB, 2 * kMiB) == text(1, {10 * kMiB, 12 * kMiB}));
  CHECK(ask(client, 100 * kMiB, 40 * kMiB) == text(1, {100 * kMiB, 140 * kMiB}));
  CHECK(eventually([&] { return object->sent_bytes() >= 42 * kMiB; }));
  CHECK(object->sent_bytes() <= 43 * kMiB);
}
