// replay(): what a journal says is there, and how much of that may be believed.
// Threads: a pure function. Blocks: never. Errors: as decode_header(); a torn tail is no error. no_memory.
// Cost: a CRC of the journal and an insertion per record, or per 64 blocks of a bitmap. Lifetime: the answer owns what
// it says.
#pragma once

#include <strandline/base/block_map/block_map.h>
#include <strandline/store/checksums/checksum_map.h>
#include <strandline/store/journal/format.h>
#include <strandline/store/journal/pieces.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace strandline::store {

// docs/format.md says why each is right.
enum class Trust : std::uint8_t {
  everything,  // the system has not stopped since: every record
  barriers     // it has: what a barrier, or a record with the flag kDurable, covers
};

struct Replay {
  JournalHeader header;
  BlockMap available;  // [0, length) at the most, where that is known
  std::optional<std::uint64_t> length;
  bool committed = false;        // it was complete once; evictions may have taken bytes away since
  bool doomed = false;           // believe nothing: then `available` is empty
  bool gave_up = false;          // a record has taken back what others said; in a rewritten journal none has
  ChecksumMap checksums;         // of blocks of kChecksumBlock
  std::optional<Cipher> cipher;  // of an encrypted version
  PieceMap pieces;               // those of which a byte is there; no byte is there without one
  std::vector<std::byte> note;   // the payload of the last one; empty: there is none

  std::size_t valid_bytes = 0;      // header and records up to the torn tail
  std::size_t torn_bytes = 0;       // behind them
  std::size_t rewritten_bytes = 0;  // of those, about what the last rewriting has made
  std::uint64_t records = 0;
  std::uint32_t chain = 0;  // what the next record continues
};

[[nodiscard]] Result<Replay> replay(std::span<const std::byte> journal, Trust trust) noexcept;

}  // namespace strandline::store
