// Cursor, the std::streambuf over it, views, and the counters of stats().
#include <tests/resource/subjects.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <istream>
#include <iterator>

using namespace strandline;
using namespace strandline::testing;

namespace {

std::string text_of(ByteRange range) {
  std::string text;
  for (const std::byte byte : content(range)) {
    text += static_cast<char>(byte);
  }
  return text;
}

std::vector<std::byte> bytes_of(const View& view) {
  return {view.bytes().begin(), view.bytes().end()};
}

}  // namespace

TEST_CASE_TEMPLATE("cursor: reads what is there without a break, and waits for the first byte only", D,
                   STRANDLINE_BACKENDS) {
  Opened<D> opened;
  CHECK(opened.write({0, 6}) == "6");
  CHECK(opened.write({8, 12}) == "4");
  auto cursor = required(opened.resource.cursor());
  std::vector<std::byte> out(100);
  CHECK(says(cursor.read(std::span(out).first(4), at_once())) == "4");
  CHECK(says(cursor.read(out, at_once())) == "2");
  CHECK(cursor.position() == 6);
  CHECK(says(cursor.read(out, at_once())) == "!timed_out");
  std::stop_source source;
  (void)source.request_stop();
  CHECK(says(cursor.read(out, {source.get_token(), in_good_time(), WaitFor::all})) == "!interrupted");
  CHECK(cursor.position() == 6);
  CHECK(says(cursor.read({}, at_once())) == "0");
  InThread reading([&] { return cursor.read(out, patiently()); });
  until_parked(opened.resource, 1);
  CHECK(opened.write({7, 8}) == "1");
  CHECK(opened.resource.stats().parked == 1);
  CHECK(opened.write({6, 7}) == "1");
  CHECK(reading.join() == "6");
  CHECK(std::vector<std::byte>(out.begin(), out.begin() + 6) == content({6, 12}));
  CHECK(cursor.position() == 12);
  CHECK(says(cursor.length()) == "none");
  CHECK(says(opened.writer.commit()) == "ok");
  CHECK(says(cursor.read(out, patiently())) == "0");
  CHECK(says(cursor.length()) == "12");
}

TEST_CASE_TEMPLATE("cursor: seeks anywhere, and says what it finds", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  CHECK(opened.write({0, 8}) == "8");
  auto cursor = required(opened.resource.cursor(4));
  std::vector<std::byte> out(8);
  CHECK(says(cursor.seek(kMaxOffset + 1)) == "!invalid_range");
  CHECK(cursor.position() == 4);
  CHECK(says(cursor.seek(kMaxOffset)) == "ok");
  CHECK(says(cursor.read(out, at_once())) == "0");  // no byte can stand there
  CHECK(says(cursor.seek(kMaxOffset - 2)) == "ok");
  CHECK(says(cursor.read(out, at_once())) == "!timed_out");
  CHECK(says(cursor.seek(2)) == "ok");
  CHECK(says(cursor.read(out, at_once())) == "6");
  CHECK(says(opened.writer.fail(Error{})) == "ok");
  CHECK(says(cursor.read(out, patiently())) == "!failed");
  CHECK(says(cursor.seek(0)) == "ok");
  CHECK(says(cursor.read(out, patiently())) == "8");
}

TEST_CASE("cursor: keeps the resource open, moves, and several do not mind each other") {
  auto opened = std::make_unique<Opened<MemoryDriver>>();
  CHECK(opened->write({0, 8}) == "8");
  CHECK(says(opened->writer.commit()) == "ok");
  auto first = required(opened->resource.cursor());
  auto second = required(opened->resource.cursor(4));
  opened.reset();
  std::vector<std::byte> out(8);
  Cursor<MemoryDriver> moved = std::move(first);
  CHECK(says(moved.read(out, patiently())) == "8");
  CHECK(out == content({0, 8}));
  CHECK(says(second.read(out, patiently())) == "4");
  moved = std::move(second);
  CHECK(moved.position() == 8);
  CHECK(says(moved.read(out, patiently())) == "0");
}

TEST_CASE_TEMPLATE("streambuf: an istream reads while bytes arrive", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  CHECK(opened.write({0, 10}) == "10");
  CursorStreambuf<D> buffer(required(opened.resource.cursor()), patiently());
  std::istream stream(&buffer);
  std::string first(10, '\0');
  stream.read(first.data(), 10);
  CHECK(first == text_of({0, 10}));
  std::string rest;
  std::thread reading([&] { rest.assign(std::istreambuf_iterator<char>(&buffer), {}); });
  until_parked(opened.resource, 1);
  CHECK(opened.write({10, 500}) == "490");
  CHECK(opened.write({500, 2000}) == "1500");
  CHECK(says(opened.writer.commit()) == "ok");
  reading.join();
  CHECK(rest == text_of({10, 2000}));
  CHECK_FALSE(buffer.error().has_value());
}

