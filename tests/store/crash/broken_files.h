// broken_files(): files under which an entry keeps a protocol that is broken on purpose; a checker that finds nothing
// wrong with these checks nothing.
// Threads: one. Blocks: as the files behind. Errors: theirs. Cost: a virtual call. Lifetime: keeps what is behind.
#pragma once

#include <strandline/store/io/file_system.h>

#include <array>
#include <cstdint>
#include <memory>

namespace strandline::testing {

enum class Broken : std::uint8_t {
  nowhere,
  barrier_without_sync,  // what a barrier covers has not been synced
  journal_before_data,   // a range is journalled before its bytes are written
  hole_before_journal    // a hole is punched before its eviction is on the disk, and no hole is looked for
};
inline constexpr std::array kBroken = {Broken::barrier_without_sync, Broken::journal_before_data,
                                       Broken::hole_before_journal};

// Those that show when the power fails: to see a range journalled before its bytes, a process must be killed.
inline constexpr std::array kBrokenForPower = {Broken::barrier_without_sync, Broken::hole_before_journal};

[[nodiscard]] const char* to_string(Broken broken) noexcept;

[[nodiscard]] std::shared_ptr<store::FileSystem> broken_files(std::shared_ptr<store::FileSystem> files, Broken broken);

}  // namespace strandline::testing
