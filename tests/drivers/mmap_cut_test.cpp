// MmapDriver and FaultGuard: files that are cut short while they are mapped, by somebody else or by a commit.
#include <signal.h>
#include <strandline/drivers/file/fault_guard.h>
#include <strandline/drivers/mmap.h>
#include <sys/mman.h>
#include <tests/drivers/kernel_faults.h>
#include <tests/drivers/scratch.h>

#include <atomic>
#include <string_view>
#include <thread>

namespace strandline {
namespace {

using namespace testing;

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kMappedSize = 100 * kPage;  // mapped: more than 64 KiB

// The path at which an active or a committed driver keeps its bytes.
std::filesystem::path open_with(MmapDriver& driver, const ScratchDir& dir, bool committed, std::uint64_t size) {
  REQUIRE(driver.open({dir / "content"}));
  REQUIRE(write_range(driver, 0, size));
  if (committed) {
    REQUIRE(driver.commit(size));
  }
  return dir / (committed ? "content" : "content.part");
}

TEST_CASE("F21: a file cut short under its mapping is io, the bytes before the cut are served, no signal") {
  // On a page boundary, inside a page (zeros behind it, and no fault), to nothing; mapped and too small to be.
  struct Row {
    std::uint64_t size;
    std::uint64_t cut;
  };
  for (const Row row : {Row{kMappedSize, 50 * kPage}, Row{kMappedSize, 50 * kPage + 100}, Row{kMappedSize, 0},
                        Row{kMappedSize, kMappedSize - 1}, Row{30'000, 20'000}, Row{30'000, 0}}) {
    for (const bool committed : {false, true}) {
      for (const bool read_before : {false, true}) {
        CAPTURE(row.cut);
        CAPTURE(committed);
        const ScratchDir dir;
        MmapDriver driver;
        const std::filesystem::path path = open_with(driver, dir, committed, row.size);
        if (read_before) {
          CHECK(holds(driver, 0, row.size));
        }
        std::filesystem::resize_file(path, row.cut);
        CHECK(code_of(read_range(driver, 0, row.size)) == Errc::io);
        CHECK(code_of(read_range(driver, row.size - 1, row.size)) == Errc::io);
        CHECK(code_of(driver.view({0, row.size})) == Errc::io);
        CHECK(holds(driver, 0, row.cut));
        // Grown again, it holds zeros where bytes were: those stay lost.
        std::filesystem::resize_file(path, row.size);
        CHECK(code_of(read_range(driver, row.cut, row.cut + 1)) == Errc::io);
        CHECK(code_of(driver.view({0, row.size})) == Errc::io);
        CHECK(holds(driver, 0, row.cut));
        if (!committed) {
          CHECK(code_of(driver.commit(row.size)) == Errc::io);
          CHECK_FALSE(std::filesystem::exists(dir / "content"));
        }
      }
    }
  }
}

TEST_CASE("F21: a writer that goes on after the file was cut does not cover the loss up") {
  const ScratchDir dir;
  MmapDriver driver;
  const std::filesystem::path path = open_with(driver, dir, false, kMappedSize);
  std::filesystem::resize_file(path, kPage);
  CHECK(code_of(driver.write_at(kMappedSize, bytes_for(kMappedSize, 100))) == Errc::io);
  CHECK(code_of(read_range(driver, kPage, kMappedSize)) == Errc::io);
  CHECK(code_of(driver.commit(kMappedSize)) == Errc::io);
  CHECK(holds(driver, 0, kPage));
}

TEST_CASE("F21: a View of a file that is cut reads zeros instead of a signal; reads past the cut are io from then on") {
  const ScratchDir dir;
  MmapDriver driver;
  const std::filesystem::path path = open_with(driver, dir, true, kMappedSize);
  const Result<DriverView> view = driver.view({0, kMappedSize});
  REQUIRE(view);
  CHECK(copy_of(view->bytes) == bytes_for(0, kMappedSize));
  std::filesystem::resize_file(path, 10 * kPage);
  CHECK(view->bytes[20 * kPage + 5] == std::byte{0});
  CHECK(view->bytes[99 * kPage] == std::byte{0});
  CHECK(view->bytes[9 * kPage] == byte_at(9 * kPage));
  CHECK(holds(driver, 0, 10 * kPage));
  CHECK(code_of(read_range(driver, 10 * kPage, 10 * kPage + 10)) == Errc::io);
  CHECK(code_of(read_range(driver, 20 * kPage, 20 * kPage + 10)) == Errc::io);
  CHECK(code_of(driver.view({0, 10})) == Errc::io);
}

TEST_CASE("F21: readers on many threads while the file is cut: bytes or io, never zeros") {
  const ScratchDir dir;
  MmapDriver driver;
  const std::filesystem::path path = open_with(driver, dir, true, kMappedSize);
  std::atomic<int> started{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (unsigned id = 0; id < 4; ++id) {
    readers.emplace_back([&, id] {
      Bytes out(3 * kPage);
      bool told = false;
      for (std::uint64_t step = 0;; ++step) {
        const std::uint64_t offset = (step * 7 + id) % 97 * kPage;
        const Result<std::size_t> got = driver.read_at(offset, out);
        if (got && (*got == 0 ||
                    Bytes(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(*got)) != bytes_for(offset, *got))) {
          ++wrong;  // what lies before the cut may be answered without the rest
        }
        if (!got) {
          wrong += got.error().code == Errc::io ? 0 : 1;
          return;
        }
        if (!told && step > 20) {
          told = true;
          ++started;
        }
      }
    });
  }
  while (started < 4) {
    std::this_thread::yield();
  }
  std::filesystem::resize_file(path, 10 * kPage + 77);
  for (std::thread& reader : readers) {
    reader.join();
  }
  CHECK(wrong == 0);
}

TEST_CASE("R1: views keep their bytes past a commit that drops them, and the driver") {
  const std::uint64_t boundary = 4 * (std::uint64_t{1} << 30);
  for (const std::uint64_t base : {std::uint64_t{0}, boundary - 40 * kPage}) {
    for (const std::uint64_t cut : {kMappedSize - 1, 60 * kPage, 60 * kPage + 123, std::uint64_t{0}}) {
      CAPTURE(base);
      CAPTURE(cut);
      const ScratchDir dir;
      DriverView whole;
      DriverView tail;
      {
        MmapDriver driver;
        REQUIRE(driver.open({dir / "content"}));
        REQUIRE(write_range(driver, base, base + kMappedSize));
        whole = driver.view({base, base + kMappedSize}).value();  // one mapping of its own when it crosses the regions
        tail = driver.view({base + kMappedSize - 10, base + kMappedSize}).value();
        REQUIRE(driver.commit(base + cut));
        CHECK(driver.storage_len() == base + cut);
        CHECK(copy_of(whole.bytes) == bytes_for(base, kMappedSize));
        CHECK(holds(driver, base, base + cut));
        // Extended again with other bytes: the driver reads those, the views what they were given.
        REQUIRE(driver.reactivate());
        REQUIRE(write_range(driver, base + cut, base + kMappedSize, 1));
        CHECK(holds(driver, base, base + cut));
        CHECK(holds(driver, base + cut, base + kMappedSize, 1));
        if (cut < kMappedSize) {
          CHECK(copy_of(driver.view({base + cut, base + kMappedSize}).value().bytes) ==
                bytes_for(base + cut, kMappedSize - cut, 1));
        }
        CHECK(copy_of(whole.bytes) == bytes_for(base, kMappedSize));
      }
      CHECK(std::filesystem::file_size(dir / "content") == base + cut);
      CHECK(copy_of(whole.bytes) == bytes_for(base, kMappedSize));
      CHECK(copy_of(tail.bytes) == bytes_for(base + kMappedSize - 10, 10));
    }
  }
}

TEST_CASE("R13: a commit that cannot keep what is viewed fails with no_memory and cuts nothing") {
  const ScratchDir dir;
  MmapDriver driver;
  open_with(driver, dir, false, kMappedSize);
  const DriverView view = driver.view({0, kMappedSize}).value();
  {
    const FailingCall failing(Call::mremap, ENOMEM);
    CHECK(code_of(driver.commit(kPage)) == Errc::no_memory);
    CHECK(failing.happened());
  }
  CHECK(holds(driver, 0, kMappedSize));
  CHECK(driver.storage_len() == kMappedSize);
  CHECK(driver.commit(kPage));
  CHECK(copy_of(view.bytes) == bytes_for(0, kMappedSize));
}

TEST_CASE("F27: a view of what was being extended in place outlives giving it up") {
  const ScratchDir dir;
  make_file(dir / "content", kMappedSize);
  DriverView view;
  {
    MmapDriver driver;
    REQUIRE(driver.open({dir / "content", OpenMode::read_write}));
    REQUIRE(write_range(driver, kMappedSize, 2 * kMappedSize));
    view = driver.view({kMappedSize - 100, 2 * kMappedSize}).value();
  }
  CHECK(std::filesystem::file_size(dir / "content") == kMappedSize);
  CHECK(copy_of(view.bytes) == bytes_for(kMappedSize - 100, kMappedSize + 100));
}

// A SIGBUS that is not ours.
std::atomic<int> g_seen{0};
void* g_page = nullptr;
void user_handler(int, siginfo_t* info, void*) {
  g_seen.fetch_add(1);
  if (info->si_code > 0) {
    ::mmap(g_page, kPage, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  }
}

void* map_past_end(const std::filesystem::path& path) {
  std::FILE* const file = std::fopen(path.c_str(), "w+");
  void* const page = ::mmap(nullptr, kPage, PROT_READ, MAP_SHARED, ::fileno(file), 0);
  std::fclose(file);
  return page;
}

// The guard is installed once in a process, and other tests have done so: this one runs itself again, alone.
// What the child is told to do comes through the environment.
constexpr const char* kChainVariable = "STRANDLINE_TEST_CHAIN";

int chain_in_new_process(const char* what) {
  return in_child([&] {
    ::setenv(kChainVariable, what, 1);
    if (std::string_view(what) == "default") {
      static_cast<void>(std::freopen("/dev/null", "w", stderr));  // a sanitizer would report the death we want
    }
    ::execl("/proc/self/exe", "test", "--test-case=R13: the fault guard passes on*", "--no-intro", nullptr);
    return 97;
  });
}

TEST_CASE("R13: the fault guard passes on what is not its own, to the handler before it or to the default") {
  const char* const chain = std::getenv(kChainVariable);
  if (chain == nullptr) {
    CHECK(chain_in_new_process("handler") == 0);
    const int killed = chain_in_new_process("default");
    CHECK(killed != 0);
    CHECK(killed < 128 + 65);
    CHECK(killed != 97);
    return;
  }
  const ScratchDir dir;
  if (std::string_view(chain) == "default") {
    REQUIRE(FaultGuard::arm());
    std::filesystem::current_path(dir.path());
    g_page = map_past_end("other");
    std::filesystem::remove_all(dir.path());                   // nobody does it after us
    REQUIRE(*static_cast<const volatile char*>(g_page) == 1);  // not reached
    std::_Exit(0);
  }
  struct sigaction action = {};
  action.sa_sigaction = &user_handler;
  action.sa_flags = SA_SIGINFO;
  REQUIRE(::sigaction(SIGBUS, &action, nullptr) == 0);
  REQUIRE(FaultGuard::arm());
  struct sigaction now = {};
  REQUIRE(::sigaction(SIGBUS, nullptr, &now) == 0);
  CHECK((now.sa_sigaction != &user_handler));
  g_page = map_past_end(dir / "other");
  CHECK(*static_cast<const volatile char*>(g_page) == 0);
  CHECK(g_seen == 1);
  CHECK(::raise(SIGBUS) == 0);
  CHECK(g_seen == 2);
  // And ours is still handled by us.
  void* const page = map_past_end(dir / "another");
  std::byte out{};
  CHECK_FALSE(FaultGuard::guarded_copy(&out, page, 1));
  CHECK(g_seen == 2);
}

TEST_CASE("R13: a guarded copy answers false for a page that is not there, again and again") {
  const ScratchDir dir;
  REQUIRE(FaultGuard::arm());
  void* const page = map_past_end(dir / "empty");
  REQUIRE(page != MAP_FAILED);
  Bytes out(kPage);
  const Bytes good = bytes_for(0, kPage);
  for (int i = 0; i < 100; ++i) {
    CHECK_FALSE(FaultGuard::guarded_copy(out.data(), page, kPage));
    CHECK(FaultGuard::guarded_copy(out.data(), good.data(), kPage));
    CHECK(out == good);
  }
  ::munmap(page, kPage);
}

}  // namespace
}  // namespace strandline
