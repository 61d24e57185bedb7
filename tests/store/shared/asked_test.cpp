// A store asked by those whom it tells, by several at once, and about what others have done to its directory.
#include <tests/store/shared/scene.h>
#include <tests/support/sleeping.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

TEST_CASE("store: what another process has filled since can go as well") {
  StoreScene scene;
  Process other([&](Process::Talk& talk) {
    static_cast<void>(talk.hear());
    {
      auto store = got(talk, Store::open(scene.path, {.max_bytes = 8 * kMiB}));
      for (int i = 0; i < 7; ++i) {
        auto l = got(talk, store.acquire("b" + std::to_string(i)));
        static_cast<void>(write(l, {0, kMiB}));
        static_cast<void>(l.writer()->commit(kMiB));
      }
    }
    talk.say("filled");
  });
  auto store = scene.open({.max_bytes = 8 * kMiB});
  other.say("go");
  CHECK(other.hear() == "filled");
  static_cast<void>(other.join());
  auto l = required(store.acquire("a"));
  const auto w = l.writer()->write_at(0, content({0, 2 * kMiB}));
  CHECK(says(w) == std::to_string(2 * kMiB));
}
TEST_CASE("R10: an observer may ask the store about what it is told") {
  StoreScene scene;
  auto a = scene.open();
  auto b = scene.open();
  auto la = required(a.acquire("key"));
  auto lb = required(b.acquire("key", {}, {.want_writer = false}));
  struct Asks : AvailabilityObserver {
    Store* store;
    std::atomic<unsigned> calls{0};
    void on_write(ByteRange) noexcept override {
      static_cast<void>(store->contains("key"));
      ++calls;
    }
  };
  auto asks = std::make_shared<Asks>();
  asks->store = &b;
  auto subscription = required(lb.resource().subscribe(asks));
  std::atomic<bool> over{false};
  std::thread peeker([&] {
    while (!over)
      static_cast<void>(b.peek("key"));
  });
  for (std::uint64_t at = 0; at < 3000; ++at)
    REQUIRE(write(la, {at * 10, at * 10 + 5}) == "5");
  CHECK(eventually([&] { return asks->calls > 0; }));
  over = true;
  peeker.join();
}
TEST_CASE("store: who ends the last copy waits for what the store's thread is doing") {
  StoreScene scene;
  {
    auto a = scene.open();
    std::optional<Store> b(scene.open());
    auto la = required(a.acquire("key"));
    std::optional<Lease> lb(required(b->acquire("key", {}, {.want_writer = false})));
    struct Lingers : AvailabilityObserver {
      std::atomic<bool> inside{false};
      std::atomic<bool> go{false};
      void on_write(ByteRange) noexcept override {
        inside = true;
        go.wait(false);
      }
    };
    const auto lingers = std::make_shared<Lingers>();
    const auto subscription = required(lb->resource().subscribe(lingers));
    REQUIRE(write(la, {0, 10}) == "10");
    REQUIRE(eventually([&] { return lingers->inside.load(); }));
    std::atomic<pid_t> closer_id{0};
    std::atomic<bool> closed{false};
    std::thread closer([&] {
      closer_id = ::gettid();
      lb.reset();
      b.reset();
      closed = true;
    });
    CHECK(eventually([&] { return closed || (closer_id != 0 && sleeps(closer_id)); }));
    CHECK_FALSE(closed);
    lingers->go = true;
    lingers->go.notify_all();
    closer.join();
  }
  CHECK(required(LiveFile::open(scene.path + "/live"))->alone());
}

