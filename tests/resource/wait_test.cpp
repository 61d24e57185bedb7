// R4, R5, R6 and R11: how waits end, on every path, and what stopping one leaves alone.
#include <tests/resource/subjects.h>

using namespace strandline;
using namespace strandline::testing;

namespace {

// What a wait can meet; each row of the precedence table is a choice of these.
enum class Bytes { ready, eof, evicted, missing };
enum class Ended { no, cancelled, failed, stopped };

// The words in the order of rule R4.
std::string expected_word(Bytes bytes, Ended ended, bool stop, bool past) {
  if (ended == Ended::cancelled) {
    return "!cancelled";
  }
  switch (bytes) {
    case Bytes::ready:
      return "ready";
    case Bytes::eof:
      return "eof";
    case Bytes::evicted:
      return "!evicted";
    case Bytes::missing:
      break;
  }
  if (ended == Ended::failed) {
    return "!failed";
  }
  if (ended == Ended::stopped) {
    return "!no_writer";
  }
  return stop ? "interrupted" : past ? "timed_out" : "pending";
}

template <class D>
void end(Opened<D>& opened, Ended how) {
  if (how == Ended::cancelled) {
    opened.resource.cancel();
  } else if (how == Ended::failed) {
    REQUIRE(says(opened.writer.fail(Error::make(Errc::io, "the origin"))) == "ok");
  } else if (how == Ended::stopped) {
    REQUIRE(says(opened.writer.abandon(Abandon::stop)) == "ok");
  }
}

}  // namespace

TEST_CASE_TEMPLATE("R4: precedence, on the fast, callback and cursor paths alike", D, STRANDLINE_BACKENDS) {
  constexpr bool kRing = std::is_same_v<D, RingDriver>;
  for (const Bytes bytes : {Bytes::ready, Bytes::eof, Bytes::evicted, Bytes::missing}) {
    if (bytes == Bytes::evicted && !kRing) {
      continue;
    }
    for (const Ended ended : {Ended::no, Ended::cancelled, Ended::failed, Ended::stopped}) {
      for (const bool stop : {false, true}) {
        for (const bool past : {false, true}) {
          const std::string expected = expected_word(bytes, ended, stop, past);
          if (expected == "pending") {
            continue;
          }
          Opened<D> opened;
          // Bytes [5000, 5008) of [0, 5016); on the ring everything before 912 is behind the window.
          REQUIRE(opened.write({5000, 5008}) == "8");
          REQUIRE(says(opened.writer.set_length(5008 + 8)) == "ok");
          end(opened, ended);
          const ByteRange range = bytes == Bytes::ready     ? ByteRange{5000, 5008}
                                  : bytes == Bytes::eof     ? ByteRange{5016, 5020}
                                  : bytes == Bytes::evicted ? ByteRange{100, 104}
                                                            : ByteRange{5004, 5012};
          std::stop_source source;
          if (stop) {
            (void)source.request_stop();
          }
          WaitOptions options{source.get_token(), in_good_time(), WaitFor::all};
          if (past) {
            options.deadline = long_ago();
          }
          CHECK(says(opened.resource.wait_range(range, options)) == expected);
          CHECK(async(opened.resource, range, options).answer() == expected);
          // A cursor, and wait_read_at, say the same; outcomes that are no bytes become errors or 0.
          std::vector<std::byte> out(range.size());
          const std::string read_word = expected == "ready"  ? "8"
                                        : expected == "eof"  ? "0"
                                        : expected[0] == '!' ? expected
                                                             : "!" + expected;
          CHECK(says(opened.resource.wait_read_at(range.begin, out, options)) == read_word);
          if (bytes != Bytes::missing) {
            auto cursor = required(opened.resource.cursor(range.begin));
            CHECK(says(cursor.read(out, options)) == read_word);
          }
        }
      }
    }
  }
}

