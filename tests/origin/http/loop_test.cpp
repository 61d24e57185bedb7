// How reads end before their time, run beside each other, and what happens when memory runs out.
#include <tests/origin/http/reads.h>
#include <tests/support/failing_new.h>

#include <atomic>
#include <chrono>
#include <thread>

namespace strandline::origin {
namespace {

using std::chrono::hours;
using testing::FailAllocation;

constexpr std::uint64_t kLoopSize = 5'000'003;

// Answers with the beginning of an object, and waits.
HttpServer::Script hangs_after(std::uint64_t sent) {
  return [sent](HttpExchange& exchange) {
    exchange.head(206, {"Content-Range: bytes 0-5000002/5000003"});
    exchange.body(content(1, {0, sent}));
    exchange.wait_for_close();
  };
}

TEST_CASE("HTTP: a stop ends a read whatever it waits for, and no other") {
  HttpServer server;
  Gate asked;
  server.on("/header", [&](HttpExchange& exchange) {
    asked.open();
    exchange.wait_for_close();
  });
  server.on("/body", hangs_after(1'000));
  server.on("/object", ServedObject::make({.size = kLoopSize})->script());
  const auto origin = open_origin({.connect_timeout = hours(1), .silence = hours(1), .low_speed_time = hours(1)});
  std::stop_source header_stop;
  std::stop_source body_stop;
  std::stop_source before;
  before.request_stop();
  const auto header = Read::start(*origin, {.key = server.url("/header")}, header_stop.get_token());
  const auto body = Read::start(*origin, {.key = server.url("/body")}, body_stop.get_token());
  const auto other = Read::start(*origin, {.key = server.url("/body")});
  asked.wait();
  header_stop.request_stop();
  CHECK(header->finish() == "interrupted");
  CHECK_FALSE(header->info.has_value());
  body->some.wait();
  body_stop.request_stop();
  CHECK(body->finish() == "interrupted");
  CHECK(body->is_of(1));
  CHECK(Read::start(*origin, {.key = server.url("/body")}, before.get_token())->finish() == "interrupted");
  CHECK(Read::start(*origin, {.key = server.url("/object")})->finish() == "ok");
  CHECK_FALSE(other->ended.is_open());
}

TEST_CASE("HTTP: a stop from inside the sink, and a sink that refuses") {
  const HttpServer server(ServedObject::make({.size = kLoopSize})->script());
  const auto origin = open_origin();
  std::stop_source stop;
  auto read = std::make_shared<Read>();
  read->on_bytes = [&](std::uint64_t, std::span<const std::byte>) -> Result<void> {
    stop.request_stop();
    return {};
  };
  origin->read({.key = server.url()}, read, stop.get_token());
  CHECK(read->finish() == "interrupted");
  CHECK(read->calls == 1);

  read = std::make_shared<Read>();
  read->on_bytes = [](std::uint64_t, std::span<const std::byte>) -> Result<void> {
    return fail(Errc::no_space, "full");
  };
  origin->read({.key = server.url()}, read, {});
  CHECK(read->finish() == "no_space");
  CHECK(read->calls == 1);
}

TEST_CASE("HTTP: an origin that goes ends its calls as cancelled") {
  Gate asked;
  HttpServer server;
  server.on("/body", hangs_after(1'000));
  server.on("/stat", [&](HttpExchange& exchange) {
    asked.open();
    exchange.wait_for_close();
  });
  auto origin = open_origin({.silence = hours(1), .low_speed_time = hours(1)});
  std::vector<std::shared_ptr<Read>> reads;
  for (int i = 0; i < 10; ++i) {
    reads.push_back(Read::start(*origin, {.key = server.url("/body")}));
  }
  std::string told;
  origin->stat(server.url("/stat"), [&](Outcome<ObjectInfo> outcome) { told = says(outcome); }, {});
  asked.wait();
  reads.front()->some.wait();
  origin.reset();
  CHECK(told == "cancelled");
  for (const auto& read : reads) {
    CHECK(read->ended.is_open());
    CHECK(read->finish() == "cancelled");
  }
}

TEST_CASE("HTTP: an origin may go in a callback of its own") {
  Gate done;
  const HttpServer server(ServedObject::make({.size = 10})->script());
  std::shared_ptr<HttpOrigin> origin = open_origin();
  HttpOrigin& there = *origin;
  there.stat(server.url(),
             [&done, origin = std::move(origin)](Outcome<ObjectInfo>) mutable {
               origin.reset();
               done.open();
             },
             {});
  done.wait();
}

TEST_CASE("HTTP: sinks and replies call the origin again") {
  const HttpServer server(ServedObject::make({.size = 10'000})->script());
  const auto origin = open_origin();
  struct Chain final : Sink {
    Chain(HttpOrigin& of, std::string at, std::uint64_t offset, Gate& done)
        : origin(of), url(std::move(at)), from(offset), finished(done) {}
    Result<void> begin(const ObjectInfo&, std::uint64_t) noexcept override { return {}; }
    Result<void> bytes(std::uint64_t, std::span<const std::byte>) noexcept override { return {}; }
    void end(Outcome<void> outcome) noexcept override {
      CHECK(outcome.has_value());
      if (from == 9'000) {
        return finished.open();
      }
      origin.read({.key = url, .range = {from + 1'000, from + 2'000}},
                  std::make_shared<Chain>(origin, url, from + 1'000, finished), {});
    }
    HttpOrigin& origin;
    std::string url;
    std::uint64_t from;
    Gate& finished;
  };
  Gate done;
  origin->read({.key = server.url(), .range = {0, 1'000}}, std::make_shared<Chain>(*origin, server.url(), 0, done), {});
  done.wait();
  CHECK(server.connections() == 1);
}

TEST_CASE("HTTP: many at once, from several threads, some of them stopped") {
  const HttpServer server(ServedObject::make({.size = kLoopSize})->script());
  const auto origin = open_origin();
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (std::uint64_t i = 0; i < 20; ++i) {
        std::stop_source stop;
        const std::uint64_t from = (t * 20 + i) * 50'000;
        const auto read =
            Read::start(*origin, {.key = server.url(), .range = {from, from + 300'000}}, stop.get_token());
        if (i % 4 == 3) {
          stop.request_stop();
        }
        const std::string end = read->finish();
        CHECK((end == "ok" || (i % 4 == 3 && end == "interrupted")));
        CHECK(read->is_of(1));
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST_CASE("HTTP: a read that is to be slow is, and is stopped at once") {
  const HttpServer server(ServedObject::make({.size = kLoopSize})->script());
  const auto origin = open_origin();
  std::stop_source stop;
  const auto slow = Read::start(*origin, {.key = server.url(), .max_rate = 1'000}, stop.get_token());
  slow->some.wait();
  // It would take more than an hour: if this one ends first, it was not held up, and the other was.
  CHECK(Read::start(*origin, {.key = server.url()})->finish() == "ok");
  CHECK_FALSE(slow->ended.is_open());
  stop.request_stop();
  CHECK(slow->finish() == "interrupted");
  CHECK(slow->got.size() < kLoopSize);
}

TEST_CASE("HTTP: a sink without room lets its server wait, and holds up no other call") {
  HttpOptions options;
  options.silence = std::chrono::seconds(1);
  const HttpServer server(ServedObject::make({.size = kLoopSize})->script());
  const auto origin = open_origin(options);
  const auto full = std::make_shared<Read>();
  full->full = true;
  origin->read({.key = server.url()}, full, {});
  full->some.wait();
  CHECK(Read::start(*origin, {.key = server.url()})->finish() == "ok");
  // For as long as one from a server that is silent lasts, which began later: here it is not the server that is.
  const HttpServer silent([](HttpExchange& exchange) { exchange.wait_for_close(); });
  CHECK(Read::start(*origin, {.key = silent.url()})->finish() == "timed_out");
  CHECK_FALSE(full->ended.is_open());
  full->full = false;
  CHECK(full->finish() == "ok");
  CHECK(full->is_of(1));
  CHECK(full->got.size() == kLoopSize);

  const auto never = std::make_shared<Read>();
  never->full = true;
  std::stop_source stop;
  origin->read({.key = server.url()}, never, stop.get_token());
  never->some.wait();
  stop.request_stop();
  CHECK(never->finish() == "interrupted");
}

TEST_CASE("R13: the k-th allocation of the caller fails, for every k") {
  const HttpServer server(ServedObject::make({.size = 10})->script());
  const auto origin = open_origin();
  const std::string url = server.url("/a-name-that-does-not-fit-into-a-short-string");
  testing::for_each_failing_allocation([&](std::uint64_t k) {
    auto read = std::make_shared<Read>();
    ReadRequest request{.key = url};
    const FailAllocation failing(k);
    origin->read(std::move(request), read, {});
    const bool fired = failing.fired();
    CHECK(read->finish() == (fired ? "no_memory" : "ok"));
    return fired;
  });
  testing::for_each_failing_allocation([&](std::uint64_t k) {
    std::promise<std::string> told;
    Reply<ObjectInfo> reply = [&told](Outcome<ObjectInfo> outcome) { told.set_value(says(outcome)); };
    std::string key = url;
    const FailAllocation failing(k);
    origin->stat(std::move(key), std::move(reply), {});
    const bool fired = failing.fired();
    const std::string end = told.get_future().get();
    CHECK((end == "ok" || (fired && end == "no_memory")));
    return fired;
  });
}

// Needs no memory.
struct Frugal final : Sink {
  Result<void> begin(const ObjectInfo&, std::uint64_t) noexcept override { return {}; }
  Result<void> bytes(std::uint64_t offset, std::span<const std::byte> data) noexcept override {
    std::copy(data.begin(), data.end(), got.begin() + static_cast<std::ptrdiff_t>(offset));
    count += data.size();
    return {};
  }
  void end(Outcome<void> outcome) noexcept override {
    if (!outcome) {
      code = outcome.error().error.code;
    }
    ended.open();
  }
  Bytes got = Bytes(50'000);
  std::size_t count = 0;
  std::optional<Errc> code;
  Gate ended;
};

TEST_CASE("R13: the k-th allocation of the origin's thread fails, for every k") {
  const auto object = ServedObject::make({.size = 100'000});
  HttpServer server;
  server.on("/object", object->script());
  server.on("/a", [&](HttpExchange& exchange) { exchange.answer(302, "", {"Location: /object"}); });
  const Bytes expected = content(1, {0, 50'000});
  std::uint64_t failures = 0;
  testing::for_each_failing_allocation([&](std::uint64_t k) {
    const auto origin = open_origin();  // that remembers no redirect
    std::optional<FailAllocation> failing;
    bool fired = false;
    Gate armed;
    const auto on_thread = [&](auto what) {
      Gate done;
      origin->stat(server.url("/nothing"),
                   [&](Outcome<ObjectInfo>) {
                     what();
                     done.open();
                   },
                   {});
      done.wait();
    };
    on_thread([&] { failing.emplace(k); });
    const auto sink = std::make_shared<Frugal>();
    origin->read({.key = server.url("/a"), .range = {0, 50'000}, .if_match = strong("\"v1\"")}, sink, {});
    sink->ended.wait();
    on_thread([&] {
      fired = failing->fired();
      failing.reset();
    });
    const std::string end = sink->code ? std::string(to_string(*sink->code)) : "ok";
    CHECK(
        std::equal(sink->got.begin(), sink->got.begin() + static_cast<std::ptrdiff_t>(sink->count), expected.begin()));
    CHECK((end == "ok" || (fired && end == "no_memory")));
    failures += end == "no_memory" ? 1 : 0;
    return fired;
  });
  CHECK(failures > 10);
}

}  // namespace
}  // namespace strandline::origin