TEST_CASE("streambuf: seeks from the beginning, from here, and from a known end") {
  Opened<MemoryDriver> opened;
  CHECK(opened.write({0, 1000}) == "1000");
  CursorStreambuf<MemoryDriver> buffer(required(opened.resource.cursor()), at_once());
  std::istream stream(&buffer);
  const auto next = [&] { return static_cast<std::byte>(stream.get()); };
  CHECK(next() == byte_at(0));
  CHECK(static_cast<long>(stream.tellg()) == 1);
  stream.seekg(500);
  CHECK(next() == byte_at(500));
  stream.seekg(10, std::ios::cur);
  CHECK(next() == byte_at(511));
  stream.seekg(-12, std::ios::cur);
  CHECK(next() == byte_at(500));
  stream.seekg(-1, std::ios::end);  // the end is not known yet
  CHECK(stream.fail());
  stream.clear();
  CHECK(says(opened.writer.commit()) == "ok");
  stream.seekg(-1, std::ios::end);
  CHECK(next() == byte_at(999));
  CHECK(stream.get() == std::istream::traits_type::eof());
  stream.clear();
  stream.seekg(-1, std::ios::beg);
  CHECK(stream.fail());
  stream.clear();
  stream.seekg(std::numeric_limits<std::streamoff>::max(), std::ios::end);
  CHECK(stream.fail());
  CHECK_FALSE(buffer.error().has_value());
}

TEST_CASE("streambuf: an error ends the stream and is kept") {
  Opened<MemoryDriver> opened;
  CHECK(opened.write({0, 4}) == "4");
  CHECK(says(opened.writer.fail(Error::make(Errc::io, "origin"))) == "ok");
  CursorStreambuf<MemoryDriver> buffer(required(opened.resource.cursor()), patiently());
  std::istream stream(&buffer);
  const std::string all{std::istreambuf_iterator<char>(stream), {}};
  CHECK(all == text_of({0, 4}));
  REQUIRE(buffer.error().has_value());
  CHECK(buffer.error()->code == Errc::failed);
  CHECK(buffer.error()->context == "origin");
}

TEST_CASE_TEMPLATE("view: the bytes in place, clamped to the length", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  CHECK(opened.write({2, 10}) == "8");
  CHECK(bytes_of(required(opened.resource.view({2, 10}))) == content({2, 10}));
  CHECK(says(opened.resource.view({1, 4})) == "!not_available");
  CHECK(required(opened.resource.view({3, 3})).bytes().empty());
  CHECK(opened.write({0, 2}) == "2");
  CHECK(says(opened.writer.commit()) == "ok");
  const auto clamped = required(opened.resource.view({4, 20}));
  CHECK(clamped.range() == ByteRange{4, 10});
  CHECK(bytes_of(clamped) == content({4, 10}));
  const auto past = required(opened.resource.view({10, 20}));
  CHECK(past.bytes().empty());
  CHECK(View().bytes().empty());
}

TEST_CASE_TEMPLATE("view: outlives commit, reactivation and the closing of the resource", D, STRANDLINE_BACKENDS) {
  View kept;
  View dropped_by_commit;
  {
    Opened<D> opened;
    CHECK(opened.write({0, 2000}) == "2000");
    dropped_by_commit = required(opened.resource.view({1000, 2000}));
    kept = required(opened.resource.view({0, 1000}));
    CHECK(says(opened.writer.commit(1000)) == "ok");
    CHECK(bytes_of(dropped_by_commit) == content({1000, 2000}));
    opened.next_writer(Reactivate::rewrite);
    CHECK(opened.write({0, 500}, 2) == "500");
    CHECK(says(opened.writer.commit()) == "ok");
    CHECK(bytes_of(kept) == content({0, 1000}));
    opened.resource.cancel();
  }
  CHECK(bytes_of(kept) == content({0, 1000}));
  CHECK(bytes_of(dropped_by_commit) == content({1000, 2000}));
}

