// Scouts: a thread that waits for what another process writes is woken by that process itself, and looks for its own.
#include <strandline/store/live/scout.h>
#include <tests/store/shared/scene.h>

#include <atomic>
#include <future>
#include <optional>
#include <thread>
#include <vector>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

namespace {

constexpr auto kForEver = Sync::time_point::max();
thread_local bool waits = false;  // is this thread one of those that wait?

// False: nothing of it can be tried here.
bool may_scout() {
  const bool may = LiveFile::can_sleep_on_two();
  if (!may) {
    MESSAGE("skipped: this system has no futex_waitv(2)");
  }
  return may;
}

// A scout whose looks come to what the test says, and the word that its thread waits on.
struct Post : TwoMappings {
  Signals writer{one, "name"};
  Signals follower{two, "name"};
  Sync::Atomic<std::uint32_t> word{0};
  std::atomic<Look> comes_to{Look::done};
  std::atomic<unsigned> looks{0};
  std::atomic<unsigned> stood_down{0};
  Scout scout{follower, {[this](std::uint32_t) { return ++looks, comes_to.load(); }, [this] { ++stood_down; }}};

  // As a parked wait does, until somebody sets the word.
  void sleep() {
    while (word.load() == 0) {
      static_cast<void>(scout.sleep(word, 0, kForEver));
    }
  }
  void wake() {
    word.store(1);
    Sync::futex_wake(word);
  }
};

// Another process, which is the writer of "key" and has written its first 1000 bytes: does what it is told.
void obey(const Process::Talk& talk, const std::string& path) {
  auto store = got(talk, Store::open(path));
  auto lease = got(talk, store.acquire("key"));
  talk.say(write(lease, {0, 1000}));
  for (std::string order = talk.hear(); !order.empty(); order = talk.hear()) {
    if (order == "leave") {
      lease.end_writing();
      talk.say("left");
    } else {
      const std::uint64_t at = std::stoull(order);
      talk.say(write(lease, {at, at + 1000}));
    }
  }
}

// That, and a follower of it here.
struct Followed {
  StoreScene scene;
  Process writer{[this](Process::Talk& talk) { obey(talk, scene.path); }};
  std::optional<Store> store;
  std::optional<Lease> lease;

  Followed() {
    REQUIRE(writer.hear() == "1000");
    store.emplace(scene.open());
    lease.emplace(required(store->acquire("key", {}, {.want_writer = false})));
    REQUIRE(available(*lease) == "{[0, 1000)}");
  }
  // The writer writes 1000 bytes.
  void write_at(std::uint64_t at) const {
    writer.say(std::to_string(at));
    REQUIRE(writer.hear() == "1000");
  }
  // Waits on a thread of its own; the answer, once that thread sleeps.
  [[nodiscard]] std::future<std::string> wait(ByteRange range) const {
    const std::uint64_t before = lease->resource().stats().waits;
    auto answer = std::async(std::launch::async, [resource = lease->resource(), range] {
      waits = true;
      return says(resource.wait_range(range, patiently()));
    });
    REQUIRE(eventually([&] { return lease->resource().stats().waits > before; }));
    return answer;
  }
};

// Keeps the store's thread in a callback until let go of.
class KeeperHeld {
 public:
  explicit KeeperHeld(const Followed& followed, std::uint64_t at) {
    followed.lease->resource().async_wait({at, at + 1000}, {}, [this](const Result<WaitOutcome>&) {
      held_.set_value();
      go_on_.get_future().wait();
      over_.set_value();
    });
    followed.write_at(at);
    held_.get_future().wait();
  }
  KeeperHeld(const KeeperHeld&) = delete;
  KeeperHeld& operator=(const KeeperHeld&) = delete;
  ~KeeperHeld() {
    go_on_.set_value();
    over_.get_future().wait();
  }

 private:
  std::promise<void> held_, go_on_, over_;
};

}  // namespace

TEST_CASE("scout: what is later than what, also where the count begins anew") {
  CHECK(News::is_later(1, 0));
  CHECK_FALSE(News::is_later(0, 0));
  CHECK_FALSE(News::is_later(0, 1));
  CHECK(News::is_later(0, News::kCounts - 1));
  CHECK_FALSE(News::is_later(News::kCounts - 1, 0));
}

