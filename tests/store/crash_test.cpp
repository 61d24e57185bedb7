// F30, F31, F32: crashes of the process and of the system at every change, whatever the disk then holds, also while
// recovering; and broken protocols, which the checker must find. STRANDLINE_CRASH_STATES says how many states.
#include <doctest/doctest.h>
#include <tests/store/crash_checker.h>

#include <cstdlib>

using namespace strandline;
using namespace strandline::testing;

namespace {

std::uint64_t wanted_states() {
  const char* const wanted = std::getenv("STRANDLINE_CRASH_STATES");
  const std::uint64_t number = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 0;
  return number > 0 ? number : 10000;
}

}  // namespace

TEST_CASE("F30, F31, F32: what is found after a crash was written, and what was sure is found") {
  std::uint64_t states = 0;
  for (std::uint64_t seed = 1; states < wanted_states(); ++seed) {
    CrashChecker checker(seed, Broken::nowhere);
    const bool sound = checker.run(4, 10);
    states += checker.states();
    REQUIRE_MESSAGE(sound, checker.violation());
  }
  MESSAGE(states << " crash states");
}

TEST_CASE("F31: the checker finds protocols that are broken") {
  for (const Broken broken : {Broken::barrier_without_sync, Broken::journal_before_data, Broken::hole_before_journal}) {
    CAPTURE(static_cast<int>(broken));
    bool found = false;
    for (std::uint64_t seed = 1; seed < 100 && !found; ++seed) {
      CrashChecker checker(seed, broken);
      found = !checker.run(4, 10);
    }
    CHECK(found);
  }
}
