// DemandTable: what waits in all processes that use a store lack, in memory that they share. It only steers who
// fetches: what is not in it, or wrong in it, comes in another order.
// Threads: thread-safe, across processes. Blocks: never. Errors: none; a table that is full takes no more. Cost: looks
// at kWindow slots. Lifetime: the memory's; all zeros is its beginning. docs/store.md has the protocol.
#pragma once

#include <strandline/base/sync.h>
#include <strandline/resource/demand.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace strandline::store {

class DemandTable {
 public:
  using time_point = Sync::time_point;

  // Which slots an entry's demand may stand in: kWindow of them, from one that its tag gives.
  static constexpr std::size_t kSlots = 1024;
  static constexpr std::size_t kWindow = 64;
  // Who does not say within this time that he still waits is taken for dead.
  static constexpr std::chrono::seconds kBelieved{1};

  // Of one version of an entry.
  [[nodiscard]] static std::uint64_t tag_of(std::string_view name, std::uint64_t generation) noexcept;

  // A number that nobody else has: who owns slots. Never 0.
  [[nodiscard]] std::uint64_t new_owner() noexcept;

  // In a slot that is free, or whose owner has not been heard of for long: which one. None: the window is full.
  [[nodiscard]] std::optional<std::size_t> put(std::uint64_t owner, std::uint64_t tag, const Demand& demand,
                                               time_point now) noexcept;
  // Says something else in the owner's slot, or the same for longer. False: another has taken it.
  [[nodiscard]] bool replace(std::size_t slot, std::uint64_t owner, std::uint64_t tag, const Demand& demand,
                             time_point now) noexcept;
  void remove(std::size_t slot, std::uint64_t owner) noexcept;
  // Appends what owners but this one say of the entry. May throw std::bad_alloc.
  void collect(std::uint64_t tag, std::uint64_t but, time_point now, std::vector<Demand>& out) const;
  // Of what dead processes have left. Nobody else may be using it.
  void clear() noexcept;

 private:
  using Word = Sync::Atomic<std::uint64_t>;

  // What it says is of the state's owner, unless the turn is odd: then it is being written. Whoever writes makes the
  // turn odd by a compare-and-swap from an even one, stores the rest, and makes the turn even. Nobody takes a slot
  // whose turn is odd, whatever has become of its owner: so one writes at a time, and what stands under an even turn is
  // of one hand. A process that dies in between takes the slot with it until nobody uses the store.
  struct alignas(64) Slot {
    Word state{0};  // owner, 40 bits; turn, 24 bits. Owner 0: free
    Word until{0};  // nanoseconds of the steady clock, which all processes share
    Word tag{0};
    Word begin{0}, end{0}, enough{0};
    Word deadline{0};  // nanoseconds likewise; 0: none
    Word urgency{0};
  };

  // False: the state is not that any more.
  [[nodiscard]] static bool write(Slot& slot, std::uint64_t state, std::uint64_t owner, std::uint64_t tag,
                                  const Demand& demand, time_point now) noexcept;
  [[nodiscard]] static std::optional<Demand> read(const Slot& slot, std::uint64_t tag, std::uint64_t but,
                                                  time_point now) noexcept;

  alignas(64) Word owners_{0};
  std::array<Slot, kSlots> slots_;
};

}  // namespace strandline::store
