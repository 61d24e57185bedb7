// open_index(): finds the index that is meant, or makes it, and moves aside what is none.
// Threads: one at a time. Blocks: as IndexLock and Database do. Errors: busy when what is there is corrupt and others
// have it open; else the file's. Cost: an fsync of the first to open it. Lifetime: none.
#pragma once

#include <strandline/store/index/sqlite/database.h>
#include <strandline/store/index/sqlite/index_lock.h>
#include <strandline/store/io/identity.h>

#include <chrono>
#include <cstdint>
#include <string>

namespace strandline::store {

struct OpenedIndex {
  Database database;
  std::uint64_t generation = 0;
};

// From outside the door and the room; who has it open is in the room, who has not is not.
[[nodiscard]] Result<OpenedIndex> open_index(IndexLock& lock, const std::string& path, const BootId& boot,
                                             std::chrono::milliseconds patience) noexcept;

// The same from inside the door.
[[nodiscard]] Result<OpenedIndex> open_index_inside(IndexLock& lock, const std::string& path, const BootId& boot,
                                                    std::chrono::milliseconds patience) noexcept;

}  // namespace strandline::store
