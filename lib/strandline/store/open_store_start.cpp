// OpenStore: opening, and making the index agree with the entries.
#include <strandline/drivers/file/failure.h>
#include <strandline/store/index/index.h>
#include <strandline/store/open_store.h>
#include <strandline/store/sealing/sealer.h>

#include <algorithm>
#include <utility>

namespace strandline::store {
namespace {

constexpr std::size_t kRowsAtOnce = 4096;  // of the index, in one transaction

}  // namespace

Result<std::shared_ptr<OpenStore>> OpenStore::open(std::string path, StoreOptions options, Directory::Naming naming,
                                                   std::shared_ptr<FileSystem> files) noexcept {
  return file::contained([&]() -> Result<std::shared_ptr<OpenStore>> {
    if (options.key && !Sealer::supported()) {
      return fail(Errc::unsupported, "this build has no encryption");
    }
    const auto secret = options.key ? std::make_shared<const SecretKey>(*options.key) : nullptr;
    options.key.reset();
    auto directory = Directory::open(std::move(files), std::move(path), std::move(naming), options.must_exist);
    if (!directory) {
      return fail(std::move(directory.error()));
    }
    auto live = LiveFile::open(directory->path() + "/live");
    if (!live) {
      return fail(std::move(live.error()));
    }
    const auto epoch = ForkEpoch::arm();
    if (!epoch) {
      return fail(epoch.error().clone());
    }
    auto policy = options.policy ? options.policy() : make_s3_fifo();
    if (policy == nullptr) {
      return fail(Errc::no_memory, "eviction policy");
    }
    std::shared_ptr<OpenStore> store(
        new OpenStore(std::move(*directory), std::move(options), std::move(*live), std::move(policy), *epoch));
    store->secret_ = secret;
    if (auto started = store->start(); !started) {
      return fail(std::move(started.error()));
    }
    store->keeper_ = std::thread(look_after, std::weak_ptr<OpenStore>(store), store->live_, store->rounds_);
    return store;
  });
}

Result<void> OpenStore::start() {
  if (auto opened = open_index(); !opened) {
    return opened;
  }
  if (live_->alone()) {
    // What processes that died had counted is counted anew.
    std::uint64_t bytes = 0;
    const auto totals = index_ != nullptr ? index_->totals() : fail(Errc::unsupported, "no index");
    if (totals) {
      bytes = totals->allocated;
    } else if (auto counted = directory_.for_each([&](const std::string& name) -> Result<void> {
                 bytes += directory_.allocated(name);
                 return {};
               });
               !counted) {
      return counted;
    }
    live_->used().store(bytes, std::memory_order_relaxed);
    live_->share();
  }
  return {};
}

// Without an index the store works, if more slowly where the index would be asked.
Result<void> OpenStore::open_index() {
  const auto boot = directory_.files()->boot_id();
  if (!boot) {
    return fail(boot.error().clone());
  }
  auto index = Index::open({directory_.path() + "/" + std::string(Index::kFileName), *boot});
  if (!index) {
    const Errc code = index.error().code;
    return code == Errc::busy || code == Errc::corrupt || code == Errc::unsupported ? Result<void>()
                                                                                    : fail(std::move(index.error()));
  }
  index_ = std::move(*index);
  const auto totals = index_->totals();
  if (!totals) {
    index_.reset();
    return {};
  }
  const auto tick = index_->reserve_ticks(1);
  opened_tick_ = tick.value_or(0);
  if (!totals->whole || totals->restarted) {
    return rebuild_index();
  }
  return live_->alone() ? look_after_left_open() : Result<void>();
}

Result<void> OpenStore::rebuild_index() {
  auto rebuild = index_->rebuild();
  if (!rebuild) {
    // Another process is at it already.
    return rebuild.error().code == Errc::busy ? Result<void>() : fail(std::move(rebuild.error()));
  }
  std::vector<IndexRow> rows;
  auto done = directory_.for_each([&](const std::string& name) -> Result<void> {
    const auto header = directory_.header_of(name);
    if (!header) {
      // No entry: whoever wants its key begins it anew.
      if (header.error().code == Errc::not_found && live_->alone()) {
        static_cast<void>(directory_.remove(name));
      }
      return {};
    }
    IndexRow row;
    row.name = name;
    row.key = header->key;
    row.length = header->length;
    row.allocated = directory_.allocated(name);
    row.open = !live_->alone();
    rows.push_back(std::move(row));
    if (rows.size() >= kRowsAtOnce) {
      auto added = (*rebuild)->add(rows);
      rows.clear();
      return added;
    }
    return {};
  });
  done = done ? (*rebuild)->add(rows) : std::move(done);
  return done ? (*rebuild)->finish() : std::move(done);
}

// What anybody has had open since somebody last was alone: who closed an entry may have been followed by one who wrote
// on and died, so that nobody knows its size; and half of its files may be there.
Result<void> OpenStore::look_after_left_open() {
  const auto names = index_->left_open();
  if (!names) {
    return fail(names.error().clone());
  }
  std::vector<IndexRow> rows;
  for (const std::string& name : *names) {
    auto row = index_->find(name);
    if (!row) {
      return fail(std::move(row.error()));
    }
    if (!*row) {
      continue;
    }
    const auto header = directory_.header_of(name);
    if (!header && header.error().code == Errc::not_found) {
      auto removed = directory_.remove(name);
      if (!removed && removed.error().code == Errc::not_found) {
        removed = {};  // not even its folder is there
      }
      removed = removed ? index_->remove(name) : std::move(removed);
      if (!removed) {
        return removed;
      }
      continue;
    }
    static_cast<void>(directory_.remove_unfinished(name));
    (*row)->allocated = directory_.allocated(name);
    (*row)->open = false;
    rows.push_back(std::move(**row));
    if (rows.size() >= kRowsAtOnce) {
      if (auto told = index_->update(rows); !told) {
        return told;
      }
      rows.clear();
    }
  }
  return index_->update(rows);
}

// A cache: without it the directory tells.
void OpenStore::mark_open(const std::string& name, const std::string& key,
                          std::optional<std::uint64_t> length) noexcept {
  if (index_ == nullptr) {
    return;
  }
  static_cast<void>(file::contained([&]() -> Result<void> {
    auto row = index_->find(name);
    if (!row) {
      return fail(std::move(row.error()));
    }
    if (*row) {
      const bool was_open = std::exchange((*row)->open, true);
      return was_open ? Result<void>() : index_->update(std::span(&**row, 1));
    }
    // Of one that is about to be begun, put_row() does.
    if (directory_.header_of(name)) {
      put_row(name, key, length);
    }
    return {};
  }));
}

void OpenStore::put_row(const std::string& name, const std::string& key, std::optional<std::uint64_t> length) noexcept {
  if (index_ == nullptr) {
    return;
  }
  static_cast<void>(file::contained([&]() -> Result<void> {
    IndexRow made;
    made.name = name;
    made.key = key;
    made.length = length;
    made.allocated = directory_.allocated(name);
    made.used = std::max(opened_tick_, next_tick_.load());  // no other process shall take it for the oldest
    made.open = true;
    return index_->put(made);
  }));
}

// Its files have gone. Somebody may have made new ones since: first the data file, then, by put_row(), the row, then
// the journal. So either they are seen here, with nobody putting rows meanwhile, or the row is put after this one has
// gone; and wherever either is killed, files that take room have a row.
void OpenStore::remove_row(const std::string& name) noexcept {
  if (index_ == nullptr || index_->remove_unless(name, [&] { return directory_.is_there(name); })) {
    return;
  }
  // On a full disk there is room once nobody has the entry's files open any more.
  static_cast<void>(file::contained([&]() -> Result<void> {
    MutexLock lock(mutex_);
    rows_left_.insert(name);
    return {};
  }));
}

void OpenStore::remove_rows_left() noexcept {
  std::set<std::string> names;
  {
    MutexLock lock(mutex_);
    names.swap(rows_left_);
  }
  for (const std::string& name : names) {
    remove_row(name);
  }
}

}  // namespace strandline::store
