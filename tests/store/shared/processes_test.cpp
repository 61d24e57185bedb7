// A store in several processes: one writer, followers that wait, deaths, evictions under readers.
#include <tests/store/shared/scene.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <fstream>
#include <memory>
#include <random>
#include <thread>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

namespace {

// Another process, the writer of "key": it says what writing [0, end) has answered, and goes on with `then`.
Process writer_of(const StoreScene& scene, std::uint64_t end,
                  const std::function<void(Process::Talk& talk, Lease& lease)>& then) {
  return Process([&](Process::Talk& talk) {
    auto store = got(talk, Store::open(scene.path));
    auto lease = got(talk, store.acquire("key"));
    talk.say(write(lease, {0, end}));
    then(talk, lease);
  });
}

}  // namespace

TEST_CASE("F37: of many processes exactly one gets the writer, and the others get its bytes") {
  const StoreScene scene;
  constexpr int kKeys = 20;
  constexpr ByteRange kAll{0, 100'000};
  std::vector<std::unique_ptr<Process>> processes;
  for (int i = 0; i < 4; ++i) {
    processes.push_back(std::make_unique<Process>([&](Process::Talk& talk) {
      auto store = got(talk, Store::open(scene.path));
      talk.say("open");
      static_cast<void>(talk.hear());
      std::string line;
      for (int key = 0; key < kKeys; ++key) {
        auto lease = got(talk, store.acquire("key" + std::to_string(key), version("1")));
        const bool writes = lease.writer() != nullptr;
        if (writes) {
          for (std::uint64_t at = 0; at < kAll.end; at += 10'000) {
            static_cast<void>(write(lease, {at, at + 10'000}));
          }
          static_cast<void>(lease.writer()->commit());
          lease.end_writing();
        }
        // Who came when the writer had gone for good finds it complete.
        const std::string waited = says(lease.resource().wait_range(kAll, patiently()));
        const std::string back = read_back(lease.resource(), kAll);
        line += waited == "ready" && back == "100000" ? (writes ? "w" : "r") : "(" + waited + "," + back + ")";
      }
      talk.say(line);
      static_cast<void>(talk.hear());
    }));
  }
  for (const auto& process : processes) {
    REQUIRE(process->hear() == "open");
  }
  for (const auto& process : processes) {
    process->say("go");
  }
  std::vector<std::string> lines;
  for (const auto& process : processes) {
    lines.push_back(process->hear());
    CHECK_MESSAGE(lines.back().size() == kKeys, lines.back());
  }
  for (std::size_t key = 0; key < kKeys; ++key) {
    CHECK(std::count_if(lines.begin(), lines.end(), [&](const std::string& line) { return line[key] == 'w'; }) == 1);
  }
}

TEST_CASE("D6: a follower waits for what another process writes, sees its length and its end") {
  const StoreScene scene;
  const Process writer = writer_of(scene, 1000, [](Process::Talk& talk, Lease& lease) {
    while (true) {
      const std::string order = talk.hear();
      if (order == "write") {
        talk.say(write(lease, {1000, 2000}));
      } else if (order == "length") {
        talk.say(says(lease.writer()->set_length(3000)));
      } else if (order == "leave") {
        lease.end_writing();
        talk.say("left");
      } else {
        return;
      }
    }
  });
  REQUIRE(writer.hear() == "1000");
  auto store = scene.open();
  auto lease = required(store.acquire("key"));
  CHECK(lease.writer() == nullptr);
  CHECK(available(lease) == "{[0, 1000)}");
  CHECK(read(lease, {0, 1000}) == "1000");
  const auto next = async(lease.resource(), {500, 1500});
  CHECK(next.answer() == "pending");
  writer.say("write");
  REQUIRE(writer.hear() == "1000");
  CHECK(next.wait() == "ready");
  CHECK(read(lease, {500, 1500}) == "1000");
  const auto past = async(lease.resource(), {3000, 4000});
  writer.say("length");
  REQUIRE(writer.hear() == "ok");
  CHECK(past.wait() == "eof");
  const auto missing = async(lease.resource(), {2000, 3000});
  writer.say("leave");
  REQUIRE(writer.hear() == "left");
  CHECK(missing.wait() == "!no_writer");
  CHECK(required(lease.take_writer()));
  CHECK(write(lease, {2000, 2500}) == "500");
  lease.end_writing();
  writer.say("end");
}

TEST_CASE("D6: a follower sees a commit, what it dropped, and that it is complete") {
  const StoreScene scene;
  const Process writer = writer_of(scene, 2000, [](Process::Talk& talk, Lease& lease) {
    static_cast<void>(talk.hear());
    talk.say(says(lease.writer()->commit(1000)));
    static_cast<void>(talk.hear());
  });
  REQUIRE(writer.hear() == "2000");
  auto store = scene.open();
  auto lease = required(store.acquire("key"));
  const auto observer = std::make_shared<RecordingObserver>();
  const auto subscription = required(lease.resource().subscribe(observer));
  writer.say("commit");
  REQUIRE(writer.hear() == "ok");
  REQUIRE(eventually([&] { return observer->log().size() == 2; }));  // told after all else
  CHECK(says(lease.resource().status().state) == "committed");
  CHECK(available(lease) == "{[0, 1000)}");
  // Observers are told after the state has changed, outside all locks.
  std::string told;
  REQUIRE(eventually([&] {
    const std::string more = observer->take();
    told += (told.empty() || more.empty() ? "" : "; ") + more;
    return told.find("commit") != std::string::npos;
  }));
  CHECK(told == "evict [1000, 2000); commit 1000");
  CHECK(read(lease, {0, 2000}) == "1000");
}

TEST_CASE("F38: a stopped writer keeps its place, a killed one loses it at once") {
  const StoreScene scene;
  Process writer = writer_of(scene, 1000, [](Process::Talk& talk, Lease&) { static_cast<void>(talk.hear()); });
  REQUIRE(writer.hear() == "1000");
  auto store = scene.open();
  auto lease = required(store.acquire("key"));
  writer.send(SIGSTOP);
  CHECK_FALSE(required(lease.take_writer()));
  WaitOptions brief;
  brief.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(400);
  CHECK(says(lease.resource().wait_range({1000, 1100}, brief)) == "timed_out");
  CHECK(says(store.acquire("key", version("2"))) == "!busy");
  CHECK(says(store.remove("key")) == "!busy");
  CHECK_FALSE(required(lease.take_writer()));
  CHECK(read(lease, {0, 1000}) == "1000");

  const auto waiting = async(lease.resource(), {1000, 1100});
  const auto killed = std::chrono::steady_clock::now();
  writer.end(SIGKILL);
  CHECK(waiting.wait() == "!no_writer");
  CHECK(required(lease.take_writer()));
  CHECK_MESSAGE(std::chrono::steady_clock::now() - killed < patience(), "a generous bound: one second is the aim");
  CHECK(available(lease) == "{[0, 1000)}");
  CHECK(write(lease, {1000, 1100}) == "100");
}

TEST_CASE("F39: readers in one process, evictions and refills in another: the right bytes or none") {
  const StoreScene scene;
  constexpr std::uint64_t kLength = 4 * kMiB;
  Process evictor([&](Process::Talk& talk) {
    auto store = got(talk, Store::open(scene.path));
    {
      auto lease = got(talk, store.acquire("key"));
      static_cast<void>(write(lease, {0, kLength}));
      static_cast<void>(lease.writer()->commit());
    }
    talk.say("filled");
    static_cast<void>(talk.hear());
    std::mt19937_64 random(1);
    for (int round = 0; round < 60; ++round) {
      auto lease = got(talk, store.acquire("key"));
      lease.end_writing();
      const std::uint64_t chunk = random() % 4;
      static_cast<void>(lease.entry().evict({chunk * kMiB, (chunk + 1) * kMiB}));
      if (got(talk, lease.take_writer())) {
        static_cast<void>(write(lease, {0, kLength}));
        static_cast<void>(lease.writer()->commit());
      }
    }
    talk.say("done");
    static_cast<void>(talk.hear());
  });
  REQUIRE(evictor.hear() == "filled");
  auto store = scene.open();
  auto lease = required(store.acquire("key", {}, {.want_writer = false}));
  std::atomic<bool> over{false};
  RandomReads reads;
  std::vector<std::thread> readers;
  for (unsigned i = 0; i < 2; ++i) {
    readers.emplace_back([&, i] { reads.until(over, lease, kLength, 30'000, i); });
  }
  evictor.say("go");
  CHECK(evictor.hear() == "done");
  over = true;
  for (std::thread& reader : readers) {
    reader.join();
  }
  CHECK(reads.wrong == 0);
  CHECK(reads.right > 0);
  MESSAGE("reads: " << reads.right.load() << " right, " << reads.missed.load() << " of what was gone");
}

TEST_CASE("F39: what one process has pinned no other evicts") {
  const StoreScene scene;
  Process evictor([&](Process::Talk& talk) {
    auto store = got(talk, Store::open(scene.path));
    {
      auto lease = got(talk, store.acquire("key"));
      static_cast<void>(write(lease, {0, 6 * kMiB}));
    }
    talk.say("filled");
    while (talk.hear() == "evict") {
      talk.say(std::to_string(got(talk, store.evict(100 * kMiB))));
    }
  });
  REQUIRE(evictor.hear() == "filled");
  auto store = scene.open();
  auto lease = required(store.acquire("key", {}, {.want_writer = false}));
  CHECK(says(lease.pin({2 * kMiB, 4 * kMiB})) == "ok");
  evictor.say("evict");
  CHECK(evictor.hear() == std::to_string(4 * kMiB));
  REQUIRE(eventually([&] { return available(lease) == "{[2097152, 4194304)}"; }));
  CHECK(read(lease, {2 * kMiB, 4 * kMiB}) == std::to_string(2 * kMiB));
  lease.unpin({2 * kMiB, 4 * kMiB});
  evictor.say("evict");
  CHECK(std::stoull(evictor.hear()) >= 2 * kMiB);  // and the journal, of an entry that has nothing left
  evictor.say("end");
}

TEST_CASE("D5: a new version in another process: readers of the old one go on, and are told") {
  const StoreScene scene;
  Process other([&](Process::Talk& talk) {
    auto store = got(talk, Store::open(scene.path));
    talk.say("open");
    static_cast<void>(talk.hear());
    auto lease = got(talk, store.acquire("key", version("2")));
    talk.say(write(lease, {0, 1000}, 2));
    static_cast<void>(talk.hear());
  });
  REQUIRE(other.hear() == "open");
  auto store = scene.open();
  auto lease = required(store.acquire("key", version("1")));
  CHECK(write(lease, {0, 1000}) == "1000");
  lease.end_writing();
  other.say("go");
  CHECK(other.hear() == "1000");
  REQUIRE(eventually([&] { return lease.entry().is_past(); }));
  CHECK(read(lease, {0, 1000}) == "1000");
  CHECK(says(lease.resource().wait_range({1000, 1001})) == "!failed");
  CHECK(says(lease.take_writer()) == "!changed");
  auto newer = required(store.acquire("key", version("2")));
  CHECK(newer.writer() == nullptr);
  CHECK(read(newer, {0, 1000}, 2) == "1000");
}

TEST_CASE(
    "F39: one process begins an entry again and again, another removes it: neither loses its files to the other") {
  const StoreScene scene;
  static_cast<void>(scene.open());
  const std::string over = scene.path + "-over";
  // What neither must ever hear, of entries that nobody has harmed.
  const auto odd = [](const auto& result) {
    return !result && result.error().code != Errc::busy && result.error().code != Errc::changed;
  };
  Process remover([&](Process::Talk& talk) {
    auto store = got(talk, Store::open(scene.path));
    for (int round = 0; !std::filesystem::exists(over); ++round) {
      const auto removed = round % 2 == 0 ? store.remove("key") : store.evict(1).map([](std::uint64_t) {});
      if (odd(removed)) {
        talk.say(removed.error().message());
      }
    }
    talk.say("done");
    static_cast<void>(talk.hear());
  });
  auto store = scene.open();
  for (int round = 0; round < 300; ++round) {
    // One that only reads may be removed under it: then the next one begins it.
    auto lease = store.acquire("key", {}, {.want_writer = round % 4 == 0});
    CHECK_MESSAGE(!odd(lease), lease.error().message());
    if (lease && lease->writer() != nullptr) {
      CHECK(write(*lease, {0, 100}).find('!') == std::string::npos);
      // Who writes keeps the name.
      CHECK(std::filesystem::exists(scene.files_of(*lease) + ".journal"));
    }
  }
  std::ofstream(over) << "over";
  CHECK(remover.hear() == "done");
}
