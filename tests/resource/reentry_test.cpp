// R10 and R4: what observers and callbacks may do from inside, and what happens to calls queued behind others.
#include <strandline/testing/scripted_driver.h>
#include <tests/resource/subjects.h>

#include <atomic>

using namespace strandline;
using namespace strandline::testing;

template <>
struct strandline::testing::Subject<ScriptedDriver> {};

namespace {

// A resource whose driver does what a script says.
struct Scripted {
  explicit Scripted(ResourceOptions options = {}) : opened(driver_options(script), std::move(options)) {}
  static ScriptedStorage::Options driver_options(const std::shared_ptr<Script>& script) {
    ScriptedStorage::Options options;
    options.script = script;
    return options;
  }
  std::shared_ptr<Script> script = std::make_shared<Script>();
  Opened<ScriptedDriver> opened;
};

}  // namespace

TEST_CASE("R10: an observer of an eviction writes, in the window as it then is or far past it") {
  for (const ByteRange inner : {ByteRange{16, 20}, ByteRange{40, 44}}) {
    CAPTURE(inner.begin);
    const auto observer = std::make_shared<RecordingObserver>();
    Opened<RingDriver> opened(ring_of(16), observed_by(observer));
    std::string inside;
    observer->then = [&](const std::string& event) {
      if (event == "evict [0, 4)") {
        inside = opened.write(inner);
      }
    };
    CHECK(opened.write({0, 16}) == "16");
    const std::string outer = opened.write({16, 20});
    CHECK(inside == "4");
    CHECK(outer == (inner.begin == 16 ? "0" : "!evicted"));
    CHECK(opened.read(inner) == "4");
    opened.resource.check_invariants();
  }
}

TEST_CASE("R10: a callback whose bytes were evicted writes") {
  Opened<RingDriver> opened(ring_of(16));
  std::string inside;
  CHECK(opened.write({4, 16}) == "12");
  opened.resource.async_wait({0, 4}, {}, [&](const Result<WaitOutcome>& outcome) {
    inside = says(outcome) + " " + opened.write({16, 20});
  });
  CHECK(opened.write({16, 20}) == "0");
  CHECK(inside == "!evicted 4");
}

TEST_CASE("F14: an observer destroys the writer that calls it, and with it the last handle") {
  const auto observer = std::make_shared<RecordingObserver>();
  std::optional<Writer<MemoryDriver>> writer;
  {
    auto resource = required(Resource<MemoryDriver>::open({}, observed_by(observer)));
    writer.emplace(required(resource.writer()));
  }
  observer->then = [&](const std::string& event) {
    if (event == "commit 4") {
      writer.reset();
    }
  };
  CHECK(says(writer->write_at(0, content({0, 4}))) == "4");
  CHECK(says(writer->commit()) == "ok");
  CHECK_FALSE(writer.has_value());
  CHECK(observer->take() == "write [0, 4); commit 4");
}

TEST_CASE("R9: an observer of a failure starts over at once") {
  const auto observer = std::make_shared<RecordingObserver>();
  Opened<MmapDriver> opened(observed_by(observer));
  CHECK(opened.write({0, 4}) == "4");
  CHECK(says(opened.writer.commit()) == "ok");
  opened.next_writer(Reactivate::rewrite);
  std::string inside;
  std::optional<Writer<MmapDriver>> next;
  observer->then = [&](const std::string& event) {
    if (event == "fail io") {
      auto again = opened.resource.reactivate(Reactivate::rewrite);
      inside = says(again);
      next.emplace(std::move(*again));
    }
  };
  CHECK(says(opened.writer.fail(Error::make(Errc::io, "lost"))) == "ok");
  CHECK(inside == "ok");
}

