// R10 and F15: observers, on the queue alone and on a resource.
#include <strandline/resource/event_queue.h>
#include <tests/resource/subjects.h>

#include <atomic>

using namespace strandline;
using namespace strandline::testing;

namespace {

EventQueue::Batch write_event(std::uint64_t begin, std::uint64_t end) {
  EventQueue::Batch batch;
  batch.push_back(Event{Event::Kind::write, {begin, end}, 0, nullptr, 0});
  return batch;
}

}  // namespace

TEST_CASE("R10: nobody listens until somebody subscribes, and again once the last has gone") {
  const auto queue = std::make_shared<EventQueue>();
  CHECK_FALSE(queue->wanted());
  const auto observer = std::make_shared<RecordingObserver>();
  Subscription subscription = queue->subscribe(observer);
  CHECK(subscription.active());
  CHECK(queue->wanted());
  queue->append(write_event(0, 4));
  CHECK(observer->log().empty());  // nothing is called before drain()
  queue->drain();
  CHECK(observer->take() == "write [0, 4)");
  subscription.unsubscribe();
  CHECK_FALSE(subscription.active());
  CHECK_FALSE(queue->wanted());
  queue->append(write_event(4, 8));
  queue->drain();
  CHECK(observer->take().empty());
}

TEST_CASE("R10: an observer is told of what happens after it subscribed, not before") {
  const auto queue = std::make_shared<EventQueue>();
  const auto first = std::make_shared<RecordingObserver>();
  const auto second = std::make_shared<RecordingObserver>();
  queue->keep(first);
  queue->append(write_event(0, 4));
  const Subscription late = queue->subscribe(second);
  queue->append(write_event(4, 8));
  queue->drain();
  CHECK(first->take() == "write [0, 4); write [4, 8)");
  CHECK(second->take() == "write [4, 8)");
}

TEST_CASE("R10: subscriptions move; a moved-from one is empty; assignment ends the old one") {
  const auto queue = std::make_shared<EventQueue>();
  const auto first = std::make_shared<RecordingObserver>();
  const auto second = std::make_shared<RecordingObserver>();
  Subscription a = queue->subscribe(first);
  Subscription b = std::move(a);
  CHECK_FALSE(a.active());
  CHECK(b.active());
  b = queue->subscribe(second);
  queue->append(write_event(0, 4));
  queue->drain();
  CHECK(first->take().empty());
  CHECK(second->take() == "write [0, 4)");
}

TEST_CASE("R10: none runs once its unsubscribe has returned") {
  const auto queue = std::make_shared<EventQueue>();
  const auto observer = std::make_shared<RecordingObserver>();
  std::atomic<bool> inside{false};
  std::atomic<bool> leave{false};
  std::atomic<bool> left{false};
  observer->then = [&](const std::string&) {
    inside = true;
    (void)eventually([&] { return leave.load(); });
    left = true;
  };
  Subscription subscription = queue->subscribe(observer);
  queue->append(write_event(0, 4));
  std::thread delivering([&] { queue->drain(); });
  REQUIRE(eventually([&] { return inside.load(); }));
  std::atomic<bool> unsubscribing{false};
  bool left_first = false;
  std::thread leaving([&] {
    unsubscribing = true;
    subscription.unsubscribe();
    left_first = left.load();
  });
  REQUIRE(eventually([&] { return unsubscribing.load(); }));
  leave = true;
  leaving.join();
  delivering.join();
  CHECK(left_first);
}

TEST_CASE("R10: one total order, the same for every observer, however many threads write") {
  const auto first = std::make_shared<RecordingObserver>();
  const auto second = std::make_shared<RecordingObserver>();
  Opened<MemoryDriver> opened(observed_by(first));
  const auto subscription = required(opened.resource.subscribe(second));
  constexpr std::uint64_t kThreads = 4;
  constexpr std::uint64_t kWrites = 200;
  std::vector<std::unique_ptr<InThread>> threads;
  for (std::uint64_t thread = 0; thread < kThreads; ++thread) {
    threads.push_back(std::make_unique<InThread>([&opened, thread]() -> Result<void> {
      for (std::uint64_t i = 0; i < kWrites; ++i) {
        const std::uint64_t begin = (i * kThreads + thread) * 2;
        if (opened.write({begin, begin + 2}) != "2") {
          return fail(Errc::io, "write");
        }
      }
      return {};
    }));
  }
  for (const auto& thread : threads) {
    CHECK(thread->join() == "ok");
  }
  CHECK(says(opened.writer.commit()) == "ok");
  // Another thread may have been delivering when commit returned; none is once unsubscribed.
  REQUIRE(eventually([&] { return second->log().size() == kThreads * kWrites + 1; }));
  CHECK(first->log() == second->log());
  CHECK(first->log().back() == "commit 1600");
}