TEST_CASE("scout: a deadline holds though there is always news") {
  Post post;
  post.writer.changed();
  CHECK(post.follower.sleep(0, post.word, 0, Sync::now()) == false);
  CHECK(post.follower.sleep(0, post.word, 0, kForEver) == true);
}

TEST_CASE("scout: news wake who has asked to be told, each in his way, once") {
  News news;
  const auto told = [&] {
    const News::Wanted wanted = news.raise();
    return std::string(wanted.by_sleepers ? "sleepers " : "") + (wanted.by_keepers ? "keepers" : "");
  };
  CHECK(told().empty());
  CHECK(news.count() == 1);
  CHECK_FALSE(news.ask(0));
  CHECK_FALSE(news.ask_to_sleep(0));
  CHECK(news.ask(1));
  CHECK(told() == "keepers");
  CHECK(told().empty());
  const auto value = news.ask_to_sleep(3);
  REQUIRE(value);
  CHECK(news.word().load() == *value);
  CHECK(news.ask(3));
  CHECK(news.word().load() != *value);  // it will not sleep, and asks again
  CHECK(news.ask_to_sleep(3) == news.word().load());
  CHECK(told() == "sleepers keepers");
  // Of two keepers one changes its mind, then the other; what was asked before the last change is not taken back.
  CHECK(news.ask(4));
  CHECK(news.ask(4));
  news.take_back(4);
  news.take_back(3);
  CHECK(told() == "keepers");
  CHECK(news.ask(5));
  news.take_back(5);
  news.take_back(5);
  CHECK(told().empty());
  // Counts begin anew.
  CHECK(news.ask(6 + News::kCounts));
}

TEST_CASE("scout: of more keepers than can be counted none is forgotten") {
  News news;
  for (std::uint32_t i = 0; i < 2 * News::kMostKeepers; ++i) {
    CHECK(news.ask(0));
  }
  CHECK(news.count() == 0);
  for (std::uint32_t i = 0; i < News::kMostKeepers; ++i) {
    news.take_back(0);
  }
  const News::Wanted wanted = news.raise();
  CHECK(wanted.by_keepers);
  CHECK_FALSE(wanted.by_sleepers);
}

TEST_CASE("scout: a change in another mapping lets it look, and it takes one thread at a time") {
  Post post;
  if (!may_scout()) {
    return;
  }
  REQUIRE(post.scout.begin());
  CHECK_FALSE(post.scout.begin());
  std::thread sleeper([&] { post.sleep(); });
  REQUIRE(eventually([&] { return post.looks == 1; }));
  post.writer.changed();
  REQUIRE(eventually([&] { return post.looks == 2; }));
  post.wake();
  sleeper.join();
  CHECK(post.stood_down == 0);
  post.scout.end();
  CHECK(post.stood_down == 1);
  CHECK(post.scout.begin());
  post.word = 0;
  CHECK_FALSE(post.scout.sleep(post.word, 0, long_ago()));
  CHECK(post.scout.sleep(post.word, 7, kForEver));
  post.scout.end();
}

TEST_CASE("scout: what it cannot do it rings for, once for each change") {
  Post post;
  if (!may_scout()) {
    return;
  }
  REQUIRE(post.scout.begin());
  post.comes_to = Look::keeper;
  const std::uint32_t bell = post.one->bell();
  for (int i = 0; i < 3; ++i) {
    CHECK_FALSE(post.scout.sleep(post.word, 0, long_ago()));
  }
  CHECK(post.looks == 1);
  CHECK(post.one->bell() == bell + 1);
  post.writer.changed();
  CHECK_FALSE(post.scout.sleep(post.word, 0, long_ago()));
  CHECK(post.looks == 2);
  CHECK(post.one->bell() == bell + 2);
  post.scout.end();
}

