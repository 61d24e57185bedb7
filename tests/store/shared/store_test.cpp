// A store in one process: keys, versions, writers, the cap.
#include <tests/store/shared/scene.h>

#include <strandline/store/inspection.h>

#include <algorithm>
#include <fstream>
#include <future>
#include <thread>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

namespace {

std::vector<std::string> keys_of(Store& store, std::string_view prefix = {}) {
  std::vector<std::string> keys;
  for (const EntryInfo& info : required(store.list(prefix))) {
    keys.push_back(info.key);
  }
  return keys;
}

}  // namespace

TEST_CASE("store: what was written is there when it is opened again") {
  StoreScene scene;
  {
    auto store = scene.open();
    auto lease = required(store.acquire("film", version("1")));
    CHECK(write(lease, {100, 300}) == "200");
    CHECK(says(lease.writer()->set_length(1000)) == "ok");
  }
  auto store = scene.open();
  CHECK(required(store.contains("film")));
  CHECK(required(store.contains("film", {100, 300})));
  CHECK_FALSE(required(store.contains("film", {99, 300})));
  auto lease = required(store.acquire("film", version("1")));
  CHECK(available(lease) == "{[100, 300)}");
  CHECK(says(lease.resource().length()) == "1000");
  CHECK(read(lease, {100, 300}) == "200");
  CHECK(write(lease, {0, 1000}) == "800");
  CHECK(says(lease.writer()->commit()) == "ok");
}

TEST_CASE("store: what is prepared is no entry, and changes nothing of one") {
  const StoreScene scene;
  auto store = scene.open();
  for (int i = 0; i < 2; ++i) {
    CHECK(says(store.prepare("key")) == "ok");
    CHECK_FALSE(std::filesystem::is_empty(scene.path + "/entries"));
    CHECK(required(store.list()).empty());
  }
  auto lease = required(store.acquire("key"));
  REQUIRE(write(lease, {0, 100}) == "100");
  CHECK(says(store.prepare("key")) == "ok");
  CHECK(read(lease, {0, 100}) == "100");
  std::filesystem::remove_all(scene.path);
  CHECK_FALSE(store.prepare("key"));
}

TEST_CASE("store: one writer at a time; others see what it writes") {
  StoreScene scene;
  auto store = scene.open();
  auto first = required(store.acquire("key"));
  auto second = required(store.acquire("key"));
  REQUIRE(first.writer() != nullptr);
  CHECK(second.writer() == nullptr);
  CHECK_FALSE(required(second.take_writer()));
  const auto wait = async(second.resource(), {0, 10});
  CHECK(write(first, {0, 10}) == "10");
  CHECK(wait.answer() == "ready");
  const auto missing = async(second.resource(), {10, 20});
  first.end_writing();
  CHECK(missing.answer() == "!no_writer");
  CHECK(required(second.take_writer()));
  CHECK(write(second, {10, 20}) == "10");
  CHECK(says(second.writer()->commit()) == "ok");
  CHECK(required(store.acquire("key")).writer() == nullptr);
}

TEST_CASE("store: a lease's writer does not fail what it leaves") {
  StoreScene scene;
  auto store = scene.open();
  { static_cast<void>(write(*std::make_unique<Lease>(required(store.acquire("key"))), {0, 10})); }
  auto lease = required(store.acquire("key"));
  CHECK(available(lease) == "{[0, 10)}");
  REQUIRE(lease.writer() != nullptr);
  CHECK(says(lease.writer()->fail(Error::make(Errc::io, "the origin is gone"))) == "ok");
  CHECK(says(lease.resource().wait_range({10, 20})) == "!failed");
  lease.end_writing();
  CHECK(required(lease.take_writer()));
  CHECK(write(lease, {10, 20}) == "10");
}

