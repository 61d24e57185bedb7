// Durations: how long many things took, in classes: a histogram.
// Threads: add() and snapshot() on any. Blocks: never. Errors: none. Cost: two additions, no lock; a snapshot may have
// one of them. Lifetime: a snapshot is a value.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace strandline::fill {

class Durations {
 public:
  using Duration = std::chrono::steady_clock::duration;
  // In each class what took at most so long, in microseconds, and longer than the class before; the last has the rest.
  static constexpr std::array<std::uint64_t, 17> kBounds{100,      250,      500,      1'000,      2'500,     5'000,
                                                         10'000,   25'000,   50'000,   100'000,    250'000,   500'000,
                                                         1000'000, 2500'000, 5000'000, 10'000'000, 30'000'000};
  using Counts = std::array<std::uint64_t, kBounds.size() + 1>;
  struct Snapshot {
    Counts counts{};
    std::uint64_t microseconds = 0;  // of all together

    Snapshot& operator+=(const Snapshot& other) noexcept {
      for (std::size_t i = 0; i < counts.size(); ++i) {
        counts[i] += other.counts[i];
      }
      microseconds += other.microseconds;
      return *this;
    }
  };

  void add(Duration duration) noexcept {
    const auto count = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
    const auto microseconds = static_cast<std::uint64_t>(std::max<std::int64_t>(count, 0));
    const auto* const bound = std::lower_bound(kBounds.begin(), kBounds.end(), microseconds);
    counts_[static_cast<std::size_t>(bound - kBounds.begin())].fetch_add(1, std::memory_order_relaxed);
    microseconds_.fetch_add(microseconds, std::memory_order_relaxed);
  }
  [[nodiscard]] Snapshot snapshot() const noexcept {
    Snapshot taken;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      taken.counts[i] = counts_[i].load(std::memory_order_relaxed);
    }
    taken.microseconds = microseconds_.load(std::memory_order_relaxed);
    return taken;
  }

 private:
  // Relaxed: nothing else is told by them.
  std::array<std::atomic<std::uint64_t>, kBounds.size() + 1> counts_{};
  std::atomic<std::uint64_t> microseconds_{0};
};

}  // namespace strandline::fill
