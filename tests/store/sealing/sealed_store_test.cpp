// A store with a key: what is damaged is fetched again, other keys are kept out, other processes read along.
#include <tests/store/sealing/sealed_scene.h>
#include <tests/store/shared/scene.h>

#include <fcntl.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

namespace {

StoreOptions sealed(unsigned char key = 0) {
  StoreOptions options;
  options.key = some_secret(key);
  return options;
}

std::string bytes_in(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void flip(const std::filesystem::path& path, std::uint64_t at) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(static_cast<std::streamoff>(at));
  const int byte = file.get();
  file.seekp(static_cast<std::streamoff>(at));
  file.put(static_cast<char>(byte ^ 1));
  REQUIRE(file.good());
}

}  // namespace

TEST_CASE("encrypted store: what is damaged becomes missing, is fetched again, and the rest is served meanwhile") {
  const StoreScene scene;
  auto store = scene.open(sealed());
  {
    auto lease = required(store.acquire("key", version("1")));
    fill(lease, kMiB);
    CHECK(read(lease, {0, kMiB}) == std::to_string(kMiB));
  }
  flip(scene.file(".data"), 5 * kPieceBlock + 77);
  auto lease = required(store.acquire("key", version("1")));
  CHECK(lease.writer() == nullptr);
  CHECK(read(lease, {0, 100}) == "100");
  CHECK(read(lease, {5 * kPieceBlock, 5 * kPieceBlock + 10}) == "!not_available");
  CHECK(available(lease) == "{[0, 327680) [393216, 1048576)}");
  REQUIRE(required(lease.take_writer()));
  CHECK(write(lease, {0, kMiB}) == std::to_string(kPieceBlock));
  CHECK(says(lease.writer()->commit(kMiB)) == "ok");
  lease.end_writing();
  CHECK(read(lease, {0, kMiB}) == std::to_string(kMiB));
  // And so does a look at everything.
  flip(scene.file(".data"), 99);
  auto report = required(store.verify(false));
  CHECK(report.bad_bytes == kPieceBlock);
  CHECK(report.bytes == kMiB);
  report = required(store.verify(true));
  CHECK(report.bad_bytes == kPieceBlock);
  CHECK(available(lease) == "{[65536, 1048576)}");
  CHECK(required(store.verify(false)).bad_bytes == 0);
}

TEST_CASE("encrypted store: with another key, or none, entries are denied and left alone; they can be removed") {
  const StoreScene scene;
  {
    auto store = scene.open(sealed());
    auto lease = required(store.acquire("key"));
    fill(lease, 1000);
  }
  const std::string data = bytes_in(scene.file(".data"));
  const std::string journal = bytes_in(scene.file(".journal"));
  for (const StoreOptions& options : {sealed(1), StoreOptions{}}) {
    auto store = scene.open(options);
    const auto lease = store.acquire("key");
    REQUIRE_FALSE(lease);
    CHECK(lease.error().code == Errc::permission_denied);
    CHECK(lease.error().message().find("encrypted") != std::string::npos);
    CHECK(says(store.acquire("key", version("2"))) == "!permission_denied");
    CHECK(says(store.peek("key")) == "!permission_denied");
    const auto report = required(store.verify(true));
    CHECK(report.unreadable.size() == 1);
    CHECK(required(store.list()).size() == 1);
    CHECK(bytes_in(scene.file(".data")) == data);
    CHECK(bytes_in(scene.file(".journal")) == journal);
  }
  {
    auto store = scene.open(sealed());
    CHECK(read(required(store.peek("key")), {0, 1000}) == "1000");
  }
  auto store = scene.open();
  CHECK(says(store.remove("key")) == "ok");
  CHECK(says(store.peek("key")) == "!not_found");
  CHECK(required(store.list()).empty());
  CHECK(says(store.acquire("key")) == "ok");
}

TEST_CASE("encrypted store: entries that are not encrypted are begun anew") {
  const StoreScene scene;
  {
    auto store = scene.open();
    auto lease = required(store.acquire("key"));
    fill(lease, 1000);
  }
  auto store = scene.open(sealed());
  CHECK(says(store.peek("key")) == "!not_found");
  auto lease = required(store.acquire("key"));
  CHECK(available(lease) == "{}");
  fill(lease, 1000, 2);
  CHECK(read(lease, {0, 1000}, 2) == "1000");
}