TEST_CASE_TEMPLATE("R4: after fail what arrived stays readable, and waits on it are ready", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  CHECK(opened.write({0, 8}) == "8");
  CHECK(says(opened.writer.fail(Error::make(Errc::io, "the origin went away"))) == "ok");
  CHECK(opened.state() == "failed");
  CHECK(opened.read({0, 8}) == "8");
  CHECK(opened.waits({2, 8}) == "ready");
  CHECK(opened.waits({2, 9}) == "!failed");
  CHECK(opened.waits({2, 9}, WaitFor::any) == "ready");
  CHECK(opened.read({2, 9}) == "!not_available");
  const auto outcome = opened.resource.wait_range({2, 9}, at_once());
  CHECK(outcome.error().context == "the origin went away");
  CHECK(opened.resource.status().error->code == Errc::io);
}

TEST_CASE_TEMPLATE("R4: cancel ends every call, parked and to come, with cancelled", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  CHECK(opened.write({0, 8}) == "8");
  auto cursor = required(opened.resource.cursor(8));
  std::vector<std::byte> out(4);
  InThread waiting([&] { return opened.resource.wait_range({4, 12}, patiently()); });
  InThread reading([&] { return opened.resource.wait_read_at(8, out, patiently()); });
  std::vector<std::byte> streamed(4);
  InThread streaming([&] { return cursor.read(streamed, patiently()); });
  const Outcome callback = async(opened.resource, {8, 12});
  until_parked(opened.resource, 4);
  opened.resource.cancel();
  CHECK(waiting.join() == "!cancelled");
  CHECK(reading.join() == "!cancelled");
  CHECK(streaming.join() == "!cancelled");
  CHECK(callback.answer() == "!cancelled");
  CHECK(opened.state() == "cancelled");
  // Every call from now on.
  CHECK(opened.read({0, 8}) == "!cancelled");
  CHECK(opened.read({0, 0}) == "!cancelled");
  CHECK(opened.waits({0, 8}) == "!cancelled");
  CHECK(opened.waits({0, 0}) == "!cancelled");
  CHECK(says(opened.resource.view({0, 8})) == "!cancelled");
  CHECK(says(cursor.read(out, patiently())) == "!cancelled");
  CHECK(opened.write({0, 8}) == "!cancelled");
  CHECK(opened.write({8, 8}) == "!cancelled");
  CHECK(says(opened.writer.set_length(8)) == "!cancelled");
  CHECK(says(opened.writer.commit()) == "!cancelled");
  CHECK(says(opened.writer.fail(Error{})) == "!cancelled");
  CHECK(says(opened.writer.abandon(Abandon::stop)) == "!cancelled");
  CHECK(says(opened.writer.sync()) == "!cancelled");
  CHECK(says(opened.resource.writer()) == "!cancelled");
  CHECK(says(opened.resource.reactivate(Reactivate::resume)) == "!cancelled");
  CHECK(says(opened.resource.reactivate(Reactivate::rewrite)) == "!cancelled");
  CHECK_FALSE(opened.resource.contains({0, 8}));
  CHECK(opened.available() == "{}");
  opened.resource.cancel();  // once more is nothing
  opened.resource.check_invariants();
}

TEST_CASE("R4: the owner's stop_token cancels, before or after the opening") {
  std::stop_source source;
  ResourceOptions options;
  options.stop = source.get_token();
  Opened<MemoryDriver> opened(options);
  InThread waiting([&] { return opened.resource.wait_range({0, 4}, patiently()); });
  until_parked(opened.resource, 1);
  CHECK(opened.state() == "active");
  (void)source.request_stop();
  CHECK(waiting.join() == "!cancelled");
  CHECK(opened.state() == "cancelled");

  auto late = required(Resource<MemoryDriver>::open({}, options));
  CHECK(says(late.status().state) == "cancelled");
  CHECK(says(late.writer()) == "!cancelled");
}

TEST_CASE("R4: an error is the state's while it is failed, and only then") {
  Opened<MemoryDriver> opened;
  CHECK_FALSE(opened.resource.status().error.has_value());
  CHECK(says(opened.writer.fail(Error::make(Errc::no_space, "the disk"))) == "ok");
  CHECK(opened.resource.status().error->code == Errc::no_space);
  opened.next_writer(Reactivate::resume);
  CHECK_FALSE(opened.resource.status().error.has_value());
  CHECK(says(opened.writer.fail(Error::make(Errc::io, "again"))) == "ok");
  CHECK(opened.resource.status().error->context == "again");
  opened.resource.cancel();
  CHECK_FALSE(opened.resource.status().error.has_value());
}

