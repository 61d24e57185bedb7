// What the origin is asked for beyond what clients ask for.
#include <strandline/base/range_set.h>
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

// What the origin has been asked for, but by its first requests.
RangeSet asked(const ServedObject& object, std::size_t first) {
  RangeSet ranges;
  const auto sent = object.sent();
  for (std::size_t i = first; i < sent.size(); ++i) {
    REQUIRE(ranges.insert(sent[i].asked));
  }
  return ranges;
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
  // Twice what it has asked for, and no byte more.
  CHECK(eventually([&] { return !asked(*object, 0).first_gap({0, 16 * kStep}); }));
  CHECK(asked(*object, 0).byte_count() == 16 * kStep);
  const std::size_t requests = object->sent().size();
  for (std::uint64_t i = 0; i < 9; ++i) {
    const std::uint64_t at = (200 - 7 * i) * kMiB;
    CHECK(ask(client, at, kStep) == text(1, {at, at + kStep}));
  }
  CHECK(asked(*object, requests).byte_count() == 9 * kStep);
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

TEST_CASE("read-ahead: an origin without ranges is asked once for who reads on, and brings no more for nobody") {
  Scene scene(options(), patience());
  const auto object = scene.object({.size = 256 * kMiB, .ranges = false, .rate = 200'000'000});
  auto client = scene.client();
  CHECK(ask(client, 0, 20 * kMiB) == text(1, {0, 20 * kMiB}));
  CHECK(eventually([&] { return scene.filler->stats().transfers == 0; }));
  CHECK(object->sent().size() == 1);
  CHECK(object->sent_bytes() < 256 * kMiB);
  // What is here is here; for the rest it begins anew.
  CHECK(ask(client, 10 * kMiB, 100) == text(1, {10 * kMiB, 10 * kMiB + 100}));
  CHECK(object->sent().size() == 1);
  CHECK(ask(client, 255 * kMiB, 100) == text(1, {255 * kMiB, 255 * kMiB + 100}));
  CHECK(object->sent().size() == 2);
}
