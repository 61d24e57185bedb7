// The filler over HTTP, from a server on loopback that is slow, breaks, falls silent or is read by many.
#include <strandline/fill/filler.h>
#include <strandline/origin/http/http_origin.h>
#include <tests/resource/subjects.h>
#include <tests/support/http/served_object.h>

using namespace strandline;
using namespace strandline::testing;
using fill::Fill;
using fill::Filler;
using fill::FillRequest;
using fill::Policy;
using fill::ResourceTarget;
using std::chrono::milliseconds;

namespace {

struct HttpScene {
  explicit HttpScene(ObjectSettings settings, fill::FillerOptions options = {})
      : object(ServedObject::make(std::move(settings))), filler(required(Filler::create(options))) {
    server.on("/a", object->script());
  }
  Resource<MemoryDriver> resource = required(Resource<MemoryDriver>::open({}));
  // Begins.
  void start(Policy policy = Policy::whole, std::uint64_t min_split = fill::Limits().min_split) {
    FillRequest request;
    request.origin = origin;
    request.key = server.url("/a");
    request.limits.policy = policy;
    request.limits.min_split = min_split;
    request.target = std::make_unique<ResourceTarget<MemoryDriver>>(resource, required(resource.writer()));
    fill = required(filler.fill(std::move(request)));
  }
  // Is what is there what was served?
  [[nodiscard]] bool right(ByteRange range) const {
    std::vector<std::byte> bytes(range.size());
    const auto count = resource.read_at(range.begin, bytes);
    return count && *count == bytes.size() && bytes == content(object->settings().version, range);
  }

  std::shared_ptr<ServedObject> object;
  HttpServer server;
  std::shared_ptr<origin::HttpOrigin> origin = required(origin::HttpOrigin::open());
  Filler filler;
  Fill fill;
};

}  // namespace

TEST_CASE("fill http: an object, whole, each byte once") {
  HttpScene scene({.size = 40 * kMiB + 17});
  // Not divided, as it would be on a slow machine: what is on its way past a division is sent for nothing.
  scene.start(Policy::whole, kMaxOffset);
  CHECK(says(scene.fill.wait()) == "ok");
  CHECK(scene.right({0, 40 * kMiB + 17}));
  CHECK(scene.object->sent_bytes() == 40 * kMiB + 17);
  CHECK(says(scene.resource.status().state) == "committed");
}

TEST_CASE("fill http: many readers of one cold object: it is sent once") {
  HttpScene scene({.size = 20 * kMiB, .rate = 50'000'000, .latency = milliseconds(5)});
  scene.start(Policy::demand_only);
  std::vector<std::unique_ptr<InThread>> readers;
  for (std::uint64_t i = 0; i < 8; ++i) {
    readers.push_back(std::make_unique<InThread>([&scene, i] {
      std::vector<std::byte> bytes(64 << 10);
      for (std::uint64_t k = 0; k < 20 * kMiB; k += bytes.size()) {
        const std::uint64_t at = (k + i * 2 * kMiB) % (20 * kMiB);  // each from another place
        auto count = scene.resource.wait_read_at(at, bytes);
        if (!count || bytes != content(1, {at, at + bytes.size()})) {
          return count ? Result<std::size_t>(fail(Errc::corrupt)) : count;
        }
      }
      return Result<std::size_t>(0);
    }));
  }
  for (auto& reader : readers) {
    CHECK(reader->join() == "0");
  }
  CHECK(says(scene.fill.wait()) == "ok");
  // What was on its way when a transfer was cut short is sent again.
  CHECK(scene.object->sent_again() <= 2 * kOnItsWay);
}

