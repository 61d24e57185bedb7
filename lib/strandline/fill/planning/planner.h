// plan(): what to fetch next of one object, and which transfers are no longer worth their connection.
// Threads: a pure function: no clock, no I/O. Blocks: never. Errors: throws std::bad_alloc. Cost: O(running log running
// + demand + ranges begun). Lifetime: the answer owns what it says.
#pragma once

#include <strandline/base/byte_range.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <vector>

namespace strandline::fill {

using Seconds = std::chrono::duration<double>;

// What a transfer brings so soon is waited for, however near the origin is: to ask for it once more and to cut the
// transfer short would cost as much.
inline constexpr Seconds kSoon{0.005};

enum class Policy : std::uint8_t {
  whole,       // everything, what is waited for first
  window,      // what is waited for, and so far ahead of each reader
  demand_only  // what is waited for
};

// What has been measured of the way to the origin, or is supposed until it has been.
struct Network {
  Seconds round_trip{0.05};  // from a request to the first byte of its answer, on a connection that stands
  Seconds setup{0.05};       // to make another connection
  double rate = 4e6;         // bytes per second, of one transfer
};

struct Limits {
  Policy policy = Policy::whole;
  std::uint64_t window = 16 << 20;        // bytes, for Policy::window
  bool ahead_of_waits = true;             // likewise: of who waits, too; else of cursors only
  std::uint64_t min_subrange = 4 << 20;   // bytes of one request; demand may ask for less
  std::uint64_t max_subrange = 16 << 20;  // likewise
  std::uint64_t min_split = 1 << 20;      // a transfer is not divided into less
  std::uint64_t max_bridge = 64 << 10;    // bytes that are there, fetched again rather than asking twice
  // A store whose cap is reached, and of which nothing can go, is tried again: readers will go on. Else that is the
  // end.
  bool waits_for_room = false;
};

// A transfer: brings the bytes from `at` on, one after the other.
struct Running {
  std::uint64_t id = 0;
  std::uint64_t at = 0;
  std::uint64_t end = 0;
  double rate = 0;        // bytes per second; 0: not known yet
  bool answered = false;  // have bytes come?
  bool demanded = false;  // was it begun for somebody who waits?
  bool settled = false;   // has it gone on for long enough that its rate says something?
};

// Bytes that somebody waits for.
struct Wanted {
  ByteRange range;
  Seconds deadline{std::numeric_limits<double>::infinity()};  // from now
  bool background = false;                                    // can wait for those that are not
};

struct Situation {
  std::uint64_t length = kMaxOffset;  // of the object, as far as it is known
  // The first run of missing bytes at or past `from`, up to `limit`: from the resource.
  std::function<std::optional<ByteRange>(std::uint64_t from, std::uint64_t limit)> next_gap;
  std::span<const Running> running;        // of this object
  std::span<const Wanted> wanted;          // in any order
  std::span<const std::uint64_t> readers;  // where readers stand, the latest to move first
  Network network;
  Limits limits;
  unsigned free_connections = 0;        // that may be used for who waits
  unsigned background_connections = 0;  // of those, for what nobody waits for yet
};

struct Plan {
  struct Start {
    ByteRange range;
    bool demanded = false;
    friend bool operator==(const Start&, const Start&) = default;
  };
  // The transfer shall not go past `end`; it is over at once when it has got there.
  struct Trim {
    std::uint64_t id = 0;
    std::uint64_t end = 0;
    friend bool operator==(const Trim&, const Trim&) = default;
  };
  std::vector<Start> starts;  // the most urgent first
  std::vector<Trim> trims;
  bool more = false;  // there would have been more starts, had there been connections
};

// No two ranges of `starts`, nor one of them and a running transfer's that is left, have a missing byte in common.
[[nodiscard]] Plan plan(const Situation& situation);

}  // namespace strandline::fill
