// Processes side by side, where it is close: roles that change, forks, deaths, journals that are not what they were.
#include <tests/store/shared/scene.h>

#include <sys/stat.h>

#include <atomic>
#include <memory>
#include <thread>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

namespace {

WaitOptions for_seconds(int s) {
  return {{}, std::chrono::steady_clock::now() + std::chrono::seconds(s), WaitFor::all};
}
struct Pair : TwoMappings {
  std::string name = (directory.path() / "e").native();
  std::shared_ptr<Entry> entry(const std::shared_ptr<LiveFile>& live, Validator v = {}) {
    EntryDriver::Options o;
    o.name = name;
    o.key = "key";
    o.signals = Signals(live, "e");
    o.validator = v;
    return required(Entry::open(std::move(o), "e", 1));
  }
};

}  // namespace

TEST_CASE("F28: a forked child that ends its copies of leases takes nothing from its parent") {
  StoreScene scene;
  Process other([&](Process::Talk& talk) {
    static_cast<void>(talk.hear());
    auto store = got(talk, Store::open(scene.path));
    auto l = got(talk, store.acquire("key", {}, {.want_writer = false}));
    talk.say(std::to_string(got(talk, store.evict(100 * kMiB))));
    static_cast<void>(talk.hear());
    auto role = got(talk, store.acquire("role", {}, {.want_writer = false}));
    talk.say(says(role.resource().wait_range({10, 20}, for_seconds(2))));
    static_cast<void>(talk.hear());
  });
  auto store = scene.open();
  auto l = required(store.acquire("key"));
  fill(l, 2 * kMiB);
  REQUIRE(says(l.pin()) == "ok");
  auto role = required(store.acquire("role"));
  REQUIRE(write(role, {0, 10}) == "10");
  SUBCASE("child ends leases") {
    const pid_t child = ::fork();
    if (child == 0) {
      {
        Lease a(std::move(l));
        Lease b(std::move(role));
      }
      ::_exit(0);
    }
    ::waitpid(child, nullptr, 0);
  }
  SUBCASE("no child") {}
  other.say("go");
  CHECK(other.hear() == "0");
  CHECK(read(l, {0, 2 * kMiB}) == std::to_string(2 * kMiB));
  other.say("go");
  CHECK(other.hear() == "timed_out");  // its writer lives
  other.say("end");
}
TEST_CASE("D6: a lease that has committed does not keep the entry from being completed again") {
  StoreScene scene;
  auto a = scene.open();
  auto b = scene.open();
  auto la = required(a.acquire("key"));
  REQUIRE(write(la, {0, 2 * kMiB}) == std::to_string(2 * kMiB));
  REQUIRE(says(la.writer()->commit()) == "ok");
  auto lb = required(b.acquire("key"));
  CHECK(says(la.entry().evict({0, kMiB})) == std::to_string(kMiB));
  REQUIRE(eventually([&] { return !lb.resource().contains({0, 1}); }));
  REQUIRE(eventually([&] { return required(lb.take_writer()); }));
  CHECK(la.writer() == nullptr);
  CHECK(write(lb, {0, kMiB}) == std::to_string(kMiB));
  CHECK(eventually([&] { return la.resource().contains({0, 1}); }));
  CHECK(says(lb.writer()->commit()) == "ok");
}

