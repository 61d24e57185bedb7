// What a store counts as used, against what the disk holds, after processes that were killed.
#include <tests/store/shared/scene.h>

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

namespace {

constexpr std::uint64_t kMiB = 1 << 20;

struct Place {
  TempDir directory;
  std::string path = (directory.path() / "store").native();

  [[nodiscard]] std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> found;
    for (const auto& file : std::filesystem::recursive_directory_iterator(path + "/entries")) {
      if (file.is_regular_file()) {
        found.push_back(file.path());
      }
    }
    return found;
  }
  [[nodiscard]] std::filesystem::path file(const std::string& ending) const {
    for (const auto& found : files()) {
      if (found.extension() == ending) {
        return found;
      }
    }
    return {};
  }
  [[nodiscard]] std::uint64_t on_disk() const {
    std::uint64_t bytes = 0;
    for (const auto& found : files()) {
      struct ::stat facts {};
      REQUIRE(::stat(found.c_str(), &facts) == 0);
      bytes += static_cast<std::uint64_t>(facts.st_blocks) * 512;
    }
    return bytes;
  }
  // Alone: the count is made anew.
  void check_count() const {
    auto store = required(Store::open(path));
    CHECK(required(store.stats()).bytes == on_disk());
  }
};

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
    talk.say(writes ? write_to(*lease->writer(), {0, kMiB}) : "no writer");
  }
}

}  // namespace

TEST_CASE("D4: one process closes an entry, another writes on and is killed: what it wrote is counted") {
  const Place place;
  Process writer([&](Process::Talk& talk) { write_when_told(talk, place.path, false); });
  REQUIRE(writer.hear() == "open");
  {
    auto store = required(Store::open(place.path));
    static_cast<void>(required(store.acquire("key")));
  }
  writer.say("write");
  REQUIRE(writer.hear() == std::to_string(kMiB));
  writer.end(SIGKILL);
  place.check_count();
}

TEST_CASE("D4: who has only looked for an entry, then writes it and is killed: what it wrote is counted") {
  const Place place;
  Process writer([&](Process::Talk& talk) {
    static_cast<void>(talk.hear());
    write_when_told(talk, place.path, true);
  });
  {
    auto store = required(Store::open(place.path));
    static_cast<void>(required(store.acquire("key")));
  }
  place.check_count();
  writer.say("go");
  REQUIRE(writer.hear() == "open");
  writer.say("write");
  REQUIRE(writer.hear() == std::to_string(kMiB));
  writer.end(SIGKILL);
  place.check_count();
}

TEST_CASE("D4: killed between two removals of an entry's files: no bytes are left that nobody counts") {
  const Place place;
  Process writer([&](Process::Talk& talk) { write_when_told(talk, place.path, false); });
  REQUIRE(writer.hear() == "open");
  writer.say("write");
  REQUIRE(writer.hear() == std::to_string(kMiB));
  writer.end(SIGKILL);
  REQUIRE(std::filesystem::remove(place.file(".journal")));
  place.check_count();
  auto store = required(Store::open(place.path));
  CHECK_FALSE(required(store.contains("key")));
}

TEST_CASE("D4: killed before a rewritten journal has its name: it is counted, or gone") {
  const Place place;
  Process writer([&](Process::Talk& talk) { write_when_told(talk, place.path, false); });
  REQUIRE(writer.hear() == "open");
  writer.end(SIGKILL);
  std::ofstream(place.file(".journal").native() + ".new") << std::string(100'000, 'x');
  place.check_count();
}

TEST_CASE("D4: opening an entry again does not make it the least recently used") {
  const Place place;
  {
    auto store = required(Store::open(place.path));
    static_cast<void>(required(store.acquire("key")));
  }
  auto store = required(Store::open(place.path));
  const std::uint64_t before = required(store.list()).front().used;
  REQUIRE(before > 0);
  {
    auto other = required(Store::open(place.path));
    auto lease = required(other.acquire("key"));
    // It tells the index of its uses many at a time.
    CHECK(required(store.list()).front().used >= before);
  }
}
