// Tally: what all fills of a filler have done together, for FillerStats.
// Threads: counted on the filler's thread, read on any. Blocks: never. Errors: none. Cost: an addition each.
// Lifetime: the engine's and its servers'.
#pragma once

#include <strandline/fill/durations.h>

#include <atomic>
#include <cstdint>

namespace strandline::fill {

struct Tally {
  // Relaxed: nothing else is told by them.
  std::atomic<std::uint64_t> fetched{0};
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::uint64_t> retries{0};
  std::atomic<std::uint64_t> transfers{0};
  Durations first_byte;
};

}  // namespace strandline::fill