TEST_CASE_TEMPLATE("R10: each new byte once; commit last; an eviction after its write", D, STRANDLINE_BACKENDS) {
  const auto observer = std::make_shared<RecordingObserver>();
  Opened<D> opened(observed_by(observer));
  CHECK(opened.write({4, 8}) == "4");
  CHECK(observer->take() == "write [4, 8)");
  CHECK(opened.write({0, 12}) == "8");  // [4, 8) is there: equal bytes, no news
  CHECK(observer->take() == "write [0, 4); write [8, 12)");
  CHECK(opened.write({0, 12}) == "0");
  CHECK(opened.write({20, 20}) == "0");
  CHECK(observer->take().empty());
  CHECK(says(opened.writer.set_length(12)) == "ok");
  CHECK(observer->take().empty());
  CHECK(says(opened.writer.commit()) == "ok");
  CHECK(says(opened.writer.commit(12)) == "ok");
  CHECK(observer->take() == "commit 12");
  // A commit below what was written tells of the bytes it drops, first.
  opened.next_writer(Reactivate::resume);
  CHECK(observer->take() == "reactivate 1");
  CHECK(opened.write({14, 16}) == "2");
  CHECK(opened.write({18, 20}) == "2");
  CHECK(says(opened.writer.commit(6)) == "ok");
  CHECK(observer->take() == "write [14, 16); write [18, 20); evict [6, 12); evict [14, 16); evict [18, 20); commit 6");
}

TEST_CASE_TEMPLATE("R10: a new generation is announced before its writes", D, STRANDLINE_BACKENDS) {
  const auto observer = std::make_shared<RecordingObserver>();
  Opened<D> opened(observed_by(observer));
  CHECK(opened.write({0, 4}) == "4");
  CHECK(says(opened.writer.commit()) == "ok");
  opened.next_writer(Reactivate::rewrite);
  CHECK(opened.write({0, 6}, 2) == "6");
  CHECK(says(opened.writer.commit()) == "ok");
  CHECK(observer->take() == "write [0, 4); commit 4; reactivate 2; write [0, 6); commit 6");
  // Rewriting what was never committed: its bytes are evicted, range by range.
  opened.next_writer(Reactivate::resume);
  CHECK(opened.write({10, 12}) == "2");
  CHECK(says(opened.writer.abandon(Abandon::stop)) == "ok");
  opened.next_writer(Reactivate::rewrite);
  CHECK(observer->take() == "reactivate 2; write [10, 12); evict [0, 6); evict [10, 12); reactivate 3");
  CHECK(says(opened.writer.fail(Error::make(Errc::no_space, "full"))) == "ok");
  CHECK(observer->take() == "fail no_space");
  opened.resource.cancel();
  CHECK(observer->take().empty());
}

TEST_CASE("R10: a writer that goes away is reported as a failure, once") {
  const auto observer = std::make_shared<RecordingObserver>();
  Opened<MemoryDriver> opened(observed_by(observer));
  opened.writer = Writer<MemoryDriver>();
  CHECK(observer->take() == "fail no_writer");
}

TEST_CASE("F15: an observer re-enters: what it causes is reported after it returns") {
  const auto observer = std::make_shared<RecordingObserver>();
  Opened<MemoryDriver> opened(observed_by(observer));
  std::string inside;
  observer->then = [&](const std::string& event) {
    if (event == "write [0, 4)") {
      inside += opened.read({0, 4}) + " " + opened.waits({0, 4}) + " ";
      inside += opened.write({4, 8}) + " ";
      inside += std::to_string(observer->log().size());  // its own write is not reported yet
    } else if (event == "write [4, 8)") {
      inside += " " + says(opened.writer.commit());
    } else if (event == "commit 8") {
      inside += " " + says(opened.resource.length());
    }
  };
  CHECK(opened.write({0, 4}) == "4");
  CHECK(inside == "4 ready 4 1 ok 8");
  CHECK(observer->take() == "write [0, 4); write [4, 8); commit 8");
}

