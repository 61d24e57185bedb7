// OpenStore: what is asked of all entries, and removing one.
#include <strandline/store/index/index.h>
#include <strandline/store/key.h>
#include <strandline/store/open_store.h>

#include <algorithm>
#include <utility>

namespace strandline::store {

Result<void> OpenStore::remove(const std::string& key) {
  if (auto checked = check_key(key); !checked) {
    return checked;
  }
  Later later;
  MutexLock lock(opening_of(key));
  const auto found = directory_.find(key);
  if (!found) {
    return fail(found.error().clone());
  }
  if (!found->exists) {
    const auto header = directory_.header_of(found->name);
    if (!header && header.error().code == Errc::corrupt) {
      return remove_unreadable(found->name);
    }
    if (const auto row = index_ != nullptr ? index_->find(found->name) : fail(Errc::unsupported); row && *row) {
      remove_row(found->name);  // of one that went while the index could not be written to
    }
    return {};
  }
  auto entry = find_open(found->name);
  if (entry == nullptr || entry->is_past()) {
    auto opened = open_entry(found->name, key, {}, std::nullopt, true);
    if (!opened) {
      if (opened.error().code == Errc::not_found) {
        return remove_unreadable(found->name);
      }
      // Without the key that it was encrypted with it cannot be read, and need not be.
      if (opened.error().code == Errc::permission_denied && remove_unused(found->name)) {
        forget(found->name);
        return {};
      }
      return fail(std::move(opened.error()));
    }
    entry = std::move(*opened);
  }
  later.keep(entry);
  // The write lock keeps the name ours until the files are gone.
  auto removed = entry->retire_and(
      [&] {
        const std::uint64_t bytes = directory_.allocated(found->name);
        auto done = directory_.remove(found->name);
        if (done) {
          give_back(bytes);
        }
        return done;
      },
      &later);
  if (!removed) {
    return removed;
  }
  Signals(live_, found->name).changed();
  forget(found->name);
  remove_row(found->name);  // a cache: whether it can be written to changes nothing
  return {};
}

// Files of which nothing is believed: a journal without a header, or one that speaks of another data file.
Result<void> OpenStore::remove_unreadable(const std::string& name) {
  if (remove_unused(name)) {
    forget(name);
    return {};
  }
  const auto header = directory_.header_of(name);
  return !header && header.error().code == Errc::not_found ? Result<void>() : fail(Errc::busy, "it is in use: " + name);
}

Result<std::vector<EntryInfo>> OpenStore::list(std::string_view prefix, const EntryInfo* after, std::size_t limit) {
  std::vector<EntryInfo> entries;
  flush_uses();
  remove_rows_left();
  if (index_ != nullptr) {
    std::optional<IndexRow> last;
    if (after != nullptr) {
      last.emplace();
      last->name = after->name;
      last->key = after->key;
    }
    auto rows = index_->list(prefix, last ? &*last : nullptr, limit);
    if (rows) {
      for (IndexRow& row : *rows) {
        EntryInfo info{std::move(row.key), std::move(row.name), row.length, row.allocated, row.used, row.complete};
        if (const auto entry = find_open(info.name)) {
          info.length = entry->resource().length();
          info.allocated = entry->allocated();
          info.complete = entry->resource().status().state == State::committed;
        }
        entries.push_back(std::move(info));
      }
      return entries;
    }
  }
  auto looked = directory_.for_each([&](const std::string& name) -> Result<void> {
    auto header = directory_.header_of(name);
    if (header && header->key.starts_with(prefix) &&
        (after == nullptr || std::pair(header->key, name) > std::pair(after->key, after->name))) {
      EntryInfo info;
      info.key = std::move(header->key);
      info.name = name;
      info.length = header->length;
      info.allocated = directory_.allocated(name);
      entries.push_back(std::move(info));
    }
    return {};
  });
  if (!looked) {
    return fail(std::move(looked.error()));
  }
  std::sort(entries.begin(), entries.end(),
            [](const EntryInfo& a, const EntryInfo& b) { return std::tie(a.key, a.name) < std::tie(b.key, b.name); });
  entries.resize(std::min(entries.size(), limit));
  return entries;
}

Result<StoreStats> OpenStore::stats() {
  StoreStats stats;
  stats.bytes = live_->used().load(std::memory_order_relaxed);
  stats.max_bytes = options_.max_bytes;
  stats.evicted_bytes = evicted_bytes_.load();
  stats.open_entries = open_entries().size();
  const auto totals = index_ != nullptr ? index_->totals() : fail(Errc::unsupported, "no index");
  if (totals) {
    stats.entries = totals->entries;
    return stats;
  }
  auto counted = directory_.for_each([&](const std::string& name) -> Result<void> {
    stats.entries += directory_.header_of(name) ? 1 : 0;
    return {};
  });
  if (!counted) {
    return fail(std::move(counted.error()));
  }
  return stats;
}

Result<void> OpenStore::checkpoint() {
  flush_uses();
  Result<void> done;
  for (const std::shared_ptr<Entry>& entry : open_entries()) {
    auto synced = entry->sync();
    if (!synced && done) {
      done = std::move(synced);
    }
  }
  std::set<std::string> names;
  {
    MutexLock lock(mutex_);
    names.swap(unsynced_);
  }
  for (const std::string& name : names) {
    const auto header = directory_.header_of(name);
    auto entry = header ? open_entry(name, header->key, {}, std::nullopt, true) : fail(header.error().clone());
    auto synced = entry ? (*entry)->sync(true) : fail(std::move(entry.error()));
    if (synced || synced.error().code == Errc::not_found) {
      continue;
    }
    {
      MutexLock lock(mutex_);
      unsynced_.insert(name);
    }
    done = done ? std::move(synced) : std::move(done);
  }
  return done;
}

// False when `progress` has ended it. What of the entry cannot be read is told in the report.
bool OpenStore::verify_entry(const std::string& name, bool repair, VerifyReport& report,
                             const std::function<bool(const VerifyReport&)>& progress) {
  // What is of a newer version is somebody else's, and what cannot be read may be there the next time.
  const auto unreadable = [&](const Error& error, bool is_nothing) {
    report.unreadable.push_back({name, error.clone(), repair && is_nothing && remove_unreadable(name).has_value()});
  };
  const auto header = directory_.header_of(name);
  if (!header) {
    if (header.error().code != Errc::not_found) {
      unreadable(header.error(), header.error().code == Errc::corrupt);
    }
    return true;
  }
  ++report.entries;
  auto entry = find_open(name);
  if (entry == nullptr) {
    auto opened = open_entry(name, header->key, {}, std::nullopt, true);
    if (!opened) {
      if (opened.error().code != Errc::not_found) {
        unreadable(opened.error(), false);
      } else if (directory_.header_of(name)) {  // else it has been removed meanwhile
        unreadable(Error::make(Errc::not_found, "the data file that its journal speaks of"), true);
      }
      return true;
    }
    entry = std::move(*opened);
  }
  report.torn_journals += entry->torn_bytes() > 0 ? 1 : 0;
  bool go_on = true;
  const auto read = [&](std::uint64_t bytes) {
    report.bytes += bytes;
    go_on = !progress || progress(report);
    return go_on;
  };
  const auto bad = [&](ByteRange blocks, bool given_up) {
    report.bad_bytes += blocks.size();
    auto* const last = report.bad.empty() ? nullptr : &report.bad.back();
    if (last != nullptr && last->name == name && last->range.end == blocks.begin && last->given_up == given_up) {
      last->range.end = blocks.end;
    } else {
      report.bad.push_back({entry->key(), name, blocks, given_up});
    }
  };
  if (const auto checked = entry->verify(repair, read, bad); !checked) {
    unreadable(checked.error(), false);
  }
  return go_on;
}

Result<VerifyReport> OpenStore::verify(bool repair, const std::function<bool(const VerifyReport&)>& progress) {
  VerifyReport report;
  std::vector<std::string> names;
  auto looked = directory_.for_each([&](const std::string& name) -> Result<void> {
    names.push_back(name);
    return {};
  });
  if (!looked) {
    return fail(std::move(looked.error()));
  }
  for (const std::string& name : names) {
    if (!verify_entry(name, repair, report, progress) || (progress && !progress(report))) {
      break;
    }
  }
  return report;
}

}  // namespace strandline::store
