// The state of a resource as a caller sees it, and the choices of the calls that change it.
// Threads: values. Blocks: never. Errors: none. Cost: one optional string. Lifetime: snapshots.
#pragma once

#include <strandline/base/error.h>

#include <chrono>
#include <cstdint>
#include <optional>

namespace strandline {

enum class State : std::uint8_t {
  active,     // bytes are arriving, or may
  committed,  // complete and final
  failed,     // the producer gave up; what had arrived stays readable
  cancelled   // the owner shut it down; every call answers cancelled
};

struct ResourceStatus {
  State state = State::active;
  std::optional<std::uint64_t> length;  // bytes, of the generation that readers see
  std::uint64_t generation = 1;         // the one that readers see; the first is 1
  std::optional<Error> error;           // why, while failed
};

enum class Reactivate : std::uint8_t {
  resume,  // go on with what is available, in the same generation
  rewrite  // a new generation; committed bytes stay readable until it commits
};

enum class Abandon : std::uint8_t {
  handover,  // another writer follows: waits go on
  stop       // nobody is writing any more: waits on missing bytes end with no_writer
};

// Counters since open. Bytes are bytes of content; a hit is a read or wait answered without waiting.
struct ResourceStats {
  std::uint64_t bytes_written = 0;          // newly available
  std::uint64_t bytes_read = 0;             // copied out by reads; views do not count
  std::uint64_t read_hits = 0;              // reads answered with bytes
  std::uint64_t read_misses = 0;            // reads answered not_available or evicted
  std::uint64_t wait_hits = 0;              // waits decided at once
  std::uint64_t waits = 0;                  // waits that had to park
  std::uint64_t wakes = 0;                  // parked waits that ended, however they ended
  std::chrono::nanoseconds time_waited{0};  // by blocked threads, summed
  std::uint64_t parked = 0;                 // waits parked at this moment
};

}  // namespace strandline
