// R7, R8 and R9: commit, writers that leave, and filling again.
#include <tests/resource/subjects.h>

using namespace strandline;
using namespace strandline::testing;

TEST_CASE_TEMPLATE("R7: commit needs every byte, and names the first gap", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  CHECK(opened.write({0, 4}) == "4");
  CHECK(opened.write({8, 12}) == "4");
  CHECK(opened.write({14, 16}) == "2");
  const auto refused = opened.writer.commit(16);
  CHECK(says(refused) == "!incomplete");
  CHECK(refused.error().context.find("[4, 8)") != std::string::npos);
  CHECK(opened.state() == "active");
  CHECK(says(opened.resource.length()) == "none");
  CHECK(opened.available() == "{[0, 4) [8, 12) [14, 16)}");
  CHECK(opened.waits({4, 8}) == "timed_out");
  CHECK(opened.write({4, 8}) == "4");
  CHECK(opened.write({12, 14}) == "2");
  CHECK(says(opened.writer.commit(16)) == "ok");
  CHECK(opened.state() == "committed");
  CHECK(opened.read({0, 20}) == "16");
}

TEST_CASE_TEMPLATE("R7: it drops bytes past n, and never adds any", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  CHECK(opened.write({0, 10}) == "10");
  CHECK(opened.write({20, 30}) == "10");
  CHECK(says(opened.writer.commit(11)) == "!incomplete");
  CHECK(says(opened.writer.commit(7)) == "ok");
  CHECK(says(opened.resource.length()) == "7");
  CHECK(opened.available() == "{[0, 7)}");
  CHECK(opened.read({0, 10}) == "7");
  CHECK(opened.read({7, 10}) == "0");
  CHECK(opened.read({20, 30}) == "0");
  CHECK(opened.waits({20, 30}) == "eof");
  CHECK_FALSE(opened.resource.contains({0, 8}));
  opened.resource.check_invariants();
}

TEST_CASE_TEMPLATE("R7: without n it is the known length, else the end of what was written", D, STRANDLINE_BACKENDS) {
  {
    Opened<D> opened;
    CHECK(opened.write({0, 8}) == "8");
    CHECK(says(opened.writer.commit()) == "ok");
    CHECK(says(opened.resource.length()) == "8");
  }
  Opened<D> opened;
  CHECK(opened.write({0, 8}) == "8");
  CHECK(says(opened.writer.set_length(10)) == "ok");
  CHECK(says(opened.writer.commit()) == "!incomplete");
  CHECK(says(opened.writer.commit(8)) == "!conflict");
  CHECK(opened.write({8, 10}) == "2");
  CHECK(says(opened.writer.commit()) == "ok");
  CHECK(says(opened.resource.length()) == "10");
  // The same n again is a no-op, another one an error.
  CHECK(says(opened.writer.commit()) == "ok");
  CHECK(says(opened.writer.commit(10)) == "ok");
  CHECK(says(opened.writer.commit(9)) == "!committed");
  CHECK(says(opened.writer.commit(11)) == "!committed");
  CHECK(opened.read({0, 10}) == "10");
}

TEST_CASE("R7: a write racing a commit is wholly before it or rejected") {
  for (std::uint64_t round = 0; round < 200; ++round) {
    Opened<MemoryDriver> opened;
    REQUIRE(opened.write({0, 8}) == "8");
    InThread committing([&] { return opened.writer.commit(); });
    const std::string written = opened.write({8, 16});
    CHECK(committing.join() == "ok");
    const auto length = opened.resource.length();
    CHECK(written == (length == 16 ? "8" : "!committed"));
    CHECK(says(length) == (written == "8" ? "16" : "8"));
    CHECK(opened.read({0, 16}) == says(length));
  }
}

