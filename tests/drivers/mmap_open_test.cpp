// MmapDriver::open: what each mode answers for what it finds, and what it refuses.
#include <fcntl.h>
#include <sched.h>
#include <strandline/drivers/mmap.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <tests/drivers/kernel_faults.h>
#include <tests/drivers/scratch.h>

#include <cstring>
#include <memory>

namespace strandline {
namespace {

using namespace testing;

constexpr std::uint64_t kOpenedSize = 10'000;

TEST_CASE("mmap: each open mode, with and without a file") {
  struct Row {
    OpenMode mode;
    bool exists;
    Errc error;
    bool committed;
    std::uint64_t available;
    const char* names_while_open;
  };
  const Row rows[] = {
      {OpenMode::automatic, false, Errc{}, false, 0, "content.part"},
      {OpenMode::automatic, true, Errc{}, true, kOpenedSize, "content"},
      {OpenMode::read_write, false, Errc{}, false, 0, "content.part"},
      {OpenMode::read_write, true, Errc{}, false, kOpenedSize, "content content.part content.resume"},
      {OpenMode::read_only, false, Errc::not_found, false, 0, ""},
      {OpenMode::read_only, true, Errc{}, true, kOpenedSize, "content"},
  };
  for (const Row& row : rows) {
    CAPTURE(static_cast<int>(row.mode));
    CAPTURE(row.exists);
    const ScratchDir dir;
    if (row.exists) {
      make_file(dir / "content", kOpenedSize);
    }
    {
      MmapDriver driver;
      const Result<DriverState> state = driver.open({dir / "content", row.mode});
      CHECK(code_of(state) == row.error);
      CHECK(dir.names() == row.names_while_open);
      if (state) {
        CHECK(driver.path() == dir / "content");
        CHECK(state->committed == row.committed);
        CHECK(state->length.has_value() == row.committed);
        CHECK(state->available.byte_count() == row.available);
        CHECK(state->available.covers({0, row.available}));
        CHECK(driver.storage_len() == row.available);
        CHECK(holds(driver, 0, row.available));
      } else {
        CHECK(state.error().context.find("content") != std::string::npos);
      }
    }
    CHECK(dir.names() == (row.exists ? "content" : ""));
  }
}

TEST_CASE("mmap: an empty file opens committed with nothing in it") {
  const ScratchDir dir;
  make_file(dir / "content", 0);
  MmapDriver driver;
  const Result<DriverState> state = driver.open({dir / "content"});
  REQUIRE(state);
  CHECK(state->committed);
  CHECK(state->length == 0U);
  CHECK(state->available.empty());
}

TEST_CASE("mmap: an existing file of another length than expected is changed") {
  const ScratchDir dir;
  make_file(dir / "content", kOpenedSize);
  for (const OpenMode mode : {OpenMode::automatic, OpenMode::read_write, OpenMode::read_only}) {
    CHECK(code_of(MmapDriver().open({dir / "content", mode, kOpenedSize + 1})) == Errc::changed);
    CHECK(code_of(MmapDriver().open({dir / "content", mode, kOpenedSize - 1})) == Errc::changed);
    CHECK(MmapDriver().open({dir / "content", mode, kOpenedSize}));
  }
  CHECK(code_of(MmapDriver().open({dir / "content", OpenMode::automatic, kMaxOffset + 1})) == Errc::too_large);
  // A new file may be announced far larger than address space: it is only not mapped.
  MmapDriver huge;
  REQUIRE(huge.open({dir / "huge", OpenMode::automatic, kMaxOffset}));
  CHECK(write_range(huge, 0, 200'000));
  CHECK(holds(huge, 0, 200'000));
}

TEST_CASE("mmap: one writer at a time") {
  const ScratchDir dir;
  auto first = std::make_unique<MmapDriver>();
  REQUIRE(first->open({dir / "content"}));
  REQUIRE(write_range(*first, 0, 100));
  const Result<DriverState> second = MmapDriver().open({dir / "content"});
  CHECK(code_of(second) == Errc::busy);
  CHECK(second.error().context.find((dir / "content").native()) != std::string::npos);
  CHECK(in_child([&] { return code_of(MmapDriver().open({dir / "content"})) == Errc::busy ? 0 : 1; }) == 0);
  CHECK(holds(*first, 0, 100));
  first.reset();
  CHECK(dir.names().empty());
  CHECK(MmapDriver().open({dir / "content"}));
}

TEST_CASE("mmap: a view does not keep the writer's lock") {
  const ScratchDir dir;
  DriverView view;
  {
    MmapDriver driver;
    REQUIRE(driver.open({dir / "content"}));
    REQUIRE(write_range(driver, 0, kOpenedSize));
    Result<DriverView> made = driver.view({10, 20});
    REQUIRE(made);
    view = std::move(*made);
  }
  MmapDriver next;
  CHECK(next.open({dir / "content"}));
  CHECK(copy_of(view.bytes) == bytes_for(10, 10));
}

TEST_CASE("mmap: a side file left by a crash is emptied, not trusted") {
  const ScratchDir dir;
  make_file(dir / "content.part", kOpenedSize);
  MmapDriver driver;
  const Result<DriverState> state = driver.open({dir / "content"});
  REQUIRE(state);
  CHECK(state->available.empty());
  CHECK(driver.storage_len() == 0);
}

TEST_CASE("mmap: relative paths survive a chdir") {
  const ScratchDir dir;
  CHECK(in_child([&] {
          CHILD_CHECK(::chdir(dir.path().c_str()) == 0);
          MmapDriver driver;
          CHILD_CHECK(driver.open({"content"}));
          CHILD_CHECK(driver.path() == "content");
          CHILD_CHECK(write_range(driver, 0, 10));
          CHILD_CHECK(::chdir("/") == 0);
          CHILD_CHECK(driver.commit(10));
          return 0;
        }) == 0);
  CHECK(file_bytes(dir / "content") == bytes_for(0, 10));
}

TEST_CASE("mmap: what is no file name is refused") {
  const ScratchDir dir;
  for (const std::filesystem::path& path :
       {std::filesystem::path(), dir.path() / "", std::filesystem::path(std::string("a\0b", 3))}) {
    CHECK(code_of(MmapDriver().open({path})) == Errc::invalid_argument);
  }
}

TEST_CASE("F24: a FIFO, device, directory, socket or symlink is refused, and named") {
  const ScratchDir dir;
  make_file(dir / "target", kOpenedSize);
  REQUIRE(::mkfifo((dir / "fifo").c_str(), 0600) == 0);
  std::filesystem::create_directory(dir / "directory");
  std::filesystem::create_symlink(dir / "target", dir / "symlink");
  std::filesystem::create_symlink(dir / "nowhere", dir / "dangling");
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, (dir / "socket").c_str(), sizeof(address.sun_path) - 1);
  REQUIRE(::bind(socket, reinterpret_cast<const struct sockaddr*>(&address), sizeof(address)) == 0);
  ::close(socket);
  for (const std::filesystem::path& path : {dir / "fifo", std::filesystem::path("/dev/null"), dir / "directory",
                                            dir / "socket", dir / "symlink", dir / "dangling"}) {
    CAPTURE(path);
    for (const OpenMode mode : {OpenMode::automatic, OpenMode::read_write, OpenMode::read_only}) {
      const Result<DriverState> state = MmapDriver().open({path, mode});
      CHECK(code_of(state) == Errc::invalid_argument);
      CHECK(state.error().context.find(path.native()) != std::string::npos);
    }
  }
  CHECK(file_bytes(dir / "target") == bytes_for(0, kOpenedSize));
}

TEST_CASE("F24: a side file or marker that is no file is refused, and its target untouched") {
  for (const char* name : {"content.part", "content.resume"}) {
    CAPTURE(name);
    const ScratchDir dir;
    make_file(dir / "target", kOpenedSize);
    make_file(dir / "content", kOpenedSize);
    std::filesystem::create_symlink(dir / "target", dir / name);
    MmapDriver driver;
    const Result<DriverState> state = driver.open({dir / "content", OpenMode::read_write});
    CHECK(code_of(state) == Errc::invalid_argument);
    CHECK(state.error().context.find(name) != std::string::npos);
    CHECK(file_bytes(dir / "target") == bytes_for(0, kOpenedSize));
    CHECK(file_bytes(dir / "content") == bytes_for(0, kOpenedSize));
  }
}

TEST_CASE("F22: a missing directory is not_found, with the path") {
  const ScratchDir dir;
  for (const OpenMode mode : {OpenMode::automatic, OpenMode::read_write, OpenMode::read_only}) {
    const Result<DriverState> state = MmapDriver().open({dir.path() / "missing" / "content", mode});
    CHECK(code_of(state) == Errc::not_found);
    CHECK(state.error().context.find("missing/content") != std::string::npos);
  }
  make_file(dir / "file", 1);
  const Result<DriverState> below = MmapDriver().open({dir.path() / "file" / "content"});
  CHECK(code_of(below) == Errc::not_found);
  CHECK(below.error().context.find("file/content") != std::string::npos);
}

TEST_CASE("F22: no permission is permission_denied, with the path") {
  const ScratchDir dir;
  make_file(dir / "content", kOpenedSize);
  CHECK(in_child([&] {
          // Root may do anything, so the child becomes somebody else, for whom 0555 and 0444 mean what they say.
          const bool root = ::getuid() == 0;
          CHILD_CHECK(!root || ::chown(dir.path().c_str(), 65534, 65534) == 0);
          CHILD_CHECK(!root || ::chown((dir / "content").c_str(), 65534, 65534) == 0);
          CHILD_CHECK(::chmod((dir / "content").c_str(), 0444) == 0 && ::chmod(dir.path().c_str(), 0555) == 0);
          CHILD_CHECK(!root || ::setuid(65534) == 0);
          const Result<DriverState> create = MmapDriver().open({dir / "new"});
          CHILD_CHECK(code_of(create) == Errc::permission_denied);
          CHILD_CHECK(create.error().context.find((dir / "new").native()) != std::string::npos);
          MmapDriver existing;
          CHILD_CHECK(existing.open({dir / "content"}));
          CHILD_CHECK(holds(existing, 0, kOpenedSize));
          const Result<void> resumed = existing.reactivate();
          CHILD_CHECK(code_of(resumed) == Errc::permission_denied);
          CHILD_CHECK(resumed.error().context.find((dir / "content").native()) != std::string::npos);
          CHILD_CHECK(code_of(existing.rewrite()) == Errc::permission_denied);
          CHILD_CHECK(holds(existing, 0, kOpenedSize));
          CHILD_CHECK(::chmod((dir / "content").c_str(), 0) == 0);
          const Result<DriverState> unreadable = MmapDriver().open({dir / "content", OpenMode::read_only});
          CHILD_CHECK(code_of(unreadable) == Errc::permission_denied);
          CHILD_CHECK(unreadable.error().context.find((dir / "content").native()) != std::string::npos);
          CHILD_CHECK(::chmod(dir.path().c_str(), 0755) == 0);
          return 0;
        }) == 0);
}

TEST_CASE("F22: a read-only file system is permission_denied, with the path, and complete files open") {
  const ScratchDir dir;
  constexpr int kNoMounts = 3;
  const auto on_mount = [&] {
    if (::unshare(CLONE_NEWNS | (::getuid() == 0 ? 0 : CLONE_NEWUSER)) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", dir.path().c_str(), "tmpfs", 0, "size=1m") != 0) {
      return kNoMounts;
    }
    make_file(dir / "content", kOpenedSize);
    CHILD_CHECK(::mount("none", dir.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0);
    const Result<DriverState> create = MmapDriver().open({dir / "new"});
    CHILD_CHECK(code_of(create) == Errc::permission_denied);
    CHILD_CHECK(create.error().context.find((dir / "new").native()) != std::string::npos);
    MmapDriver driver;
    const Result<DriverState> state = driver.open({dir / "content"});
    CHILD_CHECK(state && state->committed && holds(driver, 0, kOpenedSize));
    CHILD_CHECK(code_of(driver.reactivate()) == Errc::permission_denied);
    return 0;
  };
  const int code = in_child(on_mount);
  if (code == kNoMounts) {
    // What the file system would have answered, from the system calls' stand-ins.
    MESSAGE("no mounts here: EROFS comes from the test's own open()");
    const FailingCall failing(Call::open, EROFS);
    const Result<DriverState> create = MmapDriver().open({dir / "new"});
    CHECK(code_of(create) == Errc::permission_denied);
    CHECK(create.error().context.find((dir / "new").native()) != std::string::npos);
  } else {
    CHECK(code == 0);
  }
}

TEST_CASE("F29: out of file descriptors is an error of its own, names the path, and passes") {
  const ScratchDir dir;
  make_file(dir / "content", kOpenedSize);
  CHECK(in_child([&] {
          MmapDriver before;
          CHILD_CHECK(before.open({dir / "before"}));
          CHILD_CHECK(write_range(before, 0, 200'000));
          struct rlimit limit = {};
          CHILD_CHECK(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
          const rlim_t usual = limit.rlim_cur;
          const auto allow = [&](rlim_t descriptors) {
            limit.rlim_cur = descriptors;
            return ::setrlimit(RLIMIT_NOFILE, &limit) == 0;
          };
          const int lowest = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
          CHILD_CHECK(lowest >= 0 && ::close(lowest) == 0);
          // With n descriptors to be had, for every n up to enough.
          int opened = 0;
          for (int spare = 0; opened < 2; ++spare) {
            CHILD_CHECK(spare < 8);
            CHILD_CHECK(allow(static_cast<rlim_t>(lowest + spare)));
            opened = 0;
            for (const char* name : {"content", "new"}) {
              MmapDriver driver;
              const Result<DriverState> state = driver.open({dir / name});
              CHILD_CHECK(state || state.error().code == Errc::too_many_files);
              CHILD_CHECK(state || state.error().context.find((dir / name).native()) != std::string::npos);
              opened += state ? 1 : 0;
            }
          }
          // What was open before goes on: to the commit, which needs one for the directory.
          CHILD_CHECK(allow(static_cast<rlim_t>(lowest)));
          CHILD_CHECK(holds(before, 0, 200'000));
          CHILD_CHECK(write_range(before, 200'000, 300'000));
          CHILD_CHECK(code_of(before.commit(300'000)) == Errc::too_many_files);
          CHILD_CHECK(allow(usual));
          CHILD_CHECK(before.commit(300'000));
          return 0;
        }) == 0);
  CHECK(file_bytes(dir / "before") == bytes_for(0, 300'000));
  CHECK(dir.names() == "before content");
}

}  // namespace
}  // namespace strandline
