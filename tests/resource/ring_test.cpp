// R12: the ring's window, and who waits for whom.
#include <tests/resource/subjects.h>

using namespace strandline;
using namespace strandline::testing;

namespace {

std::string read_on(Cursor<RingDriver>& cursor, std::size_t size) {
  std::vector<std::byte> out(size);
  const std::uint64_t from = cursor.position();
  const auto count = cursor.read(out, at_once());
  if (count) {
    out.resize(*count);
    CHECK(out == content({from, from + *count}));
    CHECK(cursor.position() == from + *count);
  }
  return says(count);
}

std::string write_at_once(Opened<RingDriver>& opened, ByteRange range) {
  return says(opened.writer.write_at(range.begin, content(range), at_once()));
}

}  // namespace

TEST_CASE("R12: any capacity, and the window is its last bytes") {
  for (const std::uint64_t capacity : std::initializer_list<std::uint64_t>{1, 2, 7, 4095, 4096, 4097, 10000}) {
    CAPTURE(capacity);
    Opened<RingDriver> opened(ring_of(capacity));
    const std::uint64_t total = capacity * 3 + 5;
    for (std::uint64_t begin = 0; begin < total;) {
      const std::uint64_t end = std::min(total, begin + std::max<std::uint64_t>(1, capacity / 3));
      REQUIRE(opened.write({begin, end}) == std::to_string(end - begin));
      const std::uint64_t window = end > capacity ? end - capacity : 0;
      REQUIRE(opened.available() == "{" + to_string(ByteRange{window, end}) + "}");
      REQUIRE(opened.read({window, end}) == std::to_string(end - window));
      if (window > 0) {
        REQUIRE(opened.read({window - 1, window}) == "!evicted");
        REQUIRE(opened.waits({window - 1, window}) == "!evicted");
      }
      begin = end;
    }
    opened.resource.check_invariants();
  }
  CHECK(says(Resource<RingDriver>::open(ring_of(0))) == "!invalid_argument");
}

TEST_CASE("R12: a write larger than the window keeps its tail") {
  const auto observer = std::make_shared<RecordingObserver>();
  Opened<RingDriver> opened(ring_of(8), observed_by(observer));
  CHECK(opened.write({0, 6}) == "6");
  CHECK(opened.write({4, 30}) == "8");
  CHECK(opened.available() == "{[22, 30)}");
  CHECK(opened.read({22, 30}) == "8");
  CHECK(observer->take() == "write [0, 6); evict [0, 6); write [22, 30)");
}

TEST_CASE("R12: a write behind the window is evicted, one that reaches into it keeps the part inside") {
  Opened<RingDriver> opened(ring_of(8));
  CHECK(opened.write({16, 20}) == "4");  // the window is [12, 20)
  CHECK(opened.available() == "{[16, 20)}");
  CHECK(opened.write({4, 12}) == "!evicted");
  CHECK(opened.write({0, 4}) == "!evicted");
  CHECK(opened.available() == "{[16, 20)}");
  CHECK(opened.write({8, 14}) == "2");
  CHECK(opened.available() == "{[12, 14) [16, 20)}");
  CHECK(opened.read({12, 14}) == "2");
  CHECK(opened.read({11, 14}) == "!evicted");
  CHECK(opened.read({13, 17}) == "!not_available");
  // Equal bytes behind the window are not compared, those inside are.
  CHECK(opened.write({8, 16}, 1) == "2");
  CHECK(opened.write({8, 16}, 2) == "!conflict");
}

TEST_CASE("R12: the window never goes back") {
  Opened<RingDriver> opened(ring_of(8));
  CHECK(opened.write({100, 101}) == "1");
  CHECK(opened.write({93, 95}) == "2");
  CHECK(opened.write({92, 93}) == "!evicted");
  CHECK(says(opened.writer.abandon(Abandon::handover)) == "ok");
  opened.next_writer(Reactivate::resume);
  CHECK(opened.read({92, 93}) == "!evicted");
  CHECK(opened.read({93, 95}) == "2");
  opened.resource.check_invariants();
}

