// Replay: an EntryWorkload on a real file system, whose disk is recorded; of the states in which a power cut may leave
// the disk, a file system and an entry are recovered, and held to what was promised by then.
// Threads: one. Blocks: on the disk in memory. Errors: violation(), in words; what RecordedDisk and MountedDisk throw.
// Cost: some 5 ms per state on ext4, 60 ms on xfs. Lifetime: one at a time uses the disk.
#pragma once

#include <tests/store/blocks/disk/disk_states.h>
#include <tests/store/blocks/disk/mounted_disk.h>
#include <tests/store/crash/broken_files.h>
#include <tests/store/crash/entry_workload.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace strandline::testing {

struct Counts {
  std::uint64_t recordings = 0;
  std::uint64_t writes = 0;
  std::uint64_t flushes = 0;
  std::uint64_t promises = 0;
  std::uint64_t after_flushes = 0;  // states
  std::uint64_t between_flushes = 0;
  std::uint64_t in_recovery = 0;

  [[nodiscard]] std::uint64_t states() const noexcept { return after_flushes + between_flushes + in_recovery; }
};

class Replay {
 public:
  // `kinds`: at least one; seeds take turns with them.
  Replay(RecordedDisk& disk, std::span<const FileSystemKind> kinds, Broken broken)
      : disk_(disk), kinds_(kinds), broken_(broken) {}

  // Records one seed's work, from an empty file system and again from what a crash of that has left, and looks at what
  // crashes leave until there are `most` states in all. False: see violation(); the disk then holds what was mounted.
  [[nodiscard]] bool run(std::uint64_t seed, std::uint64_t most);
  [[nodiscard]] const std::string& violation() const noexcept { return violation_; }
  // Did it take a crash to show it?
  [[nodiscard]] bool shown_by_crash() const noexcept { return shown_by_crash_; }
  [[nodiscard]] const Counts& counts() const noexcept { return counts_; }

 private:
  using History = std::map<std::uint64_t, EntryWorkload::Model>;  // what held once so much had reached the disk

  // Works on what the disk holds.
  [[nodiscard]] bool record(EntryWorkload& workload, Crash after, History& history);
  [[nodiscard]] static const EntryWorkload::Model& at(const History& history, std::uint64_t reached);
  void count(const Recording& recording);
  [[nodiscard]] bool check_all(const Recording& recording, const History& history, std::uint64_t most);
  [[nodiscard]] bool check(const Recording& recording, const DiskState& state, const EntryWorkload::Model& model);
  // The same; false: violation_ says why not.
  [[nodiscard]] bool recovers(const EntryWorkload::Model& model);
  [[nodiscard]] bool wrong(const char* what, const Recording& recording, const DiskState& state);

  RecordedDisk& disk_;
  const std::span<const FileSystemKind> kinds_;
  const Broken broken_;
  FileSystemKind kind_;
  std::uint64_t seed_ = 0;
  std::mt19937_64 random_;
  std::shared_ptr<const store::SecretKey> secret_;
  std::uint64_t boots_ = 0;
  Counts counts_;
  std::string violation_;
  bool shown_by_crash_ = false;
};

}  // namespace strandline::testing
