// A process that dies at any system call of a write, a commit, a resume or a rewrite: whoever opens the path next
// finds the content of before, or that of after, whole.
#include <strandline/drivers/mmap.h>
#include <tests/drivers/kernel_faults.h>
#include <tests/drivers/scratch.h>

#include <string_view>

namespace strandline {
namespace {

using namespace testing;

constexpr std::uint64_t kOld = 100'000;   // what was committed before
constexpr std::uint64_t kMore = 230'000;  // what it is extended to
constexpr std::uint64_t kLess = 40'000;   // what it is cut to
constexpr int kDone = 42;

struct Scenario {
  std::string_view name;
  bool starts_with_file;
  int (*run)(const std::filesystem::path& path);
  std::uint64_t after_length;
  unsigned after_salt;
};

int first_content(const std::filesystem::path& path) {
  MmapDriver driver;
  CHILD_CHECK(driver.open({path}));
  CHILD_CHECK(write_range(driver, 0, kMore, 1));
  CHILD_CHECK(driver.commit(kMore));
  return kDone;
}

int resume(const std::filesystem::path& path, std::uint64_t length) {
  MmapDriver driver;
  CHILD_CHECK(driver.open({path}));
  CHILD_CHECK(driver.reactivate());
  CHILD_CHECK(write_range(driver, kOld, kMore));
  CHILD_CHECK(driver.commit(length));
  return kDone;
}
int resume_longer(const std::filesystem::path& path) {
  return resume(path, kMore);
}
int resume_shorter(const std::filesystem::path& path) {
  return resume(path, kLess);
}

int rewrite(const std::filesystem::path& path) {
  MmapDriver driver;
  CHILD_CHECK(driver.open({path}));
  const auto next = driver.rewrite();
  CHILD_CHECK(next);
  CHILD_CHECK(write_range(**next, 0, kLess, 1));
  CHILD_CHECK((*next)->commit(kLess));
  return kDone;
}

// The old generation is being extended in place when a rewrite takes over.
int rewrite_of_resumed(const std::filesystem::path& path) {
  MmapDriver driver;
  CHILD_CHECK(driver.open({path, OpenMode::read_write}));
  CHILD_CHECK(write_range(driver, kOld, kMore));
  const auto next = driver.rewrite();
  CHILD_CHECK(next);
  CHILD_CHECK(write_range(**next, 0, kLess, 1));
  CHILD_CHECK((*next)->commit(kLess));
  return kDone;
}

constexpr Scenario kScenarios[] = {
    {"first content", false, &first_content, kMore, 1},
    {"resume, commit longer", true, &resume_longer, kMore, 0},
    {"resume, commit shorter", true, &resume_shorter, kLess, 0},
    {"rewrite", true, &rewrite, kLess, 1},
    {"rewrite of a resumed one", true, &rewrite_of_resumed, kLess, 1},
};

// Is it one of the two, and are its bytes right? `committed` is false only where nothing was before.
void check_whole(const Scenario& scenario, const std::filesystem::path& path, bool must_be_after) {
  MmapDriver driver;
  const Result<DriverState> state = driver.open({path});
  REQUIRE_MESSAGE(state, state.error().message());
  if (!state->committed) {
    CHECK_FALSE(scenario.starts_with_file);
    CHECK_FALSE(must_be_after);
    CHECK(state->available.empty());
    return;
  }
  const bool after = *state->length == scenario.after_length;
  if (!after) {
    CHECK(scenario.starts_with_file);
    CHECK(*state->length == kOld);
    CHECK_FALSE(must_be_after);
  }
  CHECK(driver.storage_len() == *state->length);
  CHECK(state->available == RangeSet{{0, *state->length}});
  CHECK(holds(driver, 0, *state->length, after ? scenario.after_salt : 0));
}

// Dies at the k-th changing call, for every k until the scenario runs through; answers how many calls it makes.
int die_everywhere(const Scenario& scenario, bool after_call) {
  for (int k = 1;; ++k) {
    CAPTURE(k);
    const ScratchDir dir;
    const std::filesystem::path path = dir / "content";
    if (scenario.starts_with_file) {
      make_file(path, kOld);
    }
    const int code = in_child([&] {
      cut_power_at(k, after_call);
      return scenario.run(path);
    });
    REQUIRE((code == kCutExit || code == kDone));
    check_whole(scenario, path, code == kDone);
    // A side file may be left over; the next writer takes it over and leaves nothing behind.
    CHECK(MmapDriver().open({path, OpenMode::read_write}));
    CHECK((dir.names() == "content" || dir.names().empty()));
    if (code == kDone) {
      return k - 1;
    }
  }
}

TEST_CASE("R13: the mmap driver killed at any call leaves the old content or the new one") {
  for (const Scenario& scenario : kScenarios) {
    CAPTURE(scenario.name);
    for (const bool after_call : {false, true}) {
      // Far fewer would mean that the calls are not seen, and nothing was cut.
      CHECK(die_everywhere(scenario, after_call) >= 7);
    }
  }
}

TEST_CASE("R13: killed while it recovers from a kill, the next one recovers") {
  for (int k = 1, code = kCutExit; code == kCutExit; ++k) {
    CAPTURE(k);
    const ScratchDir dir;
    const std::filesystem::path path = dir / "content";
    make_file(path, kOld);
    // Dies resumed, with bytes past the committed length in the file.
    REQUIRE(in_child([&] {
              MmapDriver driver;
              CHILD_CHECK(driver.open({path, OpenMode::read_write}));
              CHILD_CHECK(write_range(driver, kOld, kMore));
              ::_exit(5);
            }) == 5);
    CHECK(std::filesystem::file_size(path) == kMore);
    CHECK(dir.names() == "content content.part content.resume");
    code = in_child([&] {
      cut_power_at(k, false);
      MmapDriver driver;
      const Result<DriverState> state = driver.open({path});
      CHILD_CHECK(state && state->committed && *state->length == kOld);
      return kDone;
    });
    REQUIRE((code == kCutExit || code == kDone));
    if (code == kDone) {
      CHECK(k > 4);  // side file, truncation, sync, removal of the marker at least
    }
    MmapDriver driver;
    const Result<DriverState> state = driver.open({path});
    REQUIRE(state);
    CHECK(state->committed);
    CHECK(state->length == kOld);
    CHECK(holds(driver, 0, kOld));
    CHECK(driver.reactivate());
    CHECK(driver.commit(kOld));
    CHECK(dir.names() == "content");
  }
}

TEST_CASE("R13: a marker that makes no sense is corrupt and left alone") {
  const std::string_view bad[] = {"", "strandline-resume 1 5", "strandline-resume 2 5 1\n",
                                  "strandline-resume 1 5 12345\n", "strandline-resume 1 99999999999999999999 1\n"};
  for (const std::string_view text : bad) {
    CAPTURE(text);
    const ScratchDir dir;
    make_file(dir / "content", 10);
    std::ofstream(dir / "content.resume") << text;
    for (const OpenMode mode : {OpenMode::automatic, OpenMode::read_write, OpenMode::read_only}) {
      MmapDriver driver;
      const Result<DriverState> state = driver.open({dir / "content", mode});
      CHECK(code_of(state) == Errc::corrupt);
      CHECK(state.error().context.find("content.resume") != std::string::npos);
    }
    CHECK(file_bytes(dir / "content") == bytes_for(0, 10));
    CHECK(dir.names() == "content content.resume");
  }
}

TEST_CASE("R13: a marker for more bytes than the file holds is corrupt") {
  const ScratchDir dir;
  const std::filesystem::path path = dir / "content";
  make_file(path, kOld);
  REQUIRE(in_child([&] {
            MmapDriver driver;
            CHILD_CHECK(driver.open({path, OpenMode::read_write}));
            ::_exit(5);
          }) == 5);
  std::filesystem::resize_file(path, kOld - 1);
  for (const OpenMode mode : {OpenMode::automatic, OpenMode::read_only}) {
    MmapDriver driver;
    CHECK(code_of(driver.open({path, mode})) == Errc::corrupt);
  }
}

TEST_CASE("R13: a read-only open of a file that is being extended shows its committed bytes and changes nothing") {
  const ScratchDir dir;
  const std::filesystem::path path = dir / "content";
  make_file(path, kOld);
  MmapDriver writer;
  REQUIRE(writer.open({path, OpenMode::read_write}));
  REQUIRE(write_range(writer, kOld, kMore));
  MmapDriver reader;
  const Result<DriverState> state = reader.open({path, OpenMode::read_only});
  REQUIRE(state);
  CHECK(state->committed);
  CHECK(state->length == kOld);
  CHECK(holds(reader, 0, kOld));
  MmapDriver third;
  CHECK(code_of(third.open({path})) == Errc::busy);
  CHECK(writer.commit(kMore));
  CHECK(file_bytes(path) == bytes_for(0, kMore));
}

}  // namespace
}  // namespace strandline
