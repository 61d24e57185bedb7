// R1, R2, R3 and R13: what reads see of writes that overlap, fail, fall short or stand still in the driver.
#include <strandline/testing/scripted_driver.h>
#include <tests/resource/subjects.h>

#include <algorithm>
#include <random>
#include <stdexcept>

using namespace strandline;
using namespace strandline::testing;

template <>
struct strandline::testing::Subject<ScriptedDriver> {};
template <>
struct strandline::testing::Subject<WindowedScriptedDriver> {};

namespace {

// A resource whose driver does as it is told. That the resource kept the driver's contract is checked at the end.
template <class D>
struct Told {
  explicit Told(ResourceOptions options = {}, std::uint64_t capacity = 4096)
      : opened(driver_options(script, capacity), std::move(options)) {}
  ~Told() { CHECK((may_read_late || script->breaches().empty())); }

  static ScriptedStorage::Options driver_options(const std::shared_ptr<Script>& script, std::uint64_t capacity) {
    ScriptedStorage::Options options;
    options.script = script;
    options.capacity = capacity;
    return options;
  }

  std::shared_ptr<Script> script = std::make_shared<Script>();
  Opened<D> opened;
  bool may_read_late = false;  // the test holds a read up until its bytes are gone, which the driver notices
};

// What a read of [0, 12) answers when the driver has been asked for the bytes, and then `change` comes to pass.
template <class D, class Change>
std::string read_across(Change change) {
  Told<D> told({}, 16);
  told.may_read_late = true;
  auto& opened = told.opened;
  CHECK(opened.write({0, 12}) == "12");
  const Gate gate = told.script->block(DriverCall::read, told.script->next(DriverCall::read));
  std::vector<std::byte> out(12);
  InThread reading([&] { return opened.resource.read_at(0, out); }, [&] { gate.open(); });
  REQUIRE(gate.wait_until_blocked());
  change(opened);
  gate.open();
  return reading.join();
}

}  // namespace

TEST_CASE_TEMPLATE("R1: what is reported available reads back as written, in any order of arrival", D,
                   STRANDLINE_BACKENDS) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 20; ++round) {
    Opened<D> opened;
    std::vector<ByteRange> pieces;
    for (std::uint64_t begin = 0; begin < 2000;) {
      const std::uint64_t end = std::min<std::uint64_t>(2000, begin + 1 + random() % 300);
      pieces.push_back({begin, end});
      begin = end;
    }
    std::shuffle(pieces.begin(), pieces.end(), random);
    std::vector<ByteRange> written;
    for (const ByteRange piece : pieces) {
      REQUIRE(opened.write(piece) == std::to_string(piece.size()));
      written.push_back(piece);
      for (const ByteRange range : written) {
        REQUIRE(opened.read(range) == std::to_string(range.size()));
        REQUIRE(opened.resource.contains(range));
      }
    }
    CHECK(opened.available() == "{[0, 2000)}");
    CHECK(opened.read({0, 2000}) == "2000");
    CHECK(says(opened.writer.commit()) == "ok");
    CHECK(opened.read({0, 3000}) == "2000");
    opened.resource.check_invariants();
  }
}

TEST_CASE_TEMPLATE("R1: inside on_write, and inside a wait's callback, the bytes are there", D, STRANDLINE_BACKENDS) {
  const auto observer = std::make_shared<RecordingObserver>();
  std::string inside;
  Opened<D> opened(observed_by(observer));
  observer->then = [&](const std::string&) { inside += " " + opened.read({2, 6}); };
  opened.resource.async_wait({2, 6}, {}, [&](Result<WaitOutcome>) { inside += opened.read({2, 6}); });
  CHECK(opened.write({0, 8}) == "8");
  CHECK(inside == "4 4");
}

