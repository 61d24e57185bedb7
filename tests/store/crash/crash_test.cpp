// F30, F31, F32: crashes of the process and of the system at every change, whatever the disk then holds, also while
// recovering; and broken protocols, which the checker must find. STRANDLINE_CRASH_STATES says how many states,
// STRANDLINE_CRASH_SEED from which seed on (tools/crash_states).
#include <doctest/doctest.h>
#include <strandline/store/sealing/sealer.h>
#include <tests/store/crash/crash_checker.h>

#include <cstdlib>

using namespace strandline;
using namespace strandline::testing;

namespace {

std::uint64_t number(const char* variable, std::uint64_t otherwise) {
  const char* const wanted = std::getenv(variable);
  const std::uint64_t given = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 0;
  return given > 0 ? given : otherwise;
}

void check_states(std::uint64_t wanted, const std::shared_ptr<const store::SecretKey>& secret) {
  std::uint64_t states = 0;
  for (std::uint64_t seed = number("STRANDLINE_CRASH_SEED", 1); states < wanted; ++seed) {
    CrashChecker checker(seed, Broken::nowhere, secret);
    const bool sound = checker.run(4, 10);
    states += checker.states();
    REQUIRE_MESSAGE(sound, checker.violation());
  }
  MESSAGE(states << " crash states");
}

}  // namespace

TEST_CASE("F30, F31, F32: what is found after a crash was written, and what was sure is found") {
  check_states(number("STRANDLINE_CRASH_STATES", 10000), nullptr);
}

TEST_CASE("F30, F31, F32: the same of an encrypted entry") {
  if (!store::Sealer::supported()) {
    return;
  }
  const auto secret = std::make_shared<const store::SecretKey>(std::array<std::byte, store::SecretKey::kBytes>{});
  check_states(number("STRANDLINE_CRASH_STATES", 10000), secret);
}

TEST_CASE("F31: the checker finds protocols that are broken") {
  for (const Broken broken : kBroken) {
    CAPTURE(std::string(to_string(broken)));
    bool found = false;
    for (std::uint64_t seed = 1; seed < 100 && !found; ++seed) {
      CrashChecker checker(seed, broken);
      found = !checker.run(4, 10);
      if (found) {
        MESSAGE(std::string(to_string(broken)) << ": " << checker.violation());
      }
    }
    CHECK(found);
  }
}
