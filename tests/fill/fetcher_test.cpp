// Fetched objects: through a store, by one process for all.
#include <strandline/async/coroutine.h>
#include <strandline/fill/fetcher.h>
#include <strandline/origin/http/http_origin.h>
#include <tests/async/coroutine.h>
#include <tests/store/shared/scene.h>
#include <tests/support/http/served_object.h>

#include <future>
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
  explicit User(const std::string& path, fill::FillerOptions options = {})
      : fetcher(required(Store::open(path)), std::make_shared<Filler>(required(Filler::create(options)))) {}
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
  const auto reads = object->sent().size();
  User user(place.path);
  auto again = user.open(server.url("/a"));
  CHECK(right(again, {0, 9 * kMiB}));
  CHECK_FALSE(again.fetching());
  CHECK(object->sent().size() == reads);
  server.stop_listening();
  CHECK(right(required(user.fetcher.open(user.origin, server.url("/a"), {.any_version = true})), {0, 9 * kMiB}));
}

TEST_CASE("fetcher: what the store has is good enough if who asks says so, whole or not") {
  Place place;
  HttpServer server;
  server.on("/a", ServedObject::make({.size = 9 * kMiB})->script());
  User user(place.path);
  FetchOptions options;
  options.limits.policy = Policy::window;
  options.limits.ahead_of_waits = false;
  options.found = [](const store::Lease& lease) { return lease.validator().value == "\"v1\""; };
  const auto open = [&] { return required(user.fetcher.open(user.origin, server.url("/a"), options)); };
  CHECK(right(open(), {0, 100}));
  const auto requests = server.requests().size();
  CHECK(right(open(), {0, 100}));
  CHECK(server.requests().size() == requests);
  CHECK(right(open(), {8 * kMiB, 8 * kMiB + 100}));
  options.found = [](const store::Lease& /*lease*/) { return false; };
  CHECK(right(open(), {0, 100}));
  CHECK(server.requests().back().method == "HEAD");
}

TEST_CASE("fetcher: of what the store has nothing, the first read tells what it is") {
  Place place;
  HttpServer server;
  const auto object = ServedObject::make({.size = 9 * kMiB});
  server.on("/a", object->script());
  server.on("/none", [](HttpExchange& exchange) { exchange.answer(404); });
  server.on("/later", [](HttpExchange& exchange) { exchange.answer(503); });
  User user(place.path);
  const auto open = [&](const std::string& path, FetchOptions options = {}) {
    options.first = {kMiB, 2 * kMiB};
    return user.fetcher.open(user.origin, server.url(path), options);
  };
  std::optional<std::uint64_t> told;
  {
    FetchOptions options;
    options.accept = [&](const origin::ObjectInfo& info) {
      told = info.size;
      return Result<void>();
    };
    const auto fetched = required(open("/a", options));
    CHECK(told == 9 * kMiB);
    CHECK(right(fetched, {0, 9 * kMiB}));
    CHECK(says(fetched.wait(patiently())) == "ready");
  }
  CHECK(eventually([&] { return object->sent_bytes() - object->sent_again() == 9 * kMiB; }));
  const auto requests = server.requests();
  CHECK(std::none_of(requests.begin(), requests.end(), [](const HttpRequest& each) { return each.method == "HEAD"; }));
  CHECK(requests.front().header("range") == "bytes=1048576-2097151");
  CHECK(right(required(open("/a")), {0, 9 * kMiB}));  // of which the store has all: that it is the same, a HEAD tells
  CHECK(server.requests().size() == requests.size() + 1);
  CHECK(says(open("/none")) == "!not_found");
  CHECK(says(open("/later")) == "!io");  // not repeated
  CHECK(server.requests().size() == requests.size() + 3);
  // A refusal says how long it is, and nothing else.
  server.on("/short", ServedObject::make({.size = 1000})->script());
  const auto brief = required(open("/short"));
  CHECK(brief.validator().kind == Validator::Kind::strong);
  CHECK(right(brief, {0, 1000}));
}