TEST_CASE_TEMPLATE("R7: set_length must not contradict what is known or written", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  CHECK(opened.write({0, 8}) == "8");
  CHECK(says(opened.writer.set_length(7)) == "!conflict");
  CHECK(says(opened.resource.length()) == "none");
  CHECK(says(opened.writer.set_length(kMaxOffset + 1)) == "!invalid_range");
  CHECK(says(opened.writer.set_length(12)) == "ok");
  CHECK(says(opened.writer.set_length(12)) == "ok");
  CHECK(says(opened.writer.set_length(13)) == "!conflict");
  CHECK(opened.write({8, 13}) == "!invalid_range");  // past the known length
  CHECK(opened.write({12, 13}) == "!invalid_range");
  CHECK(opened.available() == "{[0, 8)}");
  CHECK(says(opened.resource.length()) == "12");
  CHECK(opened.write({8, 12}) == "4");
}

TEST_CASE_TEMPLATE("R8: a writer that just goes away fails the resource", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  CHECK(opened.write({0, 4}) == "4");
  { const Writer<D> leaving = std::move(opened.writer); }
  CHECK(opened.state() == "failed");
  CHECK(opened.resource.status().error->code == Errc::no_writer);
  CHECK(opened.read({0, 4}) == "4");
  CHECK(opened.waits({4, 8}) == "!failed");
  CHECK(opened.write({4, 8}) == "!no_writer");  // moved from: an empty writer
}

TEST_CASE_TEMPLATE("R8: commit, fail and abandon each let a writer go in peace", D, STRANDLINE_BACKENDS) {
  for (const std::string how : {"commit", "fail", "handover", "stop"}) {
    CAPTURE(how);
    Opened<D> opened;
    CHECK(opened.write({0, 4}) == "4");
    if (how == "commit") {
      CHECK(says(opened.writer.commit()) == "ok");
    } else if (how == "fail") {
      CHECK(says(opened.writer.fail(Error::make(Errc::io, "mine"))) == "ok");
    } else {
      CHECK(says(opened.writer.abandon(how == "stop" ? Abandon::stop : Abandon::handover)) == "ok");
    }
    const std::string before = opened.state();
    CHECK(before == (how == "commit" ? "committed" : how == "fail" ? "failed" : "active"));
    opened.writer = Writer<D>();
    CHECK(opened.state() == before);
    if (how == "fail") {
      CHECK(opened.resource.status().error->context == "mine");
    }
  }
}

TEST_CASE("R8: a newly opened resource waits for its first writer; there is one at a time") {
  auto resource = required(Resource<MemoryDriver>::open({}));
  CHECK(says(resource.wait_range({0, 4}, at_once())) == "timed_out");
  InThread waiting([&] { return resource.wait_range({0, 4}, patiently()); });
  until_parked(resource, 1);
  auto writer = required(resource.writer());
  CHECK(says(resource.writer()) == "!busy");
  CHECK(says(resource.reactivate(Reactivate::resume)) == "!busy");
  CHECK(write_to(writer, {0, 4}) == "4");
  CHECK(waiting.join() == "ready");
  // One that handed over has nothing to say any more, and its end harms nobody.
  CHECK(says(writer.abandon(Abandon::handover)) == "ok");
  CHECK(write_to(writer, {4, 8}) == "!no_writer");
  auto next = required(resource.writer());
  CHECK(write_to(writer, {4, 8}) == "!no_writer");
  CHECK(says(writer.set_length(4)) == "!no_writer");
  CHECK(says(writer.commit()) == "!no_writer");
  CHECK(says(writer.fail(Error{})) == "!no_writer");
  CHECK(says(writer.abandon(Abandon::stop)) == "!no_writer");
  CHECK(says(writer.sync()) == "!no_writer");
  writer = Writer<MemoryDriver>();
  CHECK(says(resource.status().state) == "active");
  CHECK(write_to(next, {4, 8}) == "4");
  CHECK(says(next.commit()) == "ok");
  CHECK(says(next.fail(Error{})) == "!committed");
}

