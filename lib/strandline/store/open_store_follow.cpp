// OpenStore: the thread that follows what other processes write, syncs what is due, and notices writers that died.
#include <strandline/store/index/index.h>
#include <strandline/store/open_store.h>

#include <algorithm>
#include <utility>

namespace strandline::store {

namespace {

// A process that dies rings no bell.
constexpr auto kLookForDead = std::chrono::milliseconds(250);

}  // namespace

// It holds the store, and entries, only during a round, so that the last user's leaving ends it.
void OpenStore::look_after(std::weak_ptr<OpenStore> store, std::shared_ptr<LiveFile> live,
                           std::shared_ptr<Mutex> rounds) {
  for (;;) {
    // Before the round: what changes during it is found in the next.
    const std::uint32_t bell = live->bell();
    auto until = std::chrono::steady_clock::time_point::max();
    {
      MutexLock in_round(*rounds);  // let go of after the store, and after all that this thread keeps of it
      auto self = store.lock();
      const bool over = self == nullptr || self->stopping_.load(std::memory_order_acquire);
      if (!over) {
        until = self->round();
      }
      self.reset();
      if (over || store.expired()) {
        live.reset();
        return;
      }
    }
    live->sleep(bell, until);
  }
}

// If the keeper holds the last reference at this moment, it is the keeper who closes the store, in the same round.
void OpenStore::leave(std::shared_ptr<OpenStore> store) noexcept {
  const std::shared_ptr<Mutex> rounds = store->rounds_;
  const bool waits = store->keeper_.get_id() != std::this_thread::get_id() && !store->epoch_.inherited();
  store.reset();
  if (waits) {
    MutexLock no_round(*rounds);
  }
}

// Answers when it must look again though no bell rings.
std::chrono::steady_clock::time_point OpenStore::round() {
  std::vector<Later> postponed;
  {
    MutexLock lock(mutex_);
    postponed.swap(postponed_);
  }
  postponed.clear();
  const auto now = std::chrono::steady_clock::now();
  // What this process writes rings no bell.
  const bool syncs = options_.durability == Durability::batched;
  auto next = syncs ? now + options_.batch_interval : std::chrono::steady_clock::time_point::max();
  for (const std::shared_ptr<Entry>& entry : open_entries()) {
    do {
      // What cannot be read now, for want of memory or descriptors, is tried again soon.
      if (!entry->follow() || !entry->demand().hear()) {
        next = std::min(next, now + kLookForDead);
        break;
      }
    } while (!entry->watch() || !entry->demand().watch());
    entry->end_finished();
    const bool nobody_writes = entry->call_successors(now);
    const bool speaks = entry->demand().say_again();
    if (entry->is_written_elsewhere() || entry->is_writer() || nobody_writes || speaks) {
      next = std::min(next, now + kLookForDead);
    }
    if (syncs) {
      auto& synced = synced_.try_emplace(entry->name(), now).first->second;
      if (entry->unsynced() == 0) {
        synced = now;
      } else if (now - synced >= options_.batch_interval || entry->unsynced() >= options_.batch_bytes) {
        static_cast<void>(entry->sync());  // what cannot be synced is doomed, and says so to who writes
        synced = std::chrono::steady_clock::now();
      }
      next = std::min(next, synced + options_.batch_interval);
    }
  }
  return next;
}

}  // namespace strandline::store
