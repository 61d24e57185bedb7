// News: a count of changes in memory that processes share, on which threads sleep until the next; it also says who
// wants to be told of that: such threads, and keepers, one per process, which another word wakes. All zeros is its
// beginning.
// Threads: thread-safe, across processes. Blocks: never. Errors: none. Cost: an atomic operation. Lifetime: the
// memory's. docs/store.md says why no change is missed.
#pragma once

#include <strandline/base/sync.h>

#include <cstdint>
#include <optional>

namespace strandline::store {

class News {
 public:
  // More keepers than these are told all the same, but none of them can take its asking back.
  static constexpr std::uint32_t kMostKeepers = 15;

  struct Wanted {
    bool by_sleepers;
    bool by_keepers;
  };
  // After a change. Who wants to be told must be woken, and asks anew if he wants to be told again.
  [[nodiscard]] Wanted raise() noexcept {
    std::uint32_t before = word_.load(std::memory_order_relaxed);
    while (!word_.compare_exchange_weak(before, (before & ~kAsks) + kOne, std::memory_order_acq_rel,
                                        std::memory_order_relaxed)) {
    }
    return {(before & kSleeper) != 0, (before & kKeepers) != 0};
  }
  // Changes so far; acquires what they changed. It begins anew after `kCounts` of them.
  [[nodiscard]] std::uint32_t count() const noexcept { return count_in(word_.load(std::memory_order_acquire)); }
  static constexpr std::uint32_t kCounts = 1U << 27;
  [[nodiscard]] static constexpr bool is_later(std::uint32_t count, std::uint32_t than) noexcept {
    const std::uint32_t ahead = (count - than) % kCounts;
    return ahead != 0 && ahead < kCounts / 2;
  }

  // A keeper asks to be told of the next change. False: there has been one since count() was this.
  [[nodiscard]] bool ask(std::uint32_t count) noexcept {
    return change(count, [](std::uint32_t seen) { return (seen & kKeepers) == kKeepers ? seen : seen + kKeeper; })
        .has_value();
  }
  // The keeper that has asked then need not be told any more.
  void take_back(std::uint32_t count) noexcept {
    static_cast<void>(change(count, [](std::uint32_t seen) {
      const std::uint32_t keepers = seen & kKeepers;
      return keepers == 0 || keepers == kKeepers ? seen : seen - kKeeper;
    }));
  }
  // A thread is about to sleep until the next change: the value that word() must have for that. Nothing: there has been
  // a change since count() was this.
  [[nodiscard]] std::optional<std::uint32_t> ask_to_sleep(std::uint32_t count) noexcept {
    return change(count, [](std::uint32_t seen) { return seen | kSleeper; });
  }
  [[nodiscard]] Sync::Atomic<std::uint32_t>& word() noexcept { return word_; }

 private:
  static constexpr std::uint32_t kSleeper = 1, kKeeper = 2, kKeepers = kMostKeepers * kKeeper;
  static constexpr std::uint32_t kAsks = kSleeper | kKeepers, kOne = kAsks + 1;
  [[nodiscard]] static constexpr std::uint32_t count_in(std::uint32_t word) noexcept { return word / kOne; }

  // What it has become, while the count is this.
  template <class To>
  [[nodiscard]] std::optional<std::uint32_t> change(std::uint32_t count, To&& to) noexcept {
    std::uint32_t seen = word_.load(std::memory_order_acquire);
    while (count_in(seen) == count % kCounts) {
      const std::uint32_t wanted = to(seen);
      if (seen == wanted ||
          word_.compare_exchange_weak(seen, wanted, std::memory_order_acq_rel, std::memory_order_acquire)) {
        return wanted;
      }
    }
    return std::nullopt;
  }

  // From the lowest bit: does a thread sleep on it; how many keepers have asked (4 bits); changes, release. Written and
  // read by every process.
  Sync::Atomic<std::uint32_t> word_{0};
};

}  // namespace strandline::store