TEST_CASE_TEMPLATE("R2: a gap is not_available, in every state but cancelled", D, STRANDLINE_BACKENDS) {
  for (const std::string state : {"active", "handover", "stop", "failed", "resumed"}) {
    CAPTURE(state);
    Opened<D> opened;
    CHECK(opened.write({4, 8}) == "4");
    CHECK(opened.write({12, 16}) == "4");
    if (state == "handover" || state == "stop") {
      CHECK(says(opened.writer.abandon(state == "stop" ? Abandon::stop : Abandon::handover)) == "ok");
    } else if (state != "active") {
      CHECK(says(opened.writer.fail(Error{})) == "ok");
      if (state == "resumed") {
        opened.next_writer(Reactivate::resume);
      }
    }
    for (const ByteRange range : {ByteRange{0, 4}, ByteRange{3, 8}, ByteRange{4, 9}, ByteRange{4, 16}, ByteRange{8, 12},
                                  ByteRange{15, 17}, ByteRange{100, 101}, ByteRange{kMaxOffset - 1, kMaxOffset}}) {
      CHECK(opened.read(range) == "!not_available");
      CHECK(says(opened.resource.view(range)) == "!not_available");
      CHECK_FALSE(opened.resource.contains(range));
    }
    std::vector<std::byte> out(12);
    const auto refused = opened.resource.read_at(4, out);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().context.find('8') != std::string::npos);  // the first byte that is missing
    CHECK(opened.read({4, 8}) == "4");
  }
}

TEST_CASE_TEMPLATE("R3: a write counts only what is new, and compares the rest", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  CHECK(opened.write({10, 20}) == "10");
  CHECK(opened.write({10, 20}) == "0");
  CHECK(opened.write({15, 25}) == "5");
  CHECK(opened.write({0, 30}) == "15");
  CHECK(opened.write({0, 31}, 2) == "!conflict");
  CHECK(opened.available() == "{[0, 30)}");
  CHECK(opened.read({0, 30}) == "30");
}

TEST_CASE("R3: a large equal write is compared to the end") {
  Opened<MemoryDriver> opened;
  constexpr std::uint64_t kSize = 100000;  // more than any buffer that a comparison would use at once
  CHECK(opened.write({0, kSize}) == std::to_string(kSize));
  CHECK(opened.write({0, kSize}) == "0");
  auto other = content({0, kSize});
  other.back() ^= std::byte{1};
  CHECK(says(opened.writer.write_at(0, other)) == "!conflict");
  other = content({0, kSize + 1});
  other[50000] ^= std::byte{1};
  CHECK(says(opened.writer.write_at(0, other)) == "!conflict");
  CHECK(opened.read({0, kSize}) == std::to_string(kSize));
  CHECK(opened.read({kSize, kSize + 1}) == "!not_available");
}

TEST_CASE("R3: a read never sees bytes that the driver has not written yet") {
  Told<ScriptedDriver> told;
  auto& opened = told.opened;
  const Gate gate = told.script->block(DriverCall::write, 1);
  const auto let_go = [&] { gate.open(); };
  InThread writing([&] { return opened.writer.write_at(0, content({0, 8})); }, let_go);
  REQUIRE(gate.wait_until_blocked());
  CHECK(opened.read({0, 8}) == "!not_available");
  CHECK_FALSE(opened.resource.contains({0, 1}));
  CHECK(opened.waits({0, 8}) == "timed_out");
  CHECK(says(opened.resource.next_gap(0, 8)) == "[0, 8)");
  opened.resource.check_invariants();
  gate.open();
  CHECK(writing.join() == "8");
  CHECK(opened.read({0, 8}) == "8");
}

TEST_CASE("R3: of overlapping writes the first claims, the later waits and then compares") {
  for (const bool equal : {true, false}) {
    CAPTURE(equal);
    Told<ScriptedDriver> told;
    auto& opened = told.opened;
    const Gate gate = told.script->block(DriverCall::write, 1);
    const auto let_go = [&] { gate.open(); };
    InThread first([&] { return opened.writer.write_at(0, content({0, 8})); }, let_go);
    REQUIRE(gate.wait_until_blocked());
    // One that overlaps it is held up, as a deadline shows; one beside it is not.
    CHECK(says(opened.writer.write_at(4, content({4, 12}), at_once())) == "!timed_out");
    CHECK(says(opened.writer.write_at(8, content({8, 10}), at_once())) == "2");
    InThread second([&, equal] { return opened.writer.write_at(4, content({4, 12}, equal ? 1 : 2)); }, let_go);
    gate.open();
    CHECK(first.join() == "8");
    CHECK(second.join() == (equal ? "2" : "!conflict"));
    CHECK(opened.available() == (equal ? "{[0, 12)}" : "{[0, 10)}"));
    CHECK(opened.read({0, 10}) == "10");
  }
}

