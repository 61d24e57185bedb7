// async_wait: on which thread, exactly once, and what ends it; and the timer behind its deadlines.
#include <strandline/base/deadline_timer.h>
#include <tests/resource/rivals.h>

#include <atomic>
#include <random>

using namespace strandline;
using namespace strandline::testing;

namespace {

// Where a callback ran and what it was told.
struct Seen {
  std::thread::id thread;
  std::string answer;
  std::atomic<bool> called{false};
  auto callback() {
    return [this](Result<WaitOutcome> outcome) {
      thread = std::this_thread::get_id();
      answer = says(outcome);
      called = true;
    };
  }
};

}  // namespace

TEST_CASE_TEMPLATE("async: decided at once, it calls back before it returns, on this thread", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  CHECK(opened.write({0, 4}) == "4");
  Seen seen;
  opened.resource.async_wait({0, 4}, {}, seen.callback());
  CHECK(seen.answer == "ready");
  CHECK(seen.thread == std::this_thread::get_id());
  CHECK(async(opened.resource, {4, 8}, at_once()).answer() == "timed_out");
  CHECK(async(opened.resource, {4, 4}).answer() == "ready");
  CHECK(async(opened.resource, {0, 8}, at_once(WaitFor::any)).answer() == "ready");
  CHECK(says(opened.writer.fail(Error::make(Errc::io, "cause"))) == "ok");
  const Outcome failed = async(opened.resource, {4, 8});
  CHECK(failed.answer() == "!failed");
  CHECK(failed.context() == "cause");
}

TEST_CASE_TEMPLATE("async: decided by a write, it is called on the writer's thread", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  Seen seen;
  opened.resource.async_wait({0, 4}, {}, seen.callback());
  CHECK_FALSE(seen.called);
  std::thread::id writer;
  std::thread writing([&] {
    writer = std::this_thread::get_id();
    CHECK(opened.write({0, 4}) == "4");
    CHECK(seen.called);  // before the write returned
  });
  writing.join();
  CHECK(seen.answer == "ready");
  CHECK(seen.thread == writer);
}

TEST_CASE("async: decided by its stop_token, it is called on the stopper's thread") {
  Opened<MemoryDriver> opened;
  std::stop_source source;
  Seen seen;
  opened.resource.async_wait({0, 4}, {source.get_token(), {}, WaitFor::all}, seen.callback());
  (void)source.request_stop();
  CHECK(seen.answer == "interrupted");
  CHECK(seen.thread == std::this_thread::get_id());
  CHECK(opened.resource.stats().parked == 0);
}

TEST_CASE("async: decided by its deadline, it is called on another thread; time_point::max() never comes") {
  Opened<MemoryDriver> opened;
  const std::size_t before = DeadlineTimer::instance().scheduled();
  Seen seen;
  opened.resource.async_wait({0, 4}, {{}, std::chrono::steady_clock::now() + std::chrono::milliseconds(5), {}},
                             seen.callback());
  REQUIRE(eventually([&] { return seen.called.load(); }));
  CHECK(seen.answer == "timed_out");
  CHECK(seen.thread != std::this_thread::get_id());
  const Outcome never = async(opened.resource, {0, 4}, {{}, std::chrono::steady_clock::time_point::max(), {}});
  CHECK(DeadlineTimer::instance().scheduled() == before);
  CHECK(opened.write({0, 4}) == "4");
  CHECK(never.answer() == "ready");
}

TEST_CASE("R11: a stopped or finished wait leaves nothing behind on the timer") {
  Opened<MemoryDriver> opened;
  const std::size_t before = DeadlineTimer::instance().scheduled();
  std::stop_source source;
  const Outcome stopped = async(opened.resource, {0, 4}, {source.get_token(), in_good_time(), {}});
  const Outcome written = async(opened.resource, {0, 4}, patiently());
  CHECK(DeadlineTimer::instance().scheduled() == before + 2);
  (void)source.request_stop();
  CHECK(DeadlineTimer::instance().scheduled() == before + 1);
  CHECK(opened.write({0, 4}) == "4");
  CHECK(DeadlineTimer::instance().scheduled() == before);
  CHECK(stopped.answer() == "interrupted");
  CHECK(written.answer() == "ready");
}

TEST_CASE_TEMPLATE("async: the resource goes away with the wait parked", D, STRANDLINE_BACKENDS) {
  Outcome outcome;
  std::stop_source source;
  {
    Opened<D> opened;
    opened.resource.async_wait({0, 4}, {source.get_token(), in_good_time(), {}}, outcome.callback());
    CHECK(says(opened.writer.abandon(Abandon::handover)) == "ok");
  }
  CHECK(outcome.answer() == "!cancelled");
  (void)source.request_stop();  // and the token knows nothing of it any more
  CHECK(outcome.answer() == "!cancelled");
}

TEST_CASE("async: a callback may use the resource: read, write, wait again, commit") {
  Opened<MemoryDriver> opened;
  std::string inside;
  opened.resource.async_wait({0, 4}, {}, [&](Result<WaitOutcome> outcome) {
    inside += says(outcome) + " " + opened.read({0, 4});
    opened.resource.async_wait(
        {4, 8}, {}, [&](Result<WaitOutcome> next) { inside += " " + says(next) + " " + says(opened.writer.commit()); });
    inside += " " + opened.write({4, 8});
  });
  CHECK(opened.write({0, 4}) == "4");
  CHECK(inside == "ready 4 ready ok 4");
  CHECK(opened.state() == "committed");
}