TEST_CASE_TEMPLATE("R8: stopped until a new writer comes; handed over, waits go on", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  CHECK(opened.write({0, 4}) == "4");
  CHECK(says(opened.writer.abandon(Abandon::stop)) == "ok");
  CHECK(opened.waits({0, 4}) == "ready");
  CHECK(opened.waits({4, 8}) == "!no_writer");
  CHECK(opened.read({4, 8}) == "!not_available");
  opened.writer = required(opened.resource.writer());
  CHECK(opened.waits({4, 8}) == "timed_out");
  CHECK(says(opened.writer.abandon(Abandon::handover)) == "ok");
  CHECK(opened.waits({4, 8}) == "timed_out");
  opened.writer = required(opened.resource.writer());
  CHECK(opened.write({4, 8}) == "4");
  CHECK(says(opened.writer.commit()) == "ok");
  CHECK(opened.read({0, 8}) == "8");
}

TEST_CASE_TEMPLATE("R9: resume keeps what is available", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  CHECK(opened.write({0, 4}) == "4");
  CHECK(opened.write({6, 8}) == "2");
  CHECK(says(opened.writer.set_length(16)) == "ok");
  CHECK(says(opened.writer.fail(Error{})) == "ok");
  opened.next_writer(Reactivate::resume);
  CHECK(opened.state() == "active");
  CHECK(opened.resource.status().generation == 1);
  CHECK(says(opened.resource.length()) == "16");  // a length that was set stays
  CHECK(opened.available() == "{[0, 4) [6, 8)}");
  CHECK(opened.write({2, 7}, 1) == "2");
  CHECK(opened.write({2, 7}, 2) == "!conflict");  // the same generation: immutable
  CHECK(opened.write({8, 16}) == "8");
  CHECK(says(opened.writer.commit()) == "ok");
  // Of committed content it forgets the length, so that it can grow.
  opened.next_writer(Reactivate::resume);
  CHECK(says(opened.resource.length()) == "none");
  CHECK(opened.read({0, 16}) == "16");
  CHECK(opened.waits({16, 20}) == "timed_out");
  CHECK(opened.write({16, 20}) == "4");
  CHECK(says(opened.writer.commit()) == "ok");
  CHECK(opened.read({0, 100}) == "20");
}

TEST_CASE_TEMPLATE("R9: a rewrite leaves readers the old bytes, whole, until it commits", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  CHECK(opened.write({0, 16}) == "16");
  CHECK(says(opened.writer.commit()) == "ok");
  opened.next_writer(Reactivate::rewrite);
  CHECK(opened.state() == "active");
  CHECK(opened.write({0, 8}, 2) == "8");
  CHECK(opened.write({8, 32}, 2) == "24");
  // Reads, waits, length, generation and available are the old generation's.
  CHECK(opened.read({0, 16}, 1) == "16");
  CHECK(opened.waits({16, 32}) == "eof");
  CHECK(says(opened.resource.length()) == "16");
  CHECK(opened.resource.status().generation == 1);
  CHECK(opened.available() == "{[0, 16)}");
  const auto old = required(opened.resource.view({4, 16}));
  CHECK(says(opened.writer.commit()) == "ok");
  CHECK(opened.resource.status().generation == 2);
  CHECK(says(opened.resource.length()) == "32");
  CHECK(opened.read({0, 32}, 2) == "32");
  CHECK(std::vector<std::byte>(old.bytes().begin(), old.bytes().end()) == content({4, 16}, 1));
}

