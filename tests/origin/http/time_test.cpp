// F55 to F58, F60: origins that are slow, silent, away, or not to be found; and how long the time limits are.
#include <tests/origin/http/network_faults.h>
#include <tests/origin/http/reads.h>

#include <strandline/origin/http/protocol/stall_watch.h>

namespace strandline::origin {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::NetworkFaults;

constexpr std::uint64_t kTimedSize = 100'000;

// Sends the first `sent` bytes of an object, and no more.
HttpServer::Script falls_silent_after(std::uint64_t sent) {
  return [sent](HttpExchange& exchange) {
    exchange.head(206, {"Content-Range: bytes 0-99999/100000"});
    exchange.body(content(1, {0, sent}));
    exchange.wait_for_close();
  };
}

TEST_CASE("F55: an origin that falls silent is given up, and what came is kept") {
  for (const std::uint64_t sent : {0u, 1u, 50'000u}) {
    const auto read = read_from(falls_silent_after(sent), {}, {.silence = milliseconds(50)});
    CHECK(read->finish() == "timed_out");
    CHECK(read->failure().may_pass);
    CHECK(read->got.size() == sent);
    CHECK(read->is_of(1));
    CHECK(read->message().find("50 ms") != std::string::npos);
  }
}

TEST_CASE("F55: so is one that does not even answer") {
  const auto read =
      read_from([](HttpExchange& exchange) { exchange.wait_for_close(); }, {}, {.silence = milliseconds(50)});
  CHECK(read->finish() == "timed_out");
  CHECK(read->failure().may_pass);
  CHECK_FALSE(read->info.has_value());
}

TEST_CASE("F55: one byte at a time is too slow") {
  const auto read = read_from(
      [](HttpExchange& exchange) {
        exchange.head(206, {"Content-Range: bytes 0-99999/100000"});
        for (std::uint64_t at = 0; at < kTimedSize && exchange.body(content(1, {at, at + 1})); ++at) {
          exchange.pause(milliseconds(5));
        }
      },
      {}, {.low_speed = 1'000'000, .low_speed_time = milliseconds(200)});
  CHECK(read->finish() == "timed_out");
  CHECK(read->failure().may_pass);
  CHECK(read->is_of(1));
  CHECK(read->message().find("bytes per second") != std::string::npos);
}

TEST_CASE("F55: silence and slowness, by a clock of the test's") {
  using http::StallWatch;
  using Verdict = StallWatch::Verdict;
  const StallWatch::Clock::time_point start{};
  const auto at = [start](int ms) { return start + milliseconds(ms); };
  StallWatch watch({.silence = milliseconds(500), .low_speed = 100, .low_speed_time = milliseconds(1'000)}, start);
  CHECK(watch.due() == at(500));
  CHECK(watch.judge(at(499)) == Verdict::fine);
  watch.arrived(50, at(499));
  CHECK(watch.due() == at(999));
  watch.arrived(50, at(900));
  CHECK(watch.judge(at(1'000)) == Verdict::fine);  // just enough, and a new span begins
  watch.arrived(99, at(1'300));
  watch.arrived(0, at(1'700));
  CHECK(watch.judge(at(1'999)) == Verdict::fine);
  CHECK(watch.judge(at(2'000)) == Verdict::slow);
  CHECK(watch.judge(at(2'200)) == Verdict::silent);
}

TEST_CASE("F55: the time a sink takes is not the server's") {
  Gate sunk;
  const HttpServer server([&](HttpExchange& exchange) {
    exchange.head(206, {"Content-Range: bytes 0-99999/100000"});
    exchange.body(content(1, {0, 10}));
    if (exchange.wait(sunk)) {
      exchange.body(content(1, {10, kTimedSize}));
    }
  });
  const auto origin = open_origin({.silence = milliseconds(200), .low_speed_time = milliseconds(200)});
  auto read = std::make_shared<Read>();
  auto other = std::make_shared<Read>();
  read->on_bytes = [&](std::uint64_t offset, std::span<const std::byte>) -> Result<void> {
    if (offset == 0) {
      std::this_thread::sleep_for(milliseconds(600));  // a slow disk
      sunk.open();
    }
    return {};
  };
  origin->read({.key = server.url()}, read, {});
  origin->read({.key = server.url()}, other, {});
  CHECK(read->finish() == "ok");
  CHECK(other->finish() == "ok");
  CHECK(read->is_of(1));
}

TEST_CASE("F56: Retry-After is told as it was said, for as long as it said") {
  struct Case {
    std::string said;
    std::optional<milliseconds> least, most;
  };
  const auto in = [](seconds time) {
    const std::time_t then = std::time(nullptr) + time.count();
    std::tm parts{};
    gmtime_r(&then, &parts);
    char text[64];
    std::strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    return std::string(text);
  };
  for (const Case& one : std::vector<Case>{
           {"0", milliseconds(0), milliseconds(0)},
           {"120", seconds(120), seconds(120)},
           {"31536000", hours(8'760), hours(8'760)},  // a year
           {"99999999999999999999999", hours(24 * 365'000), milliseconds::max()},
           {in(hours(24)), hours(24) - seconds(60), hours(24)},
           {in(-hours(24)), milliseconds(0), milliseconds(0)},
           {"Fri, 31 Dec 9999 23:59:59 GMT", hours(24 * 365), milliseconds::max()},
           {"", {}, {}},
           {"soon", {}, {}},
           {"-5", {}, {}},
           {"1.5", {}, {}},
       }) {
    CAPTURE(one.said);
    for (const int status : {503, 429}) {
      const auto read =
          read_from([&](HttpExchange& exchange) { exchange.answer(status, "", {"Retry-After: " + one.said}); });
      CHECK(read->finish() == "io");
      CHECK(read->failure().may_pass);
      REQUIRE(read->failure().retry_after.has_value() == one.least.has_value());
      if (one.least) {
        CHECK(*read->failure().retry_after >= *one.least);
        CHECK(*read->failure().retry_after <= *one.most);
      }
    }
  }
  const auto read = read_from([](HttpExchange& exchange) { exchange.answer(404, "", {"Retry-After: 5"}); });
  CHECK_FALSE(read->failure().retry_after.has_value());
}

TEST_CASE("F56: the body of a refusal is not waited for") {
  const auto read = read_from([](HttpExchange& exchange) {
    exchange.head(503, {"Content-Length: 1000", "Retry-After: 1"});
    exchange.wait_for_close();
  });
  CHECK(read->finish() == "io");
  CHECK(read->failure().retry_after == seconds(1));
}

TEST_CASE("F57: a connection that is reset every so many bytes is read on from there") {
  for (const std::uint64_t every : {1'000u, 33'333u, 99'999u}) {
    const auto object = ServedObject::make({.size = kTimedSize, .drop_after = every});
    const HttpServer server(object->script());
    const auto origin = open_origin();
    Bytes all;
    std::size_t reads = 0;
    for (std::string end = "io"; end == "io"; ++reads) {
      const auto read =
          Read::start(*origin, {.key = server.url(), .range = {all.size(), kTimedSize}, .if_match = strong("\"v1\"")});
      end = read->finish();
      if (end == "io") {
        CHECK(read->failure().may_pass);
      }
      // A RST may overtake what was sent before it.
      CHECK(read->got.size() <= every);
      all.insert(all.end(), read->got.begin(), read->got.end());
      REQUIRE(reads < 10'000);
    }
    CHECK(all == content(1, {0, kTimedSize}));
    CHECK(reads >= kTimedSize / every);
  }
}

TEST_CASE("F58: an origin that is gone, and then back") {
  const auto object = ServedObject::make({.size = kTimedSize});
  HttpServer server(object->script());
  const auto origin = open_origin();
  CHECK(Read::start(*origin, {.key = server.url()})->finish() == "ok");
  server.stop_listening();
  for (int i = 0; i < 3; ++i) {
    const auto read = Read::start(*origin, {.key = server.url()});
    CHECK(read->finish() == "io");
    CHECK(read->failure().may_pass);
  }
  server.listen_again();
  const auto read = Read::start(*origin, {.key = server.url()});
  CHECK(read->finish() == "ok");
  CHECK(read->is_of(1));
}

TEST_CASE("F58: a connection kept alive that the server has closed meanwhile costs nothing but a new one") {
  const auto object = ServedObject::make({.size = 1'000});
  const HttpServer server([&](HttpExchange& exchange) {
    object->script()(exchange);
    exchange.close();
  });
  const auto origin = open_origin();
  for (int i = 0; i < 5; ++i) {
    CHECK(Read::start(*origin, {.key = server.url()})->finish() == "ok");
  }
}

TEST_CASE("F60: a name that is not found may be found later") {
  const NetworkFaults faults;
  const auto origin = open_origin();
  const auto read = Read::start(*origin, {.key = "http://user:secret@nowhere.test/a?b=c&token=secret"});
  CHECK(read->finish() == "io");
  CHECK(read->failure().may_pass);
  CHECK(read->message().find("http://nowhere.test/a?b=c&token=...: ") != std::string::npos);
  CHECK(read->message().find("secret") == std::string::npos);
}

TEST_CASE("F60: a name server that does not answer: the time limit, and a stop at once") {
  const NetworkFaults faults;
  {
    const auto origin = open_origin({.connect_timeout = milliseconds(100)});
    const auto read = Read::start(*origin, {.key = "http://slow.test/"});
    CHECK(read->finish() == "timed_out");
    CHECK(read->failure().may_pass);
  }
  const auto origin = open_origin({.connect_timeout = hours(1)});
  std::stop_source stop;
  const auto read = Read::start(*origin, {.key = "http://slow.test/"}, stop.get_token());
  faults.wait_until_asked("slow.test");
  stop.request_stop();
  CHECK(read->finish() == "interrupted");
}

TEST_CASE("F60: TLS with a server that does not speak it") {
  const HttpServer server;
  const auto origin = open_origin({.connect_timeout = milliseconds(100)});
  std::string url = server.url();
  url.replace(0, 4, "https");  // waits for the end of a line, as an HTTP server does
  const auto read = Read::start(*origin, {.key = url});
  CHECK(read->finish() == "timed_out");
  CHECK(read->failure().may_pass);
}

}  // namespace
}  // namespace strandline::origin
