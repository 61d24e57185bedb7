// MemoryDriver: bytes in one contiguous run of memory that never moves under a reader.
// Threads, Blocks: as driver.h says; a write that outgrows the buffer waits for the writes in flight. Errors:
// no_memory, too_large. Cost: a copy; growing copies at most 1 MiB, or an expected_length that proved too short.
// Lifetime: views keep their buffer.
#pragma once

#include <strandline/driver/driver.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <shared_mutex>
#include <span>
#include <vector>

namespace strandline {

class MemoryDriver {
 public:
  struct Options {
    std::uint64_t expected_length = 0;  // bytes to set aside; more may be written, up to 64 GiB
    std::vector<std::byte> initial;     // opens committed with these bytes, without copying them
  };

  MemoryDriver() = default;
  ~MemoryDriver();
  MemoryDriver(const MemoryDriver&) = delete;
  MemoryDriver& operator=(const MemoryDriver&) = delete;

  [[nodiscard]] Result<DriverState> open(Options options);
  [[nodiscard]] Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const;
  [[nodiscard]] Result<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> data);
  // Gives back the memory past the length and makes the rest read-only for the whole process.
  [[nodiscard]] Result<void> commit(std::uint64_t length);
  [[nodiscard]] Result<void> reactivate();
  [[nodiscard]] std::uint64_t storage_len() const { return used_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::filesystem::path path() const { return {}; }

  [[nodiscard]] Result<std::unique_ptr<MemoryDriver>> rewrite();
  [[nodiscard]] Result<DriverView> view(ByteRange range) const;

 private:
  class Buffer;

  // Puts a buffer of at least `needed` bytes in place; of `preferred`, if address space allows.
  [[nodiscard]] Result<void> grow(std::uint64_t needed, std::uint64_t preferred);
  // The same, whether or not the old one would do, with grow_mutex_ held exclusively.
  [[nodiscard]] Result<void> replace(std::uint64_t needed, std::uint64_t preferred);

  // A buffer that has been outgrown stays until the driver goes: a reader may have loaded its address.
  std::vector<std::shared_ptr<Buffer>> buffers_;  // changed under grow_mutex_, exclusively
  // The newest buffer. Written by grow() with release, after the bytes were copied into it; read with
  // acquire by everybody, so whoever sees it sees them.
  std::atomic<Buffer*> current_{nullptr};
  // Shared by writers, so that growing can keep them from writing what it is copying. On a cache line that
  // readers do not need.
  alignas(64) std::shared_mutex grow_mutex_;
  std::atomic<std::uint64_t> used_{0};  // the end of the highest write; exact when no write runs
  bool view_past_end_ = false;          // a view of bytes past the committed length may be alive
};

}  // namespace strandline
