// MmapDriver: writing, and what a full disk, a file size limit or a failing sync does to it.
#include <sched.h>
#include <signal.h>
#include <strandline/drivers/mmap.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <tests/drivers/kernel_faults.h>
#include <tests/drivers/scratch.h>

#include <memory>

namespace strandline {
namespace {

using namespace testing;

constexpr std::uint64_t kMega = std::uint64_t{1} << 20;

TEST_CASE("mmap: commit renames the side file, and cuts what lies past the length") {
  const ScratchDir dir;
  MmapDriver driver;
  REQUIRE(driver.open({dir / "content"}));
  REQUIRE(write_range(driver, 0, 1000));
  CHECK(code_of(driver.commit(1001)) == Errc::io);  // never invents a byte
  CHECK(driver.commit(700));
  CHECK(dir.names() == "content");
  CHECK(file_bytes(dir / "content") == bytes_for(0, 700));
  CHECK(driver.storage_len() == 700);
  CHECK(code_of(driver.write_at(700, bytes_for(700, 1))) == Errc::committed);
  CHECK(code_of(driver.commit(700)) == Errc::committed);
  CHECK(holds(driver, 0, 700));
  CHECK(code_of(driver.read_at(700, std::span(std::make_unique<std::byte[]>(1).get(), 1))) == Errc::io);
}

TEST_CASE("mmap: commit does not replace a file that somebody put there meanwhile") {
  const ScratchDir dir;
  MmapDriver driver;
  REQUIRE(driver.open({dir / "content"}));
  REQUIRE(write_range(driver, 0, 10));
  make_file(dir / "content", 5, 3);
  CHECK(code_of(driver.commit(10)) == Errc::conflict);
  CHECK(file_bytes(dir / "content") == bytes_for(0, 5, 3));
  std::filesystem::remove(dir / "content");
  CHECK(driver.commit(10));
  CHECK(file_bytes(dir / "content") == bytes_for(0, 10));
}

TEST_CASE("mmap: commit does not publish a side file that is not its own") {
  const ScratchDir dir;
  MmapDriver driver;
  REQUIRE(driver.open({dir / "content"}));
  REQUIRE(write_range(driver, 0, 10));
  std::filesystem::remove(dir / "content.part");
  make_file(dir / "content.part", 10, 3);
  CHECK(code_of(driver.commit(10)) == Errc::changed);
  CHECK_FALSE(std::filesystem::exists(dir / "content"));
}

TEST_CASE("mmap: short writes are reported, interrupted ones go on") {
  const ScratchDir dir;
  MmapDriver driver;
  REQUIRE(driver.open({dir / "content"}));
  {
    const ShortWrites at_most(7);
    CHECK(driver.write_at(0, bytes_for(0, 100)) == 100U);
  }
  {
    const FailingCall interrupted(Call::pwrite, EINTR, 1);
    CHECK(driver.write_at(100, bytes_for(100, 100)) == 100U);
    CHECK(interrupted.happened());
  }
  {
    const ShortWrites at_most(30);
    const FailingCall full(Call::pwrite, ENOSPC, 3);
    CHECK(driver.write_at(200, bytes_for(200, 100)) == 60U);
  }
  {
    const FailingCall broken(Call::pwrite, EIO, 1);
    const Result<std::size_t> failed = driver.write_at(260, bytes_for(260, 100));
    CHECK(code_of(failed) == Errc::io);
    CHECK(failed.error().cause == std::error_code(EIO, std::system_category()));
    CHECK(failed.error().context.find((dir / "content").native()) != std::string::npos);
  }
  CHECK(write_range(driver, 260, 400));
  CHECK(holds(driver, 0, 400));
}

TEST_CASE("mmap: offsets up to 2^63 - 1 are named, and refused where the file system ends") {
  const ScratchDir dir;
  MmapDriver driver;
  REQUIRE(driver.open({dir / "content"}));
  const Bytes one = bytes_for(0, 1);
  CHECK(code_of(driver.write_at(kMaxOffset, one)) == Errc::invalid_range);
  CHECK(code_of(driver.write_at(std::uint64_t{1} << 63, one)) == Errc::invalid_range);
  const Result<std::size_t> last = driver.write_at(kMaxOffset - 1, one);
  CHECK((last || last.error().code == Errc::too_large));
  std::byte out{};
  CHECK(code_of(driver.read_at(kMaxOffset, {&out, 1})) == Errc::invalid_range);
  CHECK(code_of(driver.view({5, 4})) == Errc::invalid_range);
}

// Fills what there is, checks that nothing is lost, makes room, goes on.
template <class MakeRoom>
int fill_disk(MmapDriver& driver, Errc expected, MakeRoom make_room) {
  std::uint64_t end = 0;
  Result<std::size_t> done = std::size_t{0};
  while (end < 8 * kMega) {
    done = driver.write_at(end, bytes_for(end, 96 * 1024));
    if (!done) {
      break;
    }
    CHILD_CHECK(*done > 0);
    end += *done;
  }
  CHILD_CHECK(code_of(done) == expected);
  CHILD_CHECK(done.error().context.find("content.part") != std::string::npos);
  CHILD_CHECK(end > 256 * 1024);
  CHILD_CHECK(holds(driver, 0, end));
  CHILD_CHECK(code_of(driver.write_at(end, bytes_for(end, 96 * 1024))) == expected);
  make_room();
  CHILD_CHECK(write_range(driver, end, end + 200'000));
  CHILD_CHECK(holds(driver, 0, end + 200'000));
  CHILD_CHECK(driver.commit(end + 200'000));
  CHILD_CHECK(holds(driver, 0, end + 200'000));
  return 0;
}

TEST_CASE("F20: disk full: no_space, earlier bytes readable, goes on when space returns") {
  const ScratchDir dir;
  constexpr int kNoMounts = 3;
  const int code = in_child([&] {
    if (::unshare(CLONE_NEWNS | (::getuid() == 0 ? 0 : CLONE_NEWUSER)) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", dir.path().c_str(), "tmpfs", 0, "size=2m") != 0) {
      return kNoMounts;
    }
    make_file(dir / "ballast", kMega);
    MmapDriver driver;
    CHILD_CHECK(driver.open({dir / "content"}));
    return fill_disk(driver, Errc::no_space, [&] { std::filesystem::remove(dir / "ballast"); });
  });
  if (code != kNoMounts) {
    CHECK(code == 0);
    return;
  }
  MESSAGE("no mounts here: ENOSPC comes from the test's own pwrite()");
  MmapDriver driver;
  REQUIRE(driver.open({dir / "content"}));
  auto full = std::make_unique<FailingCall>(Call::pwrite, ENOSPC, 7, true);
  CHECK(fill_disk(driver, Errc::no_space, [&] { full.reset(); }) == 0);
}

TEST_CASE("F23: RLIMIT_FSIZE is an error and no signal, and a pending signal of the user's stays") {
  const ScratchDir dir;
  CHECK(in_child([&] {
          struct rlimit limit = {};
          CHILD_CHECK(::getrlimit(RLIMIT_FSIZE, &limit) == 0);
          limit.rlim_cur = kMega;
          CHILD_CHECK(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
          MmapDriver driver;
          CHILD_CHECK(driver.open({dir / "content"}));
          const auto lift = [&] {
            limit.rlim_cur = limit.rlim_max;
            ::setrlimit(RLIMIT_FSIZE, &limit);
          };
          CHILD_CHECK(fill_disk(driver, Errc::too_large, lift) == 0);
          sigset_t pending;
          CHILD_CHECK(::sigpending(&pending) == 0 && ::sigismember(&pending, SIGXFSZ) == 0);
          sigset_t mask;
          CHILD_CHECK(::pthread_sigmask(SIG_BLOCK, nullptr, &mask) == 0 && ::sigismember(&mask, SIGXFSZ) == 0);
          return 0;
        }) == 0);
  CHECK(in_child([&] {
          sigset_t ours;
          sigemptyset(&ours);
          sigaddset(&ours, SIGXFSZ);
          CHILD_CHECK(::pthread_sigmask(SIG_BLOCK, &ours, nullptr) == 0 && ::raise(SIGXFSZ) == 0);
          struct rlimit limit = {};
          CHILD_CHECK(::getrlimit(RLIMIT_FSIZE, &limit) == 0);
          limit.rlim_cur = 100;
          CHILD_CHECK(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
          MmapDriver driver;
          CHILD_CHECK(driver.open({dir / "other"}));
          CHILD_CHECK(driver.write_at(0, bytes_for(0, 200)) == 100U);
          CHILD_CHECK(code_of(driver.write_at(100, bytes_for(100, 1))) == Errc::too_large);
          sigset_t pending;
          CHILD_CHECK(::sigpending(&pending) == 0 && ::sigismember(&pending, SIGXFSZ) == 1);
          return 0;
        }) == 0);
}

TEST_CASE("F25: a file past 4 GiB, read in one region and across regions") {
  const ScratchDir dir;
  constexpr std::uint64_t kGiga = std::uint64_t{1} << 30;
  // Sparse: only these ranges take space. The last lies past what the driver maps at all (64 regions).
  const ByteRange ranges[] = {{0, 100'000},
                              {4 * kGiga - 50'000, 4 * kGiga + 50'000},
                              {9 * kGiga + 1, 9 * kGiga + 70'001},
                              {300 * kGiga - 7, 300 * kGiga + 80'000}};
  MmapDriver driver;
  REQUIRE(driver.open({dir / "content"}));
  for (const ByteRange range : ranges) {
    REQUIRE(write_range(driver, range.begin, range.end));
  }
  for (const bool committed : {false, true}) {
    CAPTURE(committed);
    if (committed) {
      REQUIRE(driver.commit(ranges[3].end));
    }
    for (const ByteRange range : ranges) {
      CAPTURE(to_string(range));
      CHECK(holds(driver, range.begin, range.end));
      const Result<DriverView> view = driver.view(range);
      REQUIRE(view);
      CHECK(copy_of(view->bytes) == bytes_for(range.begin, range.size()));
    }
  }
  CHECK(driver.storage_len() == ranges[3].end);
  // And as it is found by another: its first region is the whole file, or it is read without a mapping.
  MmapDriver again;
  REQUIRE(again.open({dir / "content"}));
  for (const ByteRange range : ranges) {
    CHECK(holds(again, range.begin, range.end));
  }
}

TEST_CASE("F42: a failed sync is final: io for every later sync and commit, and nothing is published") {
  const ScratchDir dir;
  for (const bool by_sync : {false, true}) {
    MmapDriver driver;
    REQUIRE(driver.open({dir / "content"}));
    REQUIRE(write_range(driver, 0, 1000));
    {
      const FailingCall failing(Call::fdatasync, EIO);
      CHECK(code_of(by_sync ? driver.sync() : driver.commit(1000)) == Errc::io);
      CHECK(failing.happened());
    }
    CHECK(code_of(driver.sync()) == Errc::io);
    CHECK(code_of(driver.commit(1000)) == Errc::io);
    CHECK(holds(driver, 0, 1000));
    CHECK_FALSE(std::filesystem::exists(dir / "content"));
  }
  CHECK(dir.names().empty());
}

TEST_CASE("mmap: a commit that fails for another reason can be made again") {
  for (const Call call : {Call::ftruncate, Call::rename}) {
    const ScratchDir dir;
    MmapDriver driver;
    REQUIRE(driver.open({dir / "content"}));
    REQUIRE(write_range(driver, 0, 1000));
    {
      const FailingCall failing(call, EACCES);
      CHECK(code_of(driver.commit(900)) == Errc::permission_denied);
    }
    CHECK(holds(driver, 0, 900));
    CHECK(write_range(driver, 900, 1100));
    CHECK(driver.commit(1100));
    CHECK(file_bytes(dir / "content") == bytes_for(0, 1100));
  }
}

TEST_CASE("mmap: with durable_commit off nothing is synced") {
  const ScratchDir dir;
  const FailingCall no_data(Call::fdatasync, EIO, 1, true);
  MmapDriver driver;
  MmapDriver::Options options{dir / "content"};
  options.durable_commit = false;
  REQUIRE(driver.open(options));
  REQUIRE(write_range(driver, 0, 1000));
  CHECK(driver.commit(1000));
  CHECK(driver.reactivate());
  CHECK(driver.commit(1000));
  CHECK_FALSE(no_data.happened());
}

}  // namespace
}  // namespace strandline
