// OpenStore: what is asked of all entries, and removing one.
#include <strandline/store/key.h>
#include <strandline/store/open_store.h>

#include <algorithm>
#include <utility>

namespace strandline::store {

Result<void> OpenStore::remove(const std::string& key) {
  if (auto checked = check_key(key); !checked) {
    return checked;
  }
  MutexLock lock(opening_of(key));
  const auto found = directory_.find(key);
  if (!found || !found->exists) {
    return found ? Result<void>() : fail(found.error().clone());
  }
  auto entry = find_open(found->name);
  if (entry == nullptr || entry->is_past()) {
    auto opened = open_entry(found->name, key, {}, std::nullopt, true);
    if (!opened) {
      return opened.error().code == Errc::not_found ? Result<void>() : fail(std::move(opened.error()));
    }
    entry = std::move(*opened);
  }
  // The write lock keeps the name ours until the files are gone.
  auto removed = entry->retire_and([&] {
    const std::uint64_t bytes = directory_.allocated(found->name);
    auto done = directory_.remove(found->name);
    if (done) {
      give_back(bytes);
    }
    return done;
  });
  if (!removed) {
    return removed;
  }
  Signals(live_, found->name).changed();
  forget(found->name);
  return index_ != nullptr ? index_->remove(found->name) : Result<void>();
}

Result<std::vector<EntryInfo>> OpenStore::list(std::string_view prefix, const EntryInfo* after, std::size_t limit) {
  std::vector<EntryInfo> entries;
  flush_uses();
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
  auto counted = directory_.for_each([&](const std::string&) -> Result<void> {
    ++stats.entries;
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
  return done;
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
    const auto header = directory_.header_of(name);
    if (!header) {
      if (header.error().code != Errc::not_found) {
        report.unreadable.push_back(name + ": " + header.error().message());
      }
      continue;
    }
    ++report.entries;
    auto entry = find_open(name);
    if (entry == nullptr) {
      auto opened = open_entry(name, header->key, {}, std::nullopt, true);
      if (!opened) {
        report.unreadable.push_back(name + ": " + opened.error().message());
        continue;
      }
      entry = std::move(*opened);
    }
    report.torn_journals += entry->torn_bytes() > 0 ? 1 : 0;
    const auto checked = entry->verify(repair);
    if (!checked) {
      report.unreadable.push_back(name + ": " + checked.error().message());
      continue;
    }
    report.bytes += checked->bytes;
    report.bad_bytes += checked->bad_bytes;
    if (progress && !progress(report)) {
      break;
    }
  }
  return report;
}

}  // namespace strandline::store
