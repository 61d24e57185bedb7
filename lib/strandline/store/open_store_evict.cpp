// OpenStore: the cap, and what goes when it is reached.
#include <strandline/drivers/file/failure.h>
#include <strandline/store/open_store.h>

#include <sys/statvfs.h>

#include <algorithm>
#include <set>
#include <utility>

namespace strandline::store {

namespace {

constexpr std::uint64_t kLookEvery = 1 << 20;  // bytes reserved, between two questions of how much the disk has free
constexpr std::size_t kColdAtOnce = 32;
// Chunks that could not go, one after the other, before it is held that none can.
constexpr std::size_t kMostKept = 4096;

}  // namespace

bool OpenStore::over(std::uint64_t more) const noexcept {
  return options_.max_bytes != 0 && live_->used().load(std::memory_order_relaxed) + more > options_.max_bytes;
}

// Never past the cap: by a compare-and-swap, so that reservations of any number of threads and processes add up.
Result<void> OpenStore::reserve(std::uint64_t bytes) noexcept {
  return file::contained([&]() -> Result<void> {
    if (options_.min_free_bytes != 0 && reserved_since_look_.fetch_add(bytes) >= kLookEvery) {
      reserved_since_look_ = 0;
      static_cast<void>(make_room(bytes));  // if it cannot, the disk itself says when it is full
    }
    auto& used = live_->used();
    for (;;) {
      std::uint64_t before = used.load(std::memory_order_relaxed);
      while (!over(bytes)) {
        if (used.compare_exchange_weak(before, before + bytes, std::memory_order_relaxed)) {
          return {};
        }
      }
      if (bytes > options_.max_bytes || !evict_until([&] { return !over(bytes); })) {
        return fail(Errc::no_space, "the cap of " + std::to_string(options_.max_bytes) + " bytes is reached, " +
                                        std::to_string(used.load()) +
                                        " are in use, and all of them are pinned or being written");
      }
    }
  });
}

void OpenStore::give_back(std::uint64_t bytes) noexcept {
  auto& used = live_->used();
  std::uint64_t before = used.load(std::memory_order_relaxed);
  // Not below none: what a process that died had counted may have been counted anew.
  while (!used.compare_exchange_weak(before, before - std::min(before, bytes), std::memory_order_relaxed)) {
  }
}

bool OpenStore::make_room(std::uint64_t bytes) noexcept {
  const auto enough = [&] {
    struct ::statvfs facts {};
    return ::statvfs(directory_.path().c_str(), &facts) != 0 ||
           static_cast<std::uint64_t>(facts.f_bavail) * facts.f_frsize >= options_.min_free_bytes + bytes;
  };
  const auto done = file::contained([&]() -> Result<bool> { return enough() || evict_until(enough); });
  return done && *done;
}

bool OpenStore::evict_until(const std::function<bool()>& enough) {
  MutexLock lock(evicting_);
  return enough() || evict_cold(enough) || evict_chunks(enough);
}

// Entries that nobody has used since this process opened the store, the longest unused first, as a whole: of what they
// hold it knows nothing.
bool OpenStore::evict_cold(const std::function<bool()>& enough) {
  if (index_ == nullptr) {
    return false;
  }
  std::optional<IndexRow> last;
  for (;;) {
    auto rows = index_->oldest(last ? &*last : nullptr, kColdAtOnce);
    if (!rows || rows->empty()) {
      return false;
    }
    for (const IndexRow& row : *rows) {
      if (row.used >= opened_tick_) {
        return false;  // another process has used this one, and all that follow
      }
      bool known = false;
      {
        MutexLock lock(mutex_);
        known = table_.contains(row.name);
      }
      if (!known && remove_unused(row.name) && enough()) {
        return true;
      }
    }
    last = std::move(rows->back());
  }
}

// Removes an entry that no process has open for writing or has pinned.
bool OpenStore::remove_unused(const std::string& name) {
  const std::string path = directory_.entry_path(name) + ".data";
  const auto header = directory_.header_of(name);
  const bool speaks = header || header.error().code != Errc::not_found;
  // Made, where a journal speaks of nothing: without its lock another could begin the entry anew at the same time.
  const auto data = directory_.files()->open(path, speaks ? OpenFile::made : OpenFile::to_write);
  if (!data) {
    if (data.error().code == Errc::not_found) {
      static_cast<void>(remove_row(name));
    }
    return false;
  }
  const auto writer = (*data)->held_elsewhere(File::kWriterRole);
  if (!writer || *writer || !(*data)->try_lock() || !(*data)->try_hold(Entry::kWhole, File::Hold::exclusive)) {
    return false;
  }
  // A new version may have taken its place before it was locked: that is another's to remove.
  const auto named = directory_.files()->open(path, OpenFile::to_read);
  const auto mine = (*data)->identity();
  const auto its = named ? (*named)->identity() : fail(named.error().clone());
  if (!mine || !its || *mine != *its) {
    return false;
  }
  if (header) {
    mark_open(name, header->key, header->length);  // should this process die half way through
  }
  const std::uint64_t bytes = directory_.allocated(name);
  if (!directory_.remove(name)) {
    return false;
  }
  // Readers elsewhere find that the journal has no name any more.
  Signals(live_, name).changed();
  give_back(bytes);
  evicted_bytes_ += bytes;
  static_cast<void>(remove_row(name));
  return true;
}

bool OpenStore::evict_chunks(const std::function<bool()>& enough) {
  std::set<Chunk> kept;
  for (;;) {
    std::optional<Chunk> next;
    {
      MutexLock lock(policy_mutex_);
      policy_->evict([&](Chunk chunk, std::uint64_t) {
        if (kept.contains(chunk)) {
          return Take::keep;
        }
        next = chunk;
        return Take::enough;
      });
    }
    if (!next || kept.size() >= kMostKept) {
      return false;
    }
    if (!evict_chunk(*next)) {
      kept.insert(*next);
    } else if (enough()) {
      return true;
    }
  }
}

bool OpenStore::evict_chunk(Chunk chunk) {
  std::string name;
  {
    MutexLock lock(mutex_);
    const auto it = names_.find(chunk.entry);
    if (it != names_.end()) {
      name = it->second;
    }
  }
  const auto drop = [&] {
    MutexLock lock(policy_mutex_);
    policy_->gone(chunk);
  };
  auto entry = find_open(name);
  if (entry == nullptr) {
    const auto header = directory_.header_of(name);
    if (!header) {
      drop();
      return true;  // it is gone already
    }
    auto opened = open_entry(name, header->key, {}, std::nullopt, true);
    if (!opened) {
      return false;
    }
    entry = std::move(*opened);
  }
  const ByteRange range =
      ByteRange{chunk.index * kChunkBytes, (chunk.index + 1) * kChunkBytes}.clamped_to(Entry::kWhole);
  const auto gone = entry->evict(range);
  if (!gone) {
    return false;
  }
  drop();
  evicted_bytes_ += *gone;
  // An entry without bytes is only a name, unless somebody is about to fill it.
  const auto rest = entry->resource().next_gap(0);
  const bool is_empty = rest && rest->begin == 0 && rest->end >= entry->resource().length().value_or(kMaxOffset);
  if (is_empty && entry.use_count() == 1) {
    entry.reset();
    static_cast<void>(remove_unused(name));
    forget(name);
  }
  return true;
}

void OpenStore::forget(const std::string& name) {
  std::uint64_t id = 0;
  {
    MutexLock lock(mutex_);
    const auto it = table_.find(name);
    if (it == table_.end()) {
      return;
    }
    id = it->second.id;
    names_.erase(id);
    table_.erase(it);
  }
  MutexLock lock(policy_mutex_);
  policy_->forget(id);
}

Result<std::uint64_t> OpenStore::evict(std::uint64_t bytes) {
  const std::uint64_t before = evicted_bytes_.load();
  static_cast<void>(evict_until([&] { return evicted_bytes_.load() - before >= bytes; }));
  return evicted_bytes_.load() - before;
}

}  // namespace strandline::store
