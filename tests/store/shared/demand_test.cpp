// What is waited for crosses processes: who fetches is told of what others wait for, and of the dead no more.
#include <tests/store/shared/scene.h>

#include <fcntl.h>
#include <sys/mman.h>

#include <condition_variable>
#include <mutex>
#include <sstream>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

namespace {

std::string all_of(const std::vector<Demand>& all) {
  std::string text;
  for (const Demand& demand : all) {
    text += (text.empty() ? "" : " ") + to_string(demand.missing) + "/" + std::to_string(demand.enough) +
            (demand.urgency == Urgency::background ? "b" : "") + (demand.deadline ? "!" : "");
  }
  return text.empty() ? "none" : text;
}
std::string demand(const Lease& lease, std::size_t limit = 100) {
  const auto all = lease.demand(limit);
  return all ? all_of(*all) : std::string(to_string(all.error().code));
}
WaitOptions in_background() {
  return {{}, {}, WaitFor::all, Urgency::background};
}

// Keeps the ranges that it is told of, for who waits for them.
class Listener final : public DemandObserver {
 public:
  void on_demand(ByteRange missing) noexcept override {
    const std::scoped_lock lock(mutex_);
    told_.push_back(missing);
    changed_.notify_all();
  }
  // Until it has been told of it.
  [[nodiscard]] bool hears_of(ByteRange range) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience(),
                             [&] { return std::find(told_.begin(), told_.end(), range) != told_.end(); });
  }
  [[nodiscard]] std::size_t count() {
    const std::scoped_lock lock(mutex_);
    return told_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<ByteRange> told_;
};

// Another process that has the writer of "key", does what it is told, and says how it went: "told B E" (once it has
// been), "demand", "write B E", "end".
void fetch(const Process::Talk& talk, const std::string& path) {
  auto store = got(talk, Store::open(path));
  auto lease = got(talk, store.acquire("key"));
  const auto listener = std::make_shared<Listener>();
  got(talk, lease.set_demand_observer(listener).map([] { return 0; }));
  talk.say(lease.writer() != nullptr ? "writer" : "no writer");
  for (std::string line = talk.hear(); !line.empty(); line = talk.hear()) {
    std::istringstream words(line);
    std::string word;
    ByteRange range;
    words >> word >> range.begin >> range.end;
    if (word == "told") {
      talk.say(listener->hears_of(range) ? "told" : "untold");
    } else if (word == "demand") {
      talk.say(demand(lease));
    } else if (word == "write") {
      talk.say(write(lease, range));
    } else {
      lease.end_writing();
      talk.say("ended");
    }
  }
}
// Its answer to one order.
std::string ask(const Process& process, const std::string& order) {
  process.say(order);
  return process.hear();
}

// Another process that follows "key" and waits there; "interrupt" ends its waits.
void follow(const Process::Talk& talk, const std::string& path, const std::vector<ByteRange>& waits) {
  static_cast<void>(talk.hear());
  auto store = got(talk, Store::open(path));
  auto lease = got(talk, store.acquire("key", {}, {.want_writer = false}));
  std::vector<Outcome> outcomes;
  for (const ByteRange range : waits) {
    outcomes.push_back(async(lease.resource(), range));
  }
  talk.say(outcomes.empty() ? "open" : outcomes.front().answer());
  while (talk.hear() == "interrupt") {
    lease.resource().interrupt();
    talk.say("interrupted");
  }
}

constexpr std::uint64_t kTag = 100;
Demand of(ByteRange range) {
  return {range, std::nullopt, Urgency::reader, range.end};
}

}  // namespace

