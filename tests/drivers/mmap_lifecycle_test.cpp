// MmapDriver: reactivate and rewrite, what readers keep, and who may do what after whom.
#include <strandline/drivers/mmap.h>
#include <tests/drivers/kernel_faults.h>
#include <tests/drivers/scratch.h>

#include <memory>
#include <utility>

namespace strandline {
namespace {

using namespace testing;

constexpr std::uint64_t kSize = 150'000;

TEST_CASE("R9: reactivate goes on in place, its bytes kept; destruction without commit gives up what came after") {
  for (const bool commit : {true, false}) {
    CAPTURE(commit);
    const ScratchDir dir;
    make_file(dir / "content", kSize);
    {
      MmapDriver driver;
      REQUIRE(driver.open({dir / "content"}));
      REQUIRE(driver.reactivate());
      CHECK(code_of(driver.reactivate()) == Errc::busy);
      CHECK(dir.names() == "content content.part content.resume");
      CHECK(holds(driver, 0, kSize));
      REQUIRE(write_range(driver, kSize, 2 * kSize));
      CHECK(holds(driver, 0, 2 * kSize));
      if (commit) {
        CHECK(driver.commit(2 * kSize - 5));
        CHECK(dir.names() == "content");
      }
    }
    CHECK(dir.names() == "content");
    CHECK(file_bytes(dir / "content") == bytes_for(0, commit ? 2 * kSize - 5 : kSize));
  }
}

TEST_CASE("R9: a driver that committed new content can be reactivated") {
  const ScratchDir dir;
  MmapDriver driver;
  REQUIRE(driver.open({dir / "content"}));
  REQUIRE(write_range(driver, 0, 100));
  REQUIRE(driver.commit(100));
  for (std::uint64_t end = 100; end < 200'000; end += 50'000) {
    REQUIRE(driver.reactivate());
    REQUIRE(write_range(driver, end, end + 50'000));
    REQUIRE(driver.commit(end + 50'000));
    CHECK(holds(driver, 0, end + 50'000));
    CHECK(dir.names() == "content");
  }
}

TEST_CASE("R9: reactivate refuses a file that is not the one it opened") {
  const ScratchDir dir;
  make_file(dir / "content", kSize);
  const auto open_and = [&](auto change) {
    MmapDriver driver;
    REQUIRE(driver.open({dir / "content"}));
    change();
    const Errc code = code_of(driver.reactivate());
    CHECK_FALSE(std::filesystem::exists(dir / "content.resume"));
    CHECK_FALSE(std::filesystem::exists(dir / "content.part"));
    return code;
  };
  CHECK(open_and([&] { std::filesystem::resize_file(dir / "content", kSize + 1); }) == Errc::changed);
  CHECK(open_and([&] { std::filesystem::resize_file(dir / "content", 10); }) == Errc::io);
  CHECK(open_and([&] {
          make_file(dir / "other", 10);
          std::filesystem::rename(dir / "other", dir / "content");
        }) == Errc::changed);
  CHECK(open_and([&] { std::filesystem::remove(dir / "content"); }) == Errc::not_found);
}

TEST_CASE("R9: a commit in place refuses when the file was replaced meanwhile") {
  const ScratchDir dir;
  make_file(dir / "content", kSize);
  {
    MmapDriver driver;
    REQUIRE(driver.open({dir / "content", OpenMode::read_write}));
    REQUIRE(write_range(driver, kSize, kSize + 10));
    make_file(dir / "other", kSize, 3);
    std::filesystem::rename(dir / "other", dir / "content");
    CHECK(code_of(driver.commit(kSize + 10)) == Errc::changed);
  }
  CHECK(file_bytes(dir / "content") == bytes_for(0, kSize, 3));
}

TEST_CASE("R9: reactivate that fails halfway leaves the file complete and the driver committed") {
  for (const Call call : {Call::open, Call::pwrite, Call::fdatasync, Call::fsync, Call::rename}) {
    for (int k = 1; k <= 4; ++k) {
      CAPTURE(static_cast<int>(call));
      CAPTURE(k);
      const ScratchDir dir;
      make_file(dir / "content", kSize);
      MmapDriver driver;
      REQUIRE(driver.open({dir / "content"}));
      bool happened = false;
      bool worked = false;
      {
        const FailingCall failing(call, EIO, k);
        worked = driver.reactivate().has_value();
        happened = failing.happened();
      }
      CHECK(worked != happened);
      if (!worked) {
        CHECK(dir.names() == "content");
        CHECK(code_of(driver.write_at(kSize, bytes_for(kSize, 1))) == Errc::committed);
        CHECK(driver.reactivate());
      }
      CHECK(holds(driver, 0, kSize));
      CHECK(driver.commit(kSize));
    }
  }
}

TEST_CASE("F27: reactivate or rewrite while a reader holds a view: the old bytes stay") {
  for (const bool in_place : {true, false}) {
    CAPTURE(in_place);
    const ScratchDir dir;
    make_file(dir / "content", kSize);
    auto driver = std::make_unique<MmapDriver>();
    REQUIRE(driver->open({dir / "content"}));
    const DriverView view = driver->view({0, kSize}).value();
    if (in_place) {
      REQUIRE(driver->reactivate());
      REQUIRE(write_range(*driver, kSize, 2 * kSize));
      REQUIRE(driver->commit(1000));
    } else {
      auto next = driver->rewrite().value();
      REQUIRE(write_range(*next, 0, 1000, 1));
      CHECK(copy_of(view.bytes) == bytes_for(0, kSize));
      REQUIRE(next->commit(1000));
      CHECK(holds(*driver, 0, kSize));
      CHECK(holds(*next, 0, 1000, 1));
    }
    CHECK(copy_of(view.bytes) == bytes_for(0, kSize));
    driver.reset();
    CHECK(copy_of(view.bytes) == bytes_for(0, kSize));
    CHECK(file_bytes(dir / "content") == bytes_for(0, 1000, in_place ? 0 : 1));
  }
}

TEST_CASE("R9: rewrite: the old content until the commit, untouched when there is none") {
  const ScratchDir dir;
  make_file(dir / "content", kSize);
  auto driver = std::make_unique<MmapDriver>();
  REQUIRE(driver->open({dir / "content"}));
  {
    auto given_up = driver->rewrite().value();
    REQUIRE(write_range(*given_up, 0, 10, 1));
    CHECK(code_of(driver->rewrite()) == Errc::busy);
    CHECK(code_of(driver->reactivate()) == Errc::busy);
    CHECK(given_up->path() == dir / "content");
  }
  CHECK(dir.names() == "content");
  CHECK(file_bytes(dir / "content") == bytes_for(0, kSize));
  auto next = driver->rewrite().value();
  CHECK(next->storage_len() == 0);
  REQUIRE(write_range(*next, 0, 10, 1));
  CHECK(holds(*driver, 0, kSize));
  REQUIRE(next->commit(10));
  CHECK(holds(*driver, 0, kSize));
  CHECK(code_of(driver->reactivate()) == Errc::changed);  // its file has no name any more
  driver.reset();
  CHECK(dir.names() == "content");
  CHECK(file_bytes(dir / "content") == bytes_for(0, 10, 1));
  REQUIRE(next->reactivate());
  REQUIRE(write_range(*next, 10, 20, 1));
  CHECK(next->commit(20));
}

TEST_CASE("R9: rewrite of what was never committed: the bytes stay readable, without a name") {
  const ScratchDir dir;
  auto driver = std::make_unique<MmapDriver>();
  REQUIRE(driver->open({dir / "content"}));
  REQUIRE(write_range(*driver, 0, kSize));
  const DriverView view = driver->view({0, kSize}).value();
  auto next = driver->rewrite().value();
  CHECK(dir.names() == "content.part");
  CHECK(code_of(MmapDriver().open({dir / "content"})) == Errc::busy);
  CHECK(next->storage_len() == 0);
  CHECK(holds(*driver, 0, kSize));
  CHECK(code_of(driver->write_at(kSize, bytes_for(0, 1))) == Errc::changed);
  CHECK(code_of(driver->commit(kSize)) == Errc::changed);
  REQUIRE(write_range(*next, 0, 100'000, 1));
  CHECK(holds(*driver, 0, kSize));
  driver.reset();
  CHECK(dir.names() == "content.part");
  auto third = next->rewrite().value();
  next.reset();
  REQUIRE(write_range(*third, 0, 5, 2));
  REQUIRE(third->commit(5));
  CHECK(dir.names() == "content");
  CHECK(file_bytes(dir / "content") == bytes_for(0, 5, 2));
  CHECK(copy_of(view.bytes) == bytes_for(0, kSize));
}

TEST_CASE("R9: rewrite of what is being extended in place goes back to what was committed") {
  for (const bool commit : {true, false}) {
    CAPTURE(commit);
    const ScratchDir dir;
    make_file(dir / "content", kSize);
    MmapDriver driver;
    REQUIRE(driver.open({dir / "content", OpenMode::read_write}));
    REQUIRE(write_range(driver, kSize, 2 * kSize));
    const DriverView view = driver.view({0, 2 * kSize}).value();
    {
      auto next = driver.rewrite().value();
      CHECK(dir.names() == "content content.part");
      CHECK(file_bytes(dir / "content") == bytes_for(0, kSize));
      CHECK(holds(driver, 0, kSize));
      CHECK(code_of(driver.write_at(kSize, bytes_for(kSize, 1))) == Errc::committed);
      REQUIRE(write_range(*next, 0, 10, 1));
      if (commit) {
        REQUIRE(next->commit(10));
      }
    }
    CHECK(dir.names() == "content");
    CHECK(file_bytes(dir / "content") == (commit ? bytes_for(0, 10, 1) : bytes_for(0, kSize)));
    CHECK(copy_of(view.bytes) == bytes_for(0, 2 * kSize));
  }
}

TEST_CASE("R9: a rewrite that fails halfway leaves the driver writing as before") {
  for (const Call call : {Call::open, Call::rename, Call::ftruncate}) {
    CAPTURE(static_cast<int>(call));
    const ScratchDir dir;
    MmapDriver fresh;
    REQUIRE(fresh.open({dir / "content"}));
    REQUIRE(write_range(fresh, 0, 100));
    if (call != Call::ftruncate) {
      const FailingCall failing(call, EACCES);
      CHECK(code_of(fresh.rewrite()) == Errc::permission_denied);
    }
    CHECK(write_range(fresh, 100, 200));
    CHECK(fresh.commit(200));
    MmapDriver resumed;
    REQUIRE(resumed.open({dir / "content", OpenMode::read_write}));
    REQUIRE(write_range(resumed, 200, 300));
    if (call == Call::ftruncate) {
      for (int k = 1; k <= 2; ++k) {  // emptying the side file, cutting the content
        const FailingCall failing(call, EACCES, k);
        CHECK(code_of(resumed.rewrite()) == Errc::permission_denied);
      }
    }
    CHECK(write_range(resumed, 300, 400));
    CHECK(resumed.commit(400));
    CHECK(file_bytes(dir / "content") == bytes_for(0, 400));
    CHECK(dir.names() == "content");
  }
}

TEST_CASE("mmap: read-only changes nothing") {
  const ScratchDir dir;
  make_file(dir / "content", kSize);
  MmapDriver driver;
  REQUIRE(driver.open({dir / "content", OpenMode::read_only}));
  CHECK(code_of(driver.write_at(kSize, bytes_for(kSize, 1))) == Errc::unsupported);
  CHECK(code_of(driver.commit(kSize)) == Errc::unsupported);
  CHECK(code_of(driver.reactivate()) == Errc::unsupported);
  CHECK(code_of(driver.rewrite()) == Errc::unsupported);
  CHECK(code_of(driver.sync()) == Errc::unsupported);
  CHECK(holds(driver, 0, kSize));
}

TEST_CASE("mmap: a driver that never opened answers errors") {
  MmapDriver driver;
  std::byte out{};
  CHECK(code_of(driver.read_at(0, {&out, 1})) == Errc::unsupported);
  CHECK(code_of(driver.write_at(0, {&out, 1})) == Errc::unsupported);
  CHECK(code_of(driver.commit(0)) == Errc::unsupported);
  CHECK(code_of(driver.reactivate()) == Errc::unsupported);
  CHECK(code_of(driver.rewrite()) == Errc::unsupported);
  CHECK(code_of(driver.view({0, 1})) == Errc::unsupported);
  CHECK(code_of(driver.sync()) == Errc::unsupported);
  CHECK(driver.storage_len() == 0);
  CHECK(driver.path().empty());
}

}  // namespace
}  // namespace strandline
