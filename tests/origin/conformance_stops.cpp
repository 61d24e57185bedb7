// How a call ends before its time: by its stop_token, or with its origin.
#include <tests/origin/conformance.h>

#include <thread>

namespace strandline::origin::conformance {

void stopped_before(Subject& subject, const Can& can) {
  Calls calls(subject);
  const Bytes content = bytes_for(0, 1'000);
  calls.put("object", content);
  std::stop_source source;
  source.request_stop();
  const std::stop_token stop = source.get_token();
  CHECK(says(calls.stat("object", stop)) == "interrupted");
  calls.put("empty", {});
  for (const char* const name : {"object", "empty"}) {
    const auto reading = calls.reading();
    calls.start(reading, name, {}, stop);
    CHECK(reading->wait() == "interrupted");
    CHECK(reading->bytes().empty());
  }
  if (can.write) {
    CHECK(says(calls.write("object", bytes_for(0, 5), {}, false, stop)) == "interrupted");
    CHECK(says(calls.remove("object", stop)) == "interrupted");
  }
  if (can.list) {
    CHECK(says(calls.list({}, stop)) == "interrupted");
  }
  CHECK(calls.read("object", content) == "ok");
}

void stopped_inside(Subject& subject, const Can&) {
  Calls calls(subject);
  calls.put("object", large());
  for (const bool in_begin : {true, false}) {
    std::stop_source source;
    const auto stopped = calls.reading();
    const auto fire = [&source]() -> Result<void> {
      source.request_stop();
      return {};
    };
    (in_begin ? stopped->on_begin : stopped->on_bytes) = fire;
    const auto other = calls.reading();
    calls.start(stopped, "object", {}, source.get_token());
    calls.start(other, "object");
    CHECK(stopped->wait() == "interrupted");
    CHECK(stopped->bytes().size() < kSize);
    CHECK(other->wait() == "ok");
    CHECK(compare(*other, large()) == "ok");
  }
}

void stopped_after(Subject& subject, const Can&) {
  Calls calls(subject);
  calls.put("object", bytes_for(0, 1'000));
  std::stop_source source;
  const auto reading = calls.reading();
  calls.start(reading, "object", {}, source.get_token());
  CHECK(reading->wait() == "ok");
  CHECK(says(calls.stat("object", source.get_token())) == "ok");
  source.request_stop();
  CHECK(reading->wait() == "ok");

  // As the last thing that is told.
  std::stop_source at_end;
  const auto stops = calls.reading();
  stops->on_end = [&] { at_end.request_stop(); };
  calls.start(stops, "object", {}, at_end.get_token());
  CHECK(stops->wait() == "ok");
}

void keeps_rate(Subject& subject, const Can&) {
  Calls calls(subject);
  calls.put("object", large());
  const Bytes small = bytes_for(0, 100);
  calls.put("small", small);
  std::stop_source source;
  std::vector<std::shared_ptr<Reading>> slow;
  for (int i = 0; i < 4; ++i) {
    slow.push_back(calls.reading());
    calls.start(slow.back(), "object", {}, source.get_token(), 1);
  }
  for (const auto& reading : slow) {
    CHECK(reading->wait_begun());
  }
  CHECK(calls.read("small", small) == "ok");
  CHECK(says(calls.stat("object")) == "ok");
  source.request_stop();
  for (const auto& reading : slow) {
    CHECK(reading->wait() == "interrupted");
    CHECK(reading->bytes().size() < kSize);
  }
  CHECK(calls.read("small", small, {0, 100}) == "ok");
}

void ends_slow_reads(Subject& subject, const Can&) {
  Calls calls(subject);
  calls.put("object", large());
  std::vector<std::shared_ptr<Reading>> slow;
  for (int i = 0; i < 4; ++i) {
    slow.push_back(calls.reading());
    calls.start(slow.back(), "object", {}, {}, 1);
  }
  CHECK(slow[0]->wait_begun());
  calls.end_origin();
  for (const auto& reading : slow) {
    REQUIRE(reading->ended());
    CHECK(reading->wait() == "cancelled");
  }
}

void ends_reads(Subject& subject, const Can&) {
  Calls calls(subject);
  calls.put("object", large());
  std::vector<std::shared_ptr<Reading>> readings;
  for (int i = 0; i < 16; ++i) {
    readings.push_back(calls.reading());
  }
  // The first is inside its sink when the origin begins to go, if the origin has threads of its own.
  std::atomic<bool> going{false};
  const std::thread::id here = std::this_thread::get_id();
  readings[0]->on_bytes = [&]() -> Result<void> {
    while (std::this_thread::get_id() != here && !going.load()) {
      std::this_thread::yield();
    }
    for (int i = 0; i < 1'000; ++i) {
      std::this_thread::yield();
    }
    return {};
  };
  for (const auto& reading : readings) {
    calls.start(reading, "object");
  }
  CHECK(readings[0]->wait_begun());
  going.store(true);
  calls.end_origin();
  for (const auto& reading : readings) {
    CHECK_FALSE(reading->inside());
    REQUIRE(reading->ended());
    const std::string outcome = reading->wait();
    CHECK((outcome == "ok" ? compare(*reading, large()) : outcome) == (outcome == "ok" ? "ok" : "cancelled"));
  }
}

}  // namespace strandline::origin::conformance