TEST_CASE("R9: a write that still tells its observers keeps no rewrite from starting") {
  const auto observer = std::make_shared<RecordingObserver>();
  Opened<MmapDriver> opened(observed_by(observer));
  CHECK(opened.write({0, 4}) == "4");
  CHECK(says(opened.writer.commit()) == "ok");
  opened.next_writer(Reactivate::rewrite);
  std::atomic<bool> inside{false};
  std::atomic<bool> go_on{false};
  observer->then = [&](const std::string& event) {
    if (event == "write [0, 4)" && opened.resource.status().state == State::active) {
      inside = true;
      (void)eventually([&] { return go_on.load(); });
    }
  };
  InThread writing([&] { return opened.writer.write_at(0, content({0, 4}, 2)); }, [&] { go_on = true; });
  CHECK(eventually([&] { return inside.load(); }));
  CHECK(says(opened.writer.fail(Error::make(Errc::io, "lost"))) == "ok");
  CHECK(says(opened.resource.reactivate(Reactivate::rewrite)) == "ok");
  go_on = true;
  CHECK(writing.join() == "4");
}

TEST_CASE("R10: who subscribes while the driver is busy is told of what comes of it") {
  for (const bool commit : {true, false}) {
    CAPTURE(commit);
    Scripted scripted;
    auto& opened = scripted.opened;
    CHECK(opened.write({0, 10}) == "10");
    if (!commit) {
      CHECK(says(opened.writer.abandon(Abandon::stop)) == "ok");
    }
    const Gate gate = scripted.script->block(commit ? DriverCall::commit : DriverCall::rewrite, 1);
    std::optional<Writer<ScriptedDriver>> next;
    InThread busy(
        [&]() -> Result<void> {
          if (commit) {
            return opened.writer.commit(8);
          }
          auto started = opened.resource.reactivate(Reactivate::rewrite);
          if (started) {
            next.emplace(std::move(*started));
          }
          return started ? Result<void>() : fail(std::move(started.error()));
        },
        [&] { gate.open(); });
    REQUIRE(gate.wait_until_blocked());
    const auto observer = std::make_shared<RecordingObserver>();
    const Subscription subscription = required(opened.resource.subscribe(observer));
    gate.open();
    CHECK(busy.join() == "ok");
    CHECK(observer->take() == (commit ? "evict [8, 10); commit 8" : "evict [0, 10); reactivate 2"));
  }
}

TEST_CASE("R4: cancel ends whoever is queued behind a commit, and does not wait for that") {
  Scripted scripted;
  auto& opened = scripted.opened;
  CHECK(opened.write({0, 8}) == "8");
  const Gate gate = scripted.script->block(DriverCall::commit, 1);
  const auto let_go = [&] { gate.open(); };
  InThread committing([&] { return opened.writer.commit(); }, let_go);
  REQUIRE(gate.wait_until_blocked());
  InThread again([&] { return opened.writer.commit(); }, let_go);
  InThread another([&] { return opened.resource.writer(); }, let_go);
  InThread failing([&] { return opened.writer.fail(Error::make(Errc::io, "lost")); }, let_go);
  InThread reactivating([&] { return opened.resource.reactivate(Reactivate::resume); }, let_go);
  InThread syncing([&] { return opened.writer.sync(); }, let_go);
  opened.resource.cancel();
  for (InThread* const queued : {&again, &another, &failing, &reactivating, &syncing}) {
    CHECK(queued->join() == "!cancelled");
  }
  gate.open();
  CHECK(committing.join() == "!cancelled");
}

TEST_CASE("R6: on a ring, a length behind the window contradicts what is known") {
  Opened<RingDriver> opened(ring_of(16));
  CHECK(opened.write({0, 100}) == "16");
  CHECK(says(opened.writer.commit(5)) == "ok");
  opened.next_writer(Reactivate::resume);
  CHECK(says(opened.writer.set_length(50)) == "!conflict");
  CHECK(says(opened.writer.set_length(84)) == "ok");
}

TEST_CASE("R5: a wait whose bytes a failed commit took away waits for them to come again") {
  Scripted scripted;
  auto& opened = scripted.opened;
  CHECK(opened.write({0, 12}) == "12");
  const Outcome waiting = async(opened.resource, {0, 16});
  scripted.script->fail(DriverCall::commit, 1, Errc::io);
  CHECK(says(opened.writer.commit(8)) == "!io");
  opened.resource.check_invariants();
  CHECK(opened.write({12, 16}) == "4");
  CHECK(waiting.answer() == "pending");
  CHECK(opened.write({8, 12}) == "4");
  CHECK(waiting.answer() == "ready");
}
