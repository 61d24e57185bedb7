#include <strandline/resource/core/bounded_wait.h>
#include <strandline/resource/core/parts.h>
#include <strandline/resource/wait_index/blocked_waiter.h>

#include <algorithm>
#include <new>

namespace strandline {

// The one place where a verdict becomes what a caller sees, on every path.
Result<WaitOutcome> Core::outcome_of(const Waiter& waiter) noexcept {
  switch (waiter.verdict()) {
    case Verdict::ready:
      return WaitOutcome::ready;
    case Verdict::eof:
      return WaitOutcome::eof;
    case Verdict::interrupted:
      return WaitOutcome::interrupted;
    case Verdict::timed_out:
      return WaitOutcome::timed_out;
    case Verdict::evicted:
      return fail(Errc::evicted, "the bytes waited for are gone");
    case Verdict::no_writer:
      return fail(Errc::no_writer, "nobody is writing the bytes waited for");
    case Verdict::failed: {
      Error error = waiter.reason()->clone();
      error.code = Errc::failed;
      return fail(std::move(error));
    }
    case Verdict::cancelled:
    case Verdict::pending:
      break;
  }
  return refused(Errc::cancelled);
}

// Owns itself until it has ended.
class Core::AsyncWait final : public BoundedWait {
 public:
  AsyncWait(std::shared_ptr<Core> core, ByteRange range, const WaitOptions& options,
            std::unique_ptr<WaitCallback>& callback) noexcept
      : BoundedWait(std::move(core), range, options), callback_(std::move(callback)) {}

  void ended() noexcept override {
    const auto callback = std::move(callback_);
    auto answer = outcome();
    delete this;
    callback->call(std::move(answer));
  }

