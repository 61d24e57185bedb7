// R13 and R14 at the level of a resource, and rows 1 to 16 of the faults; 17 to 19 are in allocation_test.cpp.
#include <tests/resource/subjects.h>

#include <atomic>

using namespace strandline;
using namespace strandline::testing;

TEST_CASE_TEMPLATE("F1: a write at 2^63 - 1 or past it is invalid_range", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  const std::vector<std::byte> one(1);
  for (const std::uint64_t offset : {kMaxOffset, kMaxOffset + 1, ~std::uint64_t{0} - 1, ~std::uint64_t{0}}) {
    CHECK(says(opened.writer.write_at(offset, one)) == "!invalid_range");
  }
  const std::vector<std::byte> eight(8);
  CHECK(says(opened.writer.write_at(kMaxOffset - 7, eight)) == "!invalid_range");
  CHECK(says(opened.writer.write_at(kMaxOffset, {})) == "0");
  CHECK(opened.available() == "{}");
  CHECK(opened.state() == "active");
  opened.resource.check_invariants();
}

TEST_CASE("R14: the last byte there can be, on a ring") {
  Opened<RingDriver> opened(ring_of(16));
  const ByteRange last{kMaxOffset - 4, kMaxOffset};
  const Outcome waiting = async(opened.resource, last);
  CHECK(opened.write(last) == "4");
  CHECK(waiting.answer() == "ready");
  CHECK(opened.read(last) == "4");
  CHECK(says(opened.resource.next_gap(kMaxOffset - 16)) == to_string(ByteRange{kMaxOffset - 16, kMaxOffset - 4}));
  CHECK(says(opened.writer.commit(kMaxOffset + 1)) == "!invalid_range");
  CHECK(opened.write({kMaxOffset - 16, kMaxOffset}) == "12");
  CHECK(says(opened.writer.commit()) == "ok");
  CHECK(says(opened.resource.length()) == std::to_string(kMaxOffset));
  opened.resource.check_invariants();
}

TEST_CASE_TEMPLATE("F2: a wait on [9, 3) is invalid_range, and changes nothing", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  CHECK(opened.waits({9, 3}) == "!invalid_range");
  CHECK(async(opened.resource, {9, 3}).answer() == "!invalid_range");
  CHECK(says(opened.resource.wait_range({9, 3}, patiently())) == "!invalid_range");
  CHECK(opened.resource.stats().parked == 0);
  CHECK(opened.state() == "active");
  opened.resource.cancel();
  CHECK(opened.waits({9, 3}) == "!invalid_range");
}

TEST_CASE_TEMPLATE("F3: an empty read is 0, an empty write a no-op, an empty wait ready", D, STRANDLINE_BACKENDS) {
  const auto observer = std::make_shared<RecordingObserver>();
  Opened<D> opened(observed_by(observer));
  for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{5}, kMaxOffset}) {
    CHECK(opened.read({offset, offset}) == "0");
    CHECK(opened.write({offset, offset}) == "0");
    CHECK(opened.waits({offset, offset}) == "ready");
    CHECK(async(opened.resource, {offset, offset}).answer() == "ready");
    CHECK(says(opened.resource.wait_read_at(offset, {}, at_once())) == "0");
    CHECK(opened.resource.contains({offset, offset}));
  }
  CHECK(observer->take().empty());
  CHECK(opened.available() == "{}");
  CHECK(says(opened.writer.commit()) == "ok");
  CHECK(opened.read({0, 0}) == "0");
  CHECK(opened.waits({5, 5}) == "ready");
  CHECK(opened.write({0, 0}) == "!committed");
}

TEST_CASE_TEMPLATE("F4: a commit over a gap is incomplete, and names the gap", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  CHECK(opened.write({0, 4}) == "4");
  CHECK(opened.write({6, 8}) == "2");
  const auto refused = opened.writer.commit(8);
  CHECK(says(refused) == "!incomplete");
  CHECK(refused.error().message().find("[4, 6)") != std::string::npos);
  CHECK(opened.state() == "active");
  CHECK(opened.available() == "{[0, 4) [6, 8)}");
}

TEST_CASE_TEMPLATE("F5: a commit past what was written is incomplete; no phantom bytes", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  CHECK(opened.write({0, 4}) == "4");
  const auto refused = opened.writer.commit(10);
  CHECK(says(refused) == "!incomplete");
  CHECK(refused.error().message().find("[4, 10)") != std::string::npos);
  CHECK(opened.read({0, 10}) == "!not_available");
  CHECK(opened.read({4, 5}) == "!not_available");
  CHECK(says(opened.resource.length()) == "none");
  CHECK(says(opened.writer.commit(kMaxOffset)) == "!incomplete");
  CHECK(says(opened.writer.commit(kMaxOffset + 1)) == "!invalid_range");
}

