#include <strandline/testing/script.h>

#include <algorithm>
#include <utility>

namespace strandline {

std::string to_string(DriverCall call) {
  constexpr std::array<const char*, kDriverCalls> kNames = {"open",    "read", "write", "commit", "reactivate",
                                                            "rewrite", "view", "sync",  "evict",  "discard"};
  return kNames[static_cast<std::size_t>(call)];
}

std::string to_string(const LoggedCall& logged) {
  return to_string(logged.call) + " " + to_string(logged.range);
}

// Shared by the gate's copies, the script and the call that stands at it.
struct Gate::Bar {
  Mutex mutex;
  CondVar changed;
  bool reached STRANDLINE_GUARDED_BY(mutex) = false;
  bool open STRANDLINE_GUARDED_BY(mutex) = false;

  void lift() {
    MutexLock lock(mutex);
    open = true;
    changed.notify_all();
  }
  void stand_at() {
    MutexLock lock(mutex);
    reached = true;
    changed.notify_all();
    while (!open) {
      changed.wait(mutex);
    }
  }
};

class Gate::Hold {
 public:
  explicit Hold(std::shared_ptr<Bar> bar) noexcept : bar_(std::move(bar)) {}
  ~Hold() { bar_->lift(); }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;
  [[nodiscard]] Bar& bar() const noexcept { return *bar_; }

 private:
  const std::shared_ptr<Bar> bar_;
};

Gate::Gate(std::shared_ptr<Bar> bar) : hold_(std::make_shared<Hold>(std::move(bar))) {}

bool Gate::wait_until_blocked(std::chrono::seconds patience) const {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  Bar& bar = hold_->bar();
  MutexLock lock(bar.mutex);
  while (!bar.reached) {
    if (!bar.changed.wait_until(bar.mutex, deadline)) {
      return bar.reached;
    }
  }
  return true;
}

void Gate::open() const {
  hold_->bar().lift();
}

void Script::fail(DriverCall call, std::uint64_t k, Errc code) {
  MutexLock lock(mutex_);
  kind_locked(call).plans[k].error = code;
}

void Script::fail_from(DriverCall call, std::uint64_t k, Errc code) {
  MutexLock lock(mutex_);
  kind_locked(call).failing_from = k;
  kind_locked(call).failing_with = code;
}

void Script::heal(DriverCall call) {
  MutexLock lock(mutex_);
  kind_locked(call).failing_from.reset();
}

void Script::shorten(DriverCall call, std::uint64_t k, std::size_t bytes) {
  MutexLock lock(mutex_);
  kind_locked(call).plans[k].bytes = bytes;
}

void Script::shorten_all(DriverCall call, std::optional<std::size_t> bytes) {
  MutexLock lock(mutex_);
  kind_locked(call).shortened_to = bytes;
}

void Script::throw_at(DriverCall call, std::uint64_t k, std::exception_ptr what) {
  MutexLock lock(mutex_);
  kind_locked(call).plans[k].thrown = std::move(what);
}

Gate Script::block(DriverCall call, std::uint64_t k) {
  auto bar = std::make_shared<Gate::Bar>();
  Gate gate(bar);
  MutexLock lock(mutex_);
  kind_locked(call).plans[k].bar = std::move(bar);
  return gate;
}

std::uint64_t Script::count(DriverCall call) const {
  MutexLock lock(mutex_);
  return kinds_[static_cast<std::size_t>(call)].count;
}

std::vector<LoggedCall> Script::take_log() {
  MutexLock lock(mutex_);
  return std::exchange(log_, {});
}

std::vector<std::string> Script::breaches() const {
  MutexLock lock(mutex_);
  return breaches_;
}

Result<std::size_t> Script::enter(DriverCall call, ByteRange range) {
  Plan plan;
  {
    MutexLock lock(mutex_);
    log_.push_back({call, range});
    Kind& kind = kind_locked(call);
    ++kind.count;
    if (const auto planned = kind.plans.find(kind.count); planned != kind.plans.end()) {
      plan = std::move(planned->second);
      kind.plans.erase(planned);
    }
    if (!plan.error && kind.failing_from && *kind.failing_from <= kind.count) {
      plan.error = kind.failing_with;
    }
    if (!plan.bytes) {
      plan.bytes = kind.shortened_to;
    }
  }
  if (plan.bar) {
    plan.bar->stand_at();
  }
  if (plan.thrown) {
    std::rethrow_exception(plan.thrown);
  }
  if (plan.error) {
    return strandline::fail(*plan.error, "scripted " + to_string(LoggedCall{call, range}));
  }
  return std::min(static_cast<std::size_t>(range.size()), plan.bytes.value_or(range.size()));
}

void Script::report_breach(std::string what) {
  MutexLock lock(mutex_);
  breaches_.push_back(std::move(what));
}

}  // namespace strandline
