// F30: a real process on a real file system, killed before and after each of its system calls.
#include <strandline/store/entry/entry_driver.h>
#include <tests/resource/subjects.h>

#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <new>
#include <set>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

namespace {

struct Step {
  enum class Kind : std::uint8_t { write, sync, evict, commit, reopen, next_version, note } kind;
  ByteRange range;
};

constexpr std::uint64_t kLength = 40000;

// Each writes what is missing, so that the model below needs no more than the order.
const std::vector<Step>& steps() {
  using Kind = Step::Kind;
  static const std::vector<Step> all = {
      {Kind::write, {5000, 9000}},
      {Kind::write, {0, 100}},
      {Kind::note, {0, 3}},
      {Kind::sync, {}},
      {Kind::write, {20000, 30000}},
      {Kind::evict, {6000, 25000}},
      {Kind::write, {6000, 7000}},
      {Kind::reopen, {}},
      {Kind::write, {100, 5000}},
      {Kind::write, {7000, 20000}},
      {Kind::write, {9000, 9000}},
      {Kind::write, {20000, 25000}},
      {Kind::write, {30000, kLength}},
      {Kind::commit, {0, kLength}},
      {Kind::note, {0, 3000}},
      {Kind::evict, {10000, 20000}},
      {Kind::reopen, {}},
      {Kind::write, {10000, 20000}},
      {Kind::commit, {0, kLength}},
      {Kind::next_version, {}},
      {Kind::write, {0, 3000}},
      {Kind::note, {0, 0}},
      {Kind::note, {0, 10}},
      {Kind::write, {10000, 12000}},
      {Kind::sync, {}},
      {Kind::reopen, {}},
      {Kind::write, {3000, 10000}},
  };
  return all;
}

EntryDriver::Options options_of(const std::filesystem::path& directory, std::uint64_t version) {
  EntryDriver::Options options;
  options.name = (directory / "entry").native();
  options.key = "key";
  options.validator = {Validator::Kind::strong, std::to_string(version)};
  return options;
}

// How far the victim has come: it writes, its killer reads.
struct Progress {
  std::atomic<std::size_t> begun{0};
  std::atomic<std::size_t> done{0};
};

// False when a step fails: then the test is broken, not the entry.
bool work(const std::filesystem::path& directory, Progress& progress) {
  std::uint64_t version = 1;
  auto driver = std::make_unique<EntryDriver>();
  if (!driver->open(options_of(directory, version))) {
    return false;
  }
  for (const Step& step : steps()) {
    ++progress.begun;
    bool good = true;
    switch (step.kind) {
      case Step::Kind::write:
        good =
            step.range.empty() || driver->write_at(step.range.begin, content(step.range, version)) == step.range.size();
        break;
      case Step::Kind::sync:
        good = driver->sync().has_value();
        break;
      case Step::Kind::evict:
        good = driver->evict(step.range).has_value();
        break;
      case Step::Kind::commit:
        good = driver->commit(step.range.end).has_value();
        break;
      case Step::Kind::note: {
        std::uint64_t reserved = 0;
        good = driver->set_note(content(step.range, version), reserved).has_value();
        break;
      }
      case Step::Kind::next_version:
        ++version;
        [[fallthrough]];
      case Step::Kind::reopen:
        driver = std::make_unique<EntryDriver>();
        good = driver->open(options_of(directory, version)).has_value();
        break;
    }
    if (!good) {
      return false;
    }
    ++progress.done;
  }
  return true;
}

// What must be there, and what may be, once the victim was killed.
struct Model {
  std::uint64_t version = 1;
  RangeSet sure;
  RangeSet possible;
  std::set<std::uint64_t> notes{0};  // of one of these sizes
};
Model model_of(std::size_t begun, std::size_t done) {
  Model model;
  for (std::size_t i = 0; i < begun; ++i) {
    const Step& step = steps()[i];
    if (step.kind == Step::Kind::write) {
      (void)required(model.possible.insert(step.range));
      if (i < done) {
        (void)required(model.sure.insert(step.range));
      }
    } else if (step.kind == Step::Kind::evict) {
      (void)required(model.sure.erase(step.range));
      if (i < done) {
        (void)required(model.possible.erase(step.range));
      }
    } else if (step.kind == Step::Kind::note) {
      if (i < done) {
        model.notes.clear();
      }
      model.notes.insert(step.range.size());
    } else if (step.kind == Step::Kind::next_version) {
      model.notes.insert(0);
      model.sure.clear();
      if (i < done) {
        model.possible.clear();
        model.notes = {0};
        ++model.version;
      }
    }
  }
  return model;
}

void check(const std::filesystem::path& directory, std::size_t begun, std::size_t done) {
  const Model model = model_of(begun, done);
  EntryDriver driver;
  const auto state = required(driver.open(options_of(directory, model.version)));
  const auto note = required(driver.note());
  CHECK_MESSAGE(model.notes.contains(note.size()), "a note of " << note.size());
  CHECK(note == content({0, note.size()}, model.version));
  for (const ByteRange run : model.sure) {
    CHECK_MESSAGE(state.blocks.covers(run), to_string(run) << " is lost");
  }
  for (const ByteRange run : state.blocks.runs()) {
    CHECK_MESSAGE(model.possible.covers(run), to_string(run) << " was never written");
    std::vector<std::byte> bytes(run.size());
    CHECK(driver.read_at(run.begin, bytes) == run.size());
    CHECK(bytes == content(run, model.version));
  }
}

// Kills the victim at its k-th stop before or after a system call; false when it came to its end before that.
bool killed_at(std::uint64_t k, const std::filesystem::path& directory, Progress& progress) {
  const pid_t victim = ::fork();
  REQUIRE(victim >= 0);
  if (victim == 0) {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::raise(SIGSTOP);
    ::_exit(work(directory, progress) ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(victim, &status, 0) == victim);
  REQUIRE(WIFSTOPPED(status));
  REQUIRE(::ptrace(PTRACE_SETOPTIONS, victim, nullptr, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD) == 0);
  for (std::uint64_t stop = 0; stop < k; ++stop) {
    REQUIRE(::ptrace(PTRACE_SYSCALL, victim, nullptr, nullptr) == 0);
    REQUIRE(::waitpid(victim, &status, 0) == victim);
    if (WIFEXITED(status)) {
      CHECK(WEXITSTATUS(status) == 0);
      return false;
    }
    REQUIRE(WIFSTOPPED(status));
  }
  REQUIRE(::kill(victim, SIGKILL) == 0);
  REQUIRE(::waitpid(victim, &status, 0) == victim);
  return true;
}

bool may_trace() {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::_exit(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0 ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

TEST_CASE("F30: killed at any system call, an entry has what was written") {
  if (!may_trace()) {
    MESSAGE("skipped: this system lets nobody ptrace(2)");
    return;
  }
  void* const page = ::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(page != MAP_FAILED);
  auto* const progress = static_cast<Progress*>(page);
  std::uint64_t stops = 0;
  for (bool killed = true; killed;) {
    ++stops;
    REQUIRE(stops < 5000);
    const TempDir directory;
    ::new (progress) Progress();
    killed = killed_at(stops, directory.path(), *progress);
    CAPTURE(stops);
    CAPTURE(progress->begun.load());
    check(directory.path(), progress->begun, progress->done);
  }
  CHECK(progress->done == steps().size());
  MESSAGE("killed at " << stops - 1 << " places");
  ::munmap(page, sizeof(Progress));
}