TEST_CASE("F15: an observer unsubscribes itself, and another, from inside its callback") {
  Opened<MemoryDriver> opened;
  const auto first = std::make_shared<RecordingObserver>();
  const auto second = std::make_shared<RecordingObserver>();
  Subscription to_first = required(opened.resource.subscribe(first));
  Subscription to_second = required(opened.resource.subscribe(second));
  first->then = [&](const std::string&) {
    to_first.unsubscribe();
    to_second.unsubscribe();
  };
  CHECK(opened.write({0, 4}) == "4");
  CHECK(opened.write({4, 8}) == "4");
  CHECK(first->take() == "write [0, 4)");
  CHECK(second->take().empty());
}

TEST_CASE("F15: an observer takes a lock that its user holds around calls, but not around unsubscribe") {
  Opened<MemoryDriver> opened;
  std::mutex users;
  const auto observer = std::make_shared<RecordingObserver>();
  int seen = 0;
  observer->then = [&](const std::string&) {
    const std::scoped_lock lock(users);
    ++seen;
  };
  Subscription subscription = required(opened.resource.subscribe(observer));
  std::vector<std::byte> out(2);
  InThread writing([&] { return opened.writer.write_at(0, content({0, 4})); });
  {
    // A reader under its own lock is not held up by an observer that waits for that lock.
    const std::scoped_lock lock(users);
    CHECK(says(opened.resource.wait_read_at(0, out, patiently())) == "2");
  }
  CHECK(writing.join() == "4");
  subscription.unsubscribe();
  CHECK(seen == 1);
}

TEST_CASE("R10: a slow observer delays no reader") {
  Opened<MemoryDriver> opened;
  std::atomic<bool> release{false};
  std::atomic<bool> inside{false};
  const auto observer = std::make_shared<RecordingObserver>();
  observer->then = [&](const std::string&) {
    inside = true;
    (void)eventually([&] { return release.load(); });
  };
  Subscription subscription = required(opened.resource.subscribe(observer));
  InThread waiting([&] { return opened.resource.wait_range({0, 4}, patiently()); });
  until_parked(opened.resource, 1);
  const Outcome callback = async(opened.resource, {2, 4});
  InThread writing([&] { return opened.writer.write_at(0, content({0, 4})); });
  CHECK(waiting.join() == "ready");
  CHECK(callback.wait() == "ready");
  REQUIRE(eventually([&] { return inside.load(); }));
  CHECK(opened.read({0, 4}) == "4");
  CHECK(opened.waits({0, 4}) == "ready");
  // Another write meanwhile leaves its event to the thread that is delivering, and returns.
  CHECK(opened.write({4, 8}) == "4");
  release = true;
  CHECK(writing.join() == "4");
  CHECK(observer->take() == "write [0, 4); write [4, 8)");
}

TEST_CASE("F15: an observer whose last owner is its subscription ends outside every lock") {
  // Its destructor unsubscribes another observer and calls the resource: under a lock either would hang.
  struct Last final : AvailabilityObserver {
    void on_write(ByteRange /*range*/) noexcept override { own->unsubscribe(); }
    ~Last() override {
      other.unsubscribe();
      ended(resource->contains({0, 4}));
    }
    Subscription* own = nullptr;
    Subscription other;
    const Resource<MemoryDriver>* resource = nullptr;
    std::function<void(bool)> ended;
  };
  Opened<MemoryDriver> opened;
  std::string ended = "no";
  auto last = std::make_shared<Last>();
  const auto other = std::make_shared<RecordingObserver>();
  Subscription own;
  last->own = &own;
  last->resource = &opened.resource;
  last->ended = [&](bool there) { ended = there ? "with the bytes there" : "without"; };
  last->other = required(opened.resource.subscribe(other));
  own = required(opened.resource.subscribe(std::move(last)));
  CHECK(opened.write({0, 4}) == "4");
  CHECK(ended == "with the bytes there");
  CHECK(opened.write({4, 8}) == "4");
  CHECK(other->log().size() <= 1);
}

TEST_CASE("R10: no observer is invalid_argument, whichever way it is given") {
  const Opened<MemoryDriver> opened;
  CHECK(says(opened.resource.subscribe(nullptr)) == "!invalid_argument");
  CHECK(says(Resource<MemoryDriver>::open({}, observed_by(nullptr))) == "!invalid_argument");
}

TEST_CASE("R10: a subscription outlives its resource and falls silent") {
  const auto observer = std::make_shared<RecordingObserver>();
  Subscription subscription;
  {
    Opened<MemoryDriver> opened;
    subscription = required(opened.resource.subscribe(observer));
    CHECK(opened.write({0, 4}) == "4");
    CHECK(says(opened.writer.commit()) == "ok");
  }
  CHECK(observer->take() == "write [0, 4); commit 4");
  CHECK(subscription.active());
  subscription.unsubscribe();
}
