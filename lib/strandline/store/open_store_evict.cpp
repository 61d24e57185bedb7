// OpenStore: the cap, and what goes when it is reached.
#include <strandline/drivers/file/failure.h>
#include <strandline/store/index/index.h>
#include <strandline/store/open_store.h>

#include <sys/statvfs.h>

#include <algorithm>
#include <set>
#include <utility>

namespace strandline::store {

namespace {

constexpr std::uint64_t kLookEvery = 1 << 20;  // bytes reserved, between two questions of how much the disk has free
constexpr std::size_t kColdAtOnce = 32;

}  // namespace

bool OpenStore::over(std::uint64_t more) const noexcept {
  const std::uint64_t used = live_->used().load(std::memory_order_relaxed);
  return options_.max_bytes != 0 && (used > options_.max_bytes || more > options_.max_bytes - used);
}

// Never past the cap: by a compare-and-swap, so that reservations of any number of threads and processes add up.
Result<void> OpenStore::reserve(std::uint64_t bytes) noexcept {
  return file::contained([&]() -> Result<void> {
    if (options_.min_free_bytes != 0 && reserved_since_look_.fetch_add(bytes) >= kLookEvery) {
      reserved_since_look_ = 0;
      static_cast<void>(make_room(bytes));  // if it cannot, the disk itself says when it is full
    }
    const std::uint64_t cap = options_.max_bytes != 0 ? options_.max_bytes : ~std::uint64_t{0};
    auto& used = live_->used();
    for (;;) {
      std::uint64_t before = used.load(std::memory_order_relaxed);
      while (before <= cap && bytes <= cap - before) {
        if (used.compare_exchange_weak(before, before + bytes, std::memory_order_relaxed)) {
          return {};
        }
      }
      if (bytes > cap || !evict_until([&] { return !over(bytes); })) {
        return fail(Errc::no_space, "the cap of " + std::to_string(cap) +
                                        " bytes is reached: " + std::to_string(used.load()) +
                                        " are in use, and nothing can go that is not pinned, being written, or busy");
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
  Later later;
  bool done = false;
  {
    MutexLock lock(evicting_);
    // Last of all what only other processes have used: of their chunks this one knows nothing.
    done = enough() || evict_cold(enough, false) || evict_chunks(enough, later) || evict_cold(enough, true);
  }
  if (!later.empty()) {
    // By the keeper: this thread may be in the midst of a write.
    MutexLock lock(mutex_);
    postponed_.push_back(std::move(later));
    lock.unlock();
    live_->ring();
  }
  return done;
}

// Entries that nobody has used since this process opened the store, the longest unused first, as a whole: of what they
// hold it knows nothing. `whatever_used`: others as well, but for those that it has open.
bool OpenStore::evict_cold(const std::function<bool()>& enough, bool whatever_used) {
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
      if (!whatever_used && row.used >= opened_tick_) {
        return false;  // another process has used this one, and all that follow
      }
      bool known = false;
      {
        MutexLock lock(mutex_);
        const auto it = table_.find(row.name);
        known = it != table_.end() && (!whatever_used || !it->second.entry.expired());
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
      remove_row(name);
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
  remove_row(name);
  return true;
}

bool OpenStore::evict_chunks(const std::function<bool()>& enough, Later& later) {
  std::set<Chunk> kept;
  std::set<std::uint64_t> busy;  // entries of which nothing can go now
  for (;;) {
    std::optional<Chunk> next;
    {
      MutexLock lock(policy_mutex_);
      policy_->evict([&](Chunk chunk, std::uint64_t) {
        if (busy.contains(chunk.entry) || kept.contains(chunk)) {
          return Take::keep;
        }
        next = chunk;
        return Take::enough;
      });
    }
    if (!next) {
      return false;
    }
    bool whole_entry_is_busy = false;
    if (evict_chunk(*next, whole_entry_is_busy, later)) {
      if (enough()) {
        return true;
      }
    } else if (whole_entry_is_busy) {
      busy.insert(next->entry);
    } else {
      kept.insert(*next);
    }
  }
}

// An entry that has nothing left stays, as a name and a journal, until it is the longest unused.
bool OpenStore::evict_chunk(Chunk chunk, bool& whole_entry_is_busy, Later& later) {
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
  if (entry == nullptr || entry->is_past()) {
    const auto header = directory_.header_of(name);
    if (!header) {
      drop();
      return true;  // it is gone already
    }
    auto opened = open_entry(name, header->key, {}, std::nullopt, true);
    if (!opened) {
      whole_entry_is_busy = true;
      return false;
    }
    entry = std::move(*opened);
  }
  later.keep(entry);
  whole_entry_is_busy = !entry->is_writer() && entry->is_written_elsewhere();
  if (whole_entry_is_busy) {
    return false;
  }
  const ByteRange range =
      ByteRange{chunk.index * kChunkBytes, (chunk.index + 1) * kChunkBytes}.clamped_to(Entry::kWhole);
  const auto gone = entry->evict(range, &later);
  if (!gone) {
    return false;
  }
  drop();
  evicted_bytes_ += *gone;
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