TEST_CASE("R12: commit looks at the window only") {
  Opened<RingDriver> opened(ring_of(8));
  CHECK(opened.write({0, 12}) == "8");
  CHECK(opened.write({14, 16}) == "2");  // the window is [8, 16), [12, 14) is missing
  CHECK(says(opened.writer.commit()) == "!incomplete");
  CHECK(opened.write({12, 14}) == "2");
  CHECK(says(opened.writer.commit()) == "ok");
  CHECK(says(opened.resource.length()) == "16");
  CHECK(opened.read({8, 20}) == "8");
  CHECK(opened.read({0, 8}) == "!evicted");
  CHECK(opened.waits({16, 20}) == "eof");
}

TEST_CASE("R12: next_gap looks at the window and up to the length") {
  Opened<RingDriver> opened(ring_of(8));
  CHECK(opened.write({0, 12}) == "8");
  CHECK(says(opened.resource.next_gap(0)) == to_string(ByteRange{12, kMaxOffset}));
  CHECK(opened.write({14, 16}) == "2");
  CHECK(says(opened.resource.next_gap(0)) == "[12, 14)");
  CHECK(says(opened.resource.next_gap(0, 12)) == "none");
  CHECK(says(opened.writer.set_length(20)) == "ok");
  CHECK(says(opened.resource.next_gap(15)) == "[16, 20)");
  CHECK(says(opened.resource.next_gap(20)) == "none");
}

TEST_CASE("R5: a wait for all of a range wider than the ring is invalid_range") {
  Opened<RingDriver> opened(ring_of(8));
  CHECK(opened.waits({0, 9}) == "!invalid_range");
  CHECK(async(opened.resource, {0, 9}).answer() == "!invalid_range");
  std::vector<std::byte> out(9);
  CHECK(says(opened.resource.wait_read_at(0, out, at_once())) == "!invalid_range");
  CHECK(opened.waits({0, 8}) == "timed_out");
  CHECK(opened.waits({0, 9}, WaitFor::any) == "timed_out");
  CHECK(opened.write({0, 8}) == "8");
  CHECK(opened.waits({0, 9}, WaitFor::any) == "ready");
}

TEST_CASE("R12: overwrite: a cursor that is too slow is told that its bytes are gone") {
  Opened<RingDriver> opened(ring_of(8));
  auto cursor = required(opened.resource.cursor());
  CHECK(opened.write({0, 8}) == "8");
  CHECK(read_on(cursor, 4) == "4");
  CHECK(opened.write({8, 14}) == "6");
  CHECK(read_on(cursor, 4) == "!evicted");
  CHECK(cursor.position() == 4);
  CHECK(says(cursor.seek(6)) == "ok");
  CHECK(read_on(cursor, 100) == "8");
}

TEST_CASE("R12: block: the writer goes as far as the slowest cursor lets it") {
  Opened<RingDriver> opened(ring_of(8, Overflow::block));
  auto slow = required(opened.resource.cursor());
  auto fast = required(opened.resource.cursor());
  CHECK(write_at_once(opened, {0, 12}) == "!timed_out");
  CHECK(opened.available() == "{[0, 8)}");  // as much as there was room for, and it stays
  CHECK(read_on(fast, 8) == "8");
  CHECK(write_at_once(opened, {8, 12}) == "!timed_out");
  CHECK(read_on(slow, 3) == "3");
  CHECK(write_at_once(opened, {8, 12}) == "!timed_out");
  CHECK(opened.available() == "{[3, 11)}");
  CHECK(read_on(slow, 1) == "1");
  CHECK(write_at_once(opened, {8, 12}) == "1");
  CHECK(opened.available() == "{[4, 12)}");
  // A cursor that goes, or seeks on, lets go.
  CHECK(write_at_once(opened, {12, 14}) == "!timed_out");
  CHECK(says(slow.seek(8)) == "ok");
  CHECK(write_at_once(opened, {12, 16}) == "4");
  CHECK(write_at_once(opened, {16, 18}) == "!timed_out");
  slow = std::move(fast);  // ends the slow one, and goes on at 8
  CHECK(write_at_once(opened, {16, 18}) == "!timed_out");
  CHECK(says(slow.seek(16)) == "ok");
  CHECK(write_at_once(opened, {16, 18}) == "2");
  opened.resource.check_invariants();
}