TEST_CASE("D6: a lease whose writer has failed or stepped back does not keep others from writing") {
  StoreScene scene;
  auto a = scene.open();
  auto b = scene.open();
  auto la = required(a.acquire("key"));
  REQUIRE(write(la, {0, 10}) == "10");
  auto lb = required(b.acquire("key"));
  SUBCASE("fail") {
    REQUIRE(says(la.writer()->fail(Error::make(Errc::io, "gone"))) == "ok");
  }
  SUBCASE("stop") {
    REQUIRE(says(la.writer()->abandon(Abandon::stop)) == "ok");
  }
  CHECK(says(lb.resource().wait_range({10, 20}, patiently())) == "!no_writer");
  CHECK(lb.writer() == nullptr);
  CHECK(eventually([&] { return required(lb.take_writer()); }));
}
TEST_CASE("F39: a read while its process becomes the writer trusts no copy of what was evicted") {
  Pair p;
  auto a = p.entry(p.one);
  auto b = p.entry(p.two);
  write_and_leave(*a, {0, 4 * kMiB});
  REQUIRE(says(b->follow()) == "ok");
  CHECK(b->resource().contains({0, 4 * kMiB}));
  // A: many records, the last of which is an eviction; B hears of none before it becomes the writer
  {
    auto w = required(a->take_writer());
    REQUIRE(w);
    for (std::uint64_t at = 8 * kMiB; at < 8 * kMiB + 4000 * 20; at += 20)
      REQUIRE(w->write_at(at, content({at, at + 10})).has_value());
    REQUIRE(says(a->evict({0, kMiB})) == std::to_string(kMiB));
    a->end_writing(std::move(*w));
  }
  Signals signals(p.two, "e");
  const auto before = signals.changes();
  std::string said;
  bool zeros = false;
  std::atomic<bool> spinning{false};
  std::thread reader([&] {
    std::vector<std::byte> warm(4096);
    MemoryDriver::Options mo;
    mo.initial = content({0, 4096});
    auto other = required(Resource<MemoryDriver>::open(std::move(mo)));
    static_cast<void>(other.read_at(0, warm));
    spinning = true;
    while (signals.changes() == before) {
    }
    std::vector<std::byte> bytes(4096);
    const auto n = b->resource().read_at(0, bytes);
    said = says(n);
    zeros = n && bytes != content({0, 4096});
  });
  while (!spinning) {
  }
  auto w = required(b->take_writer());
  REQUIRE(w);
  reader.join();
  CHECK_FALSE(zeros);
  b->end_writing(std::move(*w));
}
TEST_CASE("F39: an entry whose version has lost its name serves nothing that was evicted before") {
  Pair p;
  auto a = p.entry(p.one, version("1"));
  auto b = p.entry(p.two, version("1"));
  write_and_leave(*a, {0, 4 * kMiB});
  REQUIRE(says(b->follow()) == "ok");
  const auto jino = [&] {
    struct ::stat s {};
    ::stat((p.name + ".journal").c_str(), &s);
    return s.st_ino;
  };
  {
    auto w = required(a->take_writer());
    REQUIRE(w);
    const auto first = jino();
    for (std::uint64_t at = 8 * kMiB; jino() == first; at += 20)
      REQUIRE(w->write_at(at, content({at, at + 10})).has_value());
    REQUIRE(says(a->evict({0, kMiB})) == std::to_string(kMiB));
    a->end_writing(std::move(*w));
  }
  REQUIRE(says(a->retire()) == "ok");
  auto c = p.entry(p.one, version("2"));
  REQUIRE(says(b->follow()) == "ok");
  CHECK(b->is_past());
  std::vector<std::byte> bytes(4096);
  const auto n = b->resource().read_at(0, bytes);
  CHECK((!n || bytes == content({0, 4096})));
}
TEST_CASE("F39: an entry that has let go of its name asks whether others have evicted from its files since") {
  Pair p;
  auto a = p.entry(p.one);
  auto b = p.entry(p.two);
  write_and_leave(*a, {0, 2 * kMiB});
  REQUIRE(says(b->follow()) == "ok");
  // For a version that is never begun: the name goes on leading to the same files.
  REQUIRE(says(a->retire()) == "ok");
  CHECK(read_back(a->resource(), {0, 2 * kMiB}) == std::to_string(2 * kMiB));
  REQUIRE(says(b->evict({0, kMiB})) == std::to_string(kMiB));
  CHECK(read_back(a->resource(), {0, 4096}) == "!not_available");
  CHECK(read_back(a->resource(), {kMiB, 2 * kMiB}) == std::to_string(kMiB));
}

TEST_CASE("F34: a follower that has read what a failed append took back reads anew") {
  Pair p;
  auto a = p.entry(p.one);
  auto b = p.entry(p.two);
  auto w = required(a->take_writer());
  REQUIRE(w);
  REQUIRE(w->write_at(0, content({0, 4 * kMiB})).has_value());
  REQUIRE(says(b->follow()) == "ok");
  REQUIRE(b->resource().contains({0, 4 * kMiB}));
  const auto size = std::filesystem::file_size(p.name + ".journal");
  {
    auto j = required(Journal::open(system_files(), p.name + ".journal"));
    const std::pair<std::uint64_t, std::uint32_t> sums[] = {{1, 2}, {2, 3}};
    REQUIRE(j.journal->append_checksums(std::nullopt, sums).has_value());
  }
  Signals(p.one, "e").changed();
  REQUIRE(says(b->follow()) == "ok");                       // between the short write and the cut
  std::filesystem::resize_file(p.name + ".journal", size);  // append_locked's set_size(size_)
  REQUIRE(says(a->evict({0, kMiB})) == std::to_string(kMiB));
  REQUIRE(says(b->follow()) == "ok");
  std::vector<std::byte> bytes(4096);
  const auto n = b->resource().read_at(0, bytes);
  CHECK((!n || bytes == content({0, 4096})));
  a->end_writing(std::move(*w));
}
TEST_CASE("F38: what a writer has journalled is found though it died before it could say so") {
  Pair p;
  auto b = p.entry(p.two);
  Process child([&](Process::Talk& talk) {
    EntryDriver::Options o;
    o.name = p.name;
    o.key = "key";  // no signals: dead before it gives them
    auto a = got(talk, Entry::open(std::move(o), "e", 1));
    auto w = got(talk, a->take_writer());
    talk.say("role");
    static_cast<void>(talk.hear());
    talk.say(says(w->write_at(0, content({0, kMiB}))));
    static_cast<void>(talk.hear());
  });
  REQUIRE(child.hear() == "role");
  REQUIRE_FALSE(required(b->take_writer()));
  CHECK(b->is_written_elsewhere());
  child.say("go");
  REQUIRE(child.hear() == std::to_string(kMiB));
  child.end(SIGKILL);
  REQUIRE(says(b->follow()) == "ok");
  CHECK(says(b->resource().wait_range({0, kMiB}, for_seconds(2))) == "ready");
}
TEST_CASE("D2: what has become a hole is not believed, by who only reads either") {
  Pair p;
  auto a = p.entry(p.one);
  auto w = required(a->take_writer());
  REQUIRE(w);
  REQUIRE(w->write_at(0, content({0, 4 * kMiB})).has_value());
  {
    auto f = required(system_files()->open(p.name + ".data", OpenFile::to_write));
    REQUIRE(says(f->punch({0, kMiB})) == "ok");
  }
  auto b = p.entry(p.two);
  CHECK(available(*b) == "{[1048576, 4194304)}");
  a->end_writing(std::move(*w));
}