TEST_CASE("stats: each counter counts what its comment says") {
  Opened<MemoryDriver> opened;
  CHECK(opened.write({0, 8}) == "8");
  CHECK(opened.write({4, 12}) == "4");
  ResourceStats stats = opened.resource.stats();
  CHECK(stats.bytes_written == 12);
  CHECK(stats.bytes_read == 0);
  CHECK(opened.read({0, 8}) == "8");
  CHECK(opened.read({8, 12}) == "4");
  CHECK(opened.read({8, 13}) == "!not_available");
  CHECK(says(opened.resource.view({0, 12})) == "ok");
  CHECK(opened.waits({0, 12}) == "ready");
  CHECK(opened.waits({0, 13}) == "timed_out");
  stats = opened.resource.stats();
  CHECK(stats.bytes_read == 12);
  CHECK(stats.read_hits == 2);
  CHECK(stats.read_misses == 1);
  CHECK(stats.wait_hits == 2);
  CHECK(stats.waits == 0);
  CHECK(stats.parked == 0);
  const Outcome callback = async(opened.resource, {12, 13});
  InThread waiting([&] { return opened.resource.wait_range({12, 14}, patiently()); });
  until_parked(opened.resource, 2);
  CHECK(opened.resource.stats().waits == 2);
  CHECK(opened.resource.stats().wakes == 0);
  CHECK(opened.write({12, 14}) == "2");
  CHECK(waiting.join() == "ready");
  stats = opened.resource.stats();
  CHECK(stats.wakes == 2);
  CHECK(stats.parked == 0);
  CHECK(stats.time_waited.count() > 0);
  CHECK(stats.bytes_written == 14);
}

TEST_CASE_TEMPLATE("next_gap: the first run that is not readable, within the limit and the length", D,
                   STRANDLINE_BACKENDS) {
  Opened<D> opened;
  CHECK(says(opened.resource.next_gap(0, 10)) == "[0, 10)");
  CHECK(opened.write({0, 4}) == "4");
  CHECK(opened.write({6, 8}) == "2");
  CHECK(says(opened.resource.next_gap(0)) == "[4, 6)");
  CHECK(says(opened.resource.next_gap(5, 100)) == "[5, 6)");
  CHECK(says(opened.resource.next_gap(6, 8)) == "none");
  CHECK(says(opened.resource.next_gap(6, 20)) == "[8, 20)");
  CHECK(says(opened.resource.next_gap(20, 10)) == "none");
  CHECK(says(opened.resource.next_gap(~std::uint64_t{0})) == "none");
  CHECK(says(opened.writer.set_length(10)) == "ok");
  CHECK(says(opened.resource.next_gap(6)) == "[8, 10)");
  CHECK(says(opened.resource.next_gap(10)) == "none");
}

TEST_CASE("path: where the content is, or nowhere") {
  const Opened<MmapDriver> file;
  CHECK(file.resource.path().filename() == "content");
  const Opened<MemoryDriver> memory;
  CHECK(memory.resource.path().empty());
}

TEST_CASE("stats: reads are counted by more threads at a time than have counters of their own") {
  constexpr std::size_t kThreads = 100;
  Opened<MemoryDriver> opened;
  CHECK(opened.write({0, 8}) == "8");
  std::atomic<std::size_t> here{0};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      std::array<std::byte, 8> out;
      for (int round = 0; round < 10; ++round) {
        (void)opened.resource.read_at(0, out);
      }
      ++here;
      while (here < kThreads) {
        std::this_thread::yield();  // none goes, and leaves its number to the next, before all are here
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  CHECK(opened.resource.stats().read_hits == kThreads * 10);
  CHECK(opened.resource.stats().bytes_read == kThreads * 80);
}

TEST_CASE("R11: wait_read_at: whatever ends it is said") {
  Opened<MemoryDriver> opened;
  CHECK(opened.write({0, 4}) == "4");
  std::array<std::byte, 8> out;
  const auto reads = [&](std::uint64_t offset, std::size_t size, const WaitOptions& options) {
    return says(opened.resource.wait_read_at(offset, std::span(out).first(size), options));
  };
  CHECK(reads(0, 4, {}) == "4");
  CHECK(reads(0, 8, at_once()) == "!timed_out");
  CHECK(reads(kMaxOffset, 8, {}) == "!invalid_range");
  std::stop_source source;
  (void)source.request_stop();
  CHECK(reads(0, 8, {source.get_token(), {}, WaitFor::all}) == "!interrupted");
  auto cursor = required(opened.resource.cursor(4));
  CHECK(says(cursor.read(out, at_once())) == "!timed_out");
  CHECK(says(cursor.read(out, {source.get_token(), {}, WaitFor::all})) == "!interrupted");
  CHECK(says(opened.writer.set_length(4)) == "ok");
  CHECK(says(cursor.read(out)) == "0");
  CHECK(reads(4, 4, {}) == "0");
  CHECK(says(opened.writer.fail(Error::make(Errc::io))) == "ok");
  auto other = required(opened.resource.cursor(2));
  auto& itself = other;
  other = std::move(itself);
  CHECK(says(other.read(out)) == "2");
  other = std::move(cursor);
  CHECK(other.position() == 4);
  opened.resource.cancel();
  CHECK(says(other.read(out)) == "!cancelled");
  CHECK(reads(0, 4, {}) == "!cancelled");
  CHECK(says(opened.resource.cursor(kMaxOffset + 1)) == "!invalid_range");
}