TEST_CASE("R10: an observer of an eviction may write, and so evict") {
  StoreScene scene;
  auto s = scene.open({.max_bytes = 6 * kMiB});
  auto victim = required(s.acquire("victim"));
  REQUIRE(write(victim, {0, 4 * kMiB}) == std::to_string(4 * kMiB));
  struct Refetch : AvailabilityObserver {
    Lease* lease;
    std::atomic<int> n{0};
    void on_evict(ByteRange r) noexcept override {
      if (n++ == 0)
        static_cast<void>(lease->writer()->write_at(10 * kMiB, content({10 * kMiB, r.end - r.end + 15 * kMiB})));
    }
  };
  auto o = std::make_shared<Refetch>();
  o->lease = &victim;
  auto sub = required(victim.resource().subscribe(o));
  auto l = required(s.acquire("big"));
  CHECK(write(l, {0, 4 * kMiB}) == std::to_string(4 * kMiB));
  CHECK(eventually([&] { return o->n > 0; }));
}
TEST_CASE("store: what has been written and let go of is synced when it is due") {
  StoreScene scene;
  auto s = scene.open({.durability = Durability::batched, .batch_interval = std::chrono::milliseconds(50)});
  {
    auto l = required(s.acquire("key"));
    fill(l, kMiB);
  }
  CHECK(says(s.checkpoint()) == "ok");
  auto f = required(system_files()->open(scene.file(".journal").native(), OpenFile::to_read));
  auto bytes = required(read_all(*f));
  CHECK(to_string(required(replay(bytes, Trust::barriers)).available) == "{[0, 1048576)}");
}
TEST_CASE("D4: an eviction goes through the store, which heeds pins") {
  StoreScene scene;
  auto s = scene.open();
  auto s2 = scene.open();
  auto l = required(s.acquire("key"));
  REQUIRE(write(l, {0, 2 * kMiB}) == std::to_string(2 * kMiB));
  REQUIRE(says(l.pin()) == "ok");
  auto l2 = required(s2.acquire("key"));
  REQUIRE(eventually([&] { return l2.resource().contains({0, 2 * kMiB}); }));
  CHECK(says(l2.resource().evict({0, kMiB})) == "!unsupported");
  CHECK(l2.resource().contains({0, 2 * kMiB}));
  CHECK(says(l.resource().evict({0, kMiB})) == "!unsupported");
  CHECK(available(l) == "{[0, 2097152)}");
}
TEST_CASE("store: one user's cancel is nobody else's") {
  StoreScene scene;
  auto s = scene.open();
  auto l = required(s.acquire("key"));
  fill(l, 1000);
  l.resource().cancel();
  auto l2 = s.acquire("key");
  CHECK(says(l2) == "ok");
  if (l2) CHECK(read(*l2, {0, 1000}) == "1000");
}
TEST_CASE("D5: a length that contradicts what is there begins a new version") {
  StoreScene scene;
  auto s = scene.open();
  auto l = required(s.acquire("key"));
  REQUIRE(write(l, {0, 1000}) == "1000");
  l.end_writing();
  auto l2 = required(s.acquire("key", {}, {.length = 500}));
  CHECK(available(l2) == "{}");
  CHECK(says(l2.resource().length()) == "500");
  CHECK(l2.generation() != l.generation());
}
TEST_CASE("store: an entry is open once, whoever opens it") {
  StoreScene scene;
  auto s = scene.open();
  int lost = 0;
  for (int round = 0; round < 60; ++round) {
    {
      auto l = required(s.acquire("key"));
      if (l.writer()) {
        static_cast<void>(write(l, {0, 2 * kMiB}));
      }
    }
    std::thread e([&] { static_cast<void>(s.verify(false)); });
    auto l = required(s.acquire("key", {}, {.want_writer = false}));
    e.join();
    auto m = required(s.acquire("key", {}, {.want_writer = false}));
    if (&l.entry() != &m.entry()) ++lost;
  }
  CHECK(lost == 0);
}

TEST_CASE("F45: a removal does not follow a directory that has been swapped") {
  StoreScene one, two;
  {
    auto s = two.open();
    auto l = required(s.acquire("key"));
    fill(l, 1000);
  }
  auto s = one.open();
  {
    auto l = required(s.acquire("key"));
    fill(l, 1000);
  }
  std::filesystem::rename(one.path, one.path + ".old");
  std::filesystem::create_directory_symlink(two.path, one.path);
  CHECK(says(s.acquire("key")) == "!permission_denied");
  CHECK(says(s.peek("key")) == "!permission_denied");
  CHECK(says(s.remove("key")) == "!permission_denied");
  auto t = two.open();
  CHECK(says(t.peek("key")) == "ok");
}
TEST_CASE("F38: a complete entry is had at once, whoever is stopped in the midst of an eviction") {
  StoreScene scene;
  auto s = scene.open();
  auto l = required(s.acquire("key"));
  fill(l, 1000);
  auto f = required(system_files()->open(scene.file(".data").native(), OpenFile::to_write));
  REQUIRE(says(f->try_lock()) == "ok");
  CHECK(says(s.acquire("key")) == "ok");
  CHECK(says(s.peek("key")) == "ok");
}

