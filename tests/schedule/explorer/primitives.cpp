#include <tests/schedule/explorer/primitives.h>

#include <tests/schedule/explorer/scheduler.h>

#include <string>

namespace strandline::schedule {

namespace {

using State = Fiber::State;

Scheduler& scheduler() noexcept {
  return Scheduler::self();
}

}  // namespace

// noinline throughout: a report names the caller by its return address.
void Mutex::check(const char* use) const noexcept {
  if (alive_ != kAlive && scheduler().active()) {
    scheduler().fail(std::string(use) + " of a mutex that has been destroyed");
  }
}

Mutex::~Mutex() {
  check("destruction");
  if (owner_ != kNobody && scheduler().active()) {
    scheduler().fail("a mutex is destroyed while it is locked");
  }
  mark_dead(this, sizeof *this);
}

void Mutex::acquire() noexcept {
  const std::uint32_t me = scheduler().current_number();
  if (owner_ == me) {
    scheduler().fail("a mutex is locked twice by one fiber");
  }
  while (owner_ != kNobody) {
    scheduler().block(State::in_mutex, this, Time::max());
    check("lock");
  }
  owner_ = me;
}

void Mutex::release() noexcept {
  check("unlock");
  if (owner_ != scheduler().current_number()) {
    scheduler().fail("a mutex is unlocked by who does not hold it");
  }
  owner_ = kNobody;
  scheduler().wake_all(State::in_mutex, this);
}

void Mutex::lock() noexcept {
  scheduler().before("lock", this, __builtin_return_address(0));
  check("lock");
  acquire();
}

bool Mutex::try_lock() noexcept {
  scheduler().before("try_lock", this, __builtin_return_address(0));
  check("try_lock");
  if (owner_ != kNobody) {
    return false;
  }
  acquire();
  return true;
}

void Mutex::unlock() noexcept {
  release();
  // Another fiber may run before the plain code that follows, and may have destroyed this when we go on.
  scheduler().after("unlock", this, __builtin_return_address(0));
}

void CondVar::check(const char* use) const noexcept {
  if (alive_ != kAlive && scheduler().active()) {
    scheduler().fail(std::string(use) + " of a condition variable that has been destroyed");
  }
}

CondVar::~CondVar() {
  check("destruction");
  if (scheduler().active() && scheduler().anybody(State::in_condition, this)) {
    scheduler().fail("a condition variable is destroyed while somebody waits on it");
  }
  mark_dead(this, sizeof *this);
}

bool CondVar::wait_until(Mutex& mutex, Time deadline) noexcept {
  scheduler().before("wait", this, __builtin_return_address(0));
  check("wait");
  mutex.release();
  const bool notified = scheduler().block(State::in_condition, this, deadline);
  mutex.acquire();
  return notified;
}

void CondVar::notify_one() noexcept {
  scheduler().before("notify_one", this, __builtin_return_address(0));
  check("notify_one");
  scheduler().wake_one(State::in_condition, this);
}

void CondVar::notify_all() noexcept {
  scheduler().before("notify_all", this, __builtin_return_address(0));
  check("notify_all");
  scheduler().wake_all(State::in_condition, this);
}

void atomic_point(const char* operation, const void* object) noexcept {
  scheduler().before(operation, object, __builtin_return_address(0));
}

void atomic_dead(const void* /*object*/) noexcept {
  if (!scheduler().active()) {
    __builtin_trap();
  }
  scheduler().fail("use of an atomic that has been destroyed");
}

bool weak_exchange_fails() noexcept {
  return scheduler().active() && scheduler().weak_exchange_fails();
}

bool Futex::wait(Atomic<std::uint32_t>& word, std::uint32_t expected, Time deadline) noexcept {
  word.point("futex_wait");
  if (word.value_ != expected) {
    return true;
  }
  return scheduler().block(State::in_futex, &word, deadline);
}

void Futex::wake(Atomic<std::uint32_t>& word) noexcept {
  scheduler().before("futex_wake", &word, __builtin_return_address(0));
  scheduler().wake_one(State::in_futex, &word);
}

}  // namespace strandline::schedule