TEST_CASE_TEMPLATE("R5: everything that can end a wait wakes it, thread and callback alike", D, STRANDLINE_BACKENDS) {
  struct Row {
    const char* name;
    ByteRange range;
    std::function<void(Opened<D>&)> event;
    const char* expected;
  };
  const std::vector<Row> rows = {
      {"write",
       {0, 4},
       [](auto& opened) {
         CHECK(opened.write({0, 4}) == "4");
       },
       "ready"},
      {"write of more",
       {2, 3},
       [](auto& opened) {
         CHECK(opened.write({0, 9}) == "9");
       },
       "ready"},
      {"two writes",
       {0, 4},
       [](auto& opened) {
         CHECK(opened.write({2, 4}) == "2");
         CHECK(opened.write({0, 2}) == "2");
       },
       "ready"},
      {"length before it", {8, 12}, [](auto& opened) { CHECK(says(opened.writer.set_length(8)) == "ok"); }, "eof"},
      {"length across it",
       {0, 12},
       [](auto& opened) {
         CHECK(opened.write({0, 8}) == "8");
         CHECK(opened.resource.stats().parked == 2);
         CHECK(says(opened.writer.set_length(8)) == "ok");
       },
       "ready"},
      {"commit before it", {0, 4}, [](auto& opened) { CHECK(says(opened.writer.commit(0)) == "ok"); }, "eof"},
      {"commit across it",
       {0, 12},
       [](auto& opened) {
         CHECK(opened.write({0, 8}) == "8");
         CHECK(says(opened.writer.commit()) == "ok");
       },
       "ready"},
      {"commit below what it waits for",
       {4, 12},
       [](auto& opened) {
         CHECK(opened.write({0, 8}) == "8");
         CHECK(says(opened.writer.commit(6)) == "ok");
       },
       "ready"},
      {"fail", {0, 4}, [](auto& opened) { CHECK(says(opened.writer.fail(Error{})) == "ok"); }, "!failed"},
      {"cancel", {0, 4}, [](auto& opened) { opened.resource.cancel(); }, "!cancelled"},
      {"stop", {0, 4}, [](auto& opened) { CHECK(says(opened.writer.abandon(Abandon::stop)) == "ok"); }, "!no_writer"},
      {"the writer's end", {0, 4}, [](auto& opened) { opened.writer = Writer<D>(); }, "!failed"},
      {"interrupt", {0, 4}, [](auto& opened) { opened.resource.interrupt(); }, "interrupted"},
      {"handover, and the next writer",
       {0, 4},
       [](auto& opened) {
         CHECK(says(opened.writer.abandon(Abandon::handover)) == "ok");
         CHECK(opened.resource.stats().parked == 2);
         opened.writer = required(opened.resource.writer());
         CHECK(opened.resource.stats().parked == 2);
         CHECK(opened.write({0, 4}) == "4");
       },
       "ready"},
      {"rewrite, and the new generation's bytes",
       {0, 8},
       [](auto& opened) {
         CHECK(opened.write({0, 4}) == "4");
         CHECK(says(opened.writer.abandon(Abandon::handover)) == "ok");
         opened.next_writer(Reactivate::rewrite);
         opened.resource.check_invariants();  // what the waits lack now is the first byte again
         CHECK(opened.write({4, 8}, 2) == "4");
         CHECK(opened.resource.stats().parked == 2);  // the old [0, 4) is gone
         CHECK(opened.write({0, 4}, 2) == "4");
       },
       "ready"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    Opened<D> opened;
    InThread waiting([&] { return opened.resource.wait_range(row.range, patiently()); });
    const Outcome callback = async(opened.resource, row.range);
    until_parked(opened.resource, 2);
    row.event(opened);
    CHECK(waiting.join() == row.expected);
    CHECK(callback.wait() == row.expected);
    CHECK(opened.resource.stats().parked == 0);
    opened.resource.check_invariants();
  }
}

TEST_CASE("R5: a wait on bytes that the window passes ends with evicted") {
  Opened<RingDriver> opened(ring_of(16));
  InThread behind([&] { return opened.resource.wait_range({2, 6}, patiently()); });
  InThread across([&] { return opened.resource.wait_range({3, 19}, patiently()); });
  InThread inside([&] { return opened.resource.wait_range({4, 20}, patiently()); });
  until_parked(opened.resource, 3);
  CHECK(opened.write({12, 20}) == "8");  // the window is [4, 20) now
  CHECK(behind.join() == "!evicted");
  CHECK(across.join() == "!evicted");
  CHECK(opened.resource.stats().parked == 1);
  CHECK(opened.write({4, 12}) == "8");
  CHECK(inside.join() == "ready");
}

TEST_CASE_TEMPLATE("R5: what nothing can satisfy any more ends with an error at once", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  CHECK(says(opened.writer.abandon(Abandon::stop)) == "ok");
  CHECK(says(opened.resource.wait_range({0, 4}, patiently())) == "!no_writer");
  CHECK(opened.state() == "active");
  opened.writer = required(opened.resource.writer());  // and with a new writer waits wait again
  CHECK(opened.waits({0, 4}) == "timed_out");
  CHECK(says(opened.writer.fail(Error{})) == "ok");
  CHECK(says(opened.resource.wait_range({0, 4}, patiently())) == "!failed");
}

TEST_CASE_TEMPLATE("R5: an empty range is ready; an impossible one is invalid_range", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  CHECK(opened.write({0, 8}) == "8");
  CHECK(opened.waits({3, 3}) == "ready");
  CHECK(opened.waits({100, 100}) == "ready");
  CHECK(opened.waits({kMaxOffset, kMaxOffset}) == "ready");
  CHECK(opened.waits({9, 3}) == "!invalid_range");
  CHECK(opened.waits({0, kMaxOffset + 1}, WaitFor::any) == "!invalid_range");
  CHECK(async(opened.resource, {9, 3}).answer() == "!invalid_range");
  std::vector<std::byte> out(8);
  CHECK(says(opened.resource.read_at(kMaxOffset - 7, out)) == "!invalid_range");
  CHECK(says(opened.resource.read_at(~std::uint64_t{0} - 3, out)) == "!invalid_range");
  CHECK(says(opened.resource.wait_read_at(~std::uint64_t{0} - 3, out, at_once())) == "!invalid_range");
  CHECK(opened.write({kMaxOffset - 7, kMaxOffset + 1}) == "!invalid_range");
  CHECK(says(opened.resource.view({9, 3})) == "!invalid_range");
  CHECK(says(opened.resource.cursor(kMaxOffset + 1)) == "!invalid_range");
  CHECK_FALSE(opened.resource.contains({9, 3}));
  CHECK(opened.available() == "{[0, 8)}");
  CHECK(opened.state() == "active");
}

TEST_CASE_TEMPLATE("R6: reads, waits, views and commit agree on what is there", D, STRANDLINE_BACKENDS) {
  constexpr std::uint64_t kSize = 5;
  for (std::uint64_t bytes = 0; bytes < (1U << kSize); ++bytes) {
    for (std::uint64_t length = 0; length <= kSize + 1; ++length) {  // the last: unknown
      if (length <= kSize && bytes >> length != 0) {
        continue;
      }
      const std::uint64_t end = std::min(length, kSize);
      Opened<D> opened;
      for (std::uint64_t i = 0; i < kSize; ++i) {
        if ((bytes >> i & 1) != 0) {
          REQUIRE(opened.write({i, i + 1}) == "1");
        }
      }
      if (length <= kSize) {
        REQUIRE(says(opened.writer.set_length(length)) == "ok");
      }
      for (std::uint64_t from = 0; from < kSize; ++from) {
        for (std::uint64_t to = from + 1; to <= kSize; ++to) {
          const ByteRange range{from, to};
          const ByteRange clamped = range.clamped_to({0, end});
          const std::uint64_t wanted = ((1U << clamped.end) - 1) & ~((1U << clamped.begin) - 1);
          const bool eof = length <= kSize && from >= length;
          const bool there = (bytes & wanted) == wanted;
          const std::string size = std::to_string(clamped.size());
          CHECK(opened.read(range) == (eof ? "0" : there ? size : "!not_available"));
          CHECK(opened.waits(range) == (eof ? "eof" : there ? "ready" : "timed_out"));
          CHECK(opened.waits(range, WaitFor::any) == (eof ? "eof" : (bytes >> from & 1) != 0 ? "ready" : "timed_out"));
          CHECK(says(opened.resource.view(range)) == (eof || there ? "ok" : "!not_available"));
        }
      }
      const bool whole = (bytes & ((1U << end) - 1)) == (1U << end) - 1;
      if (length <= kSize) {
        CHECK(opened.resource.contains({0, length}) == whole);
        CHECK(says(opened.writer.commit()) == (whole ? "ok" : "!incomplete"));
      }
    }
  }
}

TEST_CASE_TEMPLATE("R11: a stop ends its own wait and nothing else", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  std::stop_source source;
  InThread stopped([&] {
    return opened.resource.wait_range({0, 8}, {source.get_token(), in_good_time(), WaitFor::all});
  });
  InThread same_range([&] { return opened.resource.wait_range({0, 8}, patiently()); });
  const Outcome stopped_callback = async(opened.resource, {0, 8}, {source.get_token(), {}, WaitFor::all});
  const Outcome same_callback = async(opened.resource, {0, 8});
  until_parked(opened.resource, 4);
  (void)source.request_stop();
  CHECK(stopped.join() == "interrupted");
  CHECK(stopped_callback.wait() == "interrupted");
  CHECK(opened.resource.stats().parked == 2);
  CHECK(same_callback.answer() == "pending");
  CHECK(opened.state() == "active");
  opened.resource.check_invariants();
  CHECK(opened.write({0, 8}) == "8");
  CHECK(same_range.join() == "ready");
  CHECK(same_callback.wait() == "ready");
  // A stop that was requested earlier ends a wait on missing bytes at once, and leaves one on bytes ready.
  CHECK(says(opened.resource.wait_range({8, 9}, {source.get_token(), in_good_time(), WaitFor::all})) == "interrupted");
  CHECK(says(opened.resource.wait_range({0, 8}, {source.get_token(), in_good_time(), WaitFor::all})) == "ready");
}

TEST_CASE("R11: a deadline ends its own wait; interrupt those parked now, and none later") {
  Opened<MemoryDriver> opened;
  const Outcome forever = async(opened.resource, {0, 8});
  const auto soon = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
  CHECK(says(opened.resource.wait_range({0, 8}, {{}, soon, WaitFor::all})) == "timed_out");
  CHECK(std::chrono::steady_clock::now() >= soon);
  const Outcome timed = async(opened.resource, {0, 8}, {{}, soon + std::chrono::milliseconds(20), WaitFor::all});
  CHECK(timed.wait() == "timed_out");
  CHECK(forever.answer() == "pending");
  opened.resource.interrupt();
  CHECK(forever.answer() == "interrupted");
  const Outcome later = async(opened.resource, {0, 8});
  CHECK(later.answer() == "pending");
  CHECK(opened.state() == "active");
  CHECK(opened.write({0, 8}) == "8");
  CHECK(later.answer() == "ready");
}

TEST_CASE("R5: sixty threads that one write satisfies all go on, each woken by the writer or by another of them") {
  for (int round = 0; round < 5; ++round) {
    Opened<MemoryDriver> opened;
    std::vector<std::unique_ptr<InThread>> waiting;
    for (std::uint64_t i = 0; i < 60; ++i) {
      waiting.push_back(std::make_unique<InThread>(
          [&, i] {
            return opened.resource.wait_range({0, 1 + i % 8}, patiently());
          },
          [&] { opened.resource.cancel(); }));
    }
    until_parked(opened.resource, 60);
    CHECK(opened.write({0, 8}) == "8");
    for (const auto& one : waiting) {
      CHECK(one->join() == "ready");
    }
    CHECK(opened.resource.stats().wakes == 60);
  }
}
