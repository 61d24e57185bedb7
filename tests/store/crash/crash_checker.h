// CrashChecker: has an EntryWorkload on SimulatedFiles crash anywhere, also while it recovers from a crash.
// Threads: one. Blocks: never. Errors: violation(), in words, with the seed. Cost: some 100 us per crash state.
// Lifetime: one per seed.
#pragma once

#include <tests/store/crash/broken_files.h>
#include <tests/store/crash/entry_workload.h>
#include <tests/store/simulated_files.h>

#include <cstdint>
#include <memory>
#include <string>

namespace strandline::testing {

class CrashChecker {
 public:
  // `secret`: the entry is encrypted.
  CrashChecker(std::uint64_t seed, Broken broken, std::shared_ptr<const store::SecretKey> secret = nullptr);

  // Works until it crashes, and looks at `states` of what may then be found; goes on from one of them, `crashes` times.
  // False: see violation().
  [[nodiscard]] bool run(unsigned crashes, unsigned states);
  [[nodiscard]] const std::string& violation() const noexcept { return workload_.violation(); }
  [[nodiscard]] std::uint64_t states() const noexcept { return states_; }

 private:
  [[nodiscard]] bool open(Crash after) { return workload_.open({broken_files(files_, broken_), "entry"}, after); }

  const Broken broken_;
  std::shared_ptr<SimulatedFiles> files_;
  EntryWorkload workload_;
  std::uint64_t states_ = 0;
};

}  // namespace strandline::testing
