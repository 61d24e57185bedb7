// HitCounter: how many reads there were, and of how many bytes, at one atomic addition a read.
// Threads: add() by anybody; the rest is guarded by the resource's lock. Blocks: add() takes that lock once in
// half a million times. Errors: none. Cost: 256 bytes, so that threads seldom share a cache line. Lifetime: a value.
#pragma once

#include <strandline/base/sync.h>

#include <array>
#include <cstdint>

namespace strandline {

// Invariant: bytes() and reads() are what has been folded plus what the stripes hold. A stripe counts reads in
// its high 20 bits and bytes in its low 44, and is folded long before either could overflow.
class HitCounter {
 public:
  // True when the caller should take the lock and fold().
  [[nodiscard]] bool add(std::size_t thread, std::uint64_t bytes) noexcept {
    const std::uint64_t before =
        stripes_[thread % kStripes].packed.fetch_add(kOneRead + bytes, std::memory_order_relaxed);
    return before >= kOneRead << 19 || (before & kBytes) >= (kBytes + 1) / 2;
  }
  // A read too large for add(): under the lock.
  [[nodiscard]] static bool large(std::uint64_t bytes) noexcept { return bytes >= std::uint64_t{1} << 36; }
  void add_large(std::uint64_t bytes) noexcept {
    ++reads_;
    bytes_ += bytes;
  }
  void fold() noexcept {
    for (Stripe& stripe : stripes_) {
      const std::uint64_t packed = stripe.packed.exchange(0, std::memory_order_relaxed);
      reads_ += packed / kOneRead;
      bytes_ += packed & kBytes;
    }
  }
  [[nodiscard]] std::uint64_t reads() const noexcept { return reads_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  static constexpr std::size_t kStripes = 4;
  static constexpr std::uint64_t kOneRead = std::uint64_t{1} << 44;
  static constexpr std::uint64_t kBytes = kOneRead - 1;
  struct alignas(64) Stripe {
    Sync::Atomic<std::uint64_t> packed{0};  // added to by readers; counts need no order
  };
  std::array<Stripe, kStripes> stripes_;
  std::uint64_t reads_ = 0;  // folded
  std::uint64_t bytes_ = 0;
};

}  // namespace strandline