TEST_CASE("R12: block: without cursors it overwrites, and one left behind holds nothing") {
  Opened<RingDriver> opened(ring_of(8, Overflow::block));
  CHECK(write_at_once(opened, {0, 20}) == "8");
  auto late = required(opened.resource.cursor(4));  // behind the window [12, 20)
  CHECK(write_at_once(opened, {20, 28}) == "8");
  CHECK(read_on(late, 4) == "!evicted");
  // A cursor ahead of what is written holds back what would pass it.
  CHECK(says(late.seek(30)) == "ok");
  CHECK(write_at_once(opened, {28, 38}) == "8");
  CHECK(write_at_once(opened, {38, 39}) == "!timed_out");
}

TEST_CASE("R12: block: everything arrives in order through a window much smaller than it") {
  Opened<RingDriver> opened(ring_of(64, Overflow::block));
  constexpr std::uint64_t kTotal = 20000;
  auto cursor = required(opened.resource.cursor());
  InThread writing([&]() -> Result<void> {
    for (std::uint64_t begin = 0; begin < kTotal;) {
      const std::uint64_t end = std::min(kTotal, begin + 1 + begin % 150);
      const auto bytes = content({begin, end});
      if (auto written = opened.writer.write_at(begin, bytes, patiently()); !written || *written != bytes.size()) {
        return fail(Errc::io, "write");
      }
      begin = end;
    }
    return opened.writer.commit();
  });
  std::uint64_t got = 0;
  bool right = true;
  for (;;) {
    std::vector<std::byte> out(1 + got % 90);
    const auto count = cursor.read(out, patiently());
    REQUIRE(count.has_value());
    if (*count == 0) {
      break;
    }
    out.resize(*count);
    right = right && out == content({got, got + *count});
    got += *count;
  }
  CHECK(right);
  CHECK(got == kTotal);
  CHECK(writing.join() == "ok");
}

TEST_CASE("R12: the writer's wait is cancellable: stop, interrupt, cancel, fail") {
  for (const std::string how : {"stop", "interrupt", "cancel", "fail"}) {
    CAPTURE(how);
    Opened<RingDriver> opened(ring_of(8, Overflow::block));
    const auto cursor = required(opened.resource.cursor());
    std::stop_source source;
    InThread writing([&] {
      return opened.writer.write_at(0, content({0, 12}), {source.get_token(), in_good_time(), WaitFor::all});
    });
    // Its first part has been written: from here on it is held up.
    REQUIRE(says(opened.resource.wait_range({0, 8}, patiently())) == "ready");
    if (how == "stop") {
      (void)source.request_stop();
    } else if (how == "interrupt") {
      // Only those that wait at this moment: the write may be on its way there, so again.
      std::jthread again([&](const std::stop_token& enough) {
        while (!enough.stop_requested()) {
          opened.resource.interrupt();
          std::this_thread::yield();
        }
      });
      CHECK(writing.join() == "!interrupted");
      CHECK(opened.state() == "active");
      continue;
    } else if (how == "cancel") {
      opened.resource.cancel();
    } else {
      CHECK(says(opened.writer.fail(Error{})) == "ok");
    }
    CHECK(writing.join() == (how == "stop" ? "!interrupted" : how == "cancel" ? "!cancelled" : "!failed"));
    CHECK(opened.state() == (how == "stop" ? "active" : how == "cancel" ? "cancelled" : "failed"));
    if (how == "stop") {
      CHECK(opened.available() == "{[0, 8)}");
    }
  }
}

TEST_CASE("R12: a view holds its bytes: the window moves, the write waits") {
  Opened<RingDriver> opened(ring_of(8));
  CHECK(opened.write({0, 8}) == "8");
  auto view = required(opened.resource.view({0, 4}));
  CHECK(view.range() == ByteRange{0, 4});
  CHECK(write_at_once(opened, {8, 12}) == "!timed_out");
  CHECK(opened.available() == "{[4, 8)}");
  CHECK(opened.read({0, 4}) == "!evicted");
  CHECK(says(opened.resource.view({0, 4})) == "!evicted");
  CHECK(std::vector<std::byte>(view.bytes().begin(), view.bytes().end()) == content({0, 4}));
  view = View();
  CHECK(write_at_once(opened, {8, 12}) == "4");
  CHECK(opened.available() == "{[4, 12)}");
  // A view inside the window holds nothing back but what would pass it.
  view = required(opened.resource.view({6, 10}));
  CHECK(write_at_once(opened, {12, 14}) == "2");
  CHECK(write_at_once(opened, {14, 15}) == "!timed_out");
  View moved = std::move(view);
  CHECK(write_at_once(opened, {14, 15}) == "!timed_out");
  moved = View();
  CHECK(write_at_once(opened, {14, 15}) == "1");
}

