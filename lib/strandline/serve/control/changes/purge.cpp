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

void because(Purged& purged, const Error& why) {
  if (!purged.why) {
    purged.why = why.clone();
  }
}

void purge_one(ServerParts& parts, const std::set<std::uint64_t>& read, const std::string& name, Purged& purged) {
  if (read.contains(object_id(name)) || parts.objects->forget(name) == Objects::Forgot::in_use) {
    ++purged.in_use;
    return;
  }
  const auto removed = parts.store.remove(name);
  if (removed) {
    ++purged.purged;
  } else if (removed.error().code == Errc::busy) {
    ++purged.in_use;
  } else {
    ++purged.failed;
    because(purged, removed.error());
  }
}

}  // namespace

Purged purge(ServerParts& parts, const Serving& serving, const PurgeArguments& asked) {
  Purged purged;
  const auto read = objects_read(*parts.traffic);
  if (!asked.below) {
    const auto source = serving.source_of(asked.target);
    const auto there = source && !source->name.empty() ? parts.store.contains(source->name) : Result<bool>(false);
    if (!there) {
      because(purged, there.error());
    } else if (*there) {
      purge_one(parts, read, source->name, purged);
    }
    return purged;
  }
  for (const std::string& prefix : serving.names_below(asked.target)) {
    store::EntryInfo last;
    const store::EntryInfo* after = nullptr;
    for (;;) {
      const auto entries = parts.store.list(prefix, after);
      if (!entries) {
        because(purged, entries.error());
        return purged;
      }
      if (entries->empty()) {
        break;
      }
      last = entries->back();
      after = &last;
      for (const store::EntryInfo& entry : *entries) {
        purge_one(parts, read, entry.key, purged);
      }
    }
  }
  return purged;
}

}  // namespace strandline::serve