TEST_CASE("R3: when the first of two overlapping writes fails, the later one writes the bytes itself") {
  Told<ScriptedDriver> told;
  auto& opened = told.opened;
  told.script->fail(DriverCall::write, 1, Errc::io);
  const Gate gate = told.script->block(DriverCall::write, 1);
  const auto let_go = [&] { gate.open(); };
  InThread first([&] { return opened.writer.write_at(0, content({0, 8})); }, let_go);
  REQUIRE(gate.wait_until_blocked());
  InThread second([&] { return opened.writer.write_at(4, content({4, 12}, 2)); }, let_go);
  gate.open();
  CHECK(first.join() == "!io");
  CHECK(second.join() == "8");
  CHECK(opened.available() == "{[4, 12)}");
  CHECK(opened.read({4, 12}, 2) == "8");
}

TEST_CASE("R3: overlapping writes from many threads never tear") {
  Opened<MemoryDriver> opened;
  for (std::uint64_t base = 0; base < 3000; base += 30) {
    std::vector<std::unique_ptr<InThread>> threads;
    for (std::uint64_t generation = 1; generation <= 3; ++generation) {
      threads.push_back(std::make_unique<InThread>([&opened, base, generation] {
        return opened.writer.write_at(base + generation * 3,
                                      content({base + generation * 3, base + 20 + generation}, generation));
      }));
    }
    int written = 0;
    for (std::uint64_t generation = 1; generation <= 3; ++generation) {
      const ByteRange whole{base + generation * 3, base + 20 + generation};
      if (threads[generation - 1]->join() == std::to_string(whole.size())) {
        ++written;
        CHECK(opened.read(whole, generation) == std::to_string(whole.size()));
      }
    }
    CHECK(written == 1);
  }
}

TEST_CASE("R3: a short driver write is continued; what was written is published as it comes") {
  const auto observer = std::make_shared<RecordingObserver>();
  Told<ScriptedDriver> told(observed_by(observer));
  told.script->shorten_all(DriverCall::write, 3);
  CHECK(told.opened.write({0, 8}) == "8");
  CHECK(observer->take() == "write [0, 3); write [3, 6); write [6, 8)");
  CHECK(told.opened.read({0, 8}) == "8");
}

TEST_CASE("R3: a failed driver write publishes only the bytes proven written before it") {
  const auto observer = std::make_shared<RecordingObserver>();
  Told<ScriptedDriver> told(observed_by(observer));
  auto& opened = told.opened;
  told.script->shorten(DriverCall::write, 1, 3);
  told.script->fail(DriverCall::write, 2, Errc::no_space);
  CHECK(opened.write({0, 8}) == "!no_space");
  CHECK(opened.available() == "{[0, 3)}");
  CHECK(opened.read({0, 3}) == "3");
  CHECK(opened.read({0, 4}) == "!not_available");
  CHECK(observer->take() == "write [0, 3)");
  CHECK(opened.state() == "active");
  CHECK(says(opened.writer.commit(8)) == "!incomplete");
  CHECK(opened.write({0, 8}) == "5");
  CHECK(says(opened.writer.commit(8)) == "ok");
}

