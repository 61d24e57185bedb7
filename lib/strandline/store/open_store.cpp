#include <strandline/drivers/file/failure.h>
#include <strandline/store/index/index.h>
#include <strandline/store/key.h>
#include <strandline/store/live/room.h>
#include <strandline/store/open_store.h>

#include <algorithm>
#include <functional>
#include <utility>

namespace strandline::store {

namespace {

constexpr std::uint64_t kTicksAtOnce = 1024;
constexpr std::size_t kUsesAtOnce = 64;
// What a new entry takes before a byte is written: its journal.
constexpr std::uint64_t kForNewEntry = 8192;

}  // namespace

// Keeps the store, for as long as anybody keeps the entry's driver.
class OpenStore::EntryRoom final : public Room {
 public:
  EntryRoom(std::shared_ptr<OpenStore> store, std::uint64_t entry) noexcept : store_(std::move(store)), entry_(entry) {}
  Result<void> reserve(std::uint64_t bytes) noexcept override { return store_->reserve(bytes); }
  void give_back(std::uint64_t bytes) noexcept override { store_->give_back(bytes); }
  void taken(std::uint64_t bytes) noexcept override { store_->taken(bytes); }
  bool make_room(std::uint64_t bytes) noexcept override { return store_->make_room(bytes); }
  void wrote(ByteRange range) noexcept override {
    store_->arrived(entry_, range);
    if (store_->options_.durability == Durability::batched &&
        written_.fetch_add(range.size(), std::memory_order_relaxed) + range.size() >= store_->options_.batch_bytes) {
      written_.store(0, std::memory_order_relaxed);
      store_->live_->ring();  // for the keeper, which syncs
    }
  }
  void read(ByteRange range) noexcept override {
    // Most reads are of the chunk that was read last: they do not take the lock.
    for (std::uint64_t chunk = range.begin / kChunkBytes; chunk * kChunkBytes < range.end; ++chunk) {
      if (last_used_.load(std::memory_order_relaxed) != chunk) {
        last_used_.store(chunk, std::memory_order_relaxed);
        store_->used(entry_, chunk);
      }
    }
  }
  void gave_up(ByteRange range) noexcept override { store_->gone(entry_, range); }