TEST_CASE("async: a callback may drop the last handle") {
  auto opened = std::make_shared<Opened<MemoryDriver>>();
  std::weak_ptr<Opened<MemoryDriver>> weak = opened;
  Outcome other = async(opened->resource, {8, 12});
  Resource<MemoryDriver> resource = opened->resource;
  Writer<MemoryDriver> writer = std::move(opened->writer);
  resource.async_wait({0, 4}, {}, [held = std::move(opened)](Result<WaitOutcome>) mutable { held.reset(); });
  CHECK_FALSE(weak.expired());
  CHECK(write_to(writer, {0, 4}) == "4");
  CHECK(weak.expired());
  CHECK(says(writer.abandon(Abandon::handover)) == "ok");
  CHECK(other.answer() == "pending");
}

TEST_CASE("F13: a stop requested from inside a callback, its own and another's, does not deadlock") {
  Opened<MemoryDriver> opened;
  std::stop_source own;
  std::stop_source others;
  std::string first = "pending";
  opened.resource.async_wait({0, 4}, {own.get_token(), {}, WaitFor::all}, [&](Result<WaitOutcome> outcome) {
    first = says(outcome);
    (void)own.request_stop();
    (void)others.request_stop();
  });
  const Outcome second = async(opened.resource, {8, 12}, {others.get_token(), {}, WaitFor::all});
  const Outcome third = async(opened.resource, {0, 4}, {others.get_token(), {}, WaitFor::all});
  CHECK(opened.write({0, 4}) == "4");
  CHECK(first == "ready");
  CHECK(second.answer() == "interrupted");
  CHECK(third.answer() == "ready");  // decided by the same write, before the stop
  // And from inside the callback that the stop itself brought about.
  std::stop_source again;
  std::string nested = "pending";
  opened.resource.async_wait({8, 12}, {again.get_token(), {}, WaitFor::all}, [&](Result<WaitOutcome> outcome) {
    nested = says(outcome);
    (void)again.request_stop();
    opened.resource.cancel();
  });
  (void)again.request_stop();
  CHECK(nested == "interrupted");
  CHECK(opened.state() == "cancelled");
}

TEST_CASE("R11: exactly once, whichever of write, stop, deadline, interrupt and cancel comes first") {
  constexpr std::uint64_t kRounds = 300;
  std::mt19937_64 random(20260101);
  for (std::uint64_t round = 0; round < kRounds; ++round) {
    Opened<MemoryDriver> opened;
    std::stop_source source;
    std::vector<Outcome> outcomes;
    Rivals rivals(opened, source, random());
    const auto soon = std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 200);
    rivals.together();
    for (int i = 0; i < 4; ++i) {
      outcomes.push_back(async(opened.resource, {0, 4}, {source.get_token(), soon, WaitFor::all}));
    }
    rivals.join();
    for (const Outcome& outcome : outcomes) {
      const std::string answer = outcome.wait();
      CHECK_MESSAGE(Rivals::may_end(answer), answer);
    }
    CHECK(opened.resource.stats().parked == 0);
  }
}

TEST_CASE("deadline timer: in the order of the deadlines, whatever the order of scheduling") {
  DeadlineTimer& timer = DeadlineTimer::instance();
  const auto base = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
  std::mutex mutex;
  std::string order;
  const auto say = [&](char letter) {
    return [&, letter] {
      const std::scoped_lock lock(mutex);
      order += letter;
    };
  };
  const auto later = std::chrono::milliseconds(10);
  REQUIRE(timer.schedule(base + 2 * later, say('d')).has_value());
  REQUIRE(timer.schedule(base, say('a')).has_value());
  REQUIRE(timer.schedule(base + later, say('b')).has_value());
  REQUIRE(timer.schedule(base + later, say('c')).has_value());  // ties: in the order of scheduling
  const auto never = required(timer.schedule(base + later, say('x')));
  timer.cancel_and_wait(never);
  timer.cancel_and_wait(never);  // once more is nothing
  REQUIRE(eventually([&] {
    const std::scoped_lock lock(mutex);
    return order.size() == 4;
  }));
  CHECK(order == "abcd");
}

TEST_CASE("deadline timer: a function may schedule and cancel; what it owns ends outside the timer's lock") {
  DeadlineTimer& timer = DeadlineTimer::instance();
  std::atomic<bool> done{false};
  std::atomic<bool> ended{false};
  auto owner = std::shared_ptr<int>(new int(0), [&](const int* number) {
    delete number;
    ended = timer.scheduled() < 1000000;  // takes the timer's lock
  });
  const auto far = required(timer.schedule(in_good_time(), [owned = owner] {}));
  std::weak_ptr<int> watch = owner;
  REQUIRE(timer
              .schedule(long_ago(),
                        [&] {
                          timer.cancel_and_wait(far);
                          if (!timer.schedule(long_ago(), [&] { done = true; })) {
                            done = true;
                          }
                        })
              .has_value());
  REQUIRE(eventually([&] { return done.load(); }));
  CHECK_FALSE(ended.load());
  CHECK(watch.use_count() == 1);
  const auto ticket = required(timer.schedule(in_good_time(), [owned = std::move(owner)] {}));
  CHECK_FALSE(ended.load());
  timer.cancel_and_wait(ticket);
  CHECK(ended.load());
}