TEST_CASE_TEMPLATE("R9: a rewrite that fails changes nothing for readers", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  CHECK(opened.write({0, 16}) == "16");
  CHECK(says(opened.writer.commit()) == "ok");
  opened.next_writer(Reactivate::rewrite);
  CHECK(opened.write({0, 20}, 2) == "20");
  CHECK(says(opened.writer.fail(Error::make(Errc::io, "origin"))) == "ok");
  CHECK(opened.state() == "failed");
  CHECK(opened.read({0, 20}) == "16");
  CHECK(opened.waits({16, 20}) == "eof");
  CHECK(opened.resource.status().generation == 1);
  // The number is not used again, and the next rewrite starts empty.
  opened.next_writer(Reactivate::rewrite);
  CHECK(says(opened.writer.commit(20)) == "!incomplete");
  CHECK(opened.write({0, 4}, 3) == "4");
  CHECK(opened.read({0, 16}) == "16");
  CHECK(says(opened.writer.commit()) == "ok");
  CHECK(opened.resource.status().generation == 3);
  CHECK(opened.read({0, 16}, 3) == "4");
}

TEST_CASE_TEMPLATE("R9: an abandoned rewrite is resumed, or started over", D, STRANDLINE_BACKENDS) {
  for (const Reactivate mode : {Reactivate::resume, Reactivate::rewrite}) {
    Opened<D> opened;
    CHECK(opened.write({0, 8}) == "8");
    CHECK(says(opened.writer.commit()) == "ok");
    opened.next_writer(Reactivate::rewrite);
    CHECK(opened.write({0, 4}, 2) == "4");
    CHECK(says(opened.writer.abandon(Abandon::stop)) == "ok");
    CHECK(opened.read({0, 8}) == "8");
    opened.next_writer(mode);
    const std::uint64_t generation = mode == Reactivate::resume ? 2 : 3;
    CHECK(opened.write({0, 6}, generation) == (mode == Reactivate::resume ? "2" : "6"));
    CHECK(opened.read({0, 8}) == "8");
    CHECK(says(opened.writer.commit()) == "ok");
    CHECK(opened.resource.status().generation == generation);
    CHECK(opened.read({0, 8}, generation) == "6");
  }
}

TEST_CASE_TEMPLATE("R9: what was never committed is gone with its generation", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  CHECK(opened.write({0, 8}) == "8");
  CHECK(says(opened.writer.set_length(8)) == "ok");
  CHECK(says(opened.writer.abandon(Abandon::handover)) == "ok");
  opened.next_writer(Reactivate::rewrite);
  CHECK(opened.resource.status().generation == 2);
  CHECK(opened.read({0, 8}) == "!not_available");
  CHECK(opened.available() == "{}");
  CHECK(says(opened.resource.length()) == "none");
  CHECK(opened.write({0, 12}, 2) == "12");
  CHECK(opened.read({0, 12}, 2) == "12");  // readable as it arrives
}

TEST_CASE_TEMPLATE("R9: reactivate is refused while there is a writer", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  CHECK(says(opened.resource.reactivate(Reactivate::resume)) == "!busy");
  CHECK(says(opened.resource.reactivate(Reactivate::rewrite)) == "!busy");
  CHECK(says(opened.writer.commit(0)) == "ok");
  opened.next_writer(Reactivate::rewrite);
  CHECK(says(opened.resource.reactivate(Reactivate::rewrite)) == "!busy");
  CHECK(says(opened.resource.writer()) == "!busy");
  opened.resource.check_invariants();
}

TEST_CASE("R8: a writer that writes nowhere, never did or was moved from, says so to every call") {
  Opened<MemoryDriver> opened;
  Writer<MemoryDriver> none;
  const auto says_so = [](Writer<MemoryDriver>& writer) {
    CHECK(says(writer.write_at(0, content({0, 4}))) == "!no_writer");
    CHECK(says(writer.set_length(4)) == "!no_writer");
    CHECK(says(writer.commit()) == "!no_writer");
    CHECK(says(writer.commit(4)) == "!no_writer");
    CHECK(says(writer.fail(Error::make(Errc::io, "a reason"))) == "!no_writer");
    CHECK(says(writer.abandon(Abandon::stop)) == "!no_writer");
    CHECK(says(writer.sync()) == "!no_writer");
  };
  says_so(none);
  Writer<MemoryDriver> taken = std::move(opened.writer);
  says_so(opened.writer);
  auto& itself = taken;
  taken = std::move(itself);
  CHECK(write_to(taken, {0, 4}) == "4");
  CHECK(says(taken.sync()) == "!unsupported");
  taken = Writer<MemoryDriver>();
  CHECK(opened.state() == "failed");
}

