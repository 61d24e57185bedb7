#include <tests/schedule/explorer/explore.h>

#include <tests/schedule/explorer/heap.h>

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdio>
#include <memory>

namespace strandline::schedule {

namespace {

constexpr unsigned kPreemptions = 3;
constexpr const char* kNames[] = {"dfs", "random", "pct"};

// What runs now, for who reports a crash.
const Scenario* running = nullptr;
Kind running_kind = Kind::random;
std::uint64_t running_seed = 0;

// Hashes of schedules; 0 is never put in.
class HashSet {
 public:
  explicit HashSet(std::uint64_t capacity) : slots_(std::bit_ceil(2 * capacity + 2)) {}
  bool insert(std::uint64_t hash) noexcept {
    hash = hash == 0 ? 1 : hash;
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t at = hash & mask;; at = (at + 1) & mask) {
      if (slots_[at] == hash) {
        return false;
      }
      if (slots_[at] == 0) {
        slots_[at] = hash;
        return true;
      }
    }
  }

 private:
  std::vector<std::uint64_t> slots_;
};

class Exploration {
 public:
  Exploration(const Scenario& scenario, std::uint64_t schedules)
      : scenario_(scenario), body_(scenario.body), seen_(schedules), began_(std::chrono::steady_clock::now()) {
    // How many choices a schedule has, for PCT; and whatever is made once per process is made now.
    DepthFirstStrategy plain(0);
    contested_ = once(plain, Kind::depth_first, 1, false).contested;
    in_use_ = heap_in_use();
    report_.schedules = 0;
  }

  // Runs seeds up to `schedules`; answers how many there were.
  std::uint64_t run(Kind kind, std::uint64_t schedules) {
    if (!report_.failure.empty()) {
      return 0;
    }
    const auto strategy = make(kind);
    std::uint64_t seed = 1;
    for (; seed <= schedules && strategy->begin(seed); ++seed) {
      if (!once(*strategy, kind, seed, false).failure.empty()) {
        return seed;
      }
    }
    if (kind == Kind::depth_first) {
      report_.exhausted = static_cast<DepthFirstStrategy&>(*strategy).exhausted();
    }
    return seed - 1;
  }

  void replay(Kind kind, std::uint64_t seed, bool trace) {
    const auto strategy = make(kind);
    // Depth-first has no seeds: the n-th schedule comes after those before it.
    for (std::uint64_t before = 1; kind == Kind::depth_first && before < seed && strategy->begin(before); ++before) {
      once(*strategy, kind, before, false);
    }
    if (report_.failure.empty() && strategy->begin(seed)) {
      once(*strategy, kind, seed, trace);
    }
  }

  Report finish() {
    // Some things are kept for reuse; what is lost is lost every time, or nearly.
    const std::int64_t lost = heap_in_use() - in_use_;
    if (report_.failure.empty() &&
        lost >= std::max<std::int64_t>(4, static_cast<std::int64_t>(report_.schedules / 8))) {
      report_.failure =
          "a leak: " + std::to_string(lost) + " blocks in " + std::to_string(report_.schedules) + " schedules\n";
    }
    report_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
    return std::move(report_);
  }

 private:
  [[nodiscard]] std::unique_ptr<Strategy> make(Kind kind) const {
    switch (kind) {
      case Kind::depth_first:
        return std::make_unique<DepthFirstStrategy>(kPreemptions);
      case Kind::priorities:
        return std::make_unique<PriorityStrategy>(contested_);
      case Kind::random:
        break;
    }
    return std::make_unique<RandomStrategy>();
  }

  Outcome once(Strategy& strategy, Kind kind, std::uint64_t seed, bool trace) {
    running = &scenario_;
    running_kind = kind;
    running_seed = seed;
    Outcome outcome = Scheduler::self().run(body_, strategy, trace);
    running = nullptr;
    ++report_.schedules;
    report_.steps += outcome.steps;
    report_.distinct += seen_.insert(outcome.hash) ? 1 : 0;
    if (!outcome.failure.empty()) {
      report_.failure = outcome.failure + "\n" + outcome.fibers + "  replay: test_schedule --scenario " +
                        scenario_.name + " --strategy " + to_string(kind) + " --seed " + std::to_string(seed) +
                        " --trace\n";
    }
    return outcome;
  }

  const Scenario& scenario_;
  const std::function<void()> body_;
  HashSet seen_;
  const std::chrono::steady_clock::time_point began_;
  std::uint64_t contested_ = 0;
  std::int64_t in_use_ = 0;
  Report report_;
};

extern "C" void on_crash(int signal) {
  char text[512];
  const int size = std::snprintf(
      text, sizeof text,
      "TEST CASE:  %s\n  signal %d in %s\n  replay: test_schedule --scenario %s --strategy %s --seed %llu --trace\n",
      running != nullptr ? running->name : "none", signal, Scheduler::self().current_name(),
      running != nullptr ? running->name : "none", to_string(running_kind),
      static_cast<unsigned long long>(running_seed));
  std::fflush(stdout);
  static_cast<void>(::write(STDOUT_FILENO, text, static_cast<std::size_t>(size)));
  ::_exit(1);
}

}  // namespace

const char* to_string(Kind kind) noexcept {
  return kNames[static_cast<int>(kind)];
}

std::optional<Kind> kind_named(const std::string& name) noexcept {
  for (int i = 0; i < 3; ++i) {
    if (name == kNames[i]) {
      return static_cast<Kind>(i);
    }
  }
  return std::nullopt;
}

Report explore(const Scenario& scenario, std::uint64_t schedules) {
  Exploration exploration(scenario, schedules);
  std::uint64_t left = schedules - exploration.run(Kind::depth_first, schedules * 3 / 10);
  left -= exploration.run(Kind::random, left / 2);
  exploration.run(Kind::priorities, left);
  return exploration.finish();
}

Report explore_with(const Scenario& scenario, Kind kind, std::uint64_t schedules) {
  Exploration exploration(scenario, schedules);
  exploration.run(kind, schedules);
  return exploration.finish();
}

Report replay(const Scenario& scenario, Kind kind, std::uint64_t seed, bool trace) {
  Exploration exploration(scenario, seed);
  exploration.replay(kind, seed, trace);
  return exploration.finish();
}

void report_crashes() {
  static char stack[65536];  // a fiber may have run out of its own
  stack_t alternate{};
  alternate.ss_sp = stack;
  alternate.ss_size = sizeof stack;
  ::sigaltstack(&alternate, nullptr);
  struct sigaction action {};
  action.sa_handler = &on_crash;
  action.sa_flags = SA_ONSTACK;
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE, SIGTRAP}) {
    ::sigaction(signal, &action, nullptr);
  }
}

}  // namespace strandline::schedule
