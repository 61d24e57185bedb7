// DiskLog: what a disk was told to change, in its order, in memory that the disk's process and its watcher share.
// Threads: one appends, another reads; cleared while nobody appends. Blocks: never. Errors: a full log takes no more.
// Cost: a copy of the bytes. Lifetime: the memory's.
#pragma once

#include <tests/store/blocks/disk/shared_memory.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <vector>

namespace strandline::testing {

struct DiskChange {
  enum class Kind : std::uint8_t { write, zero, flush } kind;
  std::uint64_t offset;
  std::uint64_t size;
  std::uint64_t bytes;  // where in `bytes` of the recording; of a write
};

struct Recording {
  std::vector<DiskChange> changes;
  std::vector<std::byte> bytes;
};

class DiskLog {
 public:
  DiskLog() : changes_("changes", sizeof(Counts) + kChanges * sizeof(DiskChange)), bytes_("bytes", kBytes) { clear(); }

  [[nodiscard]] bool append(DiskChange::Kind kind, std::uint64_t offset, std::uint64_t size, const std::byte* bytes) {
    const std::uint64_t at = counts().changes.load(std::memory_order_relaxed);
    const std::uint64_t kept = bytes != nullptr ? size : 0;
    if (at == kChanges || kept > kBytes - counts().bytes) {
      counts().full.store(true, std::memory_order_release);
      return false;
    }
    if (kept > 0) {
      std::memcpy(bytes_.bytes() + counts().bytes, bytes, kept);
    }
    changes()[at] = {kind, offset, size, counts().bytes};
    counts().bytes += kept;
    counts().changes.store(at + 1, std::memory_order_release);
    return true;
  }
  [[nodiscard]] std::uint64_t size() const noexcept { return counts().changes.load(std::memory_order_acquire); }
  [[nodiscard]] bool full() const noexcept { return counts().full.load(std::memory_order_acquire); }
  [[nodiscard]] Recording copy() const {
    const DiskChange* const first = changes();
    const std::uint64_t count = size();
    return {{first, first + count}, {bytes_.bytes(), bytes_.bytes() + counts().bytes}};
  }
  void clear() {
    bytes_.clear();
    new (changes_.bytes()) Counts;
  }

 private:
  static constexpr std::uint64_t kChanges = 1 << 18;
  static constexpr std::uint64_t kBytes = std::uint64_t{4} << 30;
  struct Counts {
    std::atomic<std::uint64_t> changes{0};  // raised by who appends, once the change stands there
    std::uint64_t bytes = 0;                // of who appends
    std::atomic<bool> full{false};          // raised by who appends
  };
  [[nodiscard]] Counts& counts() const noexcept { return *std::launder(reinterpret_cast<Counts*>(changes_.bytes())); }
  [[nodiscard]] DiskChange* changes() const noexcept {
    return std::launder(reinterpret_cast<DiskChange*>(changes_.bytes() + sizeof(Counts)));
  }

  SharedMemory changes_;
  SharedMemory bytes_;
};

}  // namespace strandline::testing
