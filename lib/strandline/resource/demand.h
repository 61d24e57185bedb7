// Demand: what parked waits lack; DemandObserver: told when there is more of it. For whoever fetches what is missing.
// Threads: on_demand() is called on each thread that parks a wait, several at a time, outside every lock. Blocks: a
// slow observer delays the wait that it is told of. Errors: noexcept. Cost: two reference counts a parked wait where
// one is set, nothing where none is. Lifetime: kept while set and while it is called.
#pragma once

#include <strandline/base/byte_range.h>
#include <strandline/resource/wait.h>

#include <chrono>
#include <cstdint>
#include <optional>

namespace strandline {

// Of all parked waits of one urgency that lack the same first byte.
struct Demand {
  // From that byte to the end of what the furthest of them asked for, clamped to the length. Of more than 64 waits some
  // are asked.
  ByteRange missing;
  std::optional<std::chrono::steady_clock::time_point> deadline;  // the earliest of those asked
  Urgency urgency = Urgency::reader;
  // When all bytes from missing.begin to here have come, the first of the waits ends: for one with WaitFor::any, that
  // is the first byte.
  std::uint64_t enough = 0;

  friend bool operator==(const Demand&, const Demand&) = default;
};

class DemandObserver {
 public:
  virtual ~DemandObserver() = default;
  // A wait has been parked: Resource::demand() has it from now on, unless something has ended it since. It lacks the
  // first byte of `missing`, and asked for all of it, or for that byte. Not called: for a wait that is decided at once;
  // for one that was parked before the observer was set; when bytes go from under a parked wait (AvailabilityObserver
  // is told). May write, wait, or shut the resource down. Whoever brings the bytes from within the call resumes there
  // the coroutines that wait for them: one that waits in a loop goes a stack frame deeper each time.
  virtual void on_demand(ByteRange missing) noexcept = 0;
  // A cursor has come so far, which waits for nothing: told now and then, every MiB or after a seek. Called on the
  // cursor's thread, outside every lock.
  virtual void on_moved(std::uint64_t /*position*/) noexcept {}
  // Resource::cancel() has ended all waits, and there will be none. Called after it, on its thread, outside every lock.
  virtual void on_cancelled() noexcept {}
};

}  // namespace strandline
