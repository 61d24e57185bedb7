// The heap of the explorer: the global operator new and delete, such that memory that is used after its end shows.
// A freed block is filled with kDead bytes and not given out again before the schedule ends; if anything has been
// written to it by then, that is found. Whoever reads it finds kDead: an Atomic or a Mutex says so, a pointer crashes.
// Threads: one. Blocks: never. Errors: bad_alloc. Cost: less than malloc's. Lifetime: blocks are never given back.
#pragma once

#include <cstdint>

namespace strandline::schedule {

inline constexpr unsigned char kDead = 0xe9;

// True if nothing has been written to what was freed in this schedule, which can then be used again.
bool heap_end_schedule() noexcept;
// Blocks in use that were allocated by fibers, less those they freed.
[[nodiscard]] std::int64_t heap_in_use() noexcept;

}  // namespace strandline::schedule
