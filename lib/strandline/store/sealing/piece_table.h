// PieceTable: the pieces of an open version: where they are, what of them is there, and which are being replaced.
// Threads: thread-safe; begin_replacing() to end_replacing(), give_up() and cut() one caller at a time. Blocks:
// settle() for as long as pieces are being replaced. Errors: no_memory, and what was asked has not been done. Cost: a
// lock and O(log pieces). Lifetime: that of its driver.
#pragma once

#include <strandline/base/block_map/block_map.h>
#include <strandline/base/mutex.h>
#include <strandline/store/journal/pieces.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace strandline::store {

// Invariant: what the journal says is there is in there_; what is in there_ may be in no piece, once replacing one has
// failed.
class PieceTable {
 public:
  // What a journal says, read from its begin.
  [[nodiscard]] Result<void> reset(PieceMap pieces, const BlockMap& there) noexcept STRANDLINE_EXCLUDES(mutex_);

  struct Found {
    std::uint32_t changes = 0;
    std::optional<Piece> piece;
    ByteRange gap;  // else, of what was asked for, up to the next piece
  };
  [[nodiscard]] Found find(ByteRange range) const noexcept STRANDLINE_EXCLUDES(mutex_);
  // The bytes of a piece that find() has answered are not what they were. Is that because it has been given up or
  // replaced since? Waits until nothing is being replaced. False: they are damaged.
  [[nodiscard]] bool settle(std::uint32_t changes) const noexcept;

  // From the journal, when another process has written.
  [[nodiscard]] Result<void> note(std::span<const Piece> pieces) noexcept STRANDLINE_EXCLUDES(mutex_);
  void forget(ByteRange range) noexcept STRANDLINE_EXCLUDES(mutex_);

  [[nodiscard]] bool overlaps(ByteRange range) const noexcept STRANDLINE_EXCLUDES(mutex_);
  // Before it is journalled.
  [[nodiscard]] Result<void> wrote(const Piece& piece) noexcept STRANDLINE_EXCLUDES(mutex_);
  // What the range overlaps, and what of that is there.
  struct Overlapped {
    std::vector<Piece> pieces;
    RangeSet there;
  };
  [[nodiscard]] Result<Overlapped> overlapped(ByteRange range) const noexcept STRANDLINE_EXCLUDES(mutex_);
  // Puts pieces in the place of all that they overlap; their bytes are about to be overwritten. An error has not begun.
  [[nodiscard]] Result<void> begin_replacing(std::span<const Piece> pieces) noexcept STRANDLINE_EXCLUDES(mutex_);
  // `written`: else nobody knows what is there, and the pieces are gone.
  void end_replacing(std::span<const Piece> pieces, bool written) noexcept STRANDLINE_EXCLUDES(mutex_);

  // The journal has given a range up. What of the file may go: not what a piece needs of which another byte is there,
  // and at the edges all of one of which none is.
  [[nodiscard]] Result<ByteRange> give_up(ByteRange range) noexcept STRANDLINE_EXCLUDES(mutex_);
  // Nothing is past the length. The size that the file must keep: to the end of the piece that the length cuts.
  [[nodiscard]] Result<std::uint64_t> cut(std::uint64_t length) noexcept STRANDLINE_EXCLUDES(mutex_);

 private:
  void erase_empty_locked(ByteRange range) noexcept STRANDLINE_REQUIRES(mutex_);

  mutable Mutex mutex_;  // a leaf, not held while the disk works
  PieceMap pieces_ STRANDLINE_GUARDED_BY(mutex_);
  BlockMap there_ STRANDLINE_GUARDED_BY(mutex_);
  // Raised, under the lock and before the bytes change, whenever a piece goes; odd while pieces are being replaced.
  // Read by reads whose bytes were not what they should be.
  std::atomic<std::uint32_t> changes_{0};
};

}  // namespace strandline::store
