#include <tests/schedule/explorer/scheduler.h>

#include <tests/schedule/explorer/heap.h>
#include <tests/schedule/explorer/primitives.h>

#include <cxxabi.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <boost/context/detail/fcontext.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace strandline::schedule {

namespace {

namespace context = boost::context::detail;

constexpr std::size_t kStack = std::size_t{256} << 10;
constexpr std::uint64_t kMostSteps = 20000;

std::byte* make_stack() {
  void* const base = ::mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (base == MAP_FAILED || ::mprotect(base, 4096, PROT_NONE) != 0) {
    std::perror("schedule: no stack");
    std::exit(2);
  }
  return static_cast<std::byte*>(base);
}

// The frames of calls that have returned: who still has a pointer into them finds rubbish, and not what was there.
[[gnu::noinline]] void wipe_dead_frames() noexcept {
  unsigned char frames[4096];
  mark_dead(frames, sizeof frames);
}

}  // namespace

struct Scheduler::Entry {
  static void run(context::transfer_t from) noexcept {
    static_cast<Fiber*>(from.data)->context = from.fctx;
    self().current_->body();
    self().finish();
  }
};

Scheduler::Scheduler() {
  for (unsigned i = 0; i < kFibers; ++i) {
    fibers_[i].number = i;
    fibers_[i].stack = make_stack();
  }
}

Scheduler& Scheduler::self() noexcept {
  static Scheduler scheduler;
  return scheduler;
}

Outcome Scheduler::run(const std::function<void()>& body, Strategy& strategy, bool trace) {
  strategy_ = &strategy;
  used_ = 0;
  ready_ = 0;
  disturbable_ = 0;
  ending_ = false;
  trace_ = trace;
  now_ = kBegin;
  outcome_ = {};
  names_.clear();
  Fiber& first = make("main", body, false);
  current_ = &first;
  const context::transfer_t back = context::jump_fcontext(first.context, &hub_);
  static_cast<Fiber*>(back.data)->context = back.fctx;
  current_ = nullptr;
  for (unsigned i = 0; i < used_; ++i) {
    fibers_[i].body = nullptr;
  }
  if (!heap_end_schedule() && outcome_.failure.empty()) {
    outcome_.failure = "memory was written to after it had been freed";
  }
  return std::move(outcome_);
}

Fiber& Scheduler::make(const char* name, std::function<void()> body, bool background) {
  if (used_ == kFibers) {
    fail("too many fibers");
  }
  Fiber& fiber = fibers_[used_++];
  fiber.context = context::make_fcontext(fiber.stack + kStack, kStack - 4096, &Entry::run);
  fiber.state = Fiber::State::ready;
  fiber.background = background;
  fiber.name = name;
  fiber.operation = "start";
  fiber.caller = nullptr;
  fiber.body = std::move(body);
  fiber.exceptions = {};
  fiber.locals = {};
  fiber.timed_out = false;
  ready_ |= std::uint32_t{1} << fiber.number;
  return fiber;
}

void Scheduler::spawn(const char* name, std::function<void()> body, bool background) {
  make(name, std::move(body), background);
}

Fiber::Local& Scheduler::local(unsigned index) noexcept {
  if (index >= kLocals) {
    std::fputs("schedule: raise kLocals\n", stderr);
    std::abort();
  }
  return current_->locals[index];
}

void Scheduler::switch_to(Fiber& next) noexcept {
  Fiber& me = *current_;
  if (&next == &me) {
    return;
  }
  auto* const globals = abi::__cxa_get_globals();
  std::memcpy(me.exceptions.data(), globals, me.exceptions.size());
  std::memcpy(globals, next.exceptions.data(), next.exceptions.size());
  outcome_.hash = (outcome_.hash ^ (outcome_.steps * 16 + next.number)) * 0x100000001b3U;
  outcome_.hash ^= outcome_.hash >> 29;
  current_ = &next;
  const context::transfer_t from = context::jump_fcontext(next.context, &me);
  static_cast<Fiber*>(from.data)->context = from.fctx;
}

void Scheduler::reschedule() noexcept {
  if (disturbable_ > 0) {
    disturb();
  }
  for (;;) {
    if (ready_ == std::uint32_t{1} << current_->number) {
      return;
    }
    if (ready_ != 0) {
      break;
    }
    advance_clock();
  }
  unsigned next;
  if (std::has_single_bit(ready_)) {
    next = static_cast<unsigned>(std::countr_zero(ready_));
  } else {
    ++outcome_.contested;
    next = strategy_->next(ready_, current_->number);
  }
  switch_to(fibers_[next]);
}

void Scheduler::disturb() noexcept {
  const Disturbance disturbance = strategy_->disturb();
  if (disturbance == Disturbance::none) {
    return;
  }
  if (disturbance == Disturbance::time_passes) {
    // A thread may be held up for any time at any point: deadlines pass while others could run.
    const auto timed = [](const Fiber& fiber) { return fiber.waits() && fiber.deadline != Time::max(); };
    if (std::any_of(fibers_.begin(), fibers_.begin() + used_, timed)) {
      advance_clock();
    }
    return;
  }
  for (unsigned i = 0; i < used_; ++i) {
    const Fiber::State state = fibers_[i].state;
    if ((state == Fiber::State::in_condition || state == Fiber::State::in_futex) && strategy_->pick(2) == 0) {
      make_ready(fibers_[i]);
      return;
    }
  }
}