TEST_CASE("R3: a wait is woken by the first piece while the rest of the write is still in the driver") {
  Told<ScriptedDriver> told;
  auto& opened = told.opened;
  InThread waiting([&] { return opened.resource.wait_range({0, 4}, patiently()); });
  until_parked(opened.resource, 1);
  told.script->shorten(DriverCall::write, 1, 4);
  const Gate gate = told.script->block(DriverCall::write, 2);
  const auto let_go = [&] { gate.open(); };
  InThread writing([&] { return opened.writer.write_at(0, content({0, 8})); }, let_go);
  REQUIRE(gate.wait_until_blocked());
  CHECK(waiting.join() == "ready");
  CHECK(opened.read({0, 4}) == "4");
  CHECK(opened.read({0, 5}) == "!not_available");
  gate.open();
  CHECK(writing.join() == "8");
}

TEST_CASE("R3: a driver without progress is io, not a loop") {
  Told<ScriptedDriver> told;
  auto& opened = told.opened;
  told.script->shorten(DriverCall::write, 1, 0);
  CHECK(opened.write({0, 8}) == "!io");
  CHECK(opened.write({0, 8}) == "8");
  told.script->shorten(DriverCall::read, told.script->next(DriverCall::read), 0);
  CHECK(opened.read({0, 8}) == "!io");
  told.script->shorten_all(DriverCall::read, 3);
  CHECK(opened.read({0, 8}) == "8");
  CHECK(opened.write({0, 8}) == "0");
}

TEST_CASE("R4: cancel and fail while a write is in the driver: it publishes nothing any more") {
  for (const bool cancel : {true, false}) {
    CAPTURE(cancel);
    const auto observer = std::make_shared<RecordingObserver>();
    Told<ScriptedDriver> told(observed_by(observer));
    auto& opened = told.opened;
    const Gate gate = told.script->block(DriverCall::write, 1);
    const auto let_go = [&] { gate.open(); };
    InThread writing([&] { return opened.writer.write_at(0, content({0, 8})); }, let_go);
    REQUIRE(gate.wait_until_blocked());
    const Outcome waiting = async(opened.resource, {0, 8});
    if (cancel) {
      opened.resource.cancel();
    } else {
      CHECK(says(opened.writer.fail(Error{})) == "ok");
    }
    CHECK(waiting.answer() == (cancel ? "!cancelled" : "!failed"));
    gate.open();
    CHECK(writing.join() == (cancel ? "!cancelled" : "!failed"));
    CHECK(opened.available() == "{}");
    CHECK(observer->take() == (cancel ? "" : "fail io"));
    opened.resource.check_invariants();
  }
}

TEST_CASE("R7: commit waits for a write in flight, and no write starts while it runs") {
  Told<ScriptedDriver> told;
  auto& opened = told.opened;
  CHECK(opened.write({0, 8}) == "8");
  const Gate in_write = told.script->block(DriverCall::write, 2);
  const Gate in_commit = told.script->block(DriverCall::commit, 1);
  const auto let_go = [&] {
    in_write.open();
    in_commit.open();
  };
  InThread writing([&] { return opened.writer.write_at(8, content({8, 16})); }, let_go);
  REQUIRE(in_write.wait_until_blocked());
  InThread committing([&] { return opened.writer.commit(16); }, let_go);
  CHECK(told.script->count(DriverCall::commit) == 0);
  in_write.open();
  CHECK(writing.join() == "8");
  REQUIRE(in_commit.wait_until_blocked());
  CHECK(says(opened.writer.write_at(16, content({16, 20}), at_once())) == "!timed_out");
  CHECK(opened.read({0, 16}) == "16");  // readers go on
  CHECK(opened.state() == "active");
  in_commit.open();
  CHECK(committing.join() == "ok");
  CHECK(opened.write({16, 20}) == "!committed");
}

TEST_CASE("R7: storage that fails during commit leaves the resource active, and commit may be called again") {
  const auto observer = std::make_shared<RecordingObserver>();
  Told<ScriptedDriver> told(observed_by(observer));
  auto& opened = told.opened;
  CHECK(opened.write({0, 12}) == "12");
  told.script->fail(DriverCall::commit, 1, Errc::io);
  CHECK(says(opened.writer.commit(8)) == "!io");
  CHECK(opened.state() == "active");
  CHECK(says(opened.resource.length()) == "none");
  CHECK(opened.available() == "{[0, 8)}");  // bytes past n are gone by then
  CHECK(observer->take() == "write [0, 12); evict [8, 12)");
  CHECK(says(opened.writer.commit(8)) == "ok");
  CHECK(observer->take() == "commit 8");
}

