// Many processes with one index: writing at once, dying, being stopped, finding it corrupt together, forking.
#include <tests/store/index/index_scene.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <thread>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

namespace {

using namespace std::chrono_literals;

// A child that runs until it has done, or is told to go on.
class Process {
 public:
  // body(wait): wait() tells the parent that the child has come so far, and waits for go_on().
  explicit Process(const std::function<int(const std::function<void()>&)>& body) {
    REQUIRE(::pipe(here_) == 0);
    REQUIRE(::pipe(there_) == 0);
    std::fflush(nullptr);
    id_ = ::fork();
    REQUIRE(id_ >= 0);
    if (id_ == 0) {
      ::close(here_[0]);
      ::close(there_[1]);
      const auto wait = [&] {
        char byte = 'x';
        if (::write(here_[1], &byte, 1) != 1 || ::read(there_[0], &byte, 1) != 1) {
          ::_exit(97);
        }
      };
      int code = 98;
      try {
        code = body(wait);
      } catch (...) {
      }
      ::_exit(code);
    }
    ::close(here_[1]);
    ::close(there_[0]);
  }
  ~Process() {
    if (id_ > 0) {
      kill();
    }
    ::close(here_[0]);
    ::close(there_[1]);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] bool has_come() {
    char byte;
    return ::read(here_[0], &byte, 1) == 1;
  }
  void go_on() {
    const char byte = 'x';
    REQUIRE(::write(there_[1], &byte, 1) == 1);
  }
  int ended() {
    int status = 0;
    REQUIRE(::waitpid(id_, &status, 0) == id_);
    id_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  void kill() {
    ::kill(id_, SIGKILL);
    (void)ended();
  }
  void signal(int number) const { ::kill(id_, number); }

 private:
  int here_[2];
  int there_[2];
  ::pid_t id_ = 0;
};

void damage(const std::string& path) {
  // All but the pages that opening reads.
  const std::uint64_t size = std::filesystem::file_size(path);
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  for (std::uint64_t page = 12; page < size / 4096; ++page) {
    file.seekp(static_cast<std::streamoff>(page * 4096));
    file.write(std::string(4096, 'x').data(), 4096);
  }
}

void fill(Index& index, std::uint64_t rows) {
  const auto rebuild = needed(index.rebuild());
  std::vector<IndexRow> found;
  for (std::uint64_t i = 0; i < rows; ++i) {
    found.push_back(row_of(i));
  }
  needed(rebuild->add(found));
  needed(rebuild->finish());
}

bool meets_corruption(Index& index) {
  for (std::uint64_t i = 0; i < 3000; ++i) {
    if (const auto found = index.find(row_of(i).name); !found) {
      return found.error().code == Errc::corrupt;
    }
  }
  return false;
}

}  // namespace

TEST_CASE("F37: processes open, make and write one index at once, and nothing is lost") {
  Scene scene;
  constexpr std::uint64_t kProcesses = 3;
  constexpr std::uint64_t kEach = 150;
  std::vector<std::unique_ptr<Process>> processes;
  for (std::uint64_t process = 0; process < kProcesses; ++process) {
    processes.push_back(std::make_unique<Process>([&, process](const auto& wait) {
      wait();
      std::uint64_t tick = 0;
      for (std::uint64_t i = 0; i < kEach; i += 30) {
        auto index = scene.try_open();
        CHILD_CHECK(index);
        for (std::uint64_t j = i; j < i + 30; ++j) {
          const auto next = (*index)->reserve_ticks(1);
          CHILD_CHECK(next && *next > tick);
          tick = *next;
          IndexRow row = row_of(process * 1000 + j);
          row.used = tick;
          CHILD_CHECK((*index)->put(row));
          row.allocated += 7;
          const std::vector<IndexRow> rows = {row};
          CHILD_CHECK((*index)->update(rows));
        }
      }
      return 0;
    }));
  }
  for (auto& process : processes) {
    REQUIRE(process->has_come());
  }
  for (auto& process : processes) {
    process->go_on();
  }
  for (auto& process : processes) {
    CHECK(process->ended() == 0);
  }
  const auto index = scene.open();
  const auto rows = all_oldest(*index, 100);
  CHECK(rows.size() == kProcesses * kEach);
  for (std::size_t i = 1; i < rows.size(); ++i) {
    CHECK(rows[i - 1].used < rows[i].used);  // no tick was given twice
  }
  CHECK(adds_up(*index));
  CHECK_FALSE(std::filesystem::exists(scene.path + ".bad"));
  CHECK(integrity(scene.path) == "ok");
}

TEST_CASE("F30: killed while it writes, the totals are still those of the rows") {
  Scene scene;
  for (unsigned round = 0; round < 12; ++round) {
    CAPTURE(round);
    Process writer([&](const auto& wait) {
      auto index = scene.try_open();
      CHILD_CHECK(index);
      wait();
      std::mt19937_64 random(round);
      for (;;) {
        std::vector<IndexRow> rows;
        for (int i = 0; i < 20; ++i) {
          rows.push_back(row_of(random() % 500));
          rows.back().allocated = random() % 100000;
        }
        CHILD_CHECK((*index)->put(rows[0]));
        CHILD_CHECK((*index)->update(rows));
        CHILD_CHECK((*index)->remove(rows[1].name));
      }
    });
    REQUIRE(writer.has_come());
    writer.go_on();
    std::this_thread::sleep_for(std::chrono::milliseconds(3 + 7 * round));
    writer.kill();
    const auto index = scene.open();
    CHECK(adds_up(*index));
    CHECK_FALSE(needed(index->totals()).restarted);
  }
  CHECK_FALSE(std::filesystem::exists(scene.path + ".bad"));
  CHECK(integrity(scene.path) == "ok");
}

TEST_CASE("F30: killed while it makes the index, or makes it anew, somebody else does") {
  for (unsigned delay = 0; delay < 20; ++delay) {
    CAPTURE(delay);
    Scene scene;
    Process maker([&](const auto& wait) {
      wait();
      auto index = scene.try_open();
      CHILD_CHECK(index);
      for (;;) {
        CHILD_CHECK((*index)->recreate());
        CHILD_CHECK((*index)->put(row_of(1)));
      }
    });
    REQUIRE(maker.has_come());
    maker.go_on();
    std::this_thread::sleep_for(std::chrono::microseconds(1500 * delay));
    maker.kill();
    const auto index = scene.open();
    needed(index->put(row_of(2)));
    CHECK(needed(index->totals()).entries <= 2);
    CHECK(adds_up(*index));
    CHECK_FALSE(needed(index->totals()).whole);
  }
}

TEST_CASE("two that find it corrupt: neither throws the other's new one away") {
  Scene scene;
  {
    const auto index = scene.open();
    fill(*index, 3000);
  }
  damage(scene.path);
  auto one = scene.open();
  auto two = scene.open();
  auto three = scene.open();
  REQUIRE(needed(one->totals()).whole);
  CHECK(meets_corruption(*one));
  CHECK(meets_corruption(*two));
  CHECK(code_of(one->recreate()) == Errc::busy);
  CHECK(code_of(one->totals()) == Errc::corrupt);
  CHECK(code_of(three->totals()) == Errc::corrupt);  // which has met no damage itself
  CHECK(code_of(two->recreate()) == Errc::busy);
  CHECK(code_of(scene.try_open()) == Errc::busy);
  needed(three->recreate());  // the last to let go
  fill(*three, 100);
  needed(one->recreate());
  CHECK(needed(one->totals()).entries == 100);
  needed(two->recreate());
  CHECK(needed(two->totals()).entries == 100);
  CHECK(needed(three->totals()).entries == 100);
  needed(one->put(row_of(200)));
  CHECK(needed(two->find(row_of(200).name)) == row_of(200));
  one.reset();
  two.reset();
  three.reset();
  CHECK(integrity(scene.path) == "ok");
  CHECK(integrity(scene.path + ".bad") != "ok");
}

TEST_CASE("who opens a corrupt one that others have open tells them") {
  Scene scene;
  auto index = scene.open();
  fill(*index, 3000);
  SUBCASE("a header that is none") {
    // What is in the log is read from there, whatever the file says.
    REQUIRE(integrity(scene.path, "PRAGMA wal_checkpoint(TRUNCATE)") == "0");
    std::fstream file(scene.path, std::ios::binary | std::ios::in | std::ios::out);
    file.write(std::string(100, 'x').data(), 100);
  }
  SUBCASE("removed") {
    std::filesystem::remove(scene.path);
  }
  CHECK(code_of(scene.try_open()) == Errc::busy);
  CHECK(code_of(index->put(row_of(1))) == Errc::corrupt);
  needed(index->recreate());
  needed(index->put(row_of(1)));
  CHECK(needed(scene.open()->totals()).entries == 1);
}

TEST_CASE("a rebuild of an index that was made anew since is told so") {
  Scene scene;
  const auto index = scene.open();
  const auto rebuild = needed(index->rebuild());
  needed(index->recreate());
  const std::vector<IndexRow> rows = {row_of(1)};
  CHECK(code_of(rebuild->add(rows)) == Errc::changed);
  CHECK(code_of(rebuild->finish()) == Errc::changed);
  CHECK_FALSE(needed(index->totals()).whole);
}

TEST_CASE("F38: one that is stopped in the door or in a write costs others a bounded wait") {
  Scene scene;
  needed(scene.open()->put(row_of(1)));
  SUBCASE("in a write") {
    // What holds the write lock is SQLite's; a connection of its own stands for the stopped process.
    Process writer([&](const auto& wait) {
      wait();
      sqlite3* database = nullptr;
      CHILD_CHECK(::sqlite3_open(scene.path.c_str(), &database) == SQLITE_OK);
      CHILD_CHECK(::sqlite3_exec(database, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK);
      wait();
      return 0;
    });
    REQUIRE(writer.has_come());
    const auto index = needed(scene.try_open(1, 300ms));
    writer.go_on();
    REQUIRE(writer.has_come());
    writer.signal(SIGSTOP);
    const auto before = std::chrono::steady_clock::now();
    CHECK(code_of(index->put(row_of(2))) == Errc::busy);
    CHECK(std::chrono::steady_clock::now() - before < 10s);
    CHECK(needed(index->find(row_of(1).name)) == row_of(1));  // reading goes on
    writer.kill();
    needed(index->put(row_of(2)));
  }
  SUBCASE("in the door") {
    const auto lock = [&](int type) {
      const int file = ::open((scene.path + ".lock").c_str(), O_RDWR | O_CLOEXEC);
      struct ::flock door {};
      door.l_type = static_cast<short>(type);
      door.l_len = 1;
      CHECK(::fcntl(file, F_OFD_SETLK, &door) == 0);
      return file;
    };
    const int file = lock(F_WRLCK);
    CHECK(code_of(scene.try_open(1, 200ms)) == Errc::busy);
    ::close(file);
    needed(scene.open()->put(row_of(2)));
  }
}

TEST_CASE("F28: a forked child can neither use nor close nor open an index, and the parent's goes on") {
  Scene scene;
  auto index = scene.open();
  needed(index->put(row_of(1)));
  auto rebuild = needed(index->rebuild());
  CHECK(in_child([&] {
          const std::vector<IndexRow> rows = {row_of(1)};
          CHILD_CHECK(code_of(index->totals()) == Errc::unsupported);
          CHILD_CHECK(code_of(index->put(row_of(2))) == Errc::unsupported);
          CHILD_CHECK(code_of(index->find(row_of(1).name)) == Errc::unsupported);
          CHILD_CHECK(code_of(index->recreate()) == Errc::unsupported);
          CHILD_CHECK(code_of(index->reserve_ticks(1)) == Errc::unsupported);
          CHILD_CHECK(code_of(rebuild->add(rows)) == Errc::unsupported);
          CHILD_CHECK(code_of(rebuild->finish()) == Errc::unsupported);
          CHILD_CHECK(code_of(scene.try_open()) == Errc::unsupported);
          rebuild.reset();
          index.reset();
          CHILD_CHECK(code_of(scene.try_open()) == Errc::unsupported);
          return 0;
        }) == 0);
  needed(rebuild->finish());
  rebuild.reset();
  needed(index->put(row_of(2)));
  CHECK(needed(index->totals()).entries == 1);  // the rebuild has not found the other
  // A child that lives on does not keep the index, once the parent has closed it.
  Process child([&](const auto& wait) {
    wait();
    return code_of(index->totals()) == Errc::unsupported ? 0 : 1;
  });
  REQUIRE(child.has_come());
  index.reset();
  index = scene.open(2);
  CHECK_FALSE(needed(index->totals()).restarted);  // the last had closed it
  needed(index->recreate());
  child.go_on();
  CHECK(child.ended() == 0);
  index.reset();
  // Where the parent has none open, a child may.
  CHECK(in_child([&] {
          auto opened = scene.try_open(2);
          CHILD_CHECK(opened);
          CHILD_CHECK((*opened)->put(row_of(3)));
          return 0;
        }) == 0);
  CHECK(needed(scene.open(2)->totals()).entries == 1);
}