 private:
  ~AsyncWait() override = default;
  std::unique_ptr<WaitCallback> callback_;
};

Result<void> Core::check_wait(ByteRange range, WaitFor until) const noexcept {
  if (!range.valid()) {
    return fail(Errc::invalid_range, "wait");
  }
  if (capacity_ && until == WaitFor::all && range.size() > *capacity_) {
    return fail(Errc::invalid_range, "wait for more than the window holds");
  }
  return {};
}

Verdict Core::judge_locked(ByteRange range, WaitFor until) const noexcept {
  if (life_.state() == State::cancelled) {
    return Verdict::cancelled;
  }
  const Verdict verdict = verdict_of(readable_->availability.check(range, until));
  if (verdict != Verdict::pending) {
    return verdict;
  }
  if (life_.state() == State::failed) {
    return Verdict::failed;
  }
  return life_.supply() == Supply::stopped && !writer_expected_ ? Verdict::no_writer : Verdict::pending;
}

void Core::expect_writer(bool expected, Effects* later) noexcept {
  Effects own(*this);
  MutexLock lock(mutex_);
  writer_expected_ = expected;
  if (!expected) {
    judge_all_locked(later != nullptr ? *later : own);
  }
}

// run() comes once the lock has been let go of. By then the wait may have ended, and the core with it: so this keeps
// all that it needs.
struct Core::DemandCall {
  std::shared_ptr<DemandObserver> observer;
  ByteRange missing;
  void run() const noexcept {
    if (observer) {
      observer->on_demand(missing);
    }
  }
};

// Decides the wait if anything does by now, in the order of rule R4, and parks it otherwise.
Verdict Core::park_locked(Waiter& waiter, time_point deadline, DemandCall& call) noexcept {
  Verdict verdict = judge_locked(waiter.range(), waiter.until());
  if (verdict == Verdict::pending) {
    verdict = waiter.requested_end();
  }
  if (verdict == Verdict::pending && deadline <= Sync::now()) {
    verdict = Verdict::timed_out;
  }
  if (verdict == Verdict::pending) {
    Counters::add(counters_->waits);
    const std::uint64_t first_missing = waits_.add(waiter, readable_->availability);
    if (demand_observer_) {
      call.observer = demand_observer_;
      call.missing = readable_->availability.clamp({first_missing, waiter.range().end});
    }
  } else {
    Counters::add(counters_->wait_hits);
    waiter.decide(verdict, failure_);
  }
  return verdict;
}

void Core::judge_all_locked(Effects& effects) noexcept {
  const auto judge = [this](const Waiter& waiter) {
    mutex_.assert_held();
    return judge_locked(waiter.range(), waiter.until());
  };
  waits_.decide_all(judge, readable_->availability, failure_, effects.ready());
}

// A stop, a deadline: takes this one wait out, unless something else has decided it.
void Core::end_wait(Waiter& waiter, Verdict verdict) noexcept {
  Effects effects(*this);
  MutexLock lock(mutex_);
  if (waiter.parked()) {
    waits_.remove(waiter);
    waiter.decide(verdict, nullptr);
    effects.ready().push(waiter);
  } else if (waiter.verdict() == Verdict::pending) {
    waiter.request_end(verdict);
  }
}

Result<Verdict> Core::start_wait(Waiter& waiter, time_point deadline) noexcept {
  if (auto checked = check_wait(waiter.range(), waiter.until()); !checked) {
    return fail(std::move(checked.error()));
  }
  DemandCall demand;
  Verdict verdict = Verdict::pending;
  {
    MutexLock lock(mutex_);
    verdict = park_locked(waiter, deadline, demand);
  }
  demand.run();
  return verdict;
}

bool Core::withdraw(Waiter& waiter) noexcept {
  MutexLock lock(mutex_);
  if (waiter.parked()) {
    waits_.remove(waiter);
    return true;
  }
  return ReadyList::withdraw(waiter);
}

bool Core::ready_now(ByteRange range, WaitFor until) noexcept {
  if (range.empty() || !range.valid() ||
      !surely_there(until == WaitFor::any ? range.clamped_to({0, range.begin + 1}) : range)) {
    return false;
  }
  Counters::add(counters_->wait_hits);
  return true;
}

Result<WaitOutcome> Core::wait(ByteRange range, const WaitOptions& options) noexcept {
  if (auto checked = check_wait(range, options.until); !checked) {
    return fail(std::move(checked.error()));
  }
  if (ready_now(range, options.until)) {
    return WaitOutcome::ready;
  }
  const time_point deadline = options.deadline.value_or(time_point::max());
  BlockedWaiter waiter(range, options);
  // Before the lock: its constructor may run the callback at once, its destructor waits for one that
  // runs, and the callback takes the lock.
  const std::stop_callback on_stop(options.stop, [&]() noexcept { end_wait(waiter, Verdict::interrupted); });
  DemandCall demand;
  std::shared_ptr<Sleeper> sleeper;
  {
    MutexLock lock(mutex_);
    if (park_locked(waiter, deadline, demand) != Verdict::pending) {
      lock.unlock();
      return outcome_of(waiter);
    }
    sleeper = sleeper_;
  }
  const time_point start = Sync::now();
  demand.run();
  const bool at_sleeper = sleeper != nullptr && sleeper->begin();
  if (!waiter.sleep(deadline, at_sleeper ? sleeper.get() : nullptr)) {
    // If somebody else decided it in this moment, their wake() is on its way and must be met.
    end_wait(waiter, Verdict::timed_out);
    static_cast<void>(waiter.sleep(time_point::max(), nullptr));
  }
  if (at_sleeper) {
    sleeper->end();
  }
  const auto waited = std::chrono::duration_cast<std::chrono::nanoseconds>(Sync::now() - start);
  Counters::add(counters_->nanoseconds_waited, static_cast<std::uint64_t>(waited.count()));
  return outcome_of(waiter);
}

void Core::async_wait(ByteRange range, const WaitOptions& options, std::unique_ptr<WaitCallback> callback) noexcept {
  if (ready_now(range, options.until)) {
    callback->call(WaitOutcome::ready);
    return;
  }
  auto* const wait = new (std::nothrow) AsyncWait(shared_from_this(), range, options, callback);
  if (wait == nullptr) {
    callback->call(fail(Errc::no_memory, "wait"));
  } else if (!wait->start()) {
    wait->ended();
  }
}

Result<std::vector<Demand>> Core::demand(std::size_t limit) const noexcept {
  return without_throwing([&]() -> Result<std::vector<Demand>> {
    std::vector<Demand> demand;
    {
      MutexLock lock(mutex_);
      waits_.collect_demand(limit, readable_->availability, demand);
    }
    std::sort(demand.begin(), demand.end(), [](const Demand& a, const Demand& b) {
      return std::pair(a.missing.begin, a.urgency) < std::pair(b.missing.begin, b.urgency);
    });
    return demand;
  });
}

void Core::set_demand_observer(std::shared_ptr<DemandObserver> observer) noexcept {
  MutexLock lock(mutex_);
  demand_observer_.swap(observer);
  lock.unlock();  // what was there may end now, and may do anything
}

void Core::set_sleeper(std::shared_ptr<Sleeper> sleeper) noexcept {
  MutexLock lock(mutex_);
  sleeper_.swap(sleeper);
  lock.unlock();  // likewise
}

void Core::interrupt() noexcept {
  Effects effects(*this);
  MutexLock lock(mutex_);
  ++interrupts_;
  waits_.decide_all([](const Waiter&) { return Verdict::interrupted; }, readable_->availability, nullptr,
                    effects.ready());
  gate_.notify_all();
}

}  // namespace strandline
