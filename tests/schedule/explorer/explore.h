// explore(): runs a scenario under many schedules, and says of the first that goes wrong how to see it again.
// Threads: one. Blocks: no. Errors: in the Report. Cost: 5 to 60 us a schedule. Lifetime: values.
#pragma once

#include <tests/schedule/explorer/scheduler.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace strandline::schedule {

struct Scenario {
  const char* name;
  const char* proves;  // in one line
  void (*body)();      // the first fiber's; it may spawn others
};

enum class Kind : std::uint8_t { depth_first, random, priorities };
[[nodiscard]] const char* to_string(Kind kind) noexcept;
[[nodiscard]] std::optional<Kind> kind_named(const std::string& name) noexcept;

struct Report {
  std::uint64_t schedules = 0;
  std::uint64_t distinct = 0;
  std::uint64_t steps = 0;
  int exhausted = -1;  // all schedules with so many preemptions have been run
  double seconds = 0;
  std::string failure;  // empty when all is well; else what, where everybody was, and how to replay it
};

// Depth-first first, up to three preemptions and at most 30% of `schedules`; the other two share the rest.
[[nodiscard]] Report explore(const Scenario& scenario, std::uint64_t schedules);
// All of them by one strategy.
[[nodiscard]] Report explore_with(const Scenario& scenario, Kind kind, std::uint64_t schedules);
// One again, printing its steps if asked to.
[[nodiscard]] Report replay(const Scenario& scenario, Kind kind, std::uint64_t seed, bool trace);

// A crash or abort() then says which schedule it was, and ends the program with 1.
void report_crashes();

}  // namespace strandline::schedule