TEST_CASE("D5: another validator begins a new version; who reads the old one goes on") {
  StoreScene scene;
  auto store = scene.open();
  auto old = required(store.acquire("key", version("1")));
  fill(old, 100'000, 1);
  auto same = required(store.acquire("key", version("1")));
  CHECK(same.writer() == nullptr);
  CHECK(same.generation() == old.generation());
  auto next = required(store.acquire("key", version("2")));
  CHECK(next.generation() == old.generation() + 1);
  CHECK(available(next) == "{}");
  CHECK(write(next, {0, 10}, 2) == "10");
  CHECK(read(old, {0, 100'000}, 1) == "100000");
  CHECK(read(next, {0, 10}, 2) == "10");
  CHECK(says(store.acquire("key", version("1"))) == "!busy");
  // Without a validator it is the newest.
  CHECK(required(store.acquire("key")).generation() == next.generation());
  CHECK(write(next, {10, 20}, 2) == "10");
  CHECK(says(next.writer()->commit()) == "ok");
  next.end_writing();
  next = required(store.acquire("key", {}, {.length = 21}));
  CHECK(next.generation() == old.generation() + 2);
}

TEST_CASE("D5: a new version is not refused because who wrote the last byte of the old one has yet to commit") {
  const StoreScene scene;
  auto store = scene.open({.durability = Durability::every_commit});  // a commit takes its time
  for (int round = 0; round < 10; ++round) {
    const std::string key = "key" + std::to_string(round);
    auto old = required(store.acquire(key, version("1")));
    REQUIRE(says(old.writer()->set_length(1000)) == "ok");
    std::promise<void> whole;
    old.resource().async_wait({0, 1000}, {}, [&](const Result<WaitOutcome>&) { whole.set_value(); });
    auto next = std::async(std::launch::async, [&] {
      whole.get_future().wait();
      return store.acquire(key, version("2"));
    });
    fill(old, 1000);
    CHECK(required(next.get()).validator() == version("2"));
    CHECK(read(old, {0, 1000}) == "1000");
  }
}

TEST_CASE("F44: keys that differ in anything are different; names that collide are told apart") {
  StoreScene scene;
  const std::vector<std::string> keys = {"key",
                                         "Key",
                                         std::string("key\0", 4),
                                         "../../key",
                                         "/etc/passwd",
                                         "\xc3\xa9",
                                         "e\xcc\x81",
                                         std::string(65536, 'k'),
                                         ".",
                                         "a/../key",
                                         std::string(1, '\0')};
  {
    auto store = scene.open();
    for (std::size_t i = 0; i < keys.size(); ++i) {
      auto lease = required(store.acquire(keys[i]));
      fill(lease, 10 + i, i);
    }
    CHECK(says(store.acquire("")) == "!invalid_argument");
    CHECK(says(store.acquire(std::string(65537, 'k'))) == "!invalid_argument");
  }
  auto store = scene.open();
  for (std::size_t i = 0; i < keys.size(); ++i) {
    CHECK(read(required(store.peek(keys[i])), {0, 10 + i}, i) == std::to_string(10 + i));
  }
  auto sorted = keys;
  std::sort(sorted.begin(), sorted.end());
  CHECK(keys_of(store) == sorted);
  CHECK(keys_of(store, "k").size() == 3);

  const TempDir other;
  const auto all_alike = [](std::string_view) { return std::string(32, 'a'); };
  auto alike = required(OpenStore::open((other.path() / "store").native(), {}, all_alike));
  for (std::size_t i = 0; i < 4; ++i) {
    auto lease = required(alike->acquire(keys[i], {}, {}));
    fill(lease, 100, i);
  }
  CHECK(says(alike->acquire(keys[4], {}, {})) == "!conflict");
  CHECK(says(alike->remove(keys[1])) == "ok");
  for (const std::size_t i : {0U, 2U, 3U}) {
    CHECK(read(required(alike->peek(keys[i])), {0, 100}, i) == "100");
  }
  CHECK(says(alike->peek(keys[1])) == "!not_found");
  CHECK(says(alike->acquire(keys[4], {}, {})) == "ok");
}

TEST_CASE("F45: a store that others could change is refused, and so is one of other things") {
  StoreScene scene;
  std::filesystem::create_directory(scene.path);
  std::filesystem::permissions(scene.path, std::filesystem::perms::all);
  CHECK(says(Store::open(scene.path)) == "!permission_denied");
  std::filesystem::permissions(scene.path, std::filesystem::perms::owner_all);
  std::filesystem::create_symlink(scene.path, scene.path + ".link");
  CHECK(says(Store::open(scene.path + ".link")) == "!permission_denied");
  std::ofstream(scene.path + "/foreign") << "text";
  const auto foreign = Store::open(scene.path);
  CHECK(says(foreign) == "!invalid_argument");
  CHECK(foreign.error().message().find("foreign") != std::string::npos);
  CHECK(std::filesystem::exists(scene.path + "/foreign"));
  std::filesystem::remove(scene.path + "/foreign");
  auto store = scene.open();
  auto lease = required(store.acquire("key"));
  // Swapped while it is open.
  std::filesystem::rename(scene.path, scene.path + ".moved");
  std::filesystem::create_symlink(scene.path + ".moved", scene.path);
  CHECK(says(store.acquire("other")) == "!permission_denied");
  std::filesystem::remove(scene.path);
  std::filesystem::create_directory(scene.path);
  std::filesystem::permissions(scene.path, std::filesystem::perms::owner_all);
  CHECK(says(store.acquire("other")) == "!changed");
  CHECK(write(lease, {0, 10}) == "10");
}

TEST_CASE("store: entries that somebody has deleted are gone, and that is all") {
  StoreScene scene;
  {
    auto store = scene.open();
    auto lease = required(store.acquire("key"));
    fill(lease, 1000);
  }
  std::filesystem::remove_all(scene.path + "/entries");
  auto store = scene.open();
  CHECK(keys_of(store).empty());
  CHECK(available(required(store.acquire("key"))) == "{}");
}

TEST_CASE("F36: a store of a newer version is left alone") {
  StoreScene scene;
  { auto store = scene.open(); }
  std::ofstream(scene.path + "/strandline-store") << "strandline store 2\n";
  CHECK(says(Store::open(scene.path)) == "!unsupported");
}

TEST_CASE("store: removing; who reads goes on") {
  StoreScene scene;
  auto store = scene.open();
  auto lease = required(store.acquire("key"));
  CHECK(write(lease, {0, 10}) == "10");
  CHECK(says(store.remove("key")) == "!busy");
  lease.end_writing();
  CHECK(says(store.remove("key")) == "ok");
  CHECK(says(store.remove("key")) == "ok");
  CHECK(says(store.peek("key")) == "!not_found");
  CHECK(read(lease, {0, 10}) == "10");
  CHECK(says(lease.resource().wait_range({10, 20})) == "!failed");
  CHECK(keys_of(store).empty());
  auto again = required(store.acquire("key"));
  CHECK(available(again) == "{}");
  CHECK(write(again, {0, 10}, 2) == "10");
  CHECK(read(lease, {0, 10}) == "10");
}

TEST_CASE("store: the least used goes when the cap is reached, and the cap is never passed") {
  StoreScene scene;
  StoreOptions options;
  options.max_bytes = 20 * kMiB;
  auto store = scene.open(options);
  for (int i = 0; i < 12; ++i) {
    auto lease = required(store.acquire("key" + std::to_string(i)));
    for (std::uint64_t at = 0; at < 4 * kMiB; at += 256 << 10) {
      REQUIRE(write(lease, {at, at + (256 << 10)}) == std::to_string(256 << 10));
      CHECK(scene.on_disk() <= options.max_bytes);
    }
  }
  const auto stats = required(store.stats());
  CHECK(stats.bytes <= options.max_bytes);
  CHECK(stats.evicted_bytes >= 28 * kMiB);
  CHECK(stats.bytes == scene.on_disk());
  CHECK(required(store.contains("key11", {0, 4 * kMiB})));
  // One that is larger than the cap loses its own cold parts.
  auto large = required(store.acquire("large"));
  for (std::uint64_t at = 0; at < 30 * kMiB; at += kMiB) {
    REQUIRE(write(large, {at, at + kMiB}) == std::to_string(kMiB));
    CHECK(scene.on_disk() <= options.max_bytes);
  }
  CHECK(required(store.contains("large", {29 * kMiB, 30 * kMiB})));
  CHECK(says(large.writer()->commit()) == "!incomplete");
}

TEST_CASE("F40: everything pinned, and the cap reached") {
  StoreScene scene;
  StoreOptions options;
  options.max_bytes = 8 * kMiB;
  auto store = scene.open(options);
  auto pinned = required(store.acquire("pinned", {}, {.pin = true}));
  CHECK(write(pinned, {0, 7 * kMiB}) == std::to_string(7 * kMiB));
  auto other = required(store.acquire("other"));
  const auto full = other.writer()->write_at(0, content({0, 2 * kMiB}));
  CHECK(says(full) == "!no_space");
  CHECK(full.error().message().find("pinned") != std::string::npos);
  CHECK(scene.on_disk() <= options.max_bytes);
  CHECK(read(pinned, {0, 7 * kMiB}) == std::to_string(7 * kMiB));
  pinned.unpin();
  CHECK(write(other, {0, 2 * kMiB}) == std::to_string(2 * kMiB));
  CHECK(scene.on_disk() <= options.max_bytes);
}

TEST_CASE("D4: what is pinned stays, what is beside it goes") {
  StoreScene scene;
  auto store = scene.open();
  auto lease = required(store.acquire("key"));
  CHECK(write(lease, {0, 6 * kMiB}) == std::to_string(6 * kMiB));
  CHECK(says(lease.pin({3 * kMiB, 3 * kMiB + 1})) == "ok");
  CHECK(says(lease.pin({3 * kMiB, 3 * kMiB + 1})) == "ok");
  CHECK(required(store.evict(100 * kMiB)) == 4 * kMiB);
  CHECK(available(lease) == "{[2097152, 4194304)}");
  lease.unpin({3 * kMiB, 3 * kMiB + 1});
  CHECK(required(store.evict(100 * kMiB)) == 0);
  lease.unpin({3 * kMiB, 3 * kMiB + 1});
  CHECK(required(store.evict(100 * kMiB)) == 2 * kMiB);
}

TEST_CASE("store: entries that nobody has open go first, the longest unused before others") {
  StoreScene scene;
  {
    auto store = scene.open();
    for (const char* const key : {"a", "b", "c"}) {
      auto lease = required(store.acquire(key));
      fill(lease, kMiB);
    }
    static_cast<void>(required(store.peek("a")));
  }
  auto store = scene.open();
  CHECK(required(store.evict(1)) >= kMiB);
  CHECK(keys_of(store) == std::vector<std::string>{"a", "c"});
  CHECK(required(store.evict(1)) >= kMiB);
  CHECK(keys_of(store) == std::vector<std::string>{"a"});
}

TEST_CASE("F42: an entry whose sync failed is begun anew, and nothing of it is believed") {
  // The entry's own part, on a disk that fails, is in entry_test.cpp; here the store has found it doomed.
  StoreScene scene;
  auto store = scene.open();
  auto lease = required(store.acquire("key"));
  CHECK(write(lease, {0, 100}) == "100");
  lease.end_writing();
  const std::string journal = scene.files_of(lease) + ".journal";
  auto opened = required(Journal::open(system_files(), journal));
  CHECK(says(opened.journal->append(RecordType::doomed, {})) == "ok");
  auto next = required(store.acquire("key"));
  CHECK(available(next) == "{}");
  CHECK(next.generation() == lease.generation() + 1);
}

TEST_CASE("D2: a bad block becomes missing, and is never served") {
  StoreScene scene;
  std::string data;
  {
    auto store = scene.open();
    auto lease = required(store.acquire("key"));
    fill(lease, 300'000);
    data = scene.files_of(lease) + ".data";
  }
  const auto damage = [&](std::streamoff at) {
    std::fstream file(data, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(at);
    file.put('\x55').put('\xaa');
  };
  damage(100'000);
  {
    auto store = scene.open();
    auto lease = required(store.acquire("key"));
    CHECK(lease.writer() == nullptr);
    CHECK(read(lease, {0, 65'536}) == "65536");
    CHECK(read(lease, {90'000, 110'000}) == "!not_available");
    CHECK(available(lease) == "{[0, 65536) [131072, 300000)}");
    CHECK(required(lease.take_writer()));
    CHECK(write(lease, {0, 300'000}) == "65536");
    CHECK(says(lease.writer()->commit()) == "ok");
  }
  damage(200'000);
  auto store = scene.open();
  const auto told = required(store.verify(false));
  CHECK(told.entries == 1);
  CHECK(told.bytes == 300'000);
  CHECK(told.bad_bytes == 65'536);
  REQUIRE(told.bad.size() == 1);
  CHECK(told.bad[0].key == "key");
  CHECK(told.bad[0].range == ByteRange{196'608, 262'144});
  CHECK_FALSE(told.bad[0].given_up);
  const auto repaired = required(store.verify(true));
  CHECK(repaired.bad_bytes == 65'536);
  CHECK(repaired.bad.at(0).given_up);
  CHECK(required(store.verify(true)).bad_bytes == 0);
  auto lease = required(store.acquire("key"));
  CHECK(available(lease) == "{[0, 196608) [262144, 300000)}");
}

TEST_CASE("F41: times of any kind mean nothing") {
  StoreScene scene;
  {
    auto store = scene.open();
    auto lease = required(store.acquire("key"));
    fill(lease, 1000);
  }
  for (const auto& file : std::filesystem::recursive_directory_iterator(scene.path)) {
    std::filesystem::last_write_time(file.path(),
                                     std::filesystem::file_time_type::clock::now() + std::chrono::hours(24 * 365 * 50));
  }
  auto store = scene.open();
  CHECK(read(required(store.acquire("key")), {0, 1000}) == "1000");
}

TEST_CASE("store: with must_exist nothing is made, and what is no store is not_found") {
  StoreScene scene;
  StoreOptions options;
  options.must_exist = true;
  CHECK(says(Store::open(scene.path, options)) == "!not_found");
  CHECK_FALSE(std::filesystem::exists(scene.path));
  std::filesystem::create_directory(scene.path);
  std::filesystem::permissions(scene.path, std::filesystem::perms::owner_all);
  CHECK(says(Store::open(scene.path, options)) == "!not_found");
  CHECK(std::filesystem::is_empty(scene.path));
  static_cast<void>(scene.open());
  // A crash can leave it so.
  std::filesystem::remove(scene.path + "/entries");
  auto store = scene.open(options);
  CHECK(keys_of(store).empty());
  CHECK(required(store.verify(true)).entries == 0);
  auto lease = required(store.acquire("key"));
  fill(lease, 100);
  CHECK(keys_of(store) == std::vector<std::string>{"key"});
}

TEST_CASE("store: an entry whose journal has no header is removed by a repair, and not while it is open") {
  StoreScene scene;
  auto store = scene.open();
  std::string journal;
  {
    auto lease = required(store.acquire("key"));
    fill(lease, 1000);
    journal = scene.files_of(lease) + ".journal";
    REQUIRE(says(lease.pin()) == "ok");
    std::filesystem::resize_file(journal, 10);
    CHECK(says(lease.pin({0, 1})) == "!corrupt");  // who cannot tell what is there does not say that it stays
    const auto told = required(store.verify(true));
    REQUIRE(told.unreadable.size() == 1);
    CHECK(told.unreadable[0].why.code == Errc::corrupt);
    CHECK_FALSE(told.unreadable[0].removed);
  }
  CHECK_FALSE(required(store.verify(false)).unreadable.at(0).removed);
  CHECK(required(store.verify(true)).unreadable.at(0).removed);
  CHECK(required(store.verify(true)).unreadable.empty());
  CHECK(scene.on_disk() == 0);
  CHECK(keys_of(store).empty());
}

TEST_CASE("inspect: what an opening would believe, who writes, what is pinned") {
  StoreScene scene;
  auto store = scene.open();
  auto lease = required(store.acquire("key", version("1")));
  CHECK(write(lease, {0, 100'000}) == "100000");
  const std::string path = scene.files_of(lease);
  {
    const auto found = required(inspect(*system_files(), path));
    CHECK(says(found.available) == "{[0, 100000)}");
    CHECK(found.being_written);
    CHECK(found.being_changed);
    CHECK(found.pins.empty());
    CHECK(found.checked_bytes == 0);  // checksums come when the writer ends, or syncs
    CHECK_FALSE(found.complete);
  }
  lease.end_writing();
  for (const ByteRange range : {ByteRange{70, 80}, ByteRange{10, 20}, ByteRange{30, 40}}) {
    REQUIRE(says(lease.pin(range)) == "ok");
  }
  {
    const auto found = required(inspect(*system_files(), path));
    CHECK_FALSE(found.being_written);
    CHECK_FALSE(found.being_changed);
    CHECK(found.pins == std::vector<ByteRange>{{10, 20}, {30, 40}, {70, 80}});
    CHECK(found.checked_bytes == 65'536);
    CHECK(found.header.validator == version("1"));
  }
  REQUIRE(says(lease.pin()) == "ok");
  CHECK(required(inspect(*system_files(), path)).pins == std::vector<ByteRange>{Entry::kWhole});
  // A hole that the journal does not know of, and a tail that nobody has finished.
  std::filesystem::resize_file(path + ".data", 65'536);
  std::ofstream(path + ".journal", std::ios::app) << "tail";
  const auto found = required(inspect(*system_files(), path));
  CHECK(says(found.available) == "{[0, 65536)}");
  CHECK(found.lost_bytes == 34'464);
  CHECK(found.torn_bytes == 4);
  CHECK(says(inspect(*system_files(), path + "x")) == "!not_found");
}
