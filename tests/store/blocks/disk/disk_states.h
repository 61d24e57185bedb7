// What a disk that lost its power may hold: a prefix of what had reached it, in which everything before the last flush
// is there, and of the rest anything: none, all, any of the writes, or any blocks of them.
// Threads: any. Blocks: never. Errors: none. Cost: a record per write. Lifetime: states are values; the bytes are the
// recording's.
#pragma once

#include <tests/store/blocks/disk/disk_log.h>

#include <random>
#include <string>
#include <vector>

namespace strandline::testing {

struct DiskState {
  std::uint64_t reached = 0;        // so many changes of the recording
  std::vector<DiskChange> changes;  // those, or parts, that it holds
  std::uint64_t pending = 0;        // changes since the last flush
  std::string words;                // which of them it holds
};

// After each flush that had something to do.
[[nodiscard]] std::vector<DiskState> states_after_flushes(const Recording& recording);
[[nodiscard]] DiskState random_state(const Recording& recording, std::mt19937_64& random);

}  // namespace strandline::testing