void Scheduler::make_ready(Fiber& fiber) noexcept {
  if (fiber.waits()) {
    --disturbable_;
  }
  fiber.state = Fiber::State::ready;
  ready_ |= std::uint32_t{1} << fiber.number;
}

void Scheduler::advance_clock() noexcept {
  Time next = Time::max();
  for (unsigned i = 0; i < used_; ++i) {
    if (fibers_[i].waits()) {
      next = std::min(next, fibers_[i].deadline);
    }
  }
  if (next == Time::max()) {
    fail("a deadlock: nobody can run, and nobody waits for a time to come");
  }
  now_ = std::max(now_, next);
  for (unsigned i = 0; i < used_; ++i) {
    if (fibers_[i].waits() && fibers_[i].deadline <= now_) {
      fibers_[i].timed_out = true;
      make_ready(fibers_[i]);
    }
  }
}

void Scheduler::step(const char* operation, const void* object, const void* caller) noexcept {
  Fiber& me = *current_;
  me.operation = operation;
  me.object = object;
  me.caller = caller;
  if (trace_) {
    print_step(operation, object, caller);
  }
  if (++outcome_.steps > kMostSteps) {
    fail("no end in sight: " + std::to_string(kMostSteps) + " steps");
  }
}

void Scheduler::before(const char* operation, const void* object, const void* caller) noexcept {
  if (current_ != nullptr) {
    reschedule();
    step(operation, object, caller != nullptr ? caller : __builtin_return_address(0));
  }
}

void Scheduler::after(const char* operation, const void* object, const void* caller) noexcept {
  if (current_ != nullptr) {
    step(operation, object, caller != nullptr ? caller : __builtin_return_address(0));
    reschedule();
  }
}

bool Scheduler::block(Fiber::State state, const void* object, Time deadline) noexcept {
  if (current_ == nullptr) {
    std::fputs("schedule: a wait outside of every fiber\n", stderr);
    std::abort();
  }
  Fiber& me = *current_;
  if (deadline <= now_) {
    reschedule();
    return false;
  }
  if (ending_ && me.background) {
    reschedule();
    return true;  // to see that it should go; nobody would wake it any more
  }
  me.state = state;
  me.object = object;
  me.deadline = deadline;
  me.timed_out = false;
  ready_ &= ~(std::uint32_t{1} << me.number);
  disturbable_ += me.waits() ? 1 : 0;
  reschedule();
  return !me.timed_out;
}

void Scheduler::wake_all(Fiber::State state, const void* object) noexcept {
  for (unsigned i = 0; i < used_; ++i) {
    if (fibers_[i].state == state && fibers_[i].object == object) {
      make_ready(fibers_[i]);
    }
  }
}

void Scheduler::wake_one(Fiber::State state, const void* object) noexcept {
  std::array<unsigned, kFibers> waiting{};
  unsigned count = 0;
  for (unsigned i = 0; i < used_; ++i) {
    if (fibers_[i].state == state && fibers_[i].object == object) {
      waiting[count++] = i;
    }
  }
  if (count > 0) {
    make_ready(fibers_[waiting[count > 1 ? strategy_->pick(count) : 0]]);
  }
}

bool Scheduler::weak_exchange_fails() noexcept {
  return strategy_->disturb() == Disturbance::wake_without_cause;
}

bool Scheduler::anybody(Fiber::State state, const void* object) const noexcept {
  return std::any_of(fibers_.begin(), fibers_.begin() + used_,
                     [&](const Fiber& fiber) { return fiber.state == state && fiber.object == object; });
}

void Scheduler::sleep_until(Time when) noexcept {
  before("sleep", nullptr);
  while (now_ < when) {
    block(Fiber::State::asleep, nullptr, when);
  }
}

void Scheduler::join() noexcept {
  const auto runs = [this](const Fiber& fiber) {
    return &fiber != current_ && !fiber.background && fiber.state != Fiber::State::finished;
  };
  before("join", nullptr);
  while (std::any_of(fibers_.begin(), fibers_.begin() + used_, runs)) {
    block(Fiber::State::joining, nullptr, Time::max());
  }
}

// The end of the fiber that runs; as a thread's, it ends what is local to it.
void Scheduler::finish() noexcept {
  Fiber& me = *current_;
  if (me.number == 0) {
    join();
    end_background();
  }
  for (const bool trivial : {false, true}) {
    for (auto local = me.locals.rbegin(); local != me.locals.rend(); ++local) {
      if (local->value != nullptr && local->trivial == trivial) {
        std::exchange(*local, {}).end();
      }
    }
  }
  me.body = nullptr;
  wipe_dead_frames();
  me.state = Fiber::State::finished;
  me.operation = "end";
  ready_ &= ~(std::uint32_t{1} << me.number);
  wake_all(Fiber::State::joining, nullptr);
  if (me.number == 0) {
    switch_to(hub_);
  } else {
    reschedule();
  }
  std::abort();  // nobody goes on with a fiber that has finished
}

// Lets the others do what they have to, and then asks them to go.
void Scheduler::end_background() noexcept {
  ending_ = true;
  const auto runs = [this](const Fiber& fiber) { return &fiber != current_ && fiber.state != Fiber::State::finished; };
  for (unsigned i = 1; i < used_; ++i) {
    if (fibers_[i].waits()) {
      make_ready(fibers_[i]);
    }
  }
  while (std::any_of(fibers_.begin(), fibers_.begin() + used_, runs)) {
    block(Fiber::State::joining, nullptr, Time::max());
  }
}

}  // namespace strandline::schedule