TEST_CASE("demand: a table keeps owners and entries apart, and believes nobody for long") {
  const auto table = std::make_unique<DemandTable>();
  const auto now = std::chrono::steady_clock::now();
  const auto read = [&](std::uint64_t tag, std::uint64_t but, std::chrono::milliseconds later = {}) {
    std::vector<Demand> all;
    table->collect(tag, but, now + later, all);
    return all_of(all);
  };
  const std::uint64_t one = table->new_owner();
  const std::uint64_t two = table->new_owner();
  CHECK(one != two);
  CHECK(read(kTag, 0) == "none");
  const auto first = table->put(one, kTag, {{5, 9}, now, Urgency::background, 7}, now);
  REQUIRE(first.has_value());
  const auto second = table->put(two, kTag, of({1, 2}), now);
  REQUIRE(second.has_value());
  REQUIRE(table->put(two, kTag + 1, of({3, 4}), now).has_value());
  CHECK(read(kTag, 0) == "[5, 9)/7b! [1, 2)/2");
  CHECK(read(kTag, one) == "[1, 2)/2");
  CHECK(read(kTag + 1, 0) == "[3, 4)/4");
  CHECK_FALSE(table->replace(*first, two, kTag, of({1, 9}), now));
  table->remove(*first, two);
  CHECK(read(kTag, two) == "[5, 9)/7b!");
  CHECK(table->replace(*first, one, kTag, of({6, 9}), now));
  CHECK(read(kTag, two) == "[6, 9)/9");
  table->remove(*first, one);
  table->remove(*first, one);
  CHECK(read(kTag, two) == "none");
  CHECK_FALSE(table->replace(*first, one, kTag, of({6, 9}), now));
  // A second is believed; what another start of the system has left, far ahead or behind, is not.
  using namespace std::chrono_literals;
  CHECK(read(kTag, 0, 900ms) == "[1, 2)/2");
  CHECK(read(kTag, 0, 1100ms) == "none");
  CHECK(read(kTag, 0, -3600s) == "none");
  // Nonsense that somebody has left there is nobody's demand.
  REQUIRE(table->put(one, kTag, {{9, 5}, {}, Urgency::reader, 7}, now).has_value());
  REQUIRE(table->put(one, kTag, {{5, 9}, {}, Urgency::reader, 5}, now).has_value());
  REQUIRE(table->put(one, kTag, {{5, kMaxOffset + 1}, {}, Urgency::reader, 7}, now).has_value());
  CHECK(read(kTag, 0) == "[1, 2)/2");
  table->clear();
  CHECK(read(kTag, 0) == "none");
  CHECK(DemandTable::tag_of("a", 1) != DemandTable::tag_of("a", 2));
  CHECK(DemandTable::tag_of("a", 1) != DemandTable::tag_of("b", 1));
}

TEST_CASE("demand: a full window takes no more, until one in it is taken for dead; that one finds it has lost it") {
  const auto table = std::make_unique<DemandTable>();
  const auto now = std::chrono::steady_clock::now();
  const auto later = now + 2 * DemandTable::kBelieved;
  std::vector<std::size_t> slots;
  for (std::size_t i = 0; i < DemandTable::kWindow; ++i) {
    const auto slot = table->put(1, kTag, of({i, i + 1}), now);
    REQUIRE(slot.has_value());
    slots.push_back(*slot);
  }
  CHECK_FALSE(table->put(2, kTag, of({1, 2}), now).has_value());
  CHECK(table->replace(slots[1], 1, kTag, of({7, 8}), later));
  const auto stolen = table->put(2, kTag, of({1, 2}), later);
  REQUIRE(stolen == slots[0]);
  CHECK_FALSE(table->replace(slots[0], 1, kTag, of({7, 8}), later));
  std::vector<Demand> all;
  table->collect(kTag, 0, later, all);
  CHECK(all_of(all) == "[1, 2)/2 [7, 8)/8");
}

