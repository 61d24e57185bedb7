// Notice: a count of changes in memory that processes share, which also says whether anybody wants to be told of the
// next. All zeros is its beginning.
// Threads: thread-safe, across processes. Blocks: never. Errors: none. Cost: an atomic operation. Lifetime: the
// memory's. docs/store.md says why no change is missed.
#pragma once

#include <strandline/base/sync.h>

#include <cstdint>

namespace strandline::store {

class Notice {
 public:
  // After a change. True: somebody asked to be told, and must be woken.
  [[nodiscard]] bool raise() noexcept {
    std::uint32_t before = word_.load(std::memory_order_relaxed);
    while (!word_.compare_exchange_weak(before, (before + 2) & ~std::uint32_t{1}, std::memory_order_acq_rel,
                                        std::memory_order_relaxed)) {
    }
    return (before & 1) != 0;
  }
  // Changes so far; acquires what they changed.
  [[nodiscard]] std::uint32_t count() const noexcept { return word_.load(std::memory_order_acquire) >> 1; }
  // Asks to be told of the next change. False: there has been one since count() was this.
  [[nodiscard]] bool ask(std::uint32_t count) noexcept {
    std::uint32_t seen = word_.load(std::memory_order_acquire);
    while (seen >> 1 == (count & (~std::uint32_t{0} >> 1))) {
      if ((seen & 1) != 0 ||
          word_.compare_exchange_weak(seen, seen | 1, std::memory_order_acq_rel, std::memory_order_acquire)) {
        return true;
      }
    }
    return false;
  }

 private:
  // Raised by 2 with every change, release; the lowest bit: somebody has asked. Written and read by every process.
  Sync::Atomic<std::uint32_t> word_{0};
};

}  // namespace strandline::store
