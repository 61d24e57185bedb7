// CrashChecker: writes, syncs, evicts, commits and reopens an entry at random on SimulatedFiles, has it crash anywhere,
// also while it recovers from a crash, and holds what is found afterwards to a model.
// Threads: one. Blocks: never. Errors: violation(), in words, with the seed. Cost: some 100 us per crash state.
// Lifetime: one per seed.
#pragma once

#include <strandline/store/entry/entry_driver.h>
#include <tests/store/simulated_files.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace strandline::testing {

// How the protocol under test is broken; a checker that finds nothing wrong with these checks nothing.
enum class Broken : std::uint8_t {
  nowhere,
  barrier_without_sync,  // what a barrier covers has not been synced
  journal_before_data,   // a range is journalled before its bytes are written
  hole_before_journal    // a hole is punched before its eviction is on the disk, and no hole is looked for
};

class CrashChecker {
 public:
  // `secret`: the entry is encrypted.
  CrashChecker(std::uint64_t seed, Broken broken, std::shared_ptr<const store::SecretKey> secret = nullptr);

  // Works until it crashes, and looks at `states` of what may then be found; goes on from one of them, `crashes` times.
  // False: see violation().
  [[nodiscard]] bool run(unsigned crashes, unsigned states);
  [[nodiscard]] const std::string& violation() const noexcept { return violation_; }
  [[nodiscard]] std::uint64_t states() const noexcept { return states_; }

 private:
  static constexpr std::uint64_t kRoom = 160 * 1024;  // several checksummed blocks

  // What must be so of one version of the content. A byte of a version is the same whenever it is written, but where a
  // commit has dropped it: there another one comes after the reopening.
  struct Version {
    RangeSet attempted;  // may be there
    bool sealed = false;
    std::set<std::uint64_t> lengths;  // of commits
    std::vector<std::uint8_t> times_dropped = std::vector<std::uint8_t>(kRoom);
  };
  struct Sure {
    RangeSet written;  // must be there after the process dies
    RangeSet synced;   // and after the power fails
  };
  enum class Crash : std::uint8_t { none, kill, power };

  [[nodiscard]] std::shared_ptr<store::FileSystem> seen(const std::shared_ptr<SimulatedFiles>& files) const;
  [[nodiscard]] bool open(const std::shared_ptr<SimulatedFiles>& files, Crash after);
  void work();
  void write();
  [[nodiscard]] bool write_piece(ByteRange range);
  void evict();
  void commit();
  void commit_below_and_reopen();
  [[nodiscard]] std::vector<std::byte> bytes_of(ByteRange range);
  [[nodiscard]] std::uint64_t end() const;
  [[nodiscard]] bool check(const DriverState& state, const Sure& sure, Crash after);
  [[nodiscard]] bool wrong(const std::string& what);

  const std::uint64_t seed_;
  const Broken broken_;
  const std::shared_ptr<const store::SecretKey> secret_;
  // Blocks in which a piece may have been cut: what is left of it is given up when others are written beside it.
  std::set<std::uint64_t> cut_blocks_;
  std::mt19937_64 random_;
  std::shared_ptr<SimulatedFiles> files_;
  std::unique_ptr<store::EntryDriver> driver_;
  std::uint64_t version_ = 1;
  std::map<std::uint64_t, Version> versions_;
  Sure sure_;
  RangeSet available_;  // what the driver in use has
  bool sealed_ = false;
  std::optional<std::uint64_t> length_;  // as the core would know it: nothing is written past it
  std::string violation_;
  std::uint64_t states_ = 0;
};

}  // namespace strandline::testing