TEST_CASE_TEMPLATE("F6: a commit below what was written clamps; the tail is unreadable", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  CHECK(opened.write({0, 10}) == "10");
  CHECK(says(opened.writer.commit(4)) == "ok");
  CHECK(opened.read({0, 10}) == "4");
  CHECK(opened.read({4, 10}) == "0");
  CHECK(opened.read({5, 6}) == "0");
  CHECK(opened.waits({3, 10}) == "ready");
  CHECK(opened.waits({4, 10}) == "eof");
  CHECK(opened.available() == "{[0, 4)}");
  // Nor does the tail come back when the content grows again.
  opened.next_writer(Reactivate::resume);
  CHECK(opened.read({4, 10}) == "!not_available");
  CHECK(opened.write({8, 10}, 2) == "2");
  CHECK(opened.read({4, 10}) == "!not_available");
  CHECK(opened.read({8, 10}, 2) == "2");
}

TEST_CASE_TEMPLATE("F7: commit(0); the same n twice; then another n", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  CHECK(says(opened.writer.commit(0)) == "ok");
  CHECK(says(opened.resource.length()) == "0");
  CHECK(opened.read({0, 4}) == "0");
  CHECK(opened.waits({0, 4}) == "eof");
  CHECK(opened.waits({0, 0}) == "ready");
  CHECK(says(opened.writer.commit(0)) == "ok");
  CHECK(says(opened.writer.commit()) == "ok");
  CHECK(says(opened.writer.commit(1)) == "!committed");
  CHECK(opened.state() == "committed");
}

TEST_CASE_TEMPLATE("F8: a write after commit is committed, the bytes the same", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  CHECK(opened.write({0, 8}) == "8");
  CHECK(says(opened.writer.commit()) == "ok");
  CHECK(opened.write({0, 8}, 2) == "!committed");
  CHECK(opened.write({0, 8}) == "!committed");
  CHECK(opened.write({8, 9}) == "!committed");
  CHECK(says(opened.writer.set_length(8)) == "!committed");
  CHECK(says(opened.writer.sync()) == "!committed");
  CHECK(opened.read({0, 9}) == "8");
}

TEST_CASE_TEMPLATE("F9: a fail after commit is committed, and the bytes remain", D, STRANDLINE_BACKENDS) {
  const auto observer = std::make_shared<RecordingObserver>();
  Opened<D> opened(observed_by(observer));
  CHECK(opened.write({0, 8}) == "8");
  CHECK(says(opened.writer.commit()) == "ok");
  CHECK(says(opened.writer.fail(Error::make(Errc::io, "late"))) == "!committed");
  CHECK(opened.state() == "committed");
  CHECK_FALSE(opened.resource.status().error.has_value());
  CHECK(opened.read({0, 8}) == "8");
  CHECK(opened.waits({8, 9}) == "eof");
  CHECK(observer->take() == "write [0, 8); commit 8");
  // And the other way round: the first terminal state stands.
  Opened<D> failed;
  CHECK(says(failed.writer.fail(Error::make(Errc::io, "first"))) == "ok");
  CHECK(says(failed.writer.commit(0)) == "!failed");
  CHECK(says(failed.writer.fail(Error::make(Errc::no_space, "second"))) == "!failed");
  CHECK(failed.resource.status().error->context == "first");
}

TEST_CASE_TEMPLATE("F10: an overlap with different bytes is conflict, and nothing has changed", D,
                   STRANDLINE_BACKENDS) {
  const auto observer = std::make_shared<RecordingObserver>();
  Opened<D> opened(observed_by(observer));
  CHECK(opened.write({10, 20}) == "10");
  CHECK(opened.write({0, 30}, 2) == "!conflict");
  CHECK(opened.write({0, 11}, 2) == "!conflict");
  CHECK(opened.write({19, 30}, 2) == "!conflict");
  CHECK(opened.write({12, 13}, 2) == "!conflict");
  auto last_differs = content({5, 25});
  last_differs[14] ^= std::byte{1};  // the byte at 19
  CHECK(says(opened.writer.write_at(5, last_differs)) == "!conflict");
  CHECK(opened.available() == "{[10, 20)}");
  CHECK(opened.read({10, 20}) == "10");
  CHECK(opened.read({5, 6}) == "!not_available");
  CHECK(observer->take() == "write [10, 20)");
  CHECK(opened.resource.stats().bytes_written == 10);
  CHECK(opened.write({0, 30}) == "20");
}