TEST_CASE("R4: cancel during a commit: the commit is cancelled, and later calls are") {
  Told<ScriptedDriver> told;
  auto& opened = told.opened;
  CHECK(opened.write({0, 8}) == "8");
  const Gate gate = told.script->block(DriverCall::commit, 1);
  const auto let_go = [&] { gate.open(); };
  InThread committing([&] { return opened.writer.commit(); }, let_go);
  REQUIRE(gate.wait_until_blocked());
  opened.resource.cancel();
  CHECK(opened.read({0, 8}) == "!cancelled");
  gate.open();
  CHECK(committing.join() == "!cancelled");
  CHECK(opened.state() == "cancelled");
}

TEST_CASE("R1: a read that met a commit below its bytes, or a rewrite, does not answer what it copied") {
  CHECK(read_across<ScriptedDriver>([](auto& opened) { CHECK(says(opened.writer.commit(8)) == "ok"); }) == "8");
  CHECK(read_across<ScriptedDriver>([](auto& opened) {
          CHECK(says(opened.writer.abandon(Abandon::stop)) == "ok");
          opened.next_writer(Reactivate::rewrite);
          CHECK(opened.write({0, 4}, 2) == "4");
        }) == "!not_available");
}

TEST_CASE("R9: a replaced generation goes with its last reader") {
  Told<ScriptedDriver> told;
  auto& opened = told.opened;
  CHECK(opened.write({0, 12}) == "12");
  CHECK(says(opened.writer.commit()) == "ok");
  const auto drivers = [&, rest = told.script.use_count() - 1] { return told.script.use_count() - rest; };
  const Gate gate = told.script->block(DriverCall::read, told.script->next(DriverCall::read));
  std::vector<std::byte> out(12);
  InThread reading([&] { return opened.resource.read_at(0, out); }, [&] { gate.open(); });
  REQUIRE(gate.wait_until_blocked());
  opened.next_writer(Reactivate::rewrite);
  CHECK(opened.write({0, 12}, 2) == "12");
  CHECK(says(opened.writer.commit()) == "ok");
  CHECK(opened.read({0, 12}, 2) == "12");
  CHECK(drivers() == 2);
  gate.open();
  CHECK(reading.join() == "12");
  CHECK(out == content({0, 12}));
  CHECK(drivers() == 1);
}

TEST_CASE("R1: a read that fails while a rewrite runs waits for what becomes of the bytes") {
  for (const bool succeeds : {true, false}) {
    CAPTURE(succeeds);
    Told<ScriptedDriver> told;
    auto& opened = told.opened;
    CHECK(opened.write({0, 12}) == "12");
    CHECK(says(opened.writer.abandon(Abandon::stop)) == "ok");
    const Gate gate = told.script->block(DriverCall::rewrite, 1);
    const auto let_go = [&] { gate.open(); };
    if (!succeeds) {
      told.script->fail(DriverCall::rewrite, 1, Errc::no_space);
    }
    InThread rewriting([&] { return opened.resource.reactivate(Reactivate::rewrite); }, let_go);
    REQUIRE(gate.wait_until_blocked());
    const std::uint64_t read = told.script->next(DriverCall::read);
    told.script->fail(DriverCall::read, read, Errc::io);
    std::vector<std::byte> out(12);
    InThread reading([&] { return opened.resource.read_at(0, out); }, let_go);
    CHECK(eventually([&] { return told.script->count(DriverCall::read) >= read; }));
    gate.open();
    CHECK(rewriting.join() == (succeeds ? "ok" : "!no_space"));
    CHECK(reading.join() == (succeeds ? "!not_available" : "!io"));
  }
}

TEST_CASE("R1: in a window too, a read that met a commit below its bytes is judged anew") {
  CHECK(read_across<WindowedScriptedDriver>([](auto& opened) { CHECK(says(opened.writer.commit(8)) == "ok"); }) == "8");
}

