// Traces: what readers ask of a cache of chunks, made up but the same in every run and on every machine.
// They are reads of 64 KiB, as players and copying programs make them: whoever wants a chunk reads it in sixteen.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace strandline::bench {

inline constexpr std::uint32_t kPiecesPerChunk = 16;  // of 64 KiB

struct PieceRead {
  std::uint32_t entry;
  std::uint32_t piece;
};

struct Trace {
  std::string name;
  std::uint64_t footprint = 0;  // different chunks that may be asked for
  std::vector<PieceRead> reads;
};

// Of many entries, each chunk by itself: its popularity is rank^-alpha. Eight readers at a time.
[[nodiscard]] Trace zipf_trace(std::uint64_t chunks, std::uint64_t visits, double alpha);
// A hot set of a tenth of the footprint, of which chunks at random are read all the time; for each of these there come
// to be two of a reader that goes through all the rest, from the beginning to the end, twice.
[[nodiscard]] Trace scan_trace(std::uint64_t chunks);
// Players: 40 at a time, of films whose popularity is rank^-0.9. They begin at the beginning, or somewhere; play on;
// sometimes jump, sometimes pause for minutes, and most leave before the end.
[[nodiscard]] Trace player_trace(std::uint64_t films, std::uint64_t visits);

}  // namespace strandline::bench
