// What a store counts as used, against what the disk holds, after processes that were killed.
#include <tests/store/shared/scene.h>

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

}  // namespace

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