TEST_CASE("fetcher: what the first read tells may be refused, and it may be stopped") {
  Place place;
  HttpServer server;
  const auto object = ServedObject::make({.size = kMiB});
  Gate asked;
  server.on("/a", object->script());
  server.on("/silent", [&](HttpExchange& exchange) {
    asked.open();
    exchange.wait_for_close();
  });
  User user(place.path);
  FetchOptions options;
  options.first = {0, 1};
  std::stop_source stop;
  auto stopped = std::async(std::launch::async, [&] {
    return says(user.fetcher.open(user.origin, server.url("/silent"), options, stop.get_token()));
  });
  asked.wait();
  stop.request_stop();
  CHECK(stopped.get() == "!interrupted");
  options.accept = [](const origin::ObjectInfo&) -> Result<void> { return fail(Errc::unsupported, "not this one"); };
  CHECK(says(user.fetcher.open(user.origin, server.url("/a"), options)) == "!unsupported");
  CHECK_FALSE(required(required(Store::open(place.path)).contains(server.url("/a"))));
  options.accept = {};
  CHECK(right(required(user.fetcher.open(user.origin, server.url("/a"), options)), {0, kMiB}));
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
    User user(place.path, {.connections = 2});
    auto fetched = user.open(talk.hear());
    talk.say(fetched.fetching() ? "fetching" : "following");
    talk.say(read(fetched, {36 * kMiB, 40 * kMiB}) ? "right" : "wrong");
    static_cast<void>(talk.hear());
  });
  User user(place.path, {.connections = 2});  // so that it takes a while
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
  CHECK(object->sent_again() <= kOnItsWay);
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
  CHECK(object->sent_again() <= 4 * kOnItsWay);
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

TEST_CASE("fetcher: who has given up does not take over, and its waits end when nobody else does") {
  Place place;
  HttpServer server;
  const auto object = ServedObject::make({.size = 40 * kMiB, .rate = 5'000'000});
  server.on("/a", object->script());
  User one(place.path);
  auto first = one.open(server.url("/a"), Policy::demand_only);
  server.on("/a", [](HttpExchange& exchange) { static_cast<void>(exchange.answer(410)); });
  CHECK(says(first.resource().wait_range({0, 1000}, patiently())) == "!failed");
  CHECK(first.given_up()->code == Errc::not_found);
  server.on("/a", object->script());
  User two(place.path);
  auto second = std::optional<Fetched>(two.open(server.url("/a")));
  CHECK(second->fetching());
  REQUIRE(eventually([&] { return right(first, {0, 1000}); }));  // once it has heard of the second
  const auto wait = async(first.resource(), {0, 40 * kMiB});
  second.reset();
  CHECK(wait.wait() == "!no_writer");
  CHECK_FALSE(first.fetching());
}

namespace {

// An origin that answers when told.
struct Held {
  HttpServer server;
  Gate gate;
  std::shared_ptr<ServedObject> object = ServedObject::make({.size = 2 * kMiB});
  Held() {
    server.on("/a", [this, script = object->script()](HttpExchange& exchange) {
      if (exchange.wait(gate)) {
        script(exchange);
      }
    });
  }
  std::string url() { return server.url("/a"); }
};

}  // namespace

TEST_CASE("fetcher: an opening that does not block") {
  Place place;
  Held held;
  User user(place.path);
  std::promise<Result<Fetched>> opened;
  auto answer = opened.get_future();
  user.fetcher.async_open(user.origin, held.url(), {}, {},
                          [&](Result<Fetched> fetched) { opened.set_value(std::move(fetched)); });
  held.gate.open();
  CHECK(right(required(answer.get()), {0, 2 * kMiB}));
}

TEST_CASE("fetcher: co_await an opening, and bytes") {
  Place place;
  Held held;
  User user(place.path);
  std::optional<Result<Fetched>> fetched;
  std::string outcome;
  const auto coroutine = [&]() -> Coroutine {
    fetched = co_await user.fetcher.opening(user.origin, held.url());
    if (*fetched) {
      outcome = says(co_await (*fetched)->resource().ready({kMiB, 2 * kMiB}));
    }
  };
  const Coroutine running = coroutine();
  CHECK_FALSE(running.finished());
  held.gate.open();
  running.join();
  CHECK(outcome == "ready");
  CHECK(right(required(*std::move(fetched)), {0, 2 * kMiB}));
}

TEST_CASE("fetcher: openings are stopped, by their token and by the end of the fetcher") {
  Place place;
  Held held;
  std::vector<std::string> outcomes(3);
  {
    User user(place.path);
    const auto coroutine = [&](std::size_t number, std::stop_token stop) -> Coroutine {
      const FetchOptions options;
      outcomes[number] = says(co_await user.fetcher.opening(user.origin, held.url(), options, std::move(stop)));
    };
    std::stop_source stop;
    const Coroutine running = coroutine(0, stop.get_token());
    stop.request_stop();
    running.join();
    const Coroutine never = coroutine(1, stop.get_token());
    never.join();
    user.fetcher.async_open(user.origin, held.url(), {}, {},
                            [&](const Result<Fetched>& fetched) { outcomes[2] = says(fetched); });
  }
  CHECK(outcomes == std::vector<std::string>(3, "!interrupted"));
}

namespace {

void refuse(HttpServer& server, int status) {
  server.on("/a", [status](HttpExchange& exchange) { static_cast<void>(exchange.answer(status)); });
}

}  // namespace

