#include <strandline/drivers/file/failure.h>
#include <strandline/store/live/shared_demand.h>

#include <algorithm>
#include <utility>

namespace strandline::store {
namespace {

// After so long it is said again: well before it is not believed any more.
constexpr auto kSayAgain = DemandTable::kBelieved / 4;

// Is it the same wait, perhaps further on? Else whoever fetches has something new to think about.
bool goes_on(const Demand& before, const Demand& now) noexcept {
  return before.urgency == now.urgency && before.missing.end == now.missing.end &&
         before.missing.begin <= now.missing.begin;
}

void merge(std::vector<Demand>& all) noexcept {
  std::sort(all.begin(), all.end(), [](const Demand& a, const Demand& b) {
    return std::pair(a.missing.begin, a.urgency) < std::pair(b.missing.begin, b.urgency);
  });
  std::size_t kept = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    Demand* const last = kept > 0 ? &all[kept - 1] : nullptr;
    const Demand& one = all[i];
    if (last == nullptr || last->missing.begin != one.missing.begin || last->urgency != one.urgency) {
      all[kept++] = one;
      continue;
    }
    last->missing.end = std::max(last->missing.end, one.missing.end);
    last->enough = std::min(last->enough, one.enough);
    if (one.deadline && (!last->deadline || *one.deadline < *last->deadline)) {
      last->deadline = one.deadline;
    }
  }
  all.resize(kept);
}

// Readers stay, and of each urgency what is nearest to the start.
void cut(std::vector<Demand>& all, std::size_t limit) noexcept {
  const auto readers = static_cast<std::size_t>(
      std::count_if(all.begin(), all.end(), [](const Demand& demand) { return demand.urgency == Urgency::reader; }));
  std::array<std::size_t, 2> room{std::min(readers, limit), limit - std::min(readers, limit)};
  std::size_t kept = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::size_t& left = room[static_cast<std::size_t>(all[i].urgency)];
    if (left > 0) {
      --left;
      all[kept++] = all[i];
    }
  }
  all.resize(kept);
}

}  // namespace

SharedDemand::SharedDemand(Signals signals, std::uint64_t tag, std::weak_ptr<Core> core, ForkEpoch epoch) noexcept
    : signals_(std::move(signals)),
      tag_(tag),
      core_(std::move(core)),
      epoch_(epoch),
      owner_(signals_.demand_table() != nullptr ? signals_.demand_table()->new_owner() : 0) {}

SharedDemand::~SharedDemand() {
  DemandTable* const table = signals_.demand_table();
  if (table != nullptr && !epoch_.inherited()) {
    MutexLock lock(mutex_);
    static_cast<void>(say_locked(*table, {}));
  }
}

Result<std::vector<Demand>> SharedDemand::demand(std::size_t limit) const noexcept {
  return file::contained([&]() -> Result<std::vector<Demand>> {
    const auto core = core_.lock();
    if (core == nullptr) {
      return std::vector<Demand>();
    }
    auto all = core->demand(limit);
    if (!all) {
      return all;
    }
    const std::vector<Demand> elsewhere = others();
    if (!elsewhere.empty()) {
      all->insert(all->end(), elsewhere.begin(), elsewhere.end());
      merge(*all);
      cut(*all, limit);
    }
    return all;
  });
}

std::vector<Demand> SharedDemand::others() const {
  std::vector<Demand> all;
  const auto core = core_.lock();
  const DemandTable* const table = signals_.demand_table();
  if (core == nullptr || table == nullptr) {
    return all;
  }
  table->collect(tag_, owner_, Sync::now(), all);
  std::size_t kept = 0;
  for (Demand demand : all) {
    // They may not have heard yet of what has come.
    const auto gap = core->next_gap(demand.missing.begin, demand.missing.end);
    if (gap) {
      demand.missing = {gap->begin, std::min(demand.missing.end, core->length().value_or(demand.missing.end))};
      if (demand.enough <= demand.missing.begin || demand.enough > demand.missing.end) {
        demand.enough = demand.missing.end;
      }
      all[kept++] = demand;
    }
  }
  all.resize(kept);
  return all;
}

Result<void> SharedDemand::add(std::shared_ptr<DemandObserver> observer) noexcept {
  auto added = file::contained([&]() -> Result<void> {
    MutexLock lock(mutex_);
    const auto free = std::find(observers_.begin(), observers_.end(), nullptr);
    if (free != observers_.end()) {
      *free = std::move(observer);
    } else {
      observers_.push_back(std::move(observer));
    }
    heard_.reset();
    update_flags_locked();
    return {};
  });
  if (added && listens_.load(std::memory_order_acquire)) {
    signals_.ring();  // the store's thread shall ask to be woken from now on
  }
  return added;
}

void SharedDemand::remove(const std::shared_ptr<DemandObserver>& observer) noexcept {
  std::shared_ptr<DemandObserver> removed;  // ends outside the lock
  MutexLock lock(mutex_);
  if (const auto it = std::find(observers_.begin(), observers_.end(), observer); it != observers_.end()) {
    removed.swap(*it);
  }
  update_flags_locked();
  lock.unlock();
}

