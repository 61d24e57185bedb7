#include <tests/schedule/self_test.h>

#include <strandline/resource/wait_index/parker.h>

#include <cstdio>
#include <optional>
#include <string>

namespace strandline::schedule {

namespace {

// Looks at the flag before it takes the lock under which it waits.
void lost_wake_up() {
  Sync::Mutex mutex;
  Sync::CondVar changed;
  Sync::Atomic<bool> ready{false};
  spawn("waiter", [&] {
    if (!ready.load()) {
      mutex.lock();
      changed.wait(mutex);
      mutex.unlock();
    }
  });
  spawn("waker", [&] {
    mutex.lock();
    ready.store(true);
    changed.notify_one();
    mutex.unlock();
  });
  join();
}

// Two stores and two loads with a sleep on a futex that is woken before it is slept on, by value 0 in both cases.
void lost_futex_wake() {
  Sync::Atomic<std::uint32_t> word{0};
  Sync::Atomic<bool> ready{false};
  spawn("waiter", [&] {
    while (!ready.load()) {
      Sync::futex_wait(word, 0, Time::max());
    }
  });
  spawn("waker", [&] {
    ready.store(true);
    Sync::futex_wake(word);  // without having changed the word
  });
  join();
}

struct Waiter {
  Sync::Mutex mutex;
  Sync::CondVar condition;
  bool woken = false;
};

// Signals after unlocking: by then the waiter may have seen the flag and gone.
void waiter_used_after_its_end() {
  std::optional<Waiter> waiter(std::in_place);
  Waiter* const parked = &*waiter;
  spawn("waiter", [&] {
    parked->mutex.lock();
    while (!parked->woken) {
      parked->condition.wait(parked->mutex);
    }
    parked->mutex.unlock();
    waiter.reset();
  });
  spawn("waker", [&] {
    parked->mutex.lock();
    parked->woken = true;
    parked->mutex.unlock();
    parked->condition.notify_one();
  });
  join();
}

// A reader that keeps a pointer while a writer replaces and frees what it points at.
void freed_under_a_reader() {
  struct Value {
    Sync::Atomic<std::uint64_t> number{7};
  };
  Sync::Atomic<Value*> current{new Value};
  spawn("reader", [&] { expect(current.load()->number.load() == 7, "another value"); });
  spawn("writer", [&] { delete current.exchange(new Value); });
  join();
  delete current.load();
}

void written_after_free() {
  auto* plain = new std::array<char, 64>{};
  Sync::Atomic<bool> done{false};
  spawn("writer", [&] {
    if (!done.load()) {
      Scheduler::self().before("before the plain write", nullptr);
      (*plain)[17] = 1;
    }
  });
  spawn("owner", [&] {
    done.store(true);
    delete plain;
  });
  join();
}

void two_locks_in_two_orders() {
  Sync::Mutex a, b;
  spawn("a then b", [&] {
    a.lock();
    b.lock();
    b.unlock();
    a.unlock();
  });
  spawn("b then a", [&] {
    b.lock();
    a.lock();
    a.unlock();
    b.unlock();
  });
  join();
}

// Two words that belong together, read one after the other.
void torn_read() {
  Sync::Atomic<int> low{0}, high{0};
  spawn("writer", [&] {
    for (int i = 1; i <= 2; ++i) {
      low.store(i);
      high.store(i);
    }
  });
  spawn("reader", [&] {
    const int first = low.load();
    expect(high.load() == first, "a torn read");
  });
  join();
}

void forgotten_block() {
  auto* forgotten = new std::array<int, 4>{};
  __asm__ volatile("" : "+r"(forgotten));  // else the compiler forgets it too
}

// Sound: a Parker against its unpark() and a deadline, on a stack that goes.
void parker() {
  Sync::Atomic<Parker*> parked{nullptr};
  spawn("waiter", [&] {
    Parker parker;
    parked.store(&parker);
    while (!parker.park_until(soon(), Sync::futex_wait)) {
      if (parked.exchange(nullptr) != nullptr) {
        return;  // gave up
      }
    }
  });
  spawn("waker", [&] {
    if (Parker* const found = parked.exchange(nullptr)) {
      found->unpark();
    }
  });
  join();
}

// Sound: a mutex-protected counter, a condition, and the clock.
void sound() {
  Sync::Mutex mutex;
  Sync::CondVar changed;
  int count = 0;
  for (const char* name : {"one", "two", "three"}) {
    spawn(name, [&] {
      mutex.lock();
      ++count;
      changed.notify_all();
      mutex.unlock();
    });
  }
  mutex.lock();
  while (count < 3) {
    changed.wait_until(mutex, soon());
  }
  mutex.unlock();
  join();
}

struct Case {
  Scenario scenario;
  std::string_view finds;  // the beginning of what it must say; empty: nothing
};

constexpr Case kCases[] = {
    {{"lost wake-up", "", lost_wake_up}, "a deadlock"},
    {{"lost futex wake", "", lost_futex_wake}, "a deadlock"},
    {{"waiter used after its end", "", waiter_used_after_its_end}, "notify_one of a condition variable that has been"},
    {{"freed under a reader", "", freed_under_a_reader}, "use of an atomic that has been destroyed"},
    {{"written after free", "", written_after_free}, "memory was written to after it had been freed"},
    {{"two locks in two orders", "", two_locks_in_two_orders}, "a deadlock"},
    {{"torn read", "", torn_read}, "a torn read"},
    {{"forgotten block", "", forgotten_block}, "a leak"},
    {{"parker", "", parker}, ""},
    {{"sound", "", sound}, ""},
};

// By one strategy; a failure must be found, and found again by its seed.
bool right(const Case& one, Kind kind) {
  const Report report = explore_with(one.scenario, kind, 3000);
  std::string problem;
  if (!std::string_view(report.failure).starts_with(one.finds) || report.failure.empty() != one.finds.empty()) {
    problem = report.failure.empty() ? "found nothing\n" : "found " + report.failure;
  } else if (!one.finds.empty() && report.schedules > 0 && one.finds != "a leak") {
    const Report again = replay(one.scenario, kind, report.schedules, false);
    problem = again.failure == report.failure ? "" : "the replay differs: " + again.failure;
  }
  std::printf("%-28s %-7s %s after %llu schedules\n%s", one.scenario.name, to_string(kind),
              problem.empty() ? "ok" : "FAILED", static_cast<unsigned long long>(report.schedules), problem.c_str());
  return problem.empty();
}

}  // namespace

int self_test() {
  bool all = true;
  for (const Case& one : kCases) {
    for (const Kind kind : {Kind::depth_first, Kind::random, Kind::priorities}) {
      all = right(one, kind) && all;
    }
  }
  return all ? 0 : 1;
}

}  // namespace strandline::schedule