TEST_CASE("R12: a held-up write goes on by itself when the view goes") {
  Opened<RingDriver> opened(ring_of(8));
  CHECK(opened.write({0, 8}) == "8");
  auto view = required(opened.resource.view({0, 4}));
  InThread writing([&] { return opened.writer.write_at(8, content({8, 16}), patiently()); });
  REQUIRE(eventually([&] { return opened.read({0, 1}) == "!evicted"; }));
  CHECK(std::vector<std::byte>(view.bytes().begin(), view.bytes().end()) == content({0, 4}));
  view = View();
  CHECK(writing.join() == "8");
  CHECK(opened.read({8, 16}) == "8");
}

TEST_CASE("R12: a new generation has a window of its own, and cursors hold only what readers see") {
  Opened<RingDriver> opened(ring_of(8, Overflow::block));
  CHECK(opened.write({0, 16}) == "8");
  CHECK(says(opened.writer.commit()) == "ok");
  auto cursor = required(opened.resource.cursor(8));
  const auto view = required(opened.resource.view({8, 12}));
  opened.next_writer(Reactivate::rewrite);
  CHECK(says(opened.writer.write_at(0, content({0, 32}, 2), at_once())) == "8");
  CHECK(opened.read({8, 16}) == "8");
  CHECK(read_on(cursor, 2) == "2");
  CHECK(says(opened.writer.commit()) == "ok");
  CHECK(opened.available() == "{[24, 32)}");
  CHECK(opened.read({24, 32}, 2) == "8");
  CHECK(std::vector<std::byte>(view.bytes().begin(), view.bytes().end()) == content({8, 12}));
  opened.resource.check_invariants();
}

TEST_CASE("R6: a length that becomes known while a write is held up bounds that write") {
  Opened<RingDriver> opened(ring_of(8));
  CHECK(opened.write({0, 8}) == "8");
  auto view = required(opened.resource.view({0, 4}));
  InThread writing([&] { return opened.writer.write_at(8, content({8, 12}), patiently()); });
  REQUIRE(eventually([&] { return opened.read({0, 1}) == "!evicted"; }));
  CHECK(says(opened.writer.set_length(10)) == "ok");
  view = View();
  CHECK(writing.join() == "!invalid_range");
  CHECK(opened.available() == "{[4, 8)}");
  opened.resource.check_invariants();
  CHECK(opened.write({8, 10}) == "2");
  CHECK(says(opened.writer.commit()) == "ok");
}

TEST_CASE("R7: a commit does not wait for a write that is held up; that one is rejected") {
  Opened<RingDriver> opened(ring_of(8));
  CHECK(opened.write({0, 8}) == "8");
  auto view = required(opened.resource.view({0, 4}));
  InThread writing([&] { return opened.writer.write_at(8, content({8, 12}), patiently()); });
  REQUIRE(eventually([&] { return opened.read({0, 1}) == "!evicted"; }));
  CHECK(says(opened.writer.commit(8)) == "ok");
  CHECK(writing.join() == "!committed");
  CHECK(opened.read({4, 12}) == "4");
  opened.resource.check_invariants();
  // And the window's claims do not stand in the way of the next writer.
  view = View();
  opened.next_writer(Reactivate::resume);
  CHECK(opened.write({8, 12}) == "4");
}

TEST_CASE("F27: bytes that a commit dropped and a view still holds stay, whatever is written there next") {
  Opened<RingDriver> opened(ring_of(8));
  CHECK(opened.write({0, 8}) == "8");
  auto view = required(opened.resource.view({4, 8}));
  CHECK(says(opened.writer.commit(4)) == "ok");
  opened.next_writer(Reactivate::resume);
  const std::string written = says(opened.writer.write_at(4, content({4, 8}, 2), at_once()));
  CHECK(std::vector<std::byte>(view.bytes().begin(), view.bytes().end()) == content({4, 8}));
  view = View();
  if (written != "4") {
    CHECK(written == "!timed_out");  // held up by the view
    CHECK(says(opened.writer.write_at(4, content({4, 8}, 2), at_once())) == "4");
  }
  CHECK(opened.read({4, 8}, 2) == "4");
}
