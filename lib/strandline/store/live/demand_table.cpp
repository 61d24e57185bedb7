#include <strandline/store/live/demand_table.h>

#include <algorithm>

namespace strandline::store {
namespace {

constexpr unsigned kTurnBits = 24;
constexpr std::uint64_t kTurns = (std::uint64_t{1} << kTurnBits) - 1;

constexpr std::uint64_t owner_of(std::uint64_t state) noexcept {
  return state >> kTurnBits;
}
constexpr bool is_written(std::uint64_t state) noexcept {
  return state % 2 != 0;
}
// The next state with an even or odd turn.
constexpr std::uint64_t after(std::uint64_t state, std::uint64_t owner, bool odd) noexcept {
  const std::uint64_t turn = (state & kTurns) + 1;
  return owner << kTurnBits | ((turn + (turn % 2 != (odd ? 1U : 0U) ? 1 : 0)) & kTurns);
}

std::uint64_t nanoseconds(DemandTable::time_point time) noexcept {
  const auto since = std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
  return since > 0 ? static_cast<std::uint64_t>(since) : 1;
}
DemandTable::time_point time_of(std::uint64_t nanoseconds) noexcept {
  const auto most = static_cast<std::uint64_t>(std::chrono::nanoseconds::max().count());
  return DemandTable::time_point(std::chrono::duration_cast<DemandTable::time_point::duration>(
      std::chrono::nanoseconds(static_cast<std::int64_t>(std::min(nanoseconds, most)))));
}

// A time further off than anybody promises is of another start of the system, where the clock began anew.
bool is_believed(std::uint64_t until, DemandTable::time_point now) noexcept {
  return nanoseconds(now) <= until && until <= nanoseconds(now + 2 * DemandTable::kBelieved);
}

}  // namespace

// FNV-1a (Fowler, Noll, Vo), 64 bits.
std::uint64_t DemandTable::tag_of(std::string_view name, std::uint64_t generation) noexcept {
  constexpr std::uint64_t kPrime = 1099511628211U;
  std::uint64_t hash = 14695981039346656037U;
  for (const char letter : name) {
    hash = (hash ^ static_cast<unsigned char>(letter)) * kPrime;
  }
  for (; generation != 0; generation >>= 8) {
    hash = (hash ^ (generation & 0xff)) * kPrime;
  }
  return hash;
}

std::uint64_t DemandTable::new_owner() noexcept {
  constexpr std::uint64_t kOwners = (std::uint64_t{1} << (64 - kTurnBits)) - 1;
  std::uint64_t number = 0;
  while (number == 0) {
    number = (owners_.fetch_add(1, std::memory_order_relaxed) + 1) & kOwners;
  }
  return number;
}

bool DemandTable::write(Slot& slot, std::uint64_t state, std::uint64_t owner, std::uint64_t tag, const Demand& demand,
                        time_point now) noexcept {
  const std::uint64_t writing = after(state, owner, true);
  if (!slot.state.compare_exchange_strong(state, writing, std::memory_order_acq_rel, std::memory_order_relaxed)) {
    return false;
  }
  // Each releases: who sees one of them sees that the turn has become odd.
  constexpr auto kRelease = std::memory_order_release;
  slot.until.store(nanoseconds(now + kBelieved), kRelease);
  slot.tag.store(tag, kRelease);
  slot.begin.store(demand.missing.begin, kRelease);
  slot.end.store(demand.missing.end, kRelease);
  slot.enough.store(demand.enough, kRelease);
  slot.deadline.store(demand.deadline ? nanoseconds(*demand.deadline) : 0, kRelease);
  slot.urgency.store(static_cast<std::uint64_t>(demand.urgency), kRelease);
  slot.state.store(after(writing, owner, false), kRelease);
  return true;
}

std::optional<std::size_t> DemandTable::put(std::uint64_t owner, std::uint64_t tag, const Demand& demand,
                                            time_point now) noexcept {
  for (std::size_t i = 0; i < kWindow; ++i) {
    const std::size_t index = (tag + i) % kSlots;
    Slot& slot = slots_[index];
    const std::uint64_t state = slot.state.load(std::memory_order_acquire);
    const bool taken = owner_of(state) != 0 && is_believed(slot.until.load(std::memory_order_acquire), now);
    if (!taken && !is_written(state) && write(slot, state, owner, tag, demand, now)) {
      return index;
    }
  }
  return std::nullopt;
}

bool DemandTable::replace(std::size_t index, std::uint64_t owner, std::uint64_t tag, const Demand& demand,
                          time_point now) noexcept {
  Slot& slot = slots_[index];
  const std::uint64_t state = slot.state.load(std::memory_order_acquire);
  return owner_of(state) == owner && !is_written(state) && write(slot, state, owner, tag, demand, now);
}

void DemandTable::remove(std::size_t index, std::uint64_t owner) noexcept {
  Slot& slot = slots_[index];
  std::uint64_t state = slot.state.load(std::memory_order_acquire);
  if (owner_of(state) == owner && !is_written(state)) {
    // If it fails another has taken it.
    static_cast<void>(slot.state.compare_exchange_strong(state, after(state, 0, false), std::memory_order_acq_rel,
                                                         std::memory_order_relaxed));
  }
}

std::optional<Demand> DemandTable::read(const Slot& slot, std::uint64_t tag, std::uint64_t but,
                                        time_point now) noexcept {
  constexpr int kAttempts = 64;  // whoever writes is soon done, or has been stopped in the midst of it
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const std::uint64_t state = slot.state.load(std::memory_order_acquire);
    if (owner_of(state) == 0 || owner_of(state) == but) {
      return std::nullopt;
    }
    if (is_written(state)) {
      continue;
    }
    const auto get = [](const Word& word) { return word.load(std::memory_order_acquire); };
    const bool meant = get(slot.tag) == tag && is_believed(get(slot.until), now);
    Demand demand{{get(slot.begin), get(slot.end)}, std::nullopt, Urgency::reader, get(slot.enough)};
    const std::uint64_t deadline = get(slot.deadline);
    const std::uint64_t urgency = get(slot.urgency);
    if (slot.state.load(std::memory_order_relaxed) != state) {
      continue;
    }
    const bool sound = demand.missing.valid() && !demand.missing.empty() && demand.missing.begin < demand.enough &&
                       demand.enough <= demand.missing.end;
    if (!meant || !sound) {
      return std::nullopt;
    }
    demand.urgency = urgency == 0 ? Urgency::reader : Urgency::background;
    if (deadline != 0) {
      demand.deadline = time_of(deadline);
    }
    return demand;
  }
  return std::nullopt;
}

void DemandTable::collect(std::uint64_t tag, std::uint64_t but, time_point now, std::vector<Demand>& out) const {
  for (std::size_t i = 0; i < kWindow; ++i) {
    if (const auto demand = read(slots_[(tag + i) % kSlots], tag, but, now)) {
      out.push_back(*demand);
    }
  }
}

void DemandTable::clear() noexcept {
  for (Slot& slot : slots_) {
    slot.state.store(after(slot.state.load(std::memory_order_relaxed), 0, false), std::memory_order_relaxed);
  }
}

}  // namespace strandline::store
