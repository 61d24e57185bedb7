// F28: a fork()ed child holds copies of every driver object: nothing it does to them may touch the parent's storage.
#include <strandline/drivers/memory.h>
#include <strandline/drivers/mmap.h>
#include <strandline/drivers/ring.h>
#include <tests/drivers/scratch.h>

#include <memory>

namespace strandline {
namespace {

using namespace testing;

constexpr std::uint64_t kForkedSize = 150'000;

// Every call that changes something is refused, in any state; then the child destroys its copy.
int try_everything(std::unique_ptr<MmapDriver> driver, std::uint64_t readable) {
  CHILD_CHECK(holds(*driver, 0, readable));
  CHILD_CHECK(copy_of(driver->view({0, readable}).value().bytes) == bytes_for(0, readable));
  CHILD_CHECK(code_of(driver->write_at(readable, bytes_for(readable, 10, 1))) == Errc::unsupported);
  CHILD_CHECK(code_of(driver->commit(10)) == Errc::unsupported);
  CHILD_CHECK(code_of(driver->reactivate()) == Errc::unsupported);
  CHILD_CHECK(code_of(driver->rewrite()) == Errc::unsupported);
  CHILD_CHECK(code_of(driver->sync()) == Errc::unsupported);
  driver.reset();
  return 0;
}

TEST_CASE("F28: a forked child cannot change or remove the file of an mmap driver") {
  SUBCASE("while new content is written") {
    const ScratchDir dir;
    auto driver = std::make_unique<MmapDriver>();
    REQUIRE(driver->open({dir / "content"}));
    REQUIRE(write_range(*driver, 0, kForkedSize));
    CHECK(in_child([&] { return try_everything(std::move(driver), kForkedSize); }) == 0);
    CHECK(dir.names() == "content.part");
    CHECK(code_of(MmapDriver().open({dir / "content"})) == Errc::busy);
    CHECK(in_child([&] { return code_of(MmapDriver().open({dir / "content"})) == Errc::busy ? 0 : 1; }) == 0);
    REQUIRE(write_range(*driver, kForkedSize, 2 * kForkedSize));
    CHECK(driver->commit(2 * kForkedSize));
    CHECK(file_bytes(dir / "content") == bytes_for(0, 2 * kForkedSize));
  }
  SUBCASE("while it is extended in place") {
    const ScratchDir dir;
    make_file(dir / "content", kForkedSize);
    auto driver = std::make_unique<MmapDriver>();
    REQUIRE(driver->open({dir / "content", OpenMode::read_write}));
    REQUIRE(write_range(*driver, kForkedSize, 2 * kForkedSize));
    CHECK(in_child([&] { return try_everything(std::move(driver), 2 * kForkedSize); }) == 0);
    CHECK(dir.names() == "content content.part content.resume");
    CHECK(driver->commit(2 * kForkedSize));
    CHECK(file_bytes(dir / "content") == bytes_for(0, 2 * kForkedSize));
  }
  SUBCASE("when it is committed") {
    const ScratchDir dir;
    make_file(dir / "content", kForkedSize);
    auto driver = std::make_unique<MmapDriver>();
    REQUIRE(driver->open({dir / "content"}));
    CHECK(in_child([&] { return try_everything(std::move(driver), kForkedSize); }) == 0);
    CHECK(driver->reactivate());
  }
  SUBCASE("while it is rewritten") {
    const ScratchDir dir;
    make_file(dir / "content", kForkedSize);
    MmapDriver driver;
    REQUIRE(driver.open({dir / "content"}));
    auto next = driver.rewrite().value();
    REQUIRE(write_range(*next, 0, kForkedSize));
    CHECK(in_child([&] { return try_everything(std::move(next), kForkedSize); }) == 0);
    CHECK(next->commit(kForkedSize));
  }
}

TEST_CASE("F28: what a child opens itself is its own, and its grandchild's is not") {
  const ScratchDir dir;
  CHECK(in_child([&] {
          auto driver = std::make_unique<MmapDriver>();
          CHILD_CHECK(driver->open({dir / "content"}));
          CHILD_CHECK(write_range(*driver, 0, kForkedSize));
          CHILD_CHECK(in_child([&] { return try_everything(std::move(driver), kForkedSize); }) == 0);
          CHILD_CHECK(driver->commit(kForkedSize));
          return 0;
        }) == 0);
  CHECK(file_bytes(dir / "content") == bytes_for(0, kForkedSize));
}

TEST_CASE("F28: a forked child cannot write into the parent's ring") {
  RingDriver ring;
  REQUIRE(ring.open({10'000}));
  REQUIRE(write_range(ring, 0, 5000));
  CHECK(in_child([&] {
          CHILD_CHECK(code_of(ring.write_at(0, bytes_for(0, 10, 1))) == Errc::unsupported);
          CHILD_CHECK(code_of(ring.commit(10)) == Errc::unsupported);
          CHILD_CHECK(code_of(ring.reactivate()) == Errc::unsupported);
          CHILD_CHECK(code_of(ring.rewrite()) == Errc::unsupported);
          return 0;
        }) == 0);
  CHECK(holds(ring, 0, 5000));
}

TEST_CASE("F28: a forked child has memory of its own") {
  auto memory = std::make_unique<MemoryDriver>();
  REQUIRE(memory->open({}));
  REQUIRE(write_range(*memory, 0, 5000));
  CHECK(in_child([&] {
          CHILD_CHECK(holds(*memory, 0, 5000));
          CHILD_CHECK(write_range(*memory, 0, 5000, 1));
          memory.reset();
          return 0;
        }) == 0);
  CHECK(holds(*memory, 0, 5000));
}

}  // namespace
}  // namespace strandline