TEST_CASE("demand: a live file of an older version is grown, and who has it open meanwhile is not disturbed") {
  const TempDir directory;
  const std::string path = (directory.path() / "live").native();
  constexpr std::size_t kBefore = 128 + 4096 * 64;  // the bell, the bytes in use, the slots
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  REQUIRE(file >= 0);
  REQUIRE(::posix_fallocate(file, 0, kBefore) == 0);
  struct ::flock lock {};
  lock.l_type = F_RDLCK;
  lock.l_whence = SEEK_SET;
  REQUIRE(::fcntl(file, F_OFD_SETLK, &lock) == 0);
  void* const memory = ::mmap(nullptr, kBefore, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  REQUIRE(memory != MAP_FAILED);
  auto& used = *reinterpret_cast<std::atomic<std::uint64_t>*>(static_cast<std::byte*>(memory) + 64);
  used = 7;
  {
    const auto live = required(LiveFile::open(path));
    CHECK_FALSE(live->alone());
    CHECK(live->used() == 7);
    live->used() = 8;
    const auto now = std::chrono::steady_clock::now();
    CHECK(live->demand().put(live->demand().new_owner(), kTag, of({1, 2}), now).has_value());
    const auto other = required(LiveFile::open(path));
    std::vector<Demand> all;
    other->demand().collect(kTag, 0, now, all);
    CHECK(all_of(all) == "[1, 2)/2");
  }
  CHECK(used == 8);
  CHECK(std::filesystem::file_size(path) > kBefore);
  ::munmap(memory, kBefore);
  ::close(file);
  // Alone, it is cleared.
  const auto live = required(LiveFile::open(path));
  REQUIRE(live->alone());
  std::vector<Demand> all;
  live->demand().collect(kTag, 0, std::chrono::steady_clock::now(), all);
  CHECK(all_of(all) == "none");
}

TEST_CASE("demand: who fetches is told of what another process waits for, and has it in a snapshot until it is there") {
  const StoreScene scene;
  Process writer([&](Process::Talk& talk) { fetch(talk, scene.path); });
  REQUIRE(writer.hear() == "writer");
  auto store = scene.open();
  auto lease = required(store.acquire("key"));
  REQUIRE(lease.writer() == nullptr);
  CHECK(ask(writer, "demand") == "none");
  const auto wait = async(lease.resource(), {900, 1000});
  CHECK(ask(writer, "told 900 1000") == "told");
  CHECK(ask(writer, "demand") == "[900, 1000)/1000");
  const auto rest = async(lease.resource(), {0, 2000}, in_background());
  CHECK(ask(writer, "told 0 2000") == "told");
  // Blocked: the timer's thread, which others use, would stay, and some sanitizers let none fork then.
  InThread any(
      [&] {
        return lease.resource().wait_range({500, 600}, {{}, in_good_time(), WaitFor::any});
      },
      [&] { lease.resource().cancel(); });
  CHECK(ask(writer, "told 500 600") == "told");
  CHECK(ask(writer, "demand") == "[0, 2000)/2000b [500, 600)/501! [900, 1000)/1000");
  // What has come is not asked for again, though the other may not have heard of it.
  CHECK(ask(writer, "write 900 950") == "50");
  CHECK(ask(writer, "demand") == "[0, 2000)/2000b [500, 600)/501! [950, 1000)/1000");
  CHECK(ask(writer, "write 950 1000") == "50");
  CHECK(wait.wait() == "ready");
  CHECK(read(lease, {900, 1000}) == "100");
  CHECK(ask(writer, "write 500 501") == "1");
  CHECK(any.join() == "ready");
  CHECK(eventually([&] { return ask(writer, "demand") == "[0, 2000)/2000b"; }));
  lease.resource().interrupt();
  CHECK(rest.wait() == "interrupted");
  CHECK(eventually([&] { return ask(writer, "demand") == "none"; }));
  // One and the same place once more: he is told again.
  const auto again = async(lease.resource(), {0, 2000});
  CHECK(eventually([&] { return ask(writer, "demand") == "[0, 2000)/2000"; }));
  CHECK(ask(writer, "end") == "ended");
  CHECK(again.wait() == "!no_writer");
}

TEST_CASE("demand: of this process and of others, merged; what it waits for itself, others are not told of") {
  const StoreScene scene;
  Process one([&](Process::Talk& talk) { follow(talk, scene.path, {{100, 200}, {300, 400}}); });
  Process two([&](Process::Talk& talk) { follow(talk, scene.path, {{100, 250}}); });
  auto store = scene.open();
  auto lease = required(store.acquire("key"));
  const auto listener = std::make_shared<Listener>();
  CHECK(says(lease.set_demand_observer(listener)) == "ok");
  const auto own = async(lease.resource(), {100, 150});
  CHECK(listener->hears_of({100, 150}));
  CHECK(ask(one, "go") == "pending");
  CHECK(ask(two, "go") == "pending");
  CHECK(listener->hears_of({300, 400}));
  CHECK(listener->hears_of({100, 250}));
  CHECK(demand(lease) == "[100, 250)/150 [300, 400)/400");
  CHECK(demand(lease, 1) == "[100, 250)/150");
  const auto background = async(lease.resource(), {0, 50}, in_background());
  CHECK(demand(lease, 2) == "[100, 250)/150 [300, 400)/400");
  CHECK(demand(lease, 3) == "[0, 50)/50b [100, 250)/150 [300, 400)/400");
  CHECK(says(lease.writer()->set_length(350)) == "ok");
  CHECK(demand(lease) == "[0, 50)/50b [100, 250)/150 [300, 350)/350");
  const auto live = required(LiveFile::open(scene.path + "/live"));
  std::vector<Demand> said;
  const auto tag = DemandTable::tag_of(lease.entry().name(), lease.generation());
  live->demand().collect(tag, 0, std::chrono::steady_clock::now(), said);
  CHECK(std::none_of(said.begin(), said.end(), [](const Demand& one) { return one.missing.end == 150; }));
  CHECK(says(lease.set_demand_observer(nullptr)) == "ok");
  CHECK(eventually([&] { return listener.use_count() == 1; }));  // the store's thread may be telling it still
}

TEST_CASE("demand: a follower that is killed is forgotten, one that gives up at once") {
  const StoreScene scene;
  Process other([&](Process::Talk& talk) { follow(talk, scene.path, {{100, 200}}); });
  auto store = scene.open();
  auto lease = required(store.acquire("key"));
  REQUIRE(ask(other, "go") == "pending");
  REQUIRE(eventually([&] { return demand(lease) == "[100, 200)/200"; }));
  SUBCASE("killed") {
    other.end(SIGKILL);
  }
  SUBCASE("its wait ends") {
    REQUIRE(ask(other, "interrupt") == "interrupted");
  }
  SUBCASE("it goes") {
    other.say("end");
    static_cast<void>(other.join());
  }
  CHECK(eventually([&] { return demand(lease) == "none"; }));
}

TEST_CASE("demand: a follower that has been stopped for long is believed again when it goes on") {
  const StoreScene scene;
  Process other([&](Process::Talk& talk) { follow(talk, scene.path, {{100, 200}}); });
  auto store = scene.open();
  auto lease = required(store.acquire("key"));
  const auto listener = std::make_shared<Listener>();
  CHECK(says(lease.set_demand_observer(listener)) == "ok");
  REQUIRE(ask(other, "go") == "pending");
  REQUIRE(listener->hears_of({100, 200}));
  other.send(SIGSTOP);
  REQUIRE(eventually([&] { return demand(lease) == "none"; }));
  const std::size_t before = listener->count();
  other.send(SIGCONT);
  // Who has found nothing to do since is told once more.
  CHECK(eventually([&] { return listener->count() > before; }));
  CHECK(demand(lease) == "[100, 200)/200");
}

TEST_CASE("demand: who begins to fetch, or to listen, is told of what others wait for already") {
  const StoreScene scene;
  Process other([&](Process::Talk& talk) {
    auto store = got(talk, Store::open(scene.path));
    auto lease = got(talk, store.acquire("key", {}, {.want_writer = false}));
    static_cast<void>(lease.set_successor([] {}));
    const auto wait = async(lease.resource(), {100, 200});
    talk.say(wait.answer());
    static_cast<void>(talk.hear());
    talk.say(wait.wait());
    static_cast<void>(talk.hear());
  });
  REQUIRE(other.hear() == "pending");
  auto store = scene.open();
  const auto listener = std::make_shared<Listener>();
  auto lease = required(store.acquire("key", {}, {.want_writer = false}));
  SUBCASE("listens, then fetches") {
    CHECK(says(lease.set_demand_observer(listener)) == "ok");
    CHECK(required(lease.take_writer()));
  }
  SUBCASE("fetches, then listens") {
    CHECK(required(lease.take_writer()));
    CHECK(says(lease.set_demand_observer(listener)) == "ok");
  }
  CHECK(listener->hears_of({100, 200}));
  CHECK(demand(lease) == "[100, 200)/200");
  CHECK(write(lease, {100, 200}) == "100");
  CHECK(ask(other, "go") == "ready");
}

TEST_CASE("demand: waits that find no room in the table end all the same") {
  const StoreScene scene;
  Process writer([&](Process::Talk& talk) { fetch(talk, scene.path); });
  REQUIRE(writer.hear() == "writer");
  auto store = scene.open();
  auto lease = required(store.acquire("key"));
  const auto live = required(LiveFile::open(scene.path + "/live"));
  const auto tag = DemandTable::tag_of(lease.entry().name(), lease.generation());
  const auto far_ahead = std::chrono::steady_clock::now() + DemandTable::kBelieved / 2;
  while (live->demand().put(live->demand().new_owner(), tag + 1, of({1, 2}), far_ahead)) {
  }
  const auto wait = async(lease.resource(), {100, 200});
  CHECK(wait.answer() == "pending");
  CHECK(ask(writer, "write 100 200") == "100");
  CHECK(wait.wait() == "ready");
  // When the others have gone, there is room.
  const auto next = async(lease.resource(), {200, 300});
  CHECK(ask(writer, "told 200 300") == "told");
  CHECK(ask(writer, "write 200 300") == "100");
  CHECK(next.wait() == "ready");
}

TEST_CASE("F28: a forked child takes nothing back of what its parent has said") {
  const StoreScene scene;
  Process writer([&](Process::Talk& talk) { fetch(talk, scene.path); });
  REQUIRE(writer.hear() == "writer");
  auto store = scene.open();
  auto lease = required(store.acquire("key"));
  const auto wait = async(lease.resource(), {100, 200});
  REQUIRE(ask(writer, "told 100 200") == "told");
  const pid_t child = ::fork();
  if (child == 0) {
    {
      const auto more = async(lease.resource(), {300, 400});
      const Lease gone(std::move(lease));
    }
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  CHECK(ask(writer, "demand") == "[100, 200)/200");
  CHECK(wait.answer() == "pending");
}
