// The schedule explorer's program: all scenarios, or some, or one schedule again.
#include <tests/schedule/self_test.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace strandline::schedule {

namespace {

constexpr const char* kUsage =
    "Usage: test_schedule [--scenario NAME]... [--strategy dfs|random|pct] [--schedules N]\n"
    "       test_schedule --scenario NAME --strategy S --seed N [--trace]    one schedule again\n"
    "       test_schedule --self-test | --list\n"
    "N of all strategies together, per scenario; by default 100000, or STRANDLINE_SCHEDULES.\n";

struct Arguments {
  std::vector<std::string> scenarios;
  std::optional<Kind> kind;
  std::optional<std::uint64_t> seed;
  std::uint64_t schedules = 100000;
  bool trace = false, list = false, self_test = false;
};

std::optional<Arguments> parse(std::span<char*> given) {
  Arguments arguments;
  if (const char* const number = std::getenv("STRANDLINE_SCHEDULES")) {
    arguments.schedules = std::strtoull(number, nullptr, 10);
  }
  for (std::size_t i = 1; i < given.size(); ++i) {
    std::string name = given[i], value;
    if (const auto equals = name.find('='); equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    } else if (i + 1 < given.size() &&
               (name == "--scenario" || name == "--strategy" || name == "--seed" || name == "--schedules")) {
      value = given[++i];
    }
    if (name == "--scenario") {
      arguments.scenarios.push_back(value);
    } else if (name == "--strategy") {
      arguments.kind = kind_named(value);
      if (!arguments.kind) {
        return std::nullopt;
      }
    } else if (name == "--seed") {
      arguments.seed = std::strtoull(value.c_str(), nullptr, 10);
    } else if (name == "--schedules") {
      arguments.schedules = std::strtoull(value.c_str(), nullptr, 10);
    } else if (name == "--trace") {
      arguments.trace = true;
    } else if (name == "--list") {
      arguments.list = true;
    } else if (name == "--self-test") {
      arguments.self_test = true;
    } else if (name != "--abort-after" && !name.starts_with("--no-")) {  // doctest's, which tools/planted_bugs gives
      return std::nullopt;
    }
  }
  if (arguments.seed && (!arguments.kind || arguments.scenarios.size() != 1)) {
    return std::nullopt;
  }
  return arguments;
}

bool passed(const Scenario& scenario, const Report& report) {
  if (!report.failure.empty()) {
    std::printf("TEST CASE:  %s: %s\n  %s", scenario.name, scenario.proves, report.failure.c_str());
    return false;
  }
  const std::string exhausted = report.exhausted < 0 ? "-" : std::to_string(report.exhausted);
  std::printf("%-28s %8llu schedules %8llu distinct %5llu steps each, all of %s preemptions, %6.2f s\n", scenario.name,
              static_cast<unsigned long long>(report.schedules), static_cast<unsigned long long>(report.distinct),
              static_cast<unsigned long long>(report.steps / std::max<std::uint64_t>(1, report.schedules)),
              exhausted.c_str(), report.seconds);
  std::fflush(stdout);
  return true;
}

int run(const Arguments& arguments) {
  std::vector<Scenario> chosen;
  for (const auto& list :
       {wait_scenarios(), wake_scenarios(), state_scenarios(), write_scenarios(), ring_scenarios(), call_scenarios(),
        hit_scenarios(), eviction_scenarios(), demand_scenarios(), shared_scenarios()}) {
    for (const Scenario& scenario : list) {
      const auto& names = arguments.scenarios;
      if (names.empty() || std::find(names.begin(), names.end(), scenario.name) != names.end()) {
        chosen.push_back(scenario);
      }
    }
  }
  if (chosen.empty() || chosen.size() < arguments.scenarios.size()) {
    std::fputs("test_schedule: no such scenario\n", stderr);
    return 2;
  }
  Report total;
  for (const Scenario& scenario : chosen) {
    if (arguments.list) {
      std::printf("%-28s %s\n", scenario.name, scenario.proves);
      continue;
    }
    const Report report = arguments.seed   ? replay(scenario, *arguments.kind, *arguments.seed, arguments.trace)
                          : arguments.kind ? explore_with(scenario, *arguments.kind, arguments.schedules)
                                           : explore(scenario, arguments.schedules);
    if (!passed(scenario, report)) {
      return 1;  // what a failed schedule has left behind is not cleaned up, so nothing more can be run
    }
    total.schedules += report.schedules;
    total.distinct += report.distinct;
    total.seconds += report.seconds;
  }
  if (!arguments.list) {
    std::printf("%zu scenarios, %llu schedules, %llu distinct, %.0f s\n", chosen.size(),
                static_cast<unsigned long long>(total.schedules), static_cast<unsigned long long>(total.distinct),
                total.seconds);
  }
  return 0;
}

}  // namespace

}  // namespace strandline::schedule

int main(int count, char** values) {
  using namespace strandline::schedule;
  const auto arguments = parse({values, static_cast<std::size_t>(count)});
  if (!arguments) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  report_crashes();
  if (const Report warm = explore_with(warm_up(), Kind::depth_first, 1); !warm.failure.empty()) {
    std::printf("TEST CASE:  warm_up\n  %s", warm.failure.c_str());
    return 1;
  }
  return arguments->self_test ? self_test() : run(*arguments);
}