TEST_CASE("scout: where there is nothing to look out for, or nobody who does, it only sleeps") {
  Post post;
  if (!may_scout()) {
    return;
  }
  REQUIRE(post.scout.begin());
  post.comes_to = Look::stop;
  for (int i = 0; i < 2; ++i) {
    CHECK_FALSE(post.scout.sleep(post.word, 0, long_ago()));
    post.writer.changed();
  }
  CHECK(post.looks == 1);
  CHECK(post.stood_down == 1);
  post.scout.end();
  CHECK(post.stood_down == 1);
  post.scout.detach();
  REQUIRE(post.scout.begin());
  std::thread sleeper([&] { post.sleep(); });
  post.writer.changed();
  post.wake();
  sleeper.join();
  post.scout.end();
  CHECK(post.looks == 1);
  CHECK(post.stood_down == 1);
}

TEST_CASE("scout: a thread that waits needs no other to have what another process writes") {
  const Followed followed;
  if (!may_scout()) {
    return;
  }
  const KeeperHeld held(followed, 1000);
  for (std::uint64_t at = 2000; at < 20'000; at += 1000) {
    auto waited = followed.wait({at, at + 1000});
    followed.write_at(at);
    CHECK(waited.get() == "ready");
    CHECK(read(*followed.lease, {at, at + 1000}) == "1000");
  }
  // What came while nobody waited is found by the next who does.
  followed.write_at(20'000);
  followed.write_at(21'000);
  CHECK(says(followed.lease->resource().wait_range({20'000, 22'000}, patiently())) == "ready");
}

TEST_CASE("scout: one that looks wakes other threads, and runs no callback") {
  const Followed followed;
  auto first = followed.wait({1000, 3000});
  auto second = followed.wait({2000, 3000});
  std::promise<bool> called;
  followed.lease->resource().async_wait({2000, 3000}, {}, [&](const Result<WaitOutcome>&) { called.set_value(waits); });
  auto third = followed.wait({1000, 4000});
  followed.write_at(2000);
  CHECK(second.get() == "ready");
  followed.write_at(1000);
  CHECK(first.get() == "ready");
  followed.write_at(3000);
  CHECK(third.get() == "ready");
  CHECK_FALSE(called.get_future().get());
}

TEST_CASE("scout: a callback that it has decided, and must not run, is run by the store's thread") {
  const Followed followed;
  // It waits for more than comes, so that it is the one that looks.
  std::promise<std::thread::id> looks;
  std::thread waiter([&, resource = followed.lease->resource()] {
    looks.set_value(std::this_thread::get_id());
    CHECK(says(resource.wait_range({1000, 12'000}, patiently())) == "ready");
  });
  const std::thread::id id = looks.get_future().get();
  for (std::uint64_t at = 1000; at < 12'000; at += 1000) {
    std::promise<std::thread::id> called;
    followed.lease->resource().async_wait(
        {at, at + 1000}, {}, [&](const Result<WaitOutcome>&) { called.set_value(std::this_thread::get_id()); });
    followed.write_at(at);
    auto answer = called.get_future();
    REQUIRE(answer.wait_for(patience()) == std::future_status::ready);
    CHECK(answer.get() != id);
  }
  waiter.join();
}

TEST_CASE("scout: a writer that leaves ends the wait; so does the lease that ends") {
  Followed followed;
  auto waited = followed.wait({5000, 6000});
  followed.writer.say("leave");
  REQUIRE(followed.writer.hear() == "left");
  CHECK(waited.get() == "!no_writer");
  REQUIRE(required(followed.lease->take_writer()));
  followed.lease->end_writing();
  Followed other;
  auto left = other.wait({5000, 6000});
  other.lease.reset();
  CHECK(left.get() == "!cancelled");
}

TEST_CASE("F38: a writer that is killed ends the wait of a thread that sleeps for its news") {
  Followed followed;
  auto waited = followed.wait({5000, 6000});
  followed.writer.end(SIGKILL);
  CHECK(waited.get() == "!no_writer");
}

TEST_CASE("scout: a wait goes on when its own process becomes the writer") {
  Followed followed;
  REQUIRE(says(followed.lease->set_successor([] {})) == "ok");
  auto waited = followed.wait({1000, 3000});
  followed.write_at(1000);
  followed.writer.say("leave");
  REQUIRE(followed.writer.hear() == "left");
  REQUIRE(required(followed.lease->take_writer()));
  CHECK(write(*followed.lease, {2000, 3000}) == "1000");
  CHECK(waited.get() == "ready");
  followed.lease->end_writing();
}