TEST_CASE("R12: a read in flight holds its bytes in the window; the write waits for it") {
  Told<WindowedScriptedDriver> told({}, 8);
  auto& opened = told.opened;
  CHECK(opened.write({0, 8}) == "8");
  const Gate gate = told.script->block(DriverCall::read, told.script->next(DriverCall::read));
  const auto let_go = [&] { gate.open(); };
  std::vector<std::byte> out(4);
  InThread reading([&] { return opened.resource.read_at(0, out); }, let_go);
  REQUIRE(gate.wait_until_blocked());
  CHECK(says(opened.writer.write_at(8, content({8, 12}), at_once())) == "!timed_out");
  CHECK(opened.read({0, 4}) == "!evicted");  // for new readers they are gone already
  gate.open();
  CHECK(reading.join() == "4");
  CHECK(out == content({0, 4}));
  CHECK(says(opened.writer.write_at(8, content({8, 12}), at_once())) == "4");
}

TEST_CASE("R12: a write that the window passed while it was in the driver publishes nothing behind it") {
  Told<WindowedScriptedDriver> told({}, 8);
  auto& opened = told.opened;
  const Gate gate = told.script->block(DriverCall::write, 1);
  const auto let_go = [&] { gate.open(); };
  InThread first([&] { return opened.writer.write_at(0, content({0, 4})); }, let_go);
  REQUIRE(gate.wait_until_blocked());
  CHECK(says(opened.writer.write_at(8, content({8, 10}), at_once())) == "!timed_out");  // held up by the first
  gate.open();
  CHECK(first.join() == "2");
  CHECK(opened.available() == "{[2, 4)}");
  CHECK(says(opened.writer.write_at(8, content({8, 10}), at_once())) == "2");
  CHECK(opened.read({2, 4}) == "2");
}

TEST_CASE("R13: what a driver throws becomes an error, whatever the call") {
  struct Odd {};
  const std::vector<std::pair<std::exception_ptr, Errc>> thrown = {
      {std::make_exception_ptr(std::runtime_error("broken")), Errc::io},
      {std::make_exception_ptr(std::bad_alloc()), Errc::no_memory},
      {std::make_exception_ptr(Odd{}), Errc::io}};
  for (const auto& [what, code] : thrown) {
    const std::string word = "!" + std::string(to_string(code));
    Told<ScriptedDriver> told;
    auto& opened = told.opened;
    const auto next_throws = [&, &what = what](DriverCall call) {
      told.script->throw_at(call, told.script->next(call), what);
    };
    next_throws(DriverCall::write);
    CHECK(opened.write({0, 8}) == word);
    CHECK(opened.write({0, 8}) == "8");
    next_throws(DriverCall::read);
    CHECK(opened.read({0, 8}) == word);
    next_throws(DriverCall::read);
    CHECK(opened.write({0, 8}) == word);  // a comparison reads
    next_throws(DriverCall::view);
    CHECK(says(opened.resource.view({0, 8})) == word);
    next_throws(DriverCall::sync);
    CHECK(says(opened.writer.sync()) == word);
    next_throws(DriverCall::commit);
    CHECK(says(opened.writer.commit()) == word);
    CHECK(opened.state() == "active");
    CHECK(says(opened.writer.commit()) == "ok");
    for (const Reactivate mode : {Reactivate::resume, Reactivate::rewrite}) {
      next_throws(mode == Reactivate::resume ? DriverCall::reactivate : DriverCall::rewrite);
      CHECK(says(opened.resource.reactivate(mode)) == word);
      CHECK(opened.state() == "committed");
      CHECK(opened.read({0, 9}) == "8");
    }
    opened.resource.check_invariants();
    const auto script = std::make_shared<Script>();
    script->throw_at(DriverCall::open, 1, what);
    CHECK(says(Resource<ScriptedDriver>::open(Told<ScriptedDriver>::driver_options(script, 1))) == word);
  }
}
