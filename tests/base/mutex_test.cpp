#include <doctest/doctest.h>
#include <strandline/base/mutex.h>

#include <thread>
#include <vector>

using strandline::CondVar;
using strandline::Mutex;
using strandline::MutexLock;

namespace {

// The shape of every guarded class of the library; clang checks the annotations when this file compiles.
class Counter {
 public:
  void add() STRANDLINE_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    add_locked();
  }
  void add_in_two_turns() STRANDLINE_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    add_locked();
    lock.unlock();
    lock.lock();
    add_locked();
  }
  void add_and_let_go() STRANDLINE_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    add_locked();
    lock.unlock();  // the destructor must not unlock again
    changed_.notify_all();
  }
  void wait_for(int value) STRANDLINE_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    while (value_ < value) {
      changed_.wait(mutex_);
    }
  }
  // True once the value is there, false when the deadline came first.
  bool wait_for_until(int value, CondVar::time_point deadline) STRANDLINE_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    while (value_ < value) {
      if (!changed_.wait_until(mutex_, deadline)) {
        return value_ >= value;
      }
    }
    return true;
  }
  [[nodiscard]] int value() STRANDLINE_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return value_;
  }

 private:
  void add_locked() STRANDLINE_REQUIRES(mutex_) { ++value_; }

  Mutex mutex_;
  CondVar changed_;
  int value_ STRANDLINE_GUARDED_BY(mutex_) = 0;
};

}  // namespace

TEST_CASE("mutex: two threads never lose an increment") {
  constexpr int kRounds = 20000;
  Counter counter;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&counter] {
      for (int round = 0; round < kRounds; ++round) {
        counter.add();
        counter.add_in_two_turns();
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(counter.value() == 2 * 3 * kRounds);
}

TEST_CASE("mutex: a lock that was let go of is not released twice") {
  Counter counter;
  counter.add_and_let_go();
  counter.add();  // would hang, or TSan would speak, were the mutex in a wrong state
  CHECK(counter.value() == 2);
}

TEST_CASE("R5: every waiter of a condition is woken by notify_all") {
  Counter counter;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&counter, i] {
      if (i % 2 == 0) {
        counter.wait_for(1);
      } else {
        (void)counter.wait_for_until(1, CondVar::time_point::max());
      }
    });
  }
  counter.add_and_let_go();
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(counter.value() == 1);
}

TEST_CASE("F16: a deadline in the past ends the wait, time_point::max is no deadline") {
  Counter counter;
  CHECK_FALSE(counter.wait_for_until(1, CondVar::time_point{}));
  CHECK_FALSE(counter.wait_for_until(1, CondVar::time_point::min()));
  CHECK_FALSE(counter.wait_for_until(1, std::chrono::steady_clock::now() + std::chrono::milliseconds(1)));
  std::thread writer([&counter] { counter.add_and_let_go(); });
  CHECK(counter.wait_for_until(1, CondVar::time_point::max()));
  writer.join();
  CHECK(counter.wait_for_until(1, CondVar::time_point{}));
}