 private:
  const std::shared_ptr<OpenStore> store_;
  const std::uint64_t entry_;
  std::atomic<std::uint64_t> last_used_{~std::uint64_t{0}};  // by any reader
  std::atomic<std::uint64_t> written_{0};                    // bytes since the keeper was last called
};

OpenStore::OpenStore(Directory directory, StoreOptions options, std::shared_ptr<LiveFile> live,
                     std::unique_ptr<EvictionPolicy> policy, ForkEpoch epoch)
    : epoch_(epoch),
      directory_(std::move(directory)),
      options_(std::move(options)),
      live_(std::move(live)),
      policy_(std::move(policy)) {}

OpenStore::~OpenStore() {
  if (epoch_.inherited()) {
    keeper_.detach();  // it runs in the parent, who may have held any lock
    return;
  }
  stopping_.store(true, std::memory_order_release);
  live_->ring();
  if (keeper_.get_id() == std::this_thread::get_id()) {
    keeper_.detach();  // it held the last reference, and ends by itself
  } else if (keeper_.joinable()) {
    keeper_.join();
  }
  flush_uses();
  remove_rows_left();
}

Mutex& OpenStore::opening_of(const std::string& key) noexcept {
  return opening_[std::hash<std::string>()(key) % kStripes];
}

std::shared_ptr<Entry> OpenStore::find_open(const std::string& name) {
  MutexLock lock(mutex_);
  const auto it = table_.find(name);
  return it == table_.end() ? nullptr : it->second.entry.lock();
}

std::vector<std::shared_ptr<Entry>> OpenStore::open_entries() {
  std::vector<std::shared_ptr<Entry>> entries;
  MutexLock lock(mutex_);
  for (auto& [name, known] : table_) {
    if (auto entry = known.entry.lock()) {
      entries.push_back(std::move(entry));
    }
  }
  return entries;
}

std::uint64_t OpenStore::id_of(const std::string& name) {
  MutexLock lock(mutex_);
  Known& known = table_[name];
  if (known.id == 0) {
    known.id = next_id_++;
    names_[known.id] = name;
  }
  return known.id;
}

IndexRow OpenStore::row_of(Entry& entry) noexcept {
  IndexRow row;
  row.name = entry.name();
  row.key = entry.key();
  row.length = entry.resource().length();
  row.allocated = entry.allocated();
  row.complete = entry.resource().status().state == State::committed;
  row.open = true;  // by others, perhaps: only who is alone knows that nobody has it
  return row;
}

Result<std::shared_ptr<Entry>> OpenStore::open_entry(const std::string& name, const std::string& key,
                                                     const Validator& validator, std::optional<std::uint64_t> length,
                                                     bool must_exist) {
  const std::uint64_t id = id_of(name);
  // One Entry at a time of a name: acquire() has its stripe, but who evicts or verifies has not.
  std::shared_ptr<Entry> open;
  {
    MutexLock lock(mutex_);
    for (;;) {
      const auto known = table_.find(name);
      open = known != table_.end() ? known->second.entry.lock() : nullptr;
      if (open != nullptr && open->is_past()) {
        open = nullptr;
      }
      if (open != nullptr || opening_now_.insert(name).second) {
        break;
      }
      opened_.wait(mutex_);
    }
  }
  if (open != nullptr) {
    // Somebody has opened it since the caller looked.
    if (must_exist || (!open->is_cancelled() && open->serves(validator, length))) {
      return open;
    }
    return fail(Errc::changed, "opened by another at this moment");
  }
  const auto opened = [&](std::shared_ptr<Entry> entry) {
    MutexLock lock(mutex_);
    if (entry != nullptr) {
      table_[name].entry = std::move(entry);
    }
    opening_now_.erase(name);
    opened_.notify_all();
  };
  auto made = file::contained([&] { return make_entry(id, name, key, validator, length, must_exist); });
  opened(made ? *made : nullptr);
  if (made) {
    // The keeper has not seen it yet: it looks when a bell rings, or at once when somebody may die while writing it.
    bool watched = false;
    for (auto followed = Result<void>(); followed && !watched;) {
      watched = (*made)->watch();
      followed = watched ? Result<void>() : (*made)->follow();
    }
    if (!watched || (*made)->is_written_elsewhere()) {
      live_->ring();
    }
  }
  return made;
}

Result<std::shared_ptr<Entry>> OpenStore::make_entry(std::uint64_t id, const std::string& name, const std::string& key,
                                                     const Validator& validator, std::optional<std::uint64_t> length,
                                                     bool must_exist) {
  EntryDriver::Options options;
  options.files = directory_.files();
  options.name = directory_.entry_path(name);
  options.key = key;
  options.validator = validator;
  options.length = length;
  options.durability = options_.durability;
  options.secret = secret_;
  options.signals = Signals(live_, name);
  options.room = std::make_shared<EntryRoom>(shared_from_this(), id);
  options.must_exist = must_exist;
  if (!must_exist) {
    if (auto made = directory_.make_folder_of(name); !made) {
      return fail(std::move(made.error()));
    }
  }
  // Before its files are changed: what a crash leaves of it is found in the index. A version that is begun has its row
  // written in any case, for another may be removing the one that is there: remove_row() has the other half of this.
  mark_open(name, key, length);
  options.before_version = [this, name, key, length] { put_row(name, key, length); };
  auto entry = Entry::open(std::move(options), name, id);
  if (!entry) {
    return entry;
  }
  (*entry)->on_close = [store = shared_from_this()](Entry& closing) { store->closed(closing); };
  if (const auto available = (*entry)->resource().available()) {
    for (const ByteRange run : *available) {
      arrived(id, run);
    }
  }
  return entry;
}

void OpenStore::closed(Entry& entry) noexcept {
  if (entry.unsynced() > 0 && !entry.is_past()) {
    static_cast<void>(file::contained([&]() -> Result<void> {
      MutexLock lock(mutex_);
      unsynced_.insert(entry.name());
      return {};
    }));
  }
  if (index_ != nullptr && !entry.is_past()) {
    static_cast<void>(file::contained([&]() -> Result<void> {
      const IndexRow row = row_of(entry);
      return index_->update(std::span(&row, 1));
    }));
  }
}

// With its stripe's mutex held.
Result<std::shared_ptr<Entry>> OpenStore::entry_for(const std::string& key, const Validator& validator,
                                                    const AcquireOptions& options, Later& later) {
  const auto found = directory_.find(key);
  if (!found) {
    return fail(found.error().clone());
  }
  auto entry = find_open(found->name);
  if (entry != nullptr && !entry->is_cancelled()) {
    later.keep(entry);
    if (auto followed = entry->follow(&later); !followed) {
      return fail(std::move(followed.error()));
    }
    if (found->exists && !entry->is_past() && entry->serves(validator, options.length)) {
      return entry;
    }
    // A new version: who has the old one goes on with it.
    if (auto retired = entry->retire(&later); !retired) {
      return fail(std::move(retired.error()));
    }
  }
  if (entry != nullptr) {
    forget(found->name);
  }
  return open_entry(found->name, key, validator, options.length, false);
}

Result<Lease> OpenStore::acquire(const std::string& key, const Validator& validator, const AcquireOptions& options) {
  if (auto checked = check_key(key); !checked) {
    return fail(std::move(checked.error()));
  }
  if (auto same = directory_.check_same(); !same) {
    return fail(std::move(same.error()));
  }
  // Before anything is locked: making room opens and closes other entries.
  if (auto room = reserve(kForNewEntry); !room) {
    return fail(std::move(room.error()));
  }
  auto lease = [&]() -> Result<Lease> {
    // Another process may replace the entry between any two of these steps; then once more.
    for (int again = 0;; ++again) {
      Later later;  // before the lock, and so after it
      std::optional<Lease> made;
      MutexLock lock(opening_of(key));
      auto entry = entry_for(key, validator, options, later);
      if (!entry) {
        if (entry.error().code == Errc::changed && again < 3) {
          continue;
        }
        return fail(std::move(entry.error()));
      }
      made.emplace(std::move(*entry));
      Result<void> done;
      if (options.pin) {
        done = made->pin();
      }
      if (done && options.want_writer) {
        auto writer = made->take_writer(&later);
        done = writer ? Result<void>() : fail(std::move(writer.error()));
      }
      if (done) {
        note_use(made->entry().name());
        return std::move(*made);
      }
      if (done.error().code != Errc::changed || again >= 3) {
        return fail(std::move(done.error()));
      }
    }
  }();
  give_back(kForNewEntry);
  return lease;
}

Result<Lease> OpenStore::peek(const std::string& key) {
  if (auto checked = check_key(key); !checked) {
    return fail(std::move(checked.error()));
  }
  Later later;
  MutexLock lock(opening_of(key));
  const auto found = directory_.find(key);
  if (!found || !found->exists) {
    return fail(found ? Error::make(Errc::not_found, "no entry of this key") : found.error().clone());
  }
  auto entry = find_open(found->name);
  if (entry != nullptr && !entry->is_past() && !entry->is_cancelled()) {
    later.keep(entry);
    if (auto followed = entry->follow(&later); !followed) {
      return fail(std::move(followed.error()));
    }
  }
  if (entry != nullptr && (entry->is_past() || entry->is_cancelled())) {
    forget(found->name);
    entry = nullptr;
  }
  if (entry == nullptr) {
    auto opened = open_entry(found->name, key, {}, std::nullopt, true);
    if (!opened) {
      return fail(std::move(opened.error()));
    }
    entry = std::move(*opened);
  }
  note_use(found->name);
  return Lease(std::move(entry));
}

// Uses are told to the index many at a time: a tick each, which is no time, for clocks jump.
void OpenStore::note_use(const std::string& name) noexcept {
  if (index_ == nullptr) {
    return;
  }
  static_cast<void>(file::contained([&]() -> Result<void> {
    if (next_tick_.load() >= tick_end_.load()) {
      const auto first = index_->reserve_ticks(kTicksAtOnce);
      if (!first) {
        return fail(first.error().clone());
      }
      next_tick_ = *first;
      tick_end_ = *first + kTicksAtOnce;
    }
    const std::uint64_t tick = next_tick_.fetch_add(1);
    bool many = false;
    {
      MutexLock lock(mutex_);
      uses_[name] = tick;
      many = uses_.size() >= kUsesAtOnce;
    }
    if (many) {
      flush_uses();
    }
    return {};
  }));
}

void OpenStore::flush_uses() noexcept {
  if (index_ == nullptr) {
    return;
  }
  static_cast<void>(file::contained([&]() -> Result<void> {
    std::map<std::string, std::uint64_t> uses;
    {
      MutexLock lock(mutex_);
      uses.swap(uses_);
    }
    const std::vector<std::pair<std::string, std::uint64_t>> list(uses.begin(), uses.end());
    return index_->touch(list);
  }));
}

void OpenStore::arrived(std::uint64_t entry, ByteRange range) noexcept {
  MutexLock lock(policy_mutex_);
  for (std::uint64_t at = range.begin; at < range.end;) {
    const std::uint64_t end = std::min(range.end, (at / kChunkBytes + 1) * kChunkBytes);
    // Without memory the chunk is not known and cannot be evicted until it is written to again.
    static_cast<void>(policy_->arrived({entry, at / kChunkBytes}, end - at));
    at = end;
  }
}

void OpenStore::used(std::uint64_t entry, std::uint64_t chunk) noexcept {
  MutexLock lock(policy_mutex_);
  policy_->used({entry, chunk});
}

void OpenStore::gone(std::uint64_t entry, ByteRange range) noexcept {
  MutexLock lock(policy_mutex_);
  for (std::uint64_t chunk = (range.begin + kChunkBytes - 1) / kChunkBytes; (chunk + 1) * kChunkBytes <= range.end;
       ++chunk) {
    policy_->gone({entry, chunk});
  }
}

}  // namespace strandline::store