void SharedDemand::update_flags_locked() noexcept {
  const bool any = std::any_of(observers_.begin(), observers_.end(), [](const auto& one) { return one != nullptr; });
  listens_.store(fetching_ && any, std::memory_order_release);
}

void SharedDemand::set_fetching(bool fetching) noexcept {
  {
    MutexLock lock(mutex_);
    fetching_ = fetching;
    heard_.reset();
    speaks_.store(true, std::memory_order_release);  // to take back what was said, or to say what was not
    update_flags_locked();
  }
  say();
  if (listens_.load(std::memory_order_acquire)) {
    signals_.ring();
  }
}

void SharedDemand::on_demand(ByteRange missing) noexcept {
  if (!epoch_.inherited()) {  // in a forked child nobody fetches, and any lock may be held for ever
    say();
    tell([missing](DemandObserver& observer) { observer.on_demand(missing); });
  }
}

void SharedDemand::on_moved(std::uint64_t position) noexcept {
  if (!epoch_.inherited()) {
    tell([position](DemandObserver& observer) { observer.on_moved(position); });
  }
}

void SharedDemand::on_cancelled() noexcept {
  if (!epoch_.inherited()) {
    tell([](DemandObserver& observer) { observer.on_cancelled(); });
  }
}

// One by one, each outside the lock.
template <class Call>
void SharedDemand::tell(const Call& call) const noexcept {
  for (std::size_t i = 0;; ++i) {
    std::shared_ptr<DemandObserver> observer;
    {
      MutexLock lock(mutex_);
      if (i >= observers_.size()) {
        return;
      }
      observer = observers_[i];
    }
    if (observer != nullptr) {
      call(*observer);
    }
  }
}

bool SharedDemand::say_again() noexcept {
  if (speaks_.load(std::memory_order_acquire)) {
    say();
  }
  return speaks_.load(std::memory_order_acquire);
}

void SharedDemand::say() noexcept {
  DemandTable* const table = signals_.demand_table();
  const auto core = core_.lock();  // let go of after the lock: it may be the last to keep it
  if (table == nullptr) {
    return;
  }
  bool news = false;
  {
    MutexLock lock(mutex_);
    // Under the lock: of two snapshots the later one is said last.
    auto wanted = fetching_ || core == nullptr ? Result<std::vector<Demand>>() : core->demand(kMostSaid);
    if (!wanted) {
      return;  // no memory: what was said before stands
    }
    news = say_locked(*table, *wanted);
    speaks_.store(!wanted->empty(), std::memory_order_release);
  }
  if (news) {
    signals_.demanded();
  }
}

bool SharedDemand::say_locked(DemandTable& table, std::span<const Demand> wanted) noexcept {
  const auto before = said_;
  const std::size_t count = std::exchange(said_count_, 0);
  const auto known = std::span(before).first(count);
  const auto now = Sync::now();
  bool news = false;
  for (std::size_t i = 0; i < std::max(count, wanted.size()); ++i) {
    const Said* const said = i < count ? &before[i] : nullptr;
    if (i >= wanted.size()) {
      table.remove(said->slot, owner_);
      continue;
    }
    const Demand& demand = wanted[i];
    if (said != nullptr && said->demand == demand && now - said->when < kSayAgain) {
      said_[said_count_++] = *said;
      continue;
    }
    std::optional<std::size_t> slot;
    if (said != nullptr && table.replace(said->slot, owner_, tag_, demand, now)) {
      slot = said->slot;
    } else {
      slot = table.put(owner_, tag_, demand, now);
    }
    if (slot) {
      said_[said_count_++] = {*slot, demand, now};
      // What was not believed any more when it was said again may have been forgotten.
      news = news || std::none_of(known.begin(), known.end(), [&](const Said& one) {
               return goes_on(one.demand, demand) && now - one.when < DemandTable::kBelieved;
             });
    }
  }
  return news;
}

bool SharedDemand::hear() noexcept {
  if (!listens_.load(std::memory_order_acquire)) {
    return true;
  }
  const auto heard = file::contained([&]() -> Result<void> {
    std::vector<Demand> all;
    {
      MutexLock lock(mutex_);
      const std::uint32_t demands = signals_.demands();  // before the table is read
      if (heard_ == demands) {
        return {};
      }
      all = others();
      heard_ = demands;
    }
    // All of it: whoever fetches may have found some of it gone, and it is there again.
    for (const Demand& demand : all) {
      tell([&demand](DemandObserver& observer) { observer.on_demand(demand.missing); });
    }
    return {};
  });
  return heard.has_value();
}

bool SharedDemand::watch() noexcept {
  if (!listens_.load(std::memory_order_acquire)) {
    return true;
  }
  MutexLock lock(mutex_);
  return heard_ && signals_.watch_demands(*heard_);
}

}  // namespace strandline::store
