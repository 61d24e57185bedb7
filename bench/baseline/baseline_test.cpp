// A yardstick that is wrong measures nothing: the simple design is tested like the thing it is compared with.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <bench/baseline/simple_resource.h>
#include <bench/baseline/simple_ring.h>
#include <bench/support/scene.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>
#include <vector>

using namespace strandline;
using baseline_clock = std::chrono::steady_clock;
using bench::baseline::IntervalSet;
using bench::baseline::SimpleResource;
using bench::baseline::SimpleRing;

namespace {

// The same test over a file and over memory.
template <class Body>
void on_both(Body&& body) {
  const bench::ScratchFolder folder(bench::Medium::disk);
  for (const auto& path : {std::filesystem::path(), folder / "simple"}) {
    INFO("path '" << path.native() << "'");
    auto resource = SimpleResource::open({path});
    REQUIRE(resource.has_value());
    body(**resource, path);
  }
}

std::vector<std::byte> read(const SimpleResource& resource, ByteRange range) {
  std::vector<std::byte> out(range.size());
  const auto count = resource.read_at(range.begin, out);
  REQUIRE(count.has_value());
  out.resize(*count);
  return out;
}

}  // namespace

TEST_CASE("the plain set joins what touches, and copies whole") {
  IntervalSet set;
  CHECK(set.end_offset() == 0);
  set.insert({10, 20});
  set.insert({30, 40});
  CHECK(set.range_count() == 2);
  const IntervalSet copy(set);
  set.insert({20, 30});
  CHECK(set.range_count() == 1);
  CHECK(set.covers({10, 40}));
  CHECK_FALSE(set.covers({9, 11}));
  CHECK(copy.range_count() == 2);
  CHECK_FALSE(copy.covers({15, 35}));
  CHECK(set.end_offset() == 40);
}

TEST_CASE("what was written reads back, across every doubling; what was not does not") {
  on_both([](SimpleResource& resource, const std::filesystem::path&) {
    const auto bytes = bench::random_bytes(5 << 20);
    for (const std::uint64_t piece : bench::shuffled(80)) {
      const std::uint64_t offset = piece * 65536;
      CHECK_FALSE(resource.contains({offset, offset + 1}));
      REQUIRE(resource.write_at(offset, std::span(bytes).subspan(offset, 65536)) == 65536);
    }
    CHECK(resource.contains({0, bytes.size()}));
    CHECK(read(resource, {0, bytes.size()}) == bytes);
    std::array<std::byte, 2> out{};
    CHECK(resource.read_at(bytes.size() - 1, out).error().code == Errc::not_available);
    CHECK(resource.read_at(kMaxOffset, out).error().code == Errc::invalid_range);
    CHECK(resource.write_at(0, {}) == 0);
  });
}

TEST_CASE("a snapshot stays as it was") {
  on_both([](SimpleResource& resource, const std::filesystem::path&) {
    const auto bytes = bench::random_bytes(64);
    REQUIRE(resource.write_at(0, bytes));
    const auto before = resource.available();
    REQUIRE(resource.write_at(128, bytes));
    CHECK(before->range_count() == 1);
    CHECK(resource.available()->range_count() == 2);
  });
}

TEST_CASE("commit wants no gap, cuts to the length, and is final") {
  on_both([](SimpleResource& resource, const std::filesystem::path& path) {
    const auto bytes = bench::random_bytes(100);
    REQUIRE(resource.write_at(0, bytes));
    CHECK(resource.commit(101).error().code == Errc::incomplete);
    CHECK_FALSE(resource.length());
    REQUIRE(resource.commit());
    CHECK(resource.length() == 100);
    CHECK(resource.commit().error().code == Errc::committed);
    CHECK(resource.write_at(100, bytes).error().code == Errc::committed);
    CHECK(read(resource, {90, 200}).size() == 10);
    CHECK(read(resource, {100, 200}).empty());
    CHECK(resource.wait_range({50, 200}) == WaitOutcome::ready);
    CHECK(resource.wait_range({100, 200}) == WaitOutcome::eof);
    if (!path.empty()) {
      CHECK(std::filesystem::file_size(path) == 100);
    }
  });
}

TEST_CASE("a wait ends with its bytes, its deadline, the end, or cancel") {
  on_both([](SimpleResource& resource, const std::filesystem::path&) {
    const auto bytes = bench::random_bytes(100);
    const WaitOptions soon{{}, baseline_clock::now() + std::chrono::milliseconds(10)};
    CHECK(resource.wait_range({0, 1}, soon) == WaitOutcome::timed_out);
    CHECK(resource.wait_range({7, 7}) == WaitOutcome::ready);
    CHECK(resource.wait_range({8, 7}).error().code == Errc::invalid_range);
    const auto outcome_after = [&](ByteRange range, auto&& change) {
      Result<WaitOutcome> outcome = WaitOutcome::timed_out;
      std::jthread waiter([&] { outcome = resource.wait_range(range, {}); });
      change();
      waiter.join();
      return outcome;
    };
    CHECK(outcome_after({0, 200}, [&] {
            REQUIRE(resource.write_at(100, bytes));
            REQUIRE(resource.write_at(0, bytes));
          }) == WaitOutcome::ready);
    CHECK(outcome_after({300, 301}, [&] { REQUIRE(resource.commit()); }) == WaitOutcome::eof);
    resource.cancel();
    CHECK(resource.wait_range({0, 1}).error().code == Errc::cancelled);
    CHECK_FALSE(resource.contains({0, 1}));
  });
}

TEST_CASE("cancel ends a parked wait") {
  on_both([](SimpleResource& resource, const std::filesystem::path&) {
    std::jthread canceller([&] { resource.cancel(); });
    CHECK(resource.wait_range({0, 1}).error().code == Errc::cancelled);
    std::array<std::byte, 1> out{};
    CHECK(resource.read_at(0, out).error().code == Errc::cancelled);
    CHECK(resource.write_at(0, out).error().code == Errc::cancelled);
    CHECK(resource.commit().error().code == Errc::cancelled);
  });
}

TEST_CASE("the ring hands over every byte in order, whatever the sizes") {
  const auto bytes = bench::random_bytes(1 << 20);
  SimpleRing ring(10007);
  std::jthread writer([&] {
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t size = std::min<std::size_t>(bytes.size() - at, 1 + at % 30000);
      ring.write(std::span(bytes).subspan(at, size));
      at += size;
    }
    ring.finish();
  });
  std::vector<std::byte> seen;
  std::vector<std::byte> part(4093);
  while (const std::size_t count = ring.read(part)) {
    seen.insert(seen.end(), part.begin(), part.begin() + static_cast<std::ptrdiff_t>(count));
  }
  CHECK(seen == bytes);
}
