// MmapDriver with every allocation failing in turn: no_memory, and the driver and its files are as they were.
#include <strandline/drivers/mmap.h>
#include <tests/drivers/scratch.h>
#include <tests/support/failing_new.h>

#include <memory>
#include <tuple>
#include <utility>

namespace strandline {
namespace {

using namespace testing;

constexpr std::uint64_t kHeldSize = 150'000;

TEST_CASE("F18: mmap: open with the k-th allocation failing leaves nothing behind") {
  for (const bool exists : {false, true}) {
    for (const OpenMode mode : {OpenMode::automatic, OpenMode::read_write, OpenMode::read_only}) {
      CAPTURE(exists);
      CAPTURE(static_cast<int>(mode));
      const ScratchDir dir;
      const std::filesystem::path path = dir / "content";
      if (exists) {
        make_file(path, kHeldSize);
      }
      const std::uint64_t last = for_each_failing_allocation([&](std::uint64_t k) {
        CAPTURE(k);
        bool fired = false;
        {
          auto driver = std::make_unique<MmapDriver>();
          MmapDriver::Options options{path, mode};
          Errc code{};
          {
            const FailAllocation failing(k);
            code = code_of(driver->open(std::move(options)));
            fired = failing.fired();
          }
          // An error's context may be what there was no memory for; then the call still says what it would have.
          const Errc usual = !exists && mode == OpenMode::read_only ? Errc::not_found : Errc{};
          CHECK((code == usual || (fired && code == Errc::no_memory)));
        }
        CHECK(dir.names() == (exists ? "content" : ""));
        return fired;
      });
      CHECK(last > 1);
      if (exists) {
        CHECK(file_bytes(path) == bytes_for(0, kHeldSize));
      }
    }
  }
}

// A driver in one of its states, and the call that is to fail.
template <class Call>
std::uint64_t every_allocation(bool committed, Call call) {
  return for_each_failing_allocation([&](std::uint64_t k) {
    CAPTURE(k);
    const ScratchDir dir;
    MmapDriver driver;
    REQUIRE(driver.open({dir / "content"}));
    REQUIRE(write_range(driver, 0, kHeldSize));
    if (committed) {
      REQUIRE(driver.commit(kHeldSize));
    }
    bool fired = false;
    bool worked = false;
    Errc code{};
    {
      const FailAllocation failing(k);
      std::tie(worked, code) = call(driver);
      fired = failing.fired();
    }
    CHECK((worked || (fired && code == Errc::no_memory)));
    CHECK(holds(driver, 0, kHeldSize));
    if (!worked && committed) {
      CHECK(dir.names() == "content");
      CHECK(code_of(driver.write_at(kHeldSize, bytes_for(kHeldSize, 1))) == Errc::committed);
    }
    if (!worked && !committed) {
      CHECK(write_range(driver, kHeldSize, kHeldSize + 10));
      CHECK(driver.commit(kHeldSize + 10));
      CHECK(file_bytes(dir / "content") == bytes_for(0, kHeldSize + 10));
    }
    return fired;
  });
}

TEST_CASE("F18: mmap: every call with the k-th allocation failing: no_memory, or it works without") {
  const auto outcome = [](const auto& result) { return std::pair(result.has_value(), code_of(result)); };
  Bytes out(1000);
  for (const bool committed : {false, true}) {
    CAPTURE(committed);
    const auto read = [&](MmapDriver& driver) { return outcome(driver.read_at(5, out)); };
    const auto view = [&](MmapDriver& driver) { return outcome(driver.view({5, kHeldSize})); };
    CHECK(every_allocation(committed, read) > 1);  // the first read makes a mapping, or does without
    CHECK(every_allocation(committed, view) > 1);
    CHECK(every_allocation(committed, [&](MmapDriver& driver) { return outcome(driver.rewrite()); }) > 1);
  }
  CHECK(every_allocation(true, [&](MmapDriver& driver) { return outcome(driver.reactivate()); }) > 1);
  CHECK(every_allocation(false, [&](MmapDriver& driver) {
          Result<DriverView> view = driver.view({0, 100});
          return view ? outcome(driver.commit(kHeldSize)) : std::pair(false, view.error().code);
        }) > 1);
}

}  // namespace
}  // namespace strandline