TEST_CASE("store: a checkpoint that cannot open an entry says so each time, and syncs it once it can") {
  const StoreScene scene;
  auto store = scene.open();
  {
    auto lease = required(store.acquire("key"));
    REQUIRE(write(lease, {0, 100}) == "100");
  }
  // The store's own thread may be looking at it.
  REQUIRE(eventually([&] { return required(store.stats()).open_entries == 0; }));
  const auto durable = [&] {
    const auto file = required(system_files()->open(scene.file(".journal").native(), OpenFile::to_read));
    return to_string(required(replay(required(read_all(*file)), Trust::barriers)).available);
  };
  {
    // Another process that was stopped when it had begun a version: the data file is not yet the journal's.
    const auto name = scene.file(".data");
    const auto aside = name.native() + ".aside";
    std::filesystem::rename(name, aside);
    const auto data = required(system_files()->open(name.native(), OpenFile::made));
    REQUIRE(says(data->try_hold({0, kMaxOffset}, File::Hold::exclusive)) == "ok");
    CHECK(says(store.checkpoint()) == "!busy");
    CHECK(says(store.checkpoint()) == "!busy");
    std::filesystem::rename(aside, name);
  }
  CHECK(durable() == "{}");
  CHECK(says(store.checkpoint()) == "ok");
  CHECK(durable() == "{[0, 100)}");
}

TEST_CASE("store: what is durable when, as the store was asked") {
  // What would be believed after a power cut.
  const auto durable = [](const Lease& lease) {
    const auto journal = required(system_files()->open(lease.entry().journal_path(), OpenFile::to_read));
    return to_string(required(replay(required(read_all(*journal)), Trust::barriers)).available);
  };
  StoreScene scene;
  SUBCASE("process") {
    auto store = scene.open();
    auto lease = required(store.acquire("key"));
    CHECK(write(lease, {0, 100}) == "100");
    CHECK(durable(lease) == "{}");
    CHECK(says(store.checkpoint()) == "ok");
    CHECK(durable(lease) == "{[0, 100)}");
  }
  SUBCASE("batched, by time") {
    StoreOptions options;
    options.durability = Durability::batched;
    options.batch_interval = std::chrono::milliseconds(20);
    auto store = scene.open(options);
    auto lease = required(store.acquire("key"));
    CHECK(write(lease, {0, 100}) == "100");
    CHECK(eventually([&] { return durable(lease) == "{[0, 100)}"; }));
    CHECK(write(lease, {100, 200}) == "100");
    CHECK(eventually([&] { return durable(lease) == "{[0, 200)}"; }));
  }
  SUBCASE("batched, by bytes") {
    StoreOptions options;
    options.durability = Durability::batched;
    options.batch_interval = std::chrono::hours(1);
    options.batch_bytes = 1000;
    auto store = scene.open(options);
    auto lease = required(store.acquire("key"));
    CHECK(write(lease, {0, 999}) == "999");
    CHECK(durable(lease) == "{}");
    CHECK(write(lease, {999, 1000}) == "1");
    CHECK(eventually([&] { return durable(lease) == "{[0, 1000)}"; }));
  }
  SUBCASE("every commit") {
    StoreOptions options;
    options.durability = Durability::every_commit;
    auto store = scene.open(options);
    auto lease = required(store.acquire("key"));
    CHECK(write(lease, {0, 100}) == "100");
    CHECK(durable(lease) == "{}");
    CHECK(says(lease.writer()->commit()) == "ok");
    CHECK(durable(lease) == "{[0, 100)}");
  }
}