TEST_CASE("F11: fail with 1,000 waiters: all end with failed, and its cause") {
  Opened<MemoryDriver> opened;
  constexpr std::uint64_t kThreads = 50;
  constexpr std::uint64_t kCallbacks = 950;
  std::vector<std::unique_ptr<InThread>> threads;
  std::vector<Outcome> callbacks;
  for (std::uint64_t i = 0; i < kThreads; ++i) {
    threads.push_back(std::make_unique<InThread>([&opened, i] {
      return opened.resource.wait_range({i, i + 9}, patiently());
    }));
  }
  for (std::uint64_t i = 0; i < kCallbacks; ++i) {
    callbacks.push_back(async(opened.resource, {i, i + 1}));
  }
  until_parked(opened.resource, kThreads + kCallbacks);
  CHECK(says(opened.writer.fail(Error::make(Errc::io, "the origin went away"))) == "ok");
  for (const auto& thread : threads) {
    CHECK(thread->join() == "!failed");
  }
  for (const Outcome& callback : callbacks) {
    CHECK(callback.answer() == "!failed");
    CHECK(callback.context() == "the origin went away");
  }
  CHECK(opened.resource.stats().parked == 0);
  CHECK(opened.resource.stats().wakes == kThreads + kCallbacks);
}

TEST_CASE_TEMPLATE("F12: cancel before a wait: cancelled, without going to sleep", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  opened.resource.cancel();
  CHECK(says(opened.resource.wait_range({0, 4}, patiently())) == "!cancelled");
  CHECK(async(opened.resource, {0, 4}).answer() == "!cancelled");
  CHECK(opened.resource.stats().waits == 0);
  CHECK(opened.resource.stats().time_waited.count() == 0);
}

TEST_CASE_TEMPLATE("F14: the last handle dropped with waiters parked: all are woken", D, STRANDLINE_BACKENDS) {
  auto opened = std::make_unique<Opened<D>>();
  const Resource<D>* const resource = &opened->resource;
  // These hold no handle: they only use one that somebody else drops.
  InThread first([resource] { return resource->wait_range({0, 4}, patiently()); });
  InThread second([resource] { return resource->wait_range({2, 4}, patiently()); });
  const Outcome callback = async(opened->resource, {0, 4});
  until_parked(opened->resource, 3);
  CHECK(says(opened->writer.abandon(Abandon::handover)) == "ok");  // or its end would fail the resource first
  CHECK(callback.answer() == "pending");
  opened.reset();
  CHECK(first.join() == "!cancelled");
  CHECK(second.join() == "!cancelled");
  CHECK(callback.answer() == "!cancelled");
}

TEST_CASE("F14: a writer or a cursor is a handle too, a copy as good as the first") {
  auto first = std::make_unique<Opened<MemoryDriver>>();
  CHECK(first->write({0, 4}) == "4");
  const Outcome callback = async(first->resource, {4, 8});
  auto copy = std::make_unique<Resource<MemoryDriver>>(first->resource);
  auto cursor = std::make_unique<Cursor<MemoryDriver>>(required(first->resource.cursor()));
  CHECK(says(first->writer.abandon(Abandon::handover)) == "ok");
  first.reset();
  CHECK(callback.answer() == "pending");
  copy.reset();
  CHECK(callback.answer() == "pending");
  std::vector<std::byte> out(4);
  CHECK(says(cursor->read(out)) == "4");
  cursor.reset();
  CHECK(callback.answer() == "!cancelled");
}

TEST_CASE("F16: a deadline in the past, and time_point::max()") {
  Opened<MemoryDriver> opened;
  using Clock = std::chrono::steady_clock;
  for (const auto past : {Clock::time_point::min(), Clock::time_point{}, long_ago(), Clock::now()}) {
    CHECK(says(opened.resource.wait_range({0, 4}, {{}, past, WaitFor::all})) == "timed_out");
    CHECK(async(opened.resource, {0, 4}, {{}, past, WaitFor::all}).answer() == "timed_out");
  }
  CHECK(opened.resource.stats().waits == 0);
  const WaitOptions never{{}, Clock::time_point::max(), WaitFor::all};
  InThread waiting([&] { return opened.resource.wait_range({0, 4}, never); });
  const Outcome callback = async(opened.resource, {0, 4}, never);
  until_parked(opened.resource, 2);
  // One tick before the end of time is a deadline like any other, and far away.
  const WaitOptions late{{}, Clock::time_point::max() - Clock::duration(1), WaitFor::all};
  const Outcome almost_never = async(opened.resource, {0, 4}, late);
  InThread also_waiting([&] { return opened.resource.wait_range({0, 4}, late); });
  until_parked(opened.resource, 4);
  CHECK(opened.write({0, 4}) == "4");
  CHECK(waiting.join() == "ready");
  CHECK(also_waiting.join() == "ready");
  CHECK(callback.answer() == "ready");
  CHECK(almost_never.answer() == "ready");
}
