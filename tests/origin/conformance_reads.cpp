// What every origin's stat and read promise.
#include <tests/origin/conformance.h>

#include <array>
#include <barrier>
#include <random>
#include <thread>

namespace strandline::origin::conformance {

void tells_of_objects(Subject& subject, const Can&) {
  Calls calls(subject);
  const Bytes content = bytes_for(0, 12'345);
  calls.put("here", content);
  const auto told = calls.stat("here");
  REQUIRE(says(told) == "ok");
  CHECK(told->size.value_or(content.size()) == content.size());
  CHECK((told->validator.kind == Validator::Kind::none) == told->validator.value.empty());
  CHECK(calls.exists("here").value_or(false));
  const auto size = calls.size("here");
  CHECK((size ? std::to_string(*size) : says(size)) == (told->size ? "12345" : "unsupported"));

  // What begin() is told is the same.
  const auto reading = calls.reading({0, 1});
  calls.start(reading, "here");
  REQUIRE(reading->wait() == "ok");
  CHECK(reading->object()->validator == told->validator);
  CHECK(reading->object()->accepts_ranges == told->accepts_ranges);

  const auto absent = calls.stat("not here");
  REQUIRE(says(absent) == "not_found");
  CHECK_FALSE(absent.error().error.context.empty());
  CHECK_FALSE(absent.error().may_pass);
  const auto exists = calls.exists("not here");
  REQUIRE(says(exists) == "ok");
  CHECK_FALSE(*exists);
  CHECK(says(calls.size("not here")) == "not_found");
}

void reads_ranges(Subject& subject, const Can&) {
  Calls calls(subject);
  const Bytes& content = large();
  calls.put("folder/object", content);
  constexpr std::uint64_t kMiB = 1 << 20;
  const std::vector<ByteRange> within = {{0, 1},
                                         {0, kSize},
                                         {0, kMaxOffset},
                                         {0, kSize - 1},
                                         {1, 2},
                                         {kSize - 1, kSize},
                                         {kSize - 1, kSize + 1},
                                         {kSize - 1, kMaxOffset},
                                         {kMiB - 1, kMiB + 1},
                                         {kMiB, 2 * kMiB},
                                         {kMiB + 17, kSize + 1'000'000}};
  for (const ByteRange range : within) {
    CAPTURE(to_string(range));
    CHECK(calls.read("folder/object", content, range) == "ok");
  }
  const auto told = calls.stat("folder/object");
  REQUIRE(says(told) == "ok");
  for (const ByteRange range : {ByteRange{kSize, kSize + 1}, ByteRange{kSize, kMaxOffset},
                                ByteRange{kSize + 1, kSize + 2}, ByteRange{kMaxOffset - 1, kMaxOffset}}) {
    CAPTURE(to_string(range));
    const auto past = calls.reading(range);
    calls.start(past, "folder/object");
    if (told->accepts_ranges) {
      REQUIRE(past->wait() == "invalid_range");
      CHECK(past->failure().size == kSize);
      CHECK_FALSE(past->failure().may_pass);
      CHECK(past->bytes().empty());
    } else {
      past->wait();
    }
  }
}

void reads_empty(Subject& subject, const Can&) {
  Calls calls(subject);
  calls.put("empty", {});
  CHECK(calls.read("empty", {}) == "ok");
  CHECK(calls.read("empty", {}, {0, 1}) == "ok");
  const auto past = calls.reading({1, 2});
  calls.start(past, "empty");
  REQUIRE(past->wait() == "invalid_range");
  CHECK(past->failure().size == 0);
}

void misses(Subject& subject, const Can&) {
  Calls calls(subject);
  calls.put("folder/object", bytes_for(0, 10));
  for (const char* const name : {"absent", "folder/absent", "folder", "fold", "absent/object", "folder/object/more"}) {
    CAPTURE(name);
    const auto reading = calls.reading();
    calls.start(reading, name);
    REQUIRE(reading->wait() == "not_found");
    CHECK_FALSE(reading->object());
    CHECK_FALSE(reading->failure().error.context.empty());
    CHECK(says(calls.stat(name)) == "not_found");
  }
}

void matches(Subject& subject, const Can&) {
  Calls calls(subject);
  const Bytes old = bytes_for(0, 300'000, 1);
  const Bytes next = bytes_for(0, 300'001, 2);
  calls.put("object", old);
  const auto before = calls.stat("object");
  REQUIRE(says(before) == "ok");
  const Validator validator = before->validator;
  CHECK(calls.read("object", old, {0, kMaxOffset}, validator) == "ok");
  calls.put("object", next);
  const auto after = calls.stat("object");
  REQUIRE(says(after) == "ok");
  if (validator.kind == Validator::Kind::none) {
    CHECK(calls.read("object", next, {0, kMaxOffset}, validator) == "ok");
    return;
  }
  CHECK_FALSE(after->validator == validator);
  CHECK(calls.read("object", next, {100, 200}, after->validator) == "ok");
  const Validator other{Validator::Kind::strong, "\"no version of this object\""};
  for (const Validator& gone : {validator, other}) {
    for (const ByteRange range : {ByteRange{0, kMaxOffset}, ByteRange{100, 200}}) {
      const auto reading = calls.reading(range);
      calls.start(reading, "object", gone);
      REQUIRE(reading->wait() == "changed");
      CHECK(reading->bytes().empty());
      CHECK_FALSE(reading->failure().may_pass);
    }
  }
}

void one_version(Subject& subject, const Can&) {
  Calls calls(subject);
  // Of different sizes, so that a reader can tell which one it has been told of.
  const std::array<Bytes, 2> versions = {bytes_for(0, 3'000'000, 1), bytes_for(0, 3'000'001, 2)};
  calls.put("object", versions[0]);
  std::atomic<bool> done{false};
  std::atomic<int> rounds{0};
  std::jthread writer([&] {
    for (unsigned round = 1; !done.load() || round < 4; ++round) {
      calls.put("object", versions[round % 2]);
      rounds.fetch_add(1);
    }
  });
  std::string wrong;
  for (int round = 0; round < 12 || rounds.load() < 4; ++round) {
    const auto reading = calls.reading();
    calls.start(reading, "object");
    const std::string outcome = reading->wait();
    if (outcome == "ok") {
      const std::uint64_t size = reading->bytes().size();
      const std::string compared = compare(*reading, versions[size == versions[0].size() ? 0 : 1]);
      wrong += compared == "ok" ? "" : compared + "; ";
    } else if (outcome != "changed") {
      wrong += outcome + "; ";
    }
  }
  done.store(true);
  writer.join();
  CHECK(wrong == "");
  const std::size_t size = calls.stat("object").value().size.value_or(0);
  CHECK((size == versions[0].size() || size == versions[1].size()));
}

void sink_refuses(Subject& subject, const Can&) {
  Calls calls(subject);
  calls.put("object", large());
  const auto refuse = []() -> Result<void> { return fail(Errc::conflict, "the sink's own words"); };
  const auto check = [&](const std::shared_ptr<Reading>& reading) {
    calls.start(reading, "object");
    REQUIRE(reading->wait() == "conflict");
    CHECK(reading->failure().error.context == "the sink's own words");
    CHECK_FALSE(reading->failure().may_pass);
  };
  const auto begin = calls.reading();
  begin->on_begin = refuse;
  check(begin);
  CHECK(begin->bytes().empty());

  const auto bytes = calls.reading();
  bytes->on_bytes = refuse;
  check(bytes);
  CHECK(bytes->bytes().size() < kSize);

  const auto later = calls.reading({1'000, kMaxOffset});
  later->on_bytes = [&refuse, told = 0]() mutable { return ++told < 2 ? Result<void>() : refuse(); };
  check(later);
  CHECK(calls.read("object", large()) == "ok");
}

void calls_again(Subject& subject, const Can&) {
  Calls calls(subject);
  const Bytes content = bytes_for(0, 100'000, 3);
  calls.put("object", large());
  calls.put("other", content);
  // Made beforehand, for they are started inside.
  const std::array<std::shared_ptr<Reading>, 4> readings = {calls.reading(), calls.reading({5, 500}), calls.reading(),
                                                            calls.reading({50'000, 50'001})};
  const auto outer = calls.reading();
  const auto told = calls.answer<ObjectInfo>();
  const auto stat_inside = calls.answer<ObjectInfo>();
  outer->on_begin = [&]() -> Result<void> {
    calls.start(readings[0], "other");
    return {};
  };
  outer->on_bytes = [&, first = true]() mutable -> Result<void> {
    if (std::exchange(first, false)) {
      calls.start(readings[1], "object");
      calls.origin().stat(calls.key("other"), Answer<ObjectInfo>::reply(stat_inside), {});
    }
    return {};
  };
  outer->on_end = [&] { calls.start(readings[2], "other"); };
  told->on_answer = [&] { calls.start(readings[3], "other"); };
  calls.start(outer, "object");
  calls.origin().stat(calls.key("object"), Answer<ObjectInfo>::reply(told), {});
  CHECK(outer->wait() == "ok");
  CHECK(compare(*outer, large()) == "ok");
  CHECK(says(told->wait()) == "ok");
  CHECK(says(stat_inside->wait()) == "ok");
  for (const auto& reading : readings) {
    CHECK(reading->wait() == "ok");
  }
  CHECK(compare(*readings[0], content) == "ok");
  CHECK(compare(*readings[1], large()) == "ok");
  CHECK(compare(*readings[2], content) == "ok");
  CHECK(compare(*readings[3], content) == "ok");
}

void many_at_once(Subject& subject, const Can&) {
  constexpr unsigned kThreads = 4, kReads = 24;
  Calls calls(subject);
  const Bytes content = bytes_for(0, 700'001, 4);
  calls.put("object", content);
  std::array<std::string, kThreads> wrong;
  {
    std::barrier start(kThreads);
    std::vector<std::jthread> threads;
    for (unsigned thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        std::minstd_rand random(thread + 1);
        std::vector<std::shared_ptr<Reading>> readings;
        start.arrive_and_wait();
        for (unsigned i = 0; i < kReads; ++i) {
          const std::uint64_t begin = random() % content.size();
          readings.push_back(calls.reading({begin, begin + 1 + random() % 200'000}));
          calls.start(readings.back(), "object");
          if (i % 8 == 0) {
            wrong[thread] += says(calls.stat("object")) == "ok" ? "" : "stat; ";
            wrong[thread] += says(calls.stat("absent")) == "not_found" ? "" : "stat of what is absent; ";
          }
        }
        for (const auto& reading : readings) {
          const std::string outcome = reading->wait() == "ok" ? compare(*reading, content) : reading->wait();
          wrong[thread] += outcome == "ok" ? "" : outcome + " at " + to_string(reading->range()) + "; ";
        }
      });
    }
  }
  for (const std::string& of_thread : wrong) {
    CHECK(of_thread == "");
  }
}

}  // namespace strandline::origin::conformance
