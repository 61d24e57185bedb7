// Threads for calls that block.
#include <strandline/fill/engine/workers.h>
#include <tests/resource/subjects.h>

#include <atomic>
#include <chrono>
#include <future>
#include <latch>
#include <memory>
#include <thread>

using namespace strandline;
using namespace strandline::testing;
using fill::Workers;

namespace {

// Which of all threads that there ever were: the system gives their ids away again.
int number_of_thread() {
  static std::atomic<int> all = 0;
  thread_local const int number = all++;
  return number;
}

// Where a call runs that does nothing else.
int thread_of_next(Workers& workers) {
  std::promise<int> told;
  REQUIRE(says(workers.run([&] { told.set_value(number_of_thread()); })) == "ok");
  return told.get_future().get();
}

}  // namespace

TEST_CASE("workers: no call waits for another") {
  Workers workers;
  for (int round = 0; round < 20; ++round) {
    // Each needs all the others, also when some find threads that are idle.
    constexpr int kCalls = 5;
    std::latch together(kCalls);
    std::latch done(kCalls);
    for (int i = 0; i < kCalls; ++i) {
      REQUIRE(says(workers.run([&] {
                together.arrive_and_wait();
                done.count_down();
              })) == "ok");
    }
    done.wait();
  }
}

TEST_CASE("workers: a thread that is idle takes the next call") {
  Workers workers;
  const auto first = thread_of_next(workers);
  // It becomes idle a moment after the call has told.
  CHECK(eventually([&] { return thread_of_next(workers) == first; }));
}

TEST_CASE("workers: what a call holds is gone before its thread is idle") {
  Workers workers;
  std::promise<void> gone;
  auto held = std::shared_ptr<void>(nullptr, [&](void*) { gone.set_value(); });
  REQUIRE(says(workers.run([held = std::move(held)] {})) == "ok");
  // Else it would be gone when the thread is, seconds later.
  CHECK(gone.get_future().wait_for(std::chrono::seconds(3)) == std::future_status::ready);
}

TEST_CASE("workers: their end waits for calls, which are told of it") {
  std::atomic<int> ended = 0;
  std::latch both(2);  // who has waited for it may still look at it when all the others have gone on
  {
    Workers workers;
    static_cast<void>(thread_of_next(workers));
    for (int i = 0; i < 2; ++i) {
      REQUIRE(says(workers.run([&, ending = workers.ending()] {
                both.arrive_and_wait();
                while (!ending.stop_requested()) {
                  std::this_thread::yield();
                }
                ++ended;
              })) == "ok");
    }
    both.wait();
  }
  CHECK(ended == 2);
}

TEST_CASE("workers: they may be ended by one of their calls") {
  std::promise<void> over;
  auto workers = std::make_unique<Workers>();
  Workers* const all = workers.get();
  auto shared = std::make_shared<std::unique_ptr<Workers>>(std::move(workers));
  REQUIRE(says(all->run([shared = std::move(shared), &over]() mutable {
            shared->reset();
            over.set_value();
          })) == "ok");
  over.get_future().get();
}
