#include <strandline/store/checksums/block_checks.h>
#include <strandline/store/journal/crc32c.h>
#include <strandline/store/journal/format.h>

#include <algorithm>
#include <memory>
#include <new>
#include <utility>

namespace strandline::store {
namespace {

// Of blocks [first, last), the last one that there is being a byte short.
constexpr ByteRange bytes_of(std::uint64_t first, std::uint64_t last) noexcept {
  return {first * kChecksumBlock, std::min(last * kChecksumBlock, kMaxOffset)};
}

// The CRC of the bytes of a block; corrupt when the file ends before them.
Result<std::uint32_t> checksum_of(const File& data, ByteRange range) noexcept {
  const std::unique_ptr<std::byte[]> buffer(new (std::nothrow) std::byte[range.size()]);
  if (buffer == nullptr) {
    return fail(Errc::no_memory, "block");
  }
  const std::span<std::byte> bytes(buffer.get(), range.size());
  for (std::size_t have = 0; have < bytes.size();) {
    const auto count = data.read_at(range.begin + have, bytes.subspan(have));
    if (!count) {
      return fail(count.error().clone());
    }
    if (*count == 0) {
      return fail(Errc::corrupt, "the file has been cut");
    }
    have += *count;
  }
  return crc32c(0, bytes);
}

}  // namespace

BlockChecks::BlockChecks(const File& data, const BlockMap& present, std::optional<std::uint64_t> length,
                         ChecksumMap found, Of of)
    : data_(data), of_(of), length_(length) {
  if (of_ == Of::nothing) {
    return;
  }
  auto copy = present.clone();
  if (!copy) {
    throw std::bad_alloc();
  }
  present_ = std::move(*copy);
  // Of a block of which a part is missing nothing can be verified; the missing part may come back with other
  // neighbours.
  for (auto block = found.next(0); block; block = found.next(*block + 1)) {
    if (!is_complete_locked(*block)) {
      found.erase(*block, *block + 1);
    }
  }
  unverified_ = std::move(found);
  left_.store(unverified_.size(), std::memory_order_relaxed);
  // What became complete before a crash, and had not been summed.
  const std::uint64_t end = present_.end_offset();
  for (std::uint64_t at = present_.next_covered(0, end); at < end;) {
    const std::uint64_t first = at / kChecksumBlock;
    std::uint64_t last = first;
    if (at % kChecksumBlock == 0) {
      const std::uint64_t run_end = present_.next_missing(at, end);
      last = run_end / kChecksumBlock + (run_end == length && run_end % kChecksumBlock != 0 ? 1 : 0);
    }
    for (auto block = unverified_.next_without(first, last); block < last;
         block = unverified_.next_without(block + 1, last)) {
      touched_.reserve(1);
      touched_.add_reserved(bytes_of(block, block + 1));
    }
    at = present_.next_covered(bytes_of(last, last + 1).end, end);
  }
}

ByteRange BlockChecks::range_of_locked(std::uint64_t block) const noexcept {
  const ByteRange bytes = bytes_of(block, block + 1);
  return {bytes.begin, std::min(bytes.end, length_.value_or(kMaxOffset))};
}

bool BlockChecks::is_complete_locked(std::uint64_t block) const noexcept {
  const ByteRange range = range_of_locked(block);
  return !range.empty() && present_.covers(range);
}

Result<void> BlockChecks::verify(ByteRange range) const noexcept {
  if (left_.load(std::memory_order_acquire) == 0) {
    return {};
  }
  for (std::uint64_t block = range.begin / kChecksumBlock; block * kChecksumBlock < range.end; ++block) {
    ByteRange bytes;
    std::uint32_t expected = 0;
    {
      MutexLock lock(mutex_);
      const auto next = unverified_.next(block);
      if (!next || *next * kChecksumBlock >= range.end) {
        return {};
      }
      block = *next;
      expected = *unverified_.find(block);
      bytes = range_of_locked(block);
    }
    const auto checksum = checksum_of(data_, bytes);
    if (!checksum) {
      return fail(checksum.error().clone());
    }
    MutexLock lock(mutex_);
    if (unverified_.find(block) != expected) {
      continue;  // a part of it was given up meanwhile, or another has verified it
    }
    if (*checksum != expected) {
      return fail(Errc::corrupt, "block");
    }
    unverified_.erase(block, block + 1);
    left_.store(unverified_.size(), std::memory_order_release);
  }
  return {};
}

// On the way of every write: so no node for a block that is not complete yet.
Result<void> BlockChecks::wrote(ByteRange range) noexcept {
  if (of_ == Of::nothing) {
    return {};
  }
  MutexLock lock(mutex_);
  try {
    touched_.reserve(1);
  } catch (const std::bad_alloc&) {
    return fail(Errc::no_memory, "block");
  }
  if (auto noted = present_.insert(range); !noted) {
    return noted;
  }
  // Those between the first and the last are.
  std::uint64_t first = range.begin / kChecksumBlock;
  std::uint64_t last = (range.end - 1) / kChecksumBlock + 1;
  first += is_complete_locked(first) ? 0 : 1;
  last -= first < last && !is_complete_locked(last - 1) ? 1 : 0;
  if (first < last) {
    touched_.add_reserved(bytes_of(first, last));
  }
  return {};
}

Result<void> BlockChecks::gave_up(ByteRange range) noexcept {
  MutexLock lock(mutex_);
  if (auto taken = present_.erase(range); !taken) {
    return fail(std::move(taken.error()));
  }
  unverified_.erase(range.begin / kChecksumBlock, (range.end - 1) / kChecksumBlock + 1);
  left_.store(unverified_.size(), std::memory_order_release);
  return {};
}

Result<void> BlockChecks::cut(std::uint64_t length) noexcept {
  MutexLock lock(mutex_);
  const std::uint64_t last = length / kChecksumBlock;
  const bool is_short = length % kChecksumBlock != 0;
  if (length < kMaxOffset) {
    if (auto taken = present_.erase({length, kMaxOffset}); !taken) {
      return fail(std::move(taken.error()));
    }
  }
  // A checksum of the last block stands if it was made of the same short one.
  const bool same = length_ == length;
  unverified_.erase(same && is_short ? last + 1 : last, kMaxOffset / kChecksumBlock + 1);
  left_.store(unverified_.size(), std::memory_order_release);
  if (is_short) {
    try {
      touched_.reserve(1);
    } catch (const std::bad_alloc&) {
      return fail(Errc::no_memory, "block");
    }
    touched_.add_reserved({last * kChecksumBlock, last * kChecksumBlock + 1});
  }
  length_ = length;
  return {};
}

bool BlockChecks::length_known() const noexcept {
  MutexLock lock(mutex_);
  return length_.has_value();
}

bool BlockChecks::ends_by(std::uint64_t offset) const noexcept {
  MutexLock lock(mutex_);
  return length_ && *length_ <= offset;
}

void BlockChecks::reopen() noexcept {
  MutexLock lock(mutex_);
  if (length_ && *length_ % kChecksumBlock != 0) {
    const std::uint64_t last = *length_ / kChecksumBlock;
    unverified_.erase(last, last + 1);
    left_.store(unverified_.size(), std::memory_order_release);
  }
  length_.reset();
}

Result<std::vector<BlockChecks::Sum>> BlockChecks::to_journal() const noexcept {
  try {
    std::vector<std::pair<std::uint64_t, ByteRange>> complete;
    {
      MutexLock lock(mutex_);
      std::uint64_t next = 0;  // two runs may be of one block
      for (const ByteRange run : touched_) {
        for (std::uint64_t block = std::max(next, run.begin / kChecksumBlock); block * kChecksumBlock < run.end;
             ++block) {
          if (is_complete_locked(block)) {
            complete.emplace_back(block, range_of_locked(block));
          }
          next = block + 1;
        }
      }
    }
    std::vector<Sum> sums;
    for (const auto& [block, range] : complete) {
      const auto checksum = checksum_of(data_, range);
      if (!checksum) {
        return fail(checksum.error().clone());
      }
      sums.push_back({block, *checksum});
    }
    return sums;
  } catch (const std::bad_alloc&) {
    return fail(Errc::no_memory, "checksums");
  }
}

void BlockChecks::journalled(const std::vector<Sum>& sums) noexcept {
  MutexLock lock(mutex_);
  for (const Sum& sum : sums) {
    // Without memory they are summed again, and the same comes out.
    static_cast<void>(touched_.erase(bytes_of(sum.block, sum.block + 1)));
  }
}

}  // namespace strandline::store
