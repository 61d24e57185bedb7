// What a store counts as used, against what the disk holds, after processes that were killed.
#include <tests/store/forwarding_files.h>
#include <tests/store/shared/scene.h>

#include <fcntl.h>

#include <filesystem>
#include <fstream>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

namespace {

// Alone: the count is made anew.
void check_count(const StoreScene& scene) {
  auto store = scene.open();
  CHECK(required(store.stats()).bytes == scene.on_disk());
}

// Another process that acquires "key", or what `how` says, and writes when it is told to.
void write_when_told(Process::Talk& talk, const std::string& path, bool peeks) {
  auto store = Store::open(path);
  auto lease = !store ? fail(store.error().clone()) : peeks ? store->peek("key") : store->acquire("key");
  if (!lease) {
    talk.say("! " + lease.error().message());
    return;
  }
  talk.say("open");
  while (talk.hear() == "write") {
    const bool writes = lease->take_writer().value_or(false);
    talk.say(writes ? write(*lease, {0, kMiB}) : "no writer");
  }
}

// Tells of some of its calls.
class TellingFiles final : public ForwardingFiles {
 public:
  TellingFiles() noexcept : ForwardingFiles(system_files()) {}
  Result<std::unique_ptr<File>> open(const std::string& path, OpenFile how) noexcept override {
    if (before_data && how == OpenFile::made && path.ends_with(".data")) {
      before_data();
    }
    return files_->open(path, how);
  }
  Result<void> rename(const std::string& from, const std::string& to) noexcept override {
    if (before_journal && to.ends_with(".journal")) {
      before_journal();
    }
    auto renamed = files_->rename(from, to);
    if (after_journal && to.ends_with(".journal")) {
      after_journal();
    }
    return renamed;
  }
  Result<void> remove(const std::string& path) noexcept override {
    auto removed = files_->remove(path);
    if (after_data && path.ends_with(".data")) {
      after_data();
    }
    return removed;
  }

  std::function<void()> before_data, before_journal, after_journal;  // it is made, or gets its name
  std::function<void()> after_data;                                  // it has lost its name
};

}  // namespace

TEST_CASE("D4: begun anew while another is removing it, and killed at once: it is counted") {
  // Where the one who begins it is, while the row of the one before is removed.
  bool has_data = false;
  SUBCASE("before it has a data file") {}
  SUBCASE("before it has a journal") {
    has_data = true;
  }
  const StoreScene scene;
  Process beginner([&](Process::Talk& talk) {
    static_cast<void>(talk.hear());
    auto files = std::make_shared<TellingFiles>();
    const auto tell = [&] {
      talk.say("here");
      static_cast<void>(talk.hear());
    };
    (has_data ? files->before_journal : files->before_data) = tell;
    files->after_journal = tell;
    auto store = got(talk, OpenStore::open(scene.path, {}, {}, files));
    talk.say("open");
    static_cast<void>(talk.hear());
    talk.say(says(store->acquire("key", {}, {})));
  });
  {
    auto files = std::make_shared<TellingFiles>();
    auto store = required(OpenStore::open(scene.path, {}, {}, files));
    static_cast<void>(required(store->acquire("key", {}, {})));
    beginner.say("open");
    REQUIRE(beginner.hear() == "open");
    // Its files have gone, its row has not.
    files->after_data = [&] {
      beginner.say("begin");
      CHECK(beginner.hear() == "here");
    };
    CHECK(says(store->remove("key")) == "ok");
    beginner.say("go on");
    CHECK(beginner.hear() == "here");
    beginner.end(SIGKILL);
    OpenStore::leave(std::move(store));
  }
  REQUIRE(scene.on_disk() > 0);
  check_count(scene);
}

TEST_CASE("D4: one process closes an entry, another writes on and is killed: what it wrote is counted") {
  const StoreScene scene;
  Process writer([&](Process::Talk& talk) { write_when_told(talk, scene.path, false); });
  REQUIRE(writer.hear() == "open");
  {
    auto store = scene.open();
    static_cast<void>(required(store.acquire("key")));
  }
  writer.say("write");
  REQUIRE(writer.hear() == std::to_string(kMiB));
  writer.end(SIGKILL);
  check_count(scene);
}

TEST_CASE("D4: who has only looked for an entry, then writes it and is killed: what it wrote is counted") {
  const StoreScene scene;
  Process writer([&](Process::Talk& talk) {
    static_cast<void>(talk.hear());
    write_when_told(talk, scene.path, true);
  });
  {
    auto store = scene.open();
    static_cast<void>(required(store.acquire("key")));
  }
  check_count(scene);
  writer.say("go");
  REQUIRE(writer.hear() == "open");
  writer.say("write");
  REQUIRE(writer.hear() == std::to_string(kMiB));
  writer.end(SIGKILL);
  check_count(scene);
}

TEST_CASE("D4: killed between two removals of an entry's files: no bytes are left that nobody counts") {
  const StoreScene scene;
  Process writer([&](Process::Talk& talk) { write_when_told(talk, scene.path, false); });
  REQUIRE(writer.hear() == "open");
  writer.say("write");
  REQUIRE(writer.hear() == std::to_string(kMiB));
  writer.end(SIGKILL);
  REQUIRE(std::filesystem::remove(scene.file(".journal")));
  check_count(scene);
  auto store = scene.open();
  CHECK_FALSE(required(store.contains("key")));
}

TEST_CASE("D4: killed before a rewritten journal has its name: it is counted, or gone") {
  const StoreScene scene;
  Process writer([&](Process::Talk& talk) { write_when_told(talk, scene.path, false); });
  REQUIRE(writer.hear() == "open");
  writer.end(SIGKILL);
  std::ofstream(scene.file(".journal").native() + ".new") << std::string(100'000, 'x');
  check_count(scene);
}

TEST_CASE(
    "D4: a journal that takes more blocks than its bytes need is counted as the file system does, however often") {
  const StoreScene scene;
  {
    auto store = scene.open();
    auto lease = required(store.acquire("key"));
    REQUIRE(write(lease, {0, 1000}) == "1000");
  }
  // As one in many extents, which need a block of their own.
  const int journal = ::open(scene.file(".journal").c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(journal >= 0);
  const int reserved = ::fallocate(journal, FALLOC_FL_KEEP_SIZE, 0, 20'000);
  ::close(journal);
  REQUIRE(reserved == 0);
  auto store = scene.open();
  for (std::uint64_t at = 1000; at < 4000; at += 1000) {
    CHECK(required(store.stats()).bytes == scene.on_disk());
    auto lease = required(store.acquire("key"));
    CHECK(required(store.stats()).bytes == scene.on_disk());
    CHECK(write(lease, {at, at + 1000}) == "1000");
  }
  CHECK(required(store.stats()).bytes == scene.on_disk());
}

TEST_CASE("D4: opening an entry again does not make it the least recently used") {
  const StoreScene scene;
  {
    auto store = scene.open();
    static_cast<void>(required(store.acquire("key")));
  }
  auto store = scene.open();
  const std::uint64_t before = required(store.list()).front().used;
  REQUIRE(before > 0);
  {
    auto other = scene.open();
    auto lease = required(other.acquire("key"));
    // It tells the index of its uses many at a time.
    CHECK(required(store.list()).front().used >= before);
  }
}