TEST_CASE("encrypted store: its cap holds, and what it evicts comes again") {
  const StoreScene scene;
  StoreOptions options = sealed();
  options.max_bytes = 4 * kMiB;
  auto store = scene.open(options);
  auto lease = required(store.acquire("key", {}, {.length = 8 * kMiB}));
  for (std::uint64_t at = 0; at < 8 * kMiB; at += 100'000) {
    const ByteRange range{at, std::min(at + 100'000, 8 * kMiB)};
    REQUIRE(write(lease, range) == std::to_string(range.size()));
    CHECK(required(store.stats()).bytes <= 4 * kMiB);
  }
  CHECK(read(lease, {8 * kMiB - 100'000, 8 * kMiB}) == "100000");
  CHECK(read(lease, {0, 1000}) == "!not_available");
  CHECK(write(lease, {0, 1000}) == "1000");
  CHECK(read(lease, {0, 1000}) == "1000");
}

TEST_CASE("encrypted store: another process reads along, waits, and sees what is given up and sealed anew") {
  const StoreScene scene;
  Process writer([&](Process::Talk& talk) {
    auto store = Store::open(scene.path, sealed());
    auto lease = store->acquire("key");
    talk.say(write(*lease, {0, 100'000}));
    while (true) {
      const std::string order = talk.hear();
      if (order == "write") {
        talk.say(write(*lease, {100'000, 200'000}));
      } else if (order == "evict") {
        talk.say(says(lease->entry().evict({10'000, 20'000})));
      } else if (order == "again") {
        talk.say(write(*lease, {10'000, 15'000}));
      } else if (order == "commit") {
        talk.say(says(lease->writer()->commit(200'000)));
      } else {
        return;
      }
    }
  });
  REQUIRE(writer.hear() == "100000");
  auto store = scene.open(sealed());
  auto lease = required(store.acquire("key"));
  CHECK(lease.writer() == nullptr);
  CHECK(read(lease, {0, 100'000}) == "100000");
  const auto next = async(lease.resource(), {100'000, 200'000});
  writer.say("write");
  REQUIRE(writer.hear() == "100000");
  CHECK(next.wait() == "ready");
  CHECK(read(lease, {0, 200'000}) == "200000");
  writer.say("evict");
  REQUIRE(writer.hear() == "10000");
  CHECK(read(lease, {10'000, 20'000}) == "!not_available");
  REQUIRE(eventually([&] { return read(lease, {0, 10'000}) == "10000"; }));
  writer.say("again");
  REQUIRE(writer.hear() == "5000");
  REQUIRE(eventually([&] { return available(lease) == "{[0, 15000) [20000, 200000)}"; }));
  CHECK(read(lease, {0, 15'000}) == "15000");
  CHECK(read(lease, {20'000, 200'000}) == "180000");
  writer.end(SIGKILL);
  REQUIRE(required(lease.take_writer()));
  CHECK(write(lease, {0, 200'000}) == "5000");
  CHECK(says(lease.writer()->commit(200'000)) == "ok");
  CHECK(read(lease, {0, 200'000}) == "200000");
  CHECK(says(Store::open(scene.path, sealed(1))->acquire("key")) == "!permission_denied");
}

TEST_CASE("encrypted store: readers in two processes, ragged evictions and refills: the right bytes or none") {
  const StoreScene scene;
  constexpr std::uint64_t kLength = kMiB;
  Process evictor([&](Process::Talk& talk) {
    auto store = Store::open(scene.path, sealed());
    auto lease = store->acquire("key");
    static_cast<void>(write(*lease, {0, kLength}));
    talk.say("filled");
    static_cast<void>(talk.hear());
    std::atomic<bool> over{false};
    RandomReads reads;
    std::thread reader([&] { reads.until(over, *lease, kLength, 9'000, 7); });
    std::mt19937_64 random(1);
    for (int round = 0; round < 300; ++round) {
      const std::uint64_t at = random() % (kLength - 200'000);
      static_cast<void>(lease->entry().evict({at, at + random() % 200'000}));
      for (std::uint64_t from = at; from < at + 200'000; from += 7'001) {
        static_cast<void>(write(*lease, {from, std::min(from + 7'001, at + 200'000)}));
      }
    }
    over = true;
    reader.join();
    talk.say(available(*lease) + " wrong: " + std::to_string(reads.wrong));
    static_cast<void>(talk.hear());
  });
  REQUIRE(evictor.hear() == "filled");
  auto store = scene.open(sealed());
  auto lease = required(store.acquire("key", {}, {.want_writer = false}));
  evictor.say("go");
  std::thread listener;
  std::string heard;
  std::atomic<bool> over{false};
  listener = std::thread([&] {
    heard = evictor.hear();
    over = true;
  });
  RandomReads reads;
  reads.until(over, lease, kLength, 30'000, 2);
  listener.join();
  CHECK(heard == "{[0, 1048576)} wrong: 0");
  CHECK(reads.wrong == 0);
  CHECK(reads.right > 0);
  MESSAGE("reads: " << reads.right.load() << " right, " << reads.missed.load() << " of what was gone");
}

TEST_CASE("encrypted store: a note is encrypted with the version, and one that was changed is none") {
  const StoreScene scene;
  const std::string words = "text/secret, and nobody shall see it";
  const auto note = std::as_bytes(std::span(words));
  const auto is = [](const Lease& lease, std::span<const std::byte> wanted) {
    const auto found = required(lease.note());
    return std::equal(found.begin(), found.end(), wanted.begin(), wanted.end());
  };
  {
    auto store = scene.open(sealed());
    auto lease = required(store.acquire("key", version("1")));
    REQUIRE(lease.set_note(note));
    fill(lease, 1000);
    CHECK(is(lease, note));
    const std::vector<std::byte> longest(kMaxNote, std::byte{1});
    REQUIRE(lease.set_note(longest));
    CHECK(is(lease, longest));
    REQUIRE(lease.set_note({}));
    CHECK(is(lease, {}));
    REQUIRE(lease.set_note(note));
  }
  const auto journal = scene.file(".journal");
  CHECK(bytes_in(journal).find("secret") == std::string::npos);
  {
    auto store = scene.open(sealed());
    CHECK(is(required(store.acquire("key", version("1"))), note));
  }
  // As who has no key could: the record's CRC is right, and what is in it is not.
  auto bytes = bytes_in(journal);
  const auto raw = std::as_bytes(std::span(bytes));
  const auto found = required(replay(raw, Trust::everything));
  JournalEncoder more(found.chain);
  auto forged = found.note;
  forged.back() ^= std::byte{1};
  more.record(RecordType::note, forged);
  std::ofstream(journal, std::ios::binary | std::ios::app)
      .write(reinterpret_cast<const char*>(more.bytes().data()), static_cast<std::streamsize>(more.bytes().size()));
  auto store = scene.open(sealed());
  auto lease = required(store.acquire("key", version("1")));
  CHECK(is(lease, {}));
  CHECK(read(lease, {0, 1000}) == "1000");
}