TEST_CASE("fetcher: what may pass is asked again, what cannot is told at once") {
  Place place;
  HttpServer server;
  User user(place.path);
  std::atomic<int> asked{0};
  server.on("/a", [&, script = ServedObject::make({.size = kMiB})->script()](HttpExchange& exchange) {
    if (++asked <= 2) {
      static_cast<void>(exchange.answer(503));
    } else {
      script(exchange);
    }
  });
  CHECK(right(required(user.fetcher.open(user.origin, server.url("/a"))), {0, kMiB}));
  refuse(server, 404);
  CHECK(says(user.fetcher.open(user.origin, server.url("/a"))) == "!not_found");
  refuse(server, 503);
  FetchOptions options;
  options.retry.give_up = fill::Seconds(0);
  CHECK(says(user.fetcher.open(user.origin, server.url("/a"), options)) == "!io");
}

TEST_CASE("fetcher: asking again can be stopped") {
  Place place;
  HttpServer server;
  User user(place.path);
  std::stop_source stop;
  server.on("/a", [&](HttpExchange& exchange) {
    static_cast<void>(exchange.answer(503, {}, {"Retry-After: 60"}));
    stop.request_stop();
  });
  CHECK(says(user.fetcher.open(user.origin, server.url("/a"), {}, stop.get_token())) == "!interrupted");
}

TEST_CASE("fetcher: an opening may end the last of its fetcher") {
  Place place;
  HttpServer server;
  server.on("/a", ServedObject::make({.size = kMiB})->script());
  auto user = std::make_unique<User>(place.path);
  const auto origin = user->origin;
  std::promise<void> ended;
  auto over = ended.get_future();
  auto& fetcher = user->fetcher;
  fetcher.async_open(origin, server.url("/a"), {}, {}, [&](const Result<Fetched>&) {
    user.reset();
    ended.set_value();
  });
  over.get();
}

TEST_CASE("fetcher: who co_awaits does not wait, though the fetcher ends with that expression") {
  Place place;
  Held held;
  const auto store = required(Store::open(place.path));
  const auto filler = std::make_shared<Filler>(required(Filler::create()));
  const std::shared_ptr<origin::Origin> origin = required(origin::HttpOrigin::open());
  std::stop_source stopped;
  stopped.request_stop();
  std::promise<void> goes_on;
  std::string outcome;
  const auto coroutine = [&, go = goes_on.get_future().share()]() -> Coroutine {
    const FetchOptions options;
    {
      // Over at once, so that the two threads meet.
      auto opened = co_await Fetcher(store, filler).opening(origin, held.url(), options, stopped.get_token());
      outcome = says(opened);
    }
    go.wait();
  };
  const Coroutine running = coroutine();
  goes_on.set_value();
  running.join();
  CHECK(outcome == "!interrupted");
}

namespace {

// Another's objects; once told to, it holds up who begins to fetch them.
class HeldStart final : public origin::Origin {
 public:
  explicit HeldStart(std::shared_ptr<origin::Origin> inner) : inner_(std::move(inner)) {}
  [[nodiscard]] std::string name() const override { return inner_->name(); }
  [[nodiscard]] std::string server(const std::string& key) const override {
    if (hold.exchange(false)) {
      begun.set_value();
      go.wait();
    }
    return inner_->server(key);
  }
  void stat(std::string key, origin::Reply<origin::ObjectInfo> reply, std::stop_token stop) noexcept override {
    inner_->stat(std::move(key), std::move(reply), std::move(stop));
  }
  void read(origin::ReadRequest request, std::shared_ptr<origin::Sink> sink, std::stop_token stop) noexcept override {
    inner_->read(std::move(request), std::move(sink), std::move(stop));
  }
  mutable std::atomic<bool> hold{false};
  mutable std::promise<void> begun, goes_on;
  const std::shared_future<void> go = goes_on.get_future().share();

 private:
  const std::shared_ptr<origin::Origin> inner_;
};

}  // namespace

TEST_CASE("fetcher: how far it is can be asked while it takes over") {
  Place place;
  HttpServer server;
  server.on("/a", ServedObject::make({.size = 4 * kMiB})->script());
  User one(place.path);
  User two(place.path);
  auto first = std::optional<Fetched>(one.open(server.url("/a"), Policy::demand_only));
  const auto held = std::make_shared<HeldStart>(two.origin);
  const auto second = required(two.fetcher.open(held, server.url("/a")));
  held->hold = true;
  first.reset();
  held->begun.get_future().wait();
  CHECK_FALSE(second.fetching());
  CHECK(second.progress().requests == 0);
  held->goes_on.set_value();
  CHECK(right(second, {0, 4 * kMiB}));
}
