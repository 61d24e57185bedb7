// Notes: an entry's, whoever writes the entry, whoever reads it, and whatever dies meanwhile.
#include <tests/store/shared/scene.h>

#include <filesystem>
#include <fstream>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

namespace {

std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}
std::string set(const Lease& lease, std::string_view text) {
  return says(lease.set_note(bytes(text)));
}
std::string note(const Lease& lease) {
  const auto found = lease.note();
  return found ? std::string(reinterpret_cast<const char*>(found->data()), found->size()) : says(found);
}
const AcquireOptions kReader{.length = {}, .want_writer = false};

}  // namespace

TEST_CASE("notes: one is kept with the version, and the next one begins without") {
  const StoreScene scene;
  {
    auto store = scene.open();
    auto lease = required(store.acquire("key", version("1")));
    CHECK(note(lease).empty());
    CHECK(set(lease, "as it is written") == "ok");
    fill(lease, 1000);
    CHECK(note(lease) == "as it is written");
    CHECK(set(lease, "when it is complete, and nobody writes") == "ok");
    CHECK(set(lease, std::string(kMaxNote + 1, 'x')) == "!too_large");
  }
  auto store = scene.open();
  auto lease = required(store.acquire("key", version("1"), kReader));
  CHECK(note(lease) == "when it is complete, and nobody writes");
  CHECK(available(lease) == "{[0, 1000)}");
  const std::string longest(kMaxNote, 'x');
  CHECK(set(lease, longest) == "ok");
  CHECK(note(lease) == longest);
  CHECK(set(lease, "") == "ok");
  CHECK(note(lease).empty());
  CHECK(set(lease, "of the old one") == "ok");
  auto next = required(store.acquire("key", version("2")));
  CHECK(note(next).empty());
  CHECK(note(lease) == "of the old one");
  CHECK(set(lease, "late") == "!changed");
  CHECK(note(next).empty());
}

TEST_CASE("notes: a journal that grows by them is rewritten, and keeps the last one and the bytes") {
  const StoreScene scene;
  auto store = scene.open();
  auto lease = required(store.acquire("key"));
  fill(lease, 100'000);
  constexpr int kNotes = 1000;
  for (int i = 0; i <= kNotes; ++i) {
    REQUIRE(set(lease, std::string(kMaxNote - 10, 'x') + std::to_string(i)) == "ok");
  }
  CHECK(std::filesystem::file_size(scene.file(".journal")) < kNotes * kMaxNote / 2);
  CHECK(note(lease).ends_with("x" + std::to_string(kNotes)));
  CHECK(read(lease, {0, 100'000}) == "100000");
}

TEST_CASE("notes: room is made for them below the cap, and none is written where there is none") {
  const StoreScene scene;
  StoreOptions options;
  options.max_bytes = 4 * kMiB;
  auto store = scene.open(options);
  auto lease = required(store.acquire("key"));
  REQUIRE(says(lease.pin()) == "ok");
  for (std::uint64_t at = 0; write(lease, {at, at + 64 * 1024}) == "65536";) {
    at += 64 * 1024;
  }
  std::string last;
  int kept = 0;
  for (int i = 0; i < 100; ++i) {
    const std::string next = std::string(kMaxNote - 10, 'x') + std::to_string(i);
    const std::string done = set(lease, next);
    REQUIRE((done == "ok" || done == "!no_space"));
    kept += done == "ok" ? 1 : 0;
    last = done == "ok" ? next : last;
    REQUIRE(scene.on_disk() <= options.max_bytes);
  }
  CHECK(kept < 100);
  CHECK(note(lease) == last);
  CHECK(required(store.stats()).bytes <= options.max_bytes);
}

TEST_CASE("F37: who follows sees what the writer notes, and notes nothing itself until that has gone") {
  const StoreScene scene;
  Process writer([&](Process::Talk& talk) {
    auto store = got(talk, Store::open(scene.path));
    auto lease = got(talk, store.acquire("key"));
    static_cast<void>(write(lease, {0, 1000}));
    for (int i = 0; talk.hear() == "note"; ++i) {
      talk.say(set(lease, "note " + std::to_string(i)));
    }
    talk.say(write(lease, {1000, 2000}));
    static_cast<void>(talk.hear());
  });
  writer.say("note");
  REQUIRE(writer.hear() == "ok");
  auto store = scene.open();
  auto lease = required(store.acquire("key"));
  CHECK(note(lease) == "note 0");
  CHECK(set(lease, "not mine") == "!busy");
  writer.say("note");
  REQUIRE(writer.hear() == "ok");
  CHECK(note(lease) == "note 1");
  writer.say("bytes");
  REQUIRE(writer.hear() == "1000");
  writer.end(SIGKILL);
  // F30: and what it had written survives its end.
  CHECK(note(lease) == "note 1");
  CHECK(set(lease, "mine") == "ok");
  CHECK(note(lease) == "mine");
  CHECK(available(lease) == "{[0, 2000)}");
  CHECK(says(lease.resource().wait_range({2000, 3000}, patiently())) == "!no_writer");
}

TEST_CASE("F37: of many processes that note at once, all end with the same note, and no byte is lost") {
  const StoreScene scene;
  std::vector<std::unique_ptr<Process>> processes;
  for (int i = 0; i < 3; ++i) {
    processes.push_back(std::make_unique<Process>([&scene, i](Process::Talk& talk) {
      auto store = got(talk, Store::open(scene.path));
      static_cast<void>(talk.hear());
      auto lease = got(talk, store.acquire("key", version("1"), kReader));
      std::string done = "ok";
      for (int turn = 0; turn < 50 && done == "ok";) {
        done = set(lease, std::to_string(i) + " " + std::to_string(turn));
        turn += done == "ok" ? 1 : 0;
        done = done == "!busy" ? "ok" : done;  // another is at it, for a moment
      }
      talk.say(done);
      static_cast<void>(talk.hear());
      talk.say(note(lease) + " " + read(lease, {0, 100'000}));
      static_cast<void>(talk.hear());
    }));
  }
  auto store = scene.open();
  auto lease = required(store.acquire("key", version("1")));
  fill(lease, 100'000);
  for (const auto& process : processes) {
    process->say("go");
  }
  for (const auto& process : processes) {
    CHECK(process->hear() == "ok");
  }
  const std::string last = note(lease) + " 100000";
  for (const auto& process : processes) {
    process->say("tell");
    CHECK(process->hear() == last);
  }
}

TEST_CASE("F28: a forked child notes nothing in its parent's entry") {
  const StoreScene scene;
  auto store = scene.open();
  auto lease = required(store.acquire("key"));
  CHECK(set(lease, "parent's") == "ok");
  auto other = scene.open();
  const auto followed = required(other.peek("key"));
  const ::pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::_exit(lease.set_note(bytes("child's")) || followed.set_note(bytes("child's")) || followed.note() ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(note(lease) == "parent's");
}
