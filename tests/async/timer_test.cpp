// DeadlineTimer::cancel_and_wait, on which it rests that no deadline touches a frame that is gone.
#include <strandline/base/deadline_timer.h>
#include <tests/resource/subjects.h>
#include <tests/support/sleeping.h>

#include <atomic>

using namespace strandline;
using namespace strandline::testing;

TEST_CASE("R11: the timer: cancel_and_wait waits for a function under way, and for no other") {
  DeadlineTimer& timer = DeadlineTimer::instance();
  std::atomic<bool> started{false};
  std::atomic<bool> let_go{false};
  std::atomic<bool> ended{false};
  std::atomic<bool> other_ran{false};
  const auto first = required(timer.schedule(long_ago(), [&] {
    started = true;
    while (!let_go) {
      std::this_thread::yield();
    }
    ended = true;
  }));
  const auto other = required(timer.schedule(in_good_time(), [&] { other_ran = true; }));
  REQUIRE(eventually([&] { return started.load(); }));
  timer.cancel_and_wait(other);  // while the first runs
  CHECK_FALSE(ended);
  std::atomic<pid_t> waiter{0};
  std::atomic<bool> returned{false};
  InThread waiting(
      [&] {
        waiter = ::gettid();
        timer.cancel_and_wait(first);
        returned = true;
        return Result<std::size_t>(ended ? 1 : 0);
      },
      [&] { let_go = true; });
  CHECK(eventually([&] { return returned || (waiter != 0 && sleeps(waiter)); }));
  let_go = true;
  CHECK(waiting.join() == "1");
  timer.cancel_and_wait(first);  // once more is nothing
  CHECK_FALSE(other_ran);
}

TEST_CASE("R11: the timer: a function that cancels itself and waits does not wait for itself") {
  DeadlineTimer& timer = DeadlineTimer::instance();
  std::mutex mutex;
  std::optional<DeadlineTimer::Ticket> ticket;
  std::atomic<bool> done{false};
  {
    const std::scoped_lock lock(mutex);
    ticket = required(timer.schedule(long_ago(), [&] {
      const std::scoped_lock inner(mutex);
      timer.cancel_and_wait(*ticket);
      done = true;
    }));
  }
  CHECK(eventually([&] { return done.load(); }));
  timer.cancel_and_wait(*ticket);
}

TEST_CASE("R11: the timer: whenever its thread sleeps, what is due before it would wake is run") {
  DeadlineTimer& timer = DeadlineTimer::instance();
  const auto soon = [] { return std::chrono::steady_clock::now() + std::chrono::milliseconds(5); };
  const auto far = required(timer.schedule(in_good_time(), [] {}));
  std::atomic<int> ran{0};
  for (int turn = 1; turn <= 3; ++turn) {
    const auto cancelled = required(timer.schedule(soon(), [&] { ran += 100; }));
    timer.cancel_and_wait(cancelled);
    const int before = ran;  // it may have come first
    static_cast<void>(required(timer.schedule(soon(), [&] { ++ran; })));
    CHECK(eventually([&] { return ran == before + 1; }));
  }
  timer.cancel_and_wait(far);
}
