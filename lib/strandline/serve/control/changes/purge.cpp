#include <strandline/serve/control/changes/purge.h>

#include <set>
#include <utility>

namespace strandline::serve {
namespace {

// Who reads on what has been validated meanwhile is known to the traffic only.
std::set<std::uint64_t> objects_read(const Traffic& traffic) {
  std::set<std::uint64_t> read;
  for (const ReaderState& reader : traffic.readers()) {
    read.insert(reader.object);
  }
  return read;
}

Result<void> purge_one(ServerParts& parts, const std::set<std::uint64_t>& read, const std::string& name,
                       Purged& purged) {
  if (read.contains(object_id(name)) || parts.objects->forget(name) == Objects::Forgot::in_use) {
    ++purged.in_use;
    return {};
  }
  auto removed = parts.store.remove(name);
  if (!removed && removed.error().code != Errc::busy) {
    return removed;
  }
  ++(removed ? purged.purged : purged.in_use);
  return {};
}

}  // namespace

Result<Purged> purge(ServerParts& parts, const Serving& serving, const PurgeArguments& asked) {
  Purged purged;
  const auto read = objects_read(*parts.traffic);
  if (!asked.below) {
    const auto source = serving.source_of(asked.target);
    const auto there = source && !source->name.empty() ? parts.store.contains(source->name) : Result<bool>(false);
    if (!there) {
      return fail(there.error().clone());
    }
    if (*there) {
      if (auto done = purge_one(parts, read, source->name, purged); !done) {
        return fail(std::move(done.error()));
      }
    }
    return purged;
  }
  for (const std::string& prefix : serving.names_below(asked.target)) {
    store::EntryInfo last;
    const store::EntryInfo* after = nullptr;
    for (;;) {
      const auto entries = parts.store.list(prefix, after);
      if (!entries) {
        return fail(entries.error().clone());
      }
      if (entries->empty()) {
        break;
      }
      last = entries->back();
      after = &last;
      for (const store::EntryInfo& entry : *entries) {
        if (auto done = purge_one(parts, read, entry.key, purged); !done) {
          return fail(std::move(done.error()));
        }
      }
    }
  }
  return purged;
}

}  // namespace strandline::serve
