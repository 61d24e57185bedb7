// HitCounter: how many reads there were, and of how many bytes, without a locked instruction a read: one would
// wait until all that the copy has stored is in the cache, and keep the next copy from overlapping this one.
// Threads: add() by anybody, reads() and bytes() too. Blocks: never. Errors: none. Cost: 320 bytes; 4 KiB more once a
// process with more than four threads has read by the fifth. Lifetime: a value.
#pragma once

#include <strandline/base/sync.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace strandline {

// Threads that exist at a time have different numbers (HazardRecord), so each of the first has a stripe of its own,
// which only it writes; those with high numbers share one.
class HitCounter {
 public:
  HitCounter() noexcept = default;
  HitCounter(const HitCounter&) = delete;
  HitCounter& operator=(const HitCounter&) = delete;
  ~HitCounter() { delete more_.load(std::memory_order_relaxed); }

  void add(std::size_t thread, std::uint64_t bytes) noexcept {
    if (Stripe* const own = stripe_of(thread)) {
      own->reads.store(own->reads.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
      own->bytes.store(own->bytes.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
    } else {
      shared_.reads.fetch_add(1, std::memory_order_relaxed);
      shared_.bytes.fetch_add(bytes, std::memory_order_relaxed);
    }
  }

  [[nodiscard]] std::uint64_t reads() const noexcept { return total(&Stripe::reads); }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return total(&Stripe::bytes); }

 private:
  using Count = Sync::Atomic<std::uint64_t>;
  struct alignas(64) Stripe {
    Count reads{0};
    Count bytes{0};
  };
  using More = std::array<Stripe, 60>;
  static constexpr std::size_t kFirst = 4;

  [[nodiscard]] Stripe* stripe_of(std::size_t thread) noexcept {
    if (thread < kFirst) {
      return &first_[thread];
    }
    if (thread >= kFirst + std::tuple_size_v<More>) {
      return nullptr;
    }
    More* more = more_.load(std::memory_order_acquire);
    if (more == nullptr) {
      std::unique_ptr<More> made(new (std::nothrow) More());
      if (made != nullptr && more_.compare_exchange_strong(more, made.get(), std::memory_order_acq_rel)) {
        more = made.release();
      }
    }
    return more != nullptr ? &(*more)[thread - kFirst] : nullptr;
  }
  [[nodiscard]] std::uint64_t total(Count Stripe::*count) const noexcept {
    std::uint64_t sum = (shared_.*count).load(std::memory_order_relaxed);
    for (const Stripe& stripe : first_) {
      sum += (stripe.*count).load(std::memory_order_relaxed);
    }
    if (const More* const more = more_.load(std::memory_order_acquire)) {
      for (const Stripe& stripe : *more) {
        sum += (stripe.*count).load(std::memory_order_relaxed);
      }
    }
    return sum;
  }

  std::array<Stripe, kFirst> first_;
  Stripe shared_;
  Sync::Atomic<More*> more_{nullptr};  // made by the first reader that needs it
};

}  // namespace strandline
