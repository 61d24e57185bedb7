// Fetched objects: through a store, by one process for all.
#include <strandline/fill/fetcher.h>
#include <strandline/origin/http/http_origin.h>
#include <tests/store/shared/scene.h>
#include <tests/support/http/served_object.h>

#include <optional>

using namespace strandline;
using namespace strandline::testing;
using fill::Fetched;
using fill::Fetcher;
using fill::FetchOptions;
using fill::Filler;
using fill::Policy;

namespace {

// What one process has: a store, a filler, an origin.
struct User {
  explicit User(const std::string& path) : fetcher(required(Store::open(path)), make_filler()) {}
  static std::shared_ptr<Filler> make_filler() { return std::make_shared<Filler>(required(Filler::create())); }
  Fetched open(const std::string& url, Policy policy = Policy::whole) {
    FetchOptions options;
    options.limits.policy = policy;
    return required(fetcher.open(origin, url, options));
  }
  std::shared_ptr<origin::Origin> origin = required(origin::HttpOrigin::open());
  Fetcher fetcher;
};

struct Place {
  TempDir directory;
  std::string path = (directory.path() / "store").native();
};

[[nodiscard]] bool right(const Fetched& fetched, ByteRange range, std::uint64_t version = 1) {
  std::vector<std::byte> bytes(range.size());
  const auto count = fetched.resource().wait_read_at(range.begin, bytes, patiently());
  return count && *count == bytes.size() && bytes == content(version, range);
}

}  // namespace

TEST_CASE("fetcher: an object, once, and then from the store") {
  Place place;
  HttpServer server;
  const auto object = ServedObject::make({.size = 9 * kMiB});
  server.on("/a", object->script());
  {
    User user(place.path);
    auto fetched = user.open(server.url("/a"));
    CHECK(right(fetched, {0, 9 * kMiB}));
    CHECK(says(fetched.wait(patiently())) == "ready");
  }
  User user(place.path);
  auto again = user.open(server.url("/a"));
  CHECK(right(again, {0, 9 * kMiB}));
  CHECK_FALSE(again.fetching());
  CHECK(object->sent_bytes() == 9 * kMiB);
  server.stop_listening();
  auto offline = required(user.fetcher.open(user.origin, server.url("/a"), {.any_version = true}));
  CHECK(right(offline, {0, 9 * kMiB}));
}

TEST_CASE("fetcher: what an earlier run has brought is gone on with") {
  Place place;
  HttpServer server;
  const auto object = ServedObject::make({.size = 20 * kMiB, .rate = 20'000'000});
  server.on("/a", object->script());
  {
    User user(place.path);
    auto fetched = user.open(server.url("/a"));
    CHECK(right(fetched, {0, 5 * kMiB}));
  }
  User user(place.path);
  auto fetched = user.open(server.url("/a"));
  CHECK(fetched.resource().contains({0, 5 * kMiB}));
  CHECK(says(fetched.wait(patiently())) == "ready");
  CHECK(right(fetched, {0, 20 * kMiB}));
}

TEST_CASE("fetcher: a new version begins anew, and readers of the old one are not disturbed") {
  Place place;
  HttpServer server;
  const auto object = ServedObject::make({.size = kMiB});
  server.on("/a", object->script());
  User user(place.path);
  auto old = user.open(server.url("/a"));
  CHECK(says(old.wait(patiently())) == "ready");
  object->change({.size = kMiB, .version = 2});
  auto fresh = user.open(server.url("/a"));
  CHECK(right(fresh, {0, kMiB}, 2));
  CHECK(right(old, {0, kMiB}, 1));
}

TEST_CASE("fetcher: an object that tells no versions apart is not gone on with") {
  Place place;
  HttpServer server;
  const auto object = ServedObject::make({.size = 4 * kMiB, .etag = "", .rate = 20'000'000});
  server.on("/a", object->script());
  {
    User user(place.path);
    auto fetched = user.open(server.url("/a"));
    CHECK(right(fetched, {0, kMiB}));
  }
  object->change({.size = 4 * kMiB, .version = 2, .etag = ""});
  User user(place.path);
  CHECK(right(user.open(server.url("/a")), {0, 4 * kMiB}, 2));
}

TEST_CASE("fetcher: two processes that read one cold object, from 0 and from 90 %: it is sent once") {
  Place place;
  HttpServer server;
  const auto object =
      ServedObject::make({.size = 40 * kMiB, .rate = 10'000'000, .latency = std::chrono::milliseconds(5)});
  server.on("/a", object->script());
  const auto read = [](const Fetched& fetched, ByteRange range) {
    for (std::uint64_t at = range.begin; at < range.end; at += 64 << 10) {
      if (!right(fetched, {at, std::min(range.end, at + (64 << 10))})) {
        return false;
      }
    }
    return true;
  };
  Process other([&](Process::Talk& talk) {
    static_cast<void>(talk.hear());
    User user(place.path);
    auto fetched = user.open(talk.hear());
    talk.say(fetched.fetching() ? "fetching" : "following");
    talk.say(read(fetched, {36 * kMiB, 40 * kMiB}) ? "right" : "wrong");
    static_cast<void>(talk.hear());
  });
  User user(place.path);
  auto fetched = user.open(server.url("/a"));
  CHECK(fetched.fetching());
  CHECK(right(fetched, {0, 1000}));
  other.say("go");
  other.say(server.url("/a"));
  CHECK(other.hear() == "following");
  CHECK(other.hear() == "right");
  CHECK_FALSE(fetched.resource().contains({20 * kMiB, 36 * kMiB}));  // before what lies between
  CHECK(read(fetched, {0, 40 * kMiB}));
  other.say("end");
  // What was on its way when a transfer was cut short.
  CHECK(object->sent_again() <= kMiB);
}

TEST_CASE("fetcher: the process that fetches is killed: another goes on, and no wait fails") {
  Place place;
  HttpServer server;
  const auto object = ServedObject::make({.size = 20 * kMiB, .rate = 5'000'000});
  server.on("/a", object->script());
  Process other([&](Process::Talk& talk) {
    static_cast<void>(talk.hear());
    User user(place.path);
    auto fetched = user.open(talk.hear());
    talk.say(right(fetched, {0, 1000}) ? "right" : "wrong");
    static_cast<void>(talk.hear());
  });
  other.say("go");
  other.say(server.url("/a"));
  REQUIRE(other.hear() == "right");
  User user(place.path);
  auto fetched = user.open(server.url("/a"));
  CHECK_FALSE(fetched.fetching());
  const auto wait = async(fetched.resource(), {0, 20 * kMiB});
  other.end(SIGKILL);
  CHECK(wait.wait() == "ready");
  CHECK(right(fetched, {0, 20 * kMiB}));
  CHECK(object->sent_again() <= 4 * kMiB);
}

TEST_CASE("fetcher: an object that is gone fails those who wait, in every process") {
  Place place;
  HttpServer server;
  const auto object = ServedObject::make({.size = 40 * kMiB, .rate = 5'000'000});
  server.on("/a", object->script());
  User one(place.path);
  User two(place.path);
  auto first = one.open(server.url("/a"));
  auto second = two.open(server.url("/a"));
  CHECK(right(second, {0, 1000}));
  server.on("/a", [](HttpExchange& exchange) { static_cast<void>(exchange.answer(410)); });
  CHECK_FALSE(second.wait(patiently()));
  CHECK(says(first.wait(patiently())) == "!not_found");
}
