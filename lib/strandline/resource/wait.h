// What a wait on bytes asks for, how it can be bounded, and how it can end.
// Threads: values. Blocks, Errors: see Resource::wait_range(). Cost, Lifetime: values.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>

namespace strandline {

// How a wait ends when it does not end in an Error.
enum class WaitOutcome : std::uint8_t {
  ready,       // the bytes asked for are readable
  eof,         // the range starts at or past the known length
  timed_out,   // the deadline passed first
  interrupted  // this wait's stop_token, or Resource::interrupt()
};

enum class WaitFor : std::uint8_t {
  all,  // every byte of the range, clamped to the length once that is known
  any   // the first byte of the range, so that reading on from there makes progress
};

// Who is served first by whoever fetches; no wait ends otherwise for it.
enum class Urgency : std::uint8_t {
  reader,     // somebody reads what comes
  background  // it will be of use some time
};

struct WaitOptions {
  std::stop_token stop;
  std::optional<std::chrono::steady_clock::time_point> deadline;  // none, or time_point::max(): no bound
  WaitFor until = WaitFor::all;
  Urgency urgency = Urgency::reader;
};

}  // namespace strandline