TEST_CASE("F57: connections that are reset every 700 KB: at most 2 % twice") {
  fill::FillerOptions options;
  options.retry.first = options.retry.longest = fill::Seconds(0.01);
  options.connections = 4;  // a reset throws away what is still in the sockets' buffers: not too fast for them
  HttpScene scene({.size = 20 * kMiB, .rate = 10'000'000, .drop_after = 700'000}, options);
  scene.start();
  CHECK(says(scene.fill.wait()) == "ok");
  CHECK(scene.right({0, 20 * kMiB}));
  CHECK(scene.object->sent_bytes() <= 20 * kMiB * (kSanitized ? 120 : 102) / 100);
}

TEST_CASE("F48: a server that falls silent in the midst of a body is asked again on another connection") {
  for (const std::uint64_t silent_at : {std::uint64_t{700'000}, 8 * kMiB}) {
    CAPTURE(silent_at);
    HttpScene scene({.size = 10 * kMiB, .silent_at = silent_at});
    scene.start();
    CHECK(says(scene.fill.wait()) == "ok");
    CHECK(scene.right({0, 10 * kMiB}));
    CHECK(scene.object->was_silent());
  }
}

TEST_CASE("F58: a server that is gone for a while") {
  fill::FillerOptions options;
  options.retry.longest = fill::Seconds(0.05);
  HttpScene scene({.size = 8 * kMiB, .rate = 10'000'000}, options);
  scene.start();
  REQUIRE(eventually([&] { return scene.resource.contains({0, kMiB}); }));
  scene.server.stop_listening();
  REQUIRE(eventually([&] { return scene.fill.progress().retries > 3; }));
  scene.server.listen_again();
  CHECK(says(scene.fill.wait()) == "ok");
  CHECK(scene.right({0, 8 * kMiB}));
}

TEST_CASE("F49: another version in the midst of it: those who wait are told, and nothing is mixed") {
  fill::FillerOptions options;
  options.connections = 2;  // so that not all of it is asked for at once
  HttpScene scene({.size = 64 * kMiB, .rate = 20'000'000}, options);
  scene.start();
  REQUIRE(eventually([&] { return scene.resource.contains({0, kMiB}); }));
  scene.object->change({.size = 64 * kMiB, .version = 2});
  CHECK(says(scene.fill.wait()) == "!changed");
  CHECK(says(scene.resource.wait_range({0, 64 * kMiB})) == "!failed");
  const auto available = required(scene.resource.available());
  for (const ByteRange run : available) {
    std::vector<std::byte> bytes(run.size());
    REQUIRE(says(scene.resource.read_at(run.begin, bytes)) == std::to_string(run.size()));
    CHECK(bytes == content(1, run));
  }
}

TEST_CASE("F60: a server that refuses connections fails those who wait, with the cause") {
  fill::FillerOptions options;
  options.retry.give_up = fill::Seconds(0.2);
  options.retry.longest = fill::Seconds(0.05);
  HttpScene scene({.size = kMiB}, options);
  scene.server.stop_listening();
  scene.start();
  const auto wait = async(scene.resource, {0, 10});
  CHECK(wait.wait() == "!failed");
  CHECK(wait.context().find("127.0.0.1") != std::string::npos);
}

TEST_CASE("fill http: the first byte far ahead, while the rest comes") {
  HttpScene scene({.size = 1024 * kMiB, .rate = 20'000'000, .latency = milliseconds(50)});
  scene.start();
  REQUIRE(eventually([&] { return scene.resource.contains({0, 8 * kMiB}); }));
  CHECK(says(scene.resource.wait_range({921 * kMiB, 921 * kMiB + 1}, patiently())) == "ready");
  CHECK(scene.right({921 * kMiB, 921 * kMiB + 1}));
}

TEST_CASE("fill http: a thousand small objects") {
  fill::FillerOptions options;
  auto filler = required(Filler::create(options));
  HttpServer server;
  const auto object = ServedObject::make({.size = 64 << 10, .latency = milliseconds(5)});
  server.on("/a", object->script());
  const std::shared_ptr<origin::HttpOrigin> origin = required(origin::HttpOrigin::open());
  std::vector<Resource<MemoryDriver>> resources;
  std::vector<Fill> fills;
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 1000; ++i) {
    resources.push_back(required(Resource<MemoryDriver>::open({})));
    FillRequest request;
    request.origin = origin;
    request.key = server.url("/a");
    request.target =
        std::make_unique<ResourceTarget<MemoryDriver>>(resources.back(), required(resources.back().writer()));
    fills.push_back(required(filler.fill(std::move(request))));
  }
  for (auto& fill : fills) {
    CHECK(says(fill.wait()) == "ok");
  }
  MESSAGE("a thousand objects in ", std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count(),
          " s; 16 at a time and 5 ms each: ", 1000 / 16.0 * 0.005);
  CHECK(object->sent_bytes() == std::uint64_t{1000} * (64 << 10));
  CHECK(server.connections() <= 32);  // used again, not made anew
}

TEST_CASE("F46: an origin without ranges is asked once, though it was asked for the beginning first") {
  HttpScene scene({.size = 12 * kMiB + 17, .ranges = false});
  scene.start();
  CHECK(says(scene.fill.wait()) == "ok");
  CHECK(scene.right({0, 12 * kMiB + 17}));
  CHECK(scene.object->sent().size() == 1);
  CHECK(scene.object->sent_again() == 0);
}
