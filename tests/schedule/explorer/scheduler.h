// Scheduler: runs the fibers of one schedule, one at a time, and asks a Strategy who goes on at every point where
// threads could meet. Models blocking, deadlines on a virtual clock and wake-ups without cause.
// Threads: one; fibers stand for threads. Blocks: block() switches to another fiber. Errors: fail() ends the
// schedule, from wherever it is called, and does not return. Cost: some 10 ns a point, 30 ns a switch.
// Lifetime: one per process; stacks are reused, and what a failed schedule left on them is not unwound.
#pragma once

#include <tests/schedule/explorer/strategy.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace strandline::schedule {

using Time = std::chrono::steady_clock::time_point;

inline constexpr Time kBegin{std::chrono::hours(1)};  // of each schedule
inline constexpr unsigned kLocals = 8;                // types that Sync::local<T>() is used with, at the most

struct Fiber {
  enum class State : std::uint8_t { unused, ready, in_mutex, in_condition, in_futex, asleep, joining, finished };

  void* context = nullptr;
  State state = State::unused;
  bool timed_out = false;
  bool background = false;  // may still wait when the schedule ends
  unsigned number = 0;
  Time deadline = Time::max();
  const void* object = nullptr;     // what it waits for
  const char* operation = "start";  // its last point,
  const void* caller = nullptr;     // and who called that
  const char* name = "";
  std::function<void()> body;
  std::byte* stack = nullptr;
  std::array<std::byte, 16> exceptions{};  // the C++ runtime keeps these per thread
  struct Local {
    void* value = nullptr;
    void (*destroy)(void*) = nullptr;
    bool trivial = true;  // then other locals may use it until the very end
    void end() const noexcept { destroy(value); }
  };
  std::array<Local, kLocals> locals{};

  // Where a deadline, or a wake-up without cause, may come.
  [[nodiscard]] bool waits() const noexcept {
    return state == State::in_condition || state == State::in_futex || state == State::asleep;
  }
};

struct Outcome {
  std::string failure;  // empty when all is well
  std::string fibers;   // then: what each was doing
  std::uint64_t steps = 0;
  std::uint64_t contested = 0;  // points at which the strategy had a choice
  std::uint64_t hash = 0;       // of who ran when
};

class Scheduler {
 public:
  static Scheduler& self() noexcept;

  // Runs `body` as the first fiber, with those that it spawns, until all are done.
  Outcome run(const std::function<void()>& body, Strategy& strategy, bool trace);

  // For fibers.
  void spawn(const char* name, std::function<void()> body, bool background = false);
  void join() noexcept;  // until all others are finished
  [[noreturn]] void fail(const std::string& what) noexcept;
  // Is the first fiber done? Those in the background should then go.
  [[nodiscard]] bool ending() const noexcept { return ending_; }
  [[nodiscard]] bool active() const noexcept { return current_ != nullptr; }
  [[nodiscard]] Time now() const noexcept { return now_; }
  void sleep_until(Time when) noexcept;
  [[nodiscard]] unsigned current_number() const noexcept { return current_ != nullptr ? current_->number : kFibers; }
  [[nodiscard]] const char* current_name() const noexcept { return current_ != nullptr ? current_->name : "nobody"; }
  [[nodiscard]] Fiber::Local& local(unsigned index) noexcept;

  // A point before an operation: others may run first. And one after it, for what follows unwatched.
  void before(const char* operation, const void* object, const void* caller = nullptr) noexcept;
  void after(const char* operation, const void* object, const void* caller = nullptr) noexcept;
  // Until somebody wakes it, or the deadline: then false. May also return true without cause.
  bool block(Fiber::State state, const void* object, Time deadline) noexcept;
  void wake_all(Fiber::State state, const void* object) noexcept;
  void wake_one(Fiber::State state, const void* object) noexcept;
  [[nodiscard]] bool weak_exchange_fails() noexcept;
  [[nodiscard]] bool anybody(Fiber::State state, const void* object) const noexcept;

 private:
  struct Entry;
  Scheduler();

  Fiber& make(const char* name, std::function<void()> body, bool background);
  void reschedule() noexcept;
  void disturb() noexcept;
  void switch_to(Fiber& next) noexcept;
  void finish() noexcept;
  void make_ready(Fiber& fiber) noexcept;
  void advance_clock() noexcept;
  void end_background() noexcept;
  void step(const char* operation, const void* object, const void* caller) noexcept;
  void print_step(const char* operation, const void* object, const void* caller) noexcept;
  [[nodiscard]] std::string describe(const Fiber& fiber);
  [[nodiscard]] std::string name_of(const void* object);

  std::array<Fiber, kFibers> fibers_;
  Fiber hub_;  // who called run()
  Fiber* current_ = nullptr;
  Strategy* strategy_ = nullptr;
  unsigned used_ = 0;
  std::uint32_t ready_ = 0;   // a bit for each fiber that could run
  unsigned disturbable_ = 0;  // how many wait where a wake-up without cause, or a deadline, may come
  bool ending_ = false;
  bool trace_ = false;
  Time now_;
  Outcome outcome_;
  std::map<const void*, unsigned> names_;  // for traces and reports, by first appearance
};

// For scenarios.
inline void expect(bool right, const char* what) {
  if (!right) {
    Scheduler::self().fail(what);
  }
}

}  // namespace strandline::schedule