namespace {

// Finds what it is told to have found.
struct Liar {
  struct Options {
    DriverState found;
  };
  Result<DriverState> open(Options options) { return std::move(options.found); }
  Result<std::size_t> read_at(std::uint64_t, std::span<std::byte>) const { return fail(Errc::io); }
  Result<std::size_t> write_at(std::uint64_t, std::span<const std::byte>) { return fail(Errc::io); }
  Result<void> commit(std::uint64_t) { return {}; }
  Result<void> reactivate() { return {}; }
  [[nodiscard]] std::uint64_t storage_len() const { return 0; }
  [[nodiscard]] std::filesystem::path path() const { return {}; }
};

}  // namespace

TEST_CASE("R6: what a driver has found must not contradict itself") {
  const auto opens = [](DriverState state) {
    Liar::Options options;
    options.found = std::move(state);
    return says(Resource<Liar>::open(std::move(options)));
  };
  CHECK(opens({std::nullopt, RangeSet{{0, 4}}, false}) == "ok");
  CHECK(opens({8, RangeSet{{0, 4}}, false}) == "ok");
  CHECK(opens({4, RangeSet{{0, 4}}, true}) == "ok");
  CHECK(opens({8, RangeSet{{0, 4}}, true}) == "!corrupt");             // complete with a gap
  CHECK(opens({std::nullopt, RangeSet{{0, 4}}, true}) == "!corrupt");  // complete, and no end
  CHECK(opens({3, RangeSet{{0, 4}}, false}) == "!corrupt");            // bytes past the end
  CHECK(opens({kMaxOffset + 1, RangeSet(), false}) == "!corrupt");
  const auto blocks = [](std::initializer_list<ByteRange> ranges) { return BlockMap(RangeSet(ranges)); };
  CHECK(opens({8, RangeSet{{0, 4}}, true, blocks({{4, 8}})}) == "ok");
  CHECK(opens({8, RangeSet{{0, 4}}, true, blocks({{5, 8}})}) == "!corrupt");
  CHECK(opens({8, RangeSet(), false, blocks({{5, 9}})}) == "!corrupt");
}

TEST_CASE("R1: what a driver has found is there, in whatever form it was said") {
  Liar::Options options;
  options.found = {std::nullopt, RangeSet{{0, 4}, {10, 5000}}, false, BlockMap(RangeSet{{4, 6}, {4096, 12288}})};
  // What was there once and was taken away again counts for nothing.
  REQUIRE(options.found.blocks.insert({20000, 30000}).has_value());
  REQUIRE(options.found.blocks.erase({20000, 30000}).has_value());
  options.found.length = 20000;
  const auto resource = required(Resource<Liar>::open(std::move(options)));
  CHECK(to_string(required(resource.available())) == "{[0, 6) [10, 12288)}");
  CHECK(resource.contains({4096, 12288}));
}

namespace {

// The same, of which only the last bytes are kept.
struct WindowedLiar : Liar {
  [[nodiscard]] ByteRange valid_window(std::uint64_t end) const noexcept {
    return {end - std::min<std::uint64_t>(end, 10), end};
  }
  [[nodiscard]] Overflow overflow() const noexcept { return Overflow::overwrite; }
};

}  // namespace

TEST_CASE("R12: what a driver with a window has found is there, in whatever form it was said") {
  WindowedLiar::Options options;
  options.found = {std::nullopt, RangeSet{{90, 94}}, false, BlockMap(RangeSet{{93, 96}, {98, 100}})};
  const auto resource = required(Resource<WindowedLiar>::open(std::move(options)));
  CHECK(to_string(required(resource.available())) == "{[90, 96) [98, 100)}");
}
