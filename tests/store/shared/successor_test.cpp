// Taking over: the writer goes, and the waits of who can bring the rest go on.
#include <tests/store/shared/scene.h>

#include <atomic>
#include <condition_variable>
#include <mutex>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

namespace {

constexpr ByteRange kAll{0, 100'000};

// How often it was called, for who waits for it. Copies are one and the same.
class Calls {
 public:
  [[nodiscard]] Entry::Successor successor() const {
    return [state = state_] {
      const std::scoped_lock lock(state->mutex);
      ++state->count;
      state->changed.notify_all();
    };
  }
  // Until it has been called so many times.
  [[nodiscard]] bool reach(unsigned count) const {
    std::unique_lock lock(state_->mutex);
    return state_->changed.wait_for(lock, patience(), [&] { return state_->count >= count; });
  }
  [[nodiscard]] unsigned count() const {
    const std::scoped_lock lock(state_->mutex);
    return state_->count;
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    unsigned count = 0;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

// Another process, the writer of "key", that has written [0, end); until it is told otherwise.
void write_until_killed(const Process::Talk& talk, const std::string& path, std::uint64_t end) {
  auto store = got(talk, Store::open(path));
  auto lease = got(talk, store.acquire("key"));
  talk.say(write(lease, {0, end}));
  if (talk.hear() == "leave") {
    lease.end_writing();
    talk.say("left");
    static_cast<void>(talk.hear());
  }
}

// Another process that follows "key", waits for all of it, and takes over when it can: then it says "took", writes the
// rest up to `until`, and says how its wait has ended.
void take_over(const Process::Talk& talk, const std::string& path, std::uint64_t until) {
  static_cast<void>(talk.hear());
  auto store = got(talk, Store::open(path));
  auto lease = got(talk, store.acquire("key"));
  const Calls calls;
  static_cast<void>(lease.set_successor(calls.successor()));
  const auto wait = async(lease.resource(), kAll);
  talk.say(wait.answer());
  for (unsigned tried = 0; wait.answer() == "pending";) {
    if (calls.count() > tried) {
      tried = calls.count();
      if (got(talk, lease.take_writer())) {
        talk.say("took");
        static_cast<void>(write(lease, {lease.resource().next_gap(0, kAll.end)->begin, until}));
        if (until == kAll.end) {
          static_cast<void>(lease.writer()->commit());
          lease.end_writing();
        } else {
          static_cast<void>(talk.hear());  // until it is killed
        }
      }
    }
    std::this_thread::yield();
  }
  talk.say(wait.answer());
  talk.say(read_back(lease.resource(), kAll));
  static_cast<void>(talk.hear());
}

std::string ask(const Process& process, const std::string& order) {
  process.say(order);
  return process.hear();
}

}  // namespace

TEST_CASE("F38: a follower takes over from a writer that is killed, and its waits never notice") {
  const StoreScene scene;
  Process writer([&](Process::Talk& talk) { write_until_killed(talk, scene.path, 1000); });
  REQUIRE(writer.hear() == "1000");
  auto store = scene.open();
  auto lease = required(store.acquire("key"));
  REQUIRE(lease.writer() == nullptr);
  const Calls calls;
  CHECK(says(lease.set_successor(calls.successor())) == "ok");
  const auto wait = async(lease.resource(), kAll);
  const auto other = async(lease.resource(), {500, 2000});
  CHECK_FALSE(required(lease.take_writer()));
  SUBCASE("killed") {
    writer.end(SIGKILL);
  }
  SUBCASE("gone by itself") {
    REQUIRE(ask(writer, "leave") == "left");
  }
  CHECK(calls.reach(1));
  CHECK(wait.answer() == "pending");
  CHECK(required(lease.take_writer()));
  CHECK(available(lease) == "{[0, 1000)}");
  CHECK(write(lease, {1000, 2000}) == "1000");
  CHECK(other.wait() == "ready");
  CHECK(write(lease, {2000, kAll.end}) == std::to_string(kAll.end - 2000));
  CHECK(wait.wait() == "ready");
  CHECK(says(lease.writer()->commit()) == "ok");
}

TEST_CASE("F38: of two followers exactly one takes over, and the other goes on following") {
  const StoreScene scene;
  Process writer([&](Process::Talk& talk) { write_until_killed(talk, scene.path, 1000); });
  Process one([&](Process::Talk& talk) { take_over(talk, scene.path, kAll.end); });
  Process two([&](Process::Talk& talk) { take_over(talk, scene.path, kAll.end); });
  REQUIRE(writer.hear() == "1000");
  REQUIRE(ask(one, "go") == "pending");
  REQUIRE(ask(two, "go") == "pending");
  writer.end(SIGKILL);
  unsigned took = 0;
  for (Process* const process : {&one, &two}) {
    std::string said = process->hear();
    if (said == "took") {
      ++took;
      said = process->hear();
    }
    CHECK(said == "ready");
    CHECK(process->hear() == std::to_string(kAll.end));
  }
  CHECK(took == 1);
}

TEST_CASE("F38: who has taken over is killed too, and the next one takes over") {
  const StoreScene scene;
  Process writer([&](Process::Talk& talk) { write_until_killed(talk, scene.path, 1000); });
  Process one([&](Process::Talk& talk) { take_over(talk, scene.path, 2000); });
  Process two([&](Process::Talk& talk) { take_over(talk, scene.path, kAll.end); });
  REQUIRE(writer.hear() == "1000");
  REQUIRE(ask(one, "go") == "pending");
  writer.end(SIGKILL);
  REQUIRE(one.hear() == "took");
  REQUIRE(ask(two, "go") == "pending");
  one.end(SIGKILL);
  CHECK(two.hear() == "took");
  CHECK(two.hear() == "ready");
  CHECK(two.hear() == std::to_string(kAll.end));
}

TEST_CASE("F38: a successor is called again and again until somebody writes; taken away, waits end with no_writer") {
  const StoreScene scene;
  Process writer([&](Process::Talk& talk) { write_until_killed(talk, scene.path, 1000); });
  REQUIRE(writer.hear() == "1000");
  auto store = scene.open();
  auto lease = required(store.acquire("key"));
  auto another = required(store.acquire("key"));
  const Calls calls;
  const Calls others;
  CHECK(says(lease.set_successor(calls.successor())) == "ok");
  CHECK(says(another.set_successor(others.successor())) == "ok");
  const auto wait = async(another.resource(), kAll);
  writer.end(SIGKILL);
  CHECK(calls.reach(3));
  CHECK(others.reach(2));
  CHECK(wait.answer() == "pending");
  SUBCASE("taken away") {
    CHECK(says(lease.set_successor({})) == "ok");
    CHECK(wait.answer() == "pending");
    CHECK(says(another.set_successor({})) == "ok");
    CHECK(wait.answer() == "!no_writer");
    CHECK(says(another.resource().wait_range(kAll)) == "!no_writer");
  }
  SUBCASE("replaced, then the lease ends") {
    CHECK(says(lease.set_successor({})) == "ok");
    CHECK(says(another.set_successor(calls.successor())) == "ok");
    CHECK(wait.answer() == "pending");
    const Resource<EntryDriver> resource = lease.resource();
    { const Lease ends = std::move(another); }
    CHECK(wait.answer() == "!no_writer");
  }
  SUBCASE("one of them takes over from within the call") {
    std::atomic<int> took{0};
    CHECK(says(lease.set_successor([&] {
            const auto taken = lease.take_writer();
            took = taken && *taken ? 1 : -1;
          })) == "ok");
    CHECK(eventually([&] { return took != 0; }));
    CHECK(took == 1);
    CHECK(write(lease, {1000, kAll.end}) == std::to_string(kAll.end - 1000));
    CHECK(wait.wait() == "ready");
    CHECK(says(lease.set_successor({})) == "ok");
  }
}

TEST_CASE("D6: a successor is called when nobody writes as it is set, and waits that begin then go on") {
  const StoreScene scene;
  auto store = scene.open();
  auto lease = required(store.acquire("key", {}, {.want_writer = false}));
  CHECK(says(lease.resource().wait_range(kAll)) == "!no_writer");
  const Calls calls;
  CHECK(says(lease.set_successor(calls.successor())) == "ok");
  const auto wait = async(lease.resource(), kAll);
  CHECK(calls.reach(2));
  CHECK(wait.answer() == "pending");
  // Complete, there is nothing to succeed to.
  REQUIRE(required(lease.take_writer()));
  fill(lease, kAll.end);
  CHECK(wait.wait() == "ready");
}

TEST_CASE("F38: a successor that could not take over, for somebody had hold of the files, is called again") {
  const StoreScene scene;
  auto store = scene.open();
  auto lease = required(store.acquire("key"));
  REQUIRE(write(lease, {0, 1000}) == "1000");
  lease.end_writing();
  const auto held = required(system_files()->open(scene.files_of(lease) + ".data", OpenFile::to_write));
  REQUIRE(says(held->try_lock()) == "ok");
  const Calls calls;
  CHECK(says(lease.set_successor(calls.successor())) == "ok");
  const auto wait = async(lease.resource(), kAll);
  CHECK_FALSE(required(lease.take_writer()));
  CHECK(calls.reach(calls.count() + 2));
  CHECK(wait.answer() == "pending");
  held->unlock();
  CHECK(required(lease.take_writer()));
}

TEST_CASE("D5: an entry that is removed while its waits stand, for there is a successor, ends them") {
  const StoreScene scene;
  auto store = scene.open();
  auto other = scene.open();
  auto lease = required(store.acquire("key", {}, {.want_writer = false}));
  const Calls calls;
  CHECK(says(lease.set_successor(calls.successor())) == "ok");
  const auto wait = async(lease.resource(), kAll);
  CHECK(calls.reach(1));
  CHECK(wait.answer() == "pending");
  CHECK(says(other.remove("key")) == "ok");
  CHECK(wait.wait() == "!failed");
  CHECK(says(lease.take_writer()) == "!changed");
}

TEST_CASE("D6: within a process, too, the writer's leaving ends no wait while there is a successor") {
  const StoreScene scene;
  auto store = scene.open();
  std::optional<Lease> first(required(store.acquire("key")));
  REQUIRE(write(*first, {0, 1000}) == "1000");
  auto lease = required(store.acquire("key"));
  const Calls calls;
  CHECK(says(lease.set_successor(calls.successor())) == "ok");
  const auto wait = async(lease.resource(), kAll);
  SUBCASE("it ends writing") {
    first->end_writing();
  }
  SUBCASE("it ends") {
    first.reset();
  }
  CHECK(wait.answer() == "pending");
  CHECK(calls.reach(1));
  CHECK(required(lease.take_writer()));
  CHECK(write(lease, {1000, kAll.end}) == std::to_string(kAll.end - 1000));
  CHECK(wait.wait() == "ready");
}

TEST_CASE("D6: bytes that are given up of a complete entry are a successor's to bring again") {
  const StoreScene scene;
  auto store = scene.open();
  auto other = scene.open();
  auto lease = required(store.acquire("key"));
  fill(lease, 2 * kMiB);
  const Calls calls;
  CHECK(says(lease.set_successor(calls.successor())) == "ok");
  SUBCASE("by this process") {
    CHECK(says(lease.entry().evict({0, kMiB})) == std::to_string(kMiB));
  }
  SUBCASE("by another") {
    auto there = required(other.acquire("key", {}, {.want_writer = false}));
    CHECK(says(there.entry().evict({0, kMiB})) == std::to_string(kMiB));
    REQUIRE(eventually([&] { return !lease.resource().contains({0, 1}); }));
  }
  const auto wait = async(lease.resource(), {0, 100});
  CHECK(calls.reach(1));
  CHECK(wait.answer() == "pending");
  CHECK(required(lease.take_writer()));
  CHECK(write(lease, {0, kMiB}) == std::to_string(kMiB));
  CHECK(wait.wait() == "ready");
}
