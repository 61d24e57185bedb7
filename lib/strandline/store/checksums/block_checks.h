// BlockChecks: the checksums of an entry's blocks: made of what is written, held against what is found.
// Threads: thread-safe. Blocks: on the disk, while it reads a block. Errors: the file's; corrupt. Cost: a read of a
// block that has been verified: one load; else the block's CRC, once. Lifetime: that of its driver.
#pragma once

#include <strandline/base/block_map/block_map.h>
#include <strandline/base/mutex.h>
#include <strandline/store/checksums/checksum_map.h>
#include <strandline/store/io/file_system.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

namespace strandline::store {

class BlockChecks {
 public:
  // Of encrypted entries none are made: every read verifies what it reads.
  enum class Of : std::uint8_t { blocks, nothing };
  // What an opening has found: the bytes that are there, and checksums of some of their blocks. Throws std::bad_alloc.
  BlockChecks(const File& data, const BlockMap& present, std::optional<std::uint64_t> length, ChecksumMap found,
              Of of = Of::blocks);

  // Before bytes of the range are served: do its blocks hold what they held? corrupt, with the first block that does
  // not.
  [[nodiscard]] Result<void> verify(ByteRange range) const noexcept STRANDLINE_EXCLUDES(mutex_);

  // Bytes have been written.
  [[nodiscard]] Result<void> wrote(ByteRange range) noexcept STRANDLINE_EXCLUDES(mutex_);
  // Bytes are given up. What they were checked by is void.
  [[nodiscard]] Result<void> gave_up(ByteRange range) noexcept STRANDLINE_EXCLUDES(mutex_);
  // A commit of this length is about to be journalled: what lies past it is given up, and the last block may be a
  // short one.
  [[nodiscard]] Result<void> cut(std::uint64_t length) noexcept STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] bool length_known() const noexcept STRANDLINE_EXCLUDES(mutex_);
  // Can nothing be at this offset or past it?
  [[nodiscard]] bool ends_by(std::uint64_t offset) const noexcept STRANDLINE_EXCLUDES(mutex_);
  // The length is unknown again: a short last block may grow.
  void reopen() noexcept STRANDLINE_EXCLUDES(mutex_);

  struct Sum {
    std::uint64_t block;
    std::uint32_t checksum;
  };
  // The checksums of complete blocks that have none yet. They come again until journalled() is told of them; neither
  // call, nor gave_up(), may run between.
  [[nodiscard]] Result<std::vector<Sum>> to_journal() const noexcept STRANDLINE_EXCLUDES(mutex_);
  void journalled(const std::vector<Sum>& sums) noexcept STRANDLINE_EXCLUDES(mutex_);

 private:
  // The bytes of a block, up to the length.
  [[nodiscard]] ByteRange range_of_locked(std::uint64_t block) const noexcept STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] bool is_complete_locked(std::uint64_t block) const noexcept STRANDLINE_REQUIRES(mutex_);

  const File& data_;
  const Of of_;
  mutable Mutex mutex_;  // a leaf, not held while the disk works
  BlockMap present_ STRANDLINE_GUARDED_BY(mutex_);
  std::optional<std::uint64_t> length_ STRANDLINE_GUARDED_BY(mutex_);
  // Of blocks that have become complete and have no checksum; a part of one may have gone since.
  RangeSet touched_ STRANDLINE_GUARDED_BY(mutex_);
  // What was found and has not been verified yet.
  mutable ChecksumMap unverified_ STRANDLINE_GUARDED_BY(mutex_);
  // Its size. Written under the lock, read by every read before it takes the lock: 0 is final.
  mutable std::atomic<std::size_t> left_{0};
};

}  // namespace strandline::store
