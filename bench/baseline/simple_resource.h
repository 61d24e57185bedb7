// SimpleResource: what a competent engineer writes first, and the yardstick of B5 and B9: a range set, one mutex, and
// one condition variable that every change notifies. It is correct; what it does not do is scale. Threads: thread-safe.
// Blocks: wait_range(), and every call for as long as another copies. Errors: as Resource's. Cost: a write copies its
// bytes under the lock and the whole set for its snapshot, and wakes every waiter.
#pragma once

#include <bench/baseline/interval_set.h>
#include <bench/baseline/simple_storage.h>
#include <strandline/resource/wait.h>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

namespace strandline::bench::baseline {

class SimpleResource {
 public:
  struct Options {
    std::filesystem::path path;  // empty: in memory
  };
  [[nodiscard]] static Result<std::unique_ptr<SimpleResource>> open(const Options& options);

  explicit SimpleResource(std::unique_ptr<SimpleStorage> storage);

  // Answers how many bytes were taken: all of them. Overlapping writes are the caller's to avoid.
  [[nodiscard]] Result<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> data);
  // [0, length) must be there; without a length, the end of what was written.
  [[nodiscard]] Result<void> commit(std::optional<std::uint64_t> length = std::nullopt);
  // Ends every wait, and every call to come, with cancelled.
  void cancel();

  // The whole range, clamped to the committed length, or not_available. Past the end: 0.
  [[nodiscard]] Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const;
  [[nodiscard]] bool contains(ByteRange range) const;
  // Of the options, the deadline only.
  [[nodiscard]] Result<WaitOutcome> wait_range(ByteRange range, const WaitOptions& options = {}) const;
  // What was there after the last write. Never null.
  [[nodiscard]] std::shared_ptr<const IntervalSet> available() const;
  [[nodiscard]] std::optional<std::uint64_t> length() const;

 private:
  [[nodiscard]] ByteRange clamped_locked(ByteRange range) const;
  [[nodiscard]] bool covers_locked(ByteRange range) const;

  // The standard ones, not the library's: the yardstick must not change with the thing measured. mutex_ guards all
  // below it.
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  const std::unique_ptr<SimpleStorage> storage_;
  IntervalSet set_;
  std::shared_ptr<const IntervalSet> snapshot_;
  std::optional<std::uint64_t> length_;  // set by commit
  bool cancelled_ = false;
};

}  // namespace strandline::bench::baseline
