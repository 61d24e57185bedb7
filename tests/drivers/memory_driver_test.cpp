// MemoryDriver: growth without moving a reader, commit and reactivate, views that outlive everything.
#include <signal.h>
#include <strandline/drivers/memory.h>
#include <tests/drivers/scratch.h>

#include <atomic>
#include <memory>
#include <thread>

namespace strandline {
namespace {

using namespace testing;

constexpr std::uint64_t kMega = std::uint64_t{1} << 20;

static_assert(HasRewrite<MemoryDriver> && HasView<MemoryDriver> && !HasSync<MemoryDriver> && !HasWindow<MemoryDriver>);

TEST_CASE("memory: starts empty, grows wherever it is written, has no name") {
  MemoryDriver driver;
  const Result<DriverState> state = driver.open({});
  REQUIRE(state);
  CHECK_FALSE(state->committed);
  CHECK(state->available.empty());
  CHECK(driver.path().empty());
  CHECK(driver.storage_len() == 0);
  for (const std::uint64_t offset : {std::uint64_t{0}, kMega - 50, 3 * kMega, std::uint64_t{10} << 30}) {
    REQUIRE(write_range(driver, offset, offset + 100));
  }
  for (const std::uint64_t offset : {std::uint64_t{0}, kMega - 50, 3 * kMega, std::uint64_t{10} << 30}) {
    CHECK(holds(driver, offset, offset + 100));
  }
  CHECK(driver.storage_len() == (std::uint64_t{10} << 30) + 100);
}

TEST_CASE("memory: what no address space can hold is too_large or no_memory, and changes nothing") {
  MemoryDriver driver;
  REQUIRE(driver.open({}));
  REQUIRE(write_range(driver, 0, 1000));
  for (const std::uint64_t offset : {kMaxOffset - 10, std::uint64_t{1} << 50, (std::uint64_t{1} << 47) - 4096}) {
    const Errc code = code_of(driver.write_at(offset, bytes_for(offset, 10)));
    CHECK((code == Errc::too_large || code == Errc::no_memory));
  }
  CHECK(holds(driver, 0, 1000));
  CHECK(write_range(driver, 1000, 3 * kMega));
  CHECK(holds(driver, 0, 3 * kMega));
  const Errc code = code_of(MemoryDriver().open({kMaxOffset, {}}));
  CHECK((code == Errc::too_large || code == Errc::no_memory));
}

TEST_CASE("memory: initial bytes open committed, in place, and can be reactivated") {
  Bytes initial = bytes_for(0, 5000);
  const std::byte* const address = initial.data();
  MemoryDriver driver;
  const Result<DriverState> state = driver.open({0, std::move(initial)});
  REQUIRE(state);
  CHECK(state->committed);
  CHECK(state->length == 5000U);
  CHECK(state->available == RangeSet{{0, 5000}});
  const DriverView view = driver.view({0, 5000}).value();
  CHECK(view.bytes.data() == address);
  REQUIRE(driver.reactivate());
  REQUIRE(write_range(driver, 5000, 9000));
  CHECK(holds(driver, 0, 9000));
  CHECK(driver.commit(9000));
  CHECK(copy_of(view.bytes) == bytes_for(0, 5000));
  CHECK(code_of(MemoryDriver().open({4999, bytes_for(0, 5000)})) == Errc::invalid_argument);
}

TEST_CASE("memory: committed bytes cannot be written over, not even by a stray pointer") {
  MemoryDriver driver;
  REQUIRE(driver.open({}));
  REQUIRE(write_range(driver, 0, 3 * kMega));
  REQUIRE(driver.commit(2 * kMega));
  const DriverView view = driver.view({0, 2 * kMega}).value();
  CHECK(in_child([&] {
          ::signal(SIGSEGV, SIG_DFL);                                 // doctest's handler would report a crash
          static_cast<void>(std::freopen("/dev/null", "w", stderr));  // a sanitizer would report the death we want
          const_cast<std::byte&>(view.bytes[0]) = std::byte{0};
          return 0;
        }) != 0);
  CHECK(driver.storage_len() == 2 * kMega);
  REQUIRE(driver.reactivate());
  REQUIRE(write_range(driver, 2 * kMega, 5 * kMega, 1));
  CHECK(holds(driver, 0, 2 * kMega));
  CHECK(holds(driver, 2 * kMega, 5 * kMega, 1));
  CHECK(driver.commit(5 * kMega));
}

TEST_CASE(
    "F27: memory: views keep their bytes past growth, a commit that drops them, new bytes there, and the driver") {
  for (const std::uint64_t cut : {std::uint64_t{0}, std::uint64_t{100}, std::uint64_t{8192}, std::uint64_t{99'999}}) {
    CAPTURE(cut);
    DriverView view;
    {
      MemoryDriver driver;
      REQUIRE(driver.open({}));
      REQUIRE(write_range(driver, 0, 100'000));
      view = driver.view({0, 100'000}).value();
      REQUIRE(driver.commit(cut));
      CHECK(copy_of(view.bytes) == bytes_for(0, 100'000));
      REQUIRE(driver.reactivate());
      REQUIRE(write_range(driver, cut, 200'000, 1));
      CHECK(holds(driver, 0, cut));
      CHECK(holds(driver, cut, 200'000, 1));
      CHECK(copy_of(view.bytes) == bytes_for(0, 100'000));
      REQUIRE(write_range(driver, 200'000, 3 * kMega, 1));
    }
    CHECK(copy_of(view.bytes) == bytes_for(0, 100'000));
  }
}

TEST_CASE("memory: rewrite is a storage of its own") {
  MemoryDriver driver;
  REQUIRE(driver.open({}));
  REQUIRE(write_range(driver, 0, 1000));
  REQUIRE(driver.commit(1000));
  auto next = driver.rewrite().value();
  REQUIRE(write_range(*next, 0, 500, 1));
  REQUIRE(next->commit(500));
  CHECK(holds(driver, 0, 1000));
  CHECK(holds(*next, 0, 500, 1));
}

TEST_CASE("memory: readers and writers at once while it grows") {
  MemoryDriver driver;
  REQUIRE(driver.open({}));
  REQUIRE(write_range(driver, 0, 4096));
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  std::thread reader([&] {
    do {
      wrong += holds(driver, 0, 4096) ? 0 : 1;
    } while (!done);
  });
  std::vector<std::thread> writers;
  for (std::uint64_t id = 0; id < 3; ++id) {
    writers.emplace_back([&, id] {
      for (std::uint64_t at = 4096 * (1 + id); at < 4 * kMega; at += 3 * 4096) {
        wrong += write_range(driver, at, at + 4096) && holds(driver, at, at + 4096) ? 0 : 1;
      }
    });
  }
  for (std::thread& writer : writers) {
    writer.join();
  }
  done = true;
  reader.join();
  CHECK(wrong == 0);
  CHECK(holds(driver, 0, 4 * kMega));
}

}  // namespace
}  // namespace strandline
