// What must be so once everybody has gone, however they went.
#include <strandline/store/io/file_system.h>
#include <tests/store/soak/soak.h>

#include <sys/stat.h>

#include <filesystem>
#include <set>

namespace strandline::soak {
namespace {

using store::Lease;
using store::Store;

Result<Store> open_store(const std::string& path) {
  store::StoreOptions options;
  options.max_bytes = kCap;
  return Store::open(path, options);
}

std::string describe(const std::string& path) {
  std::string text;
  for (const auto& file : std::filesystem::recursive_directory_iterator(path + "/entries")) {
    struct ::stat facts {};
    if (::lstat(file.path().c_str(), &facts) == 0 && S_ISREG(facts.st_mode)) {
      text += " " + file.path().filename().native().substr(0, 4) + file.path().extension().native() + "=" +
              std::to_string(facts.st_blocks * 512);
    }
  }
  return text;
}

std::string rows_of(Store& store) {
  const auto list = store.list();
  std::string text;
  for (const store::EntryInfo& entry : list ? *list : std::vector<store::EntryInfo>()) {
    text += " " + entry.name.substr(0, 4) + "=" + std::to_string(entry.allocated);
  }
  return text;
}

void check_totals(const std::string& path, Store& store, Page& page, const char* when) {
  const auto stats = store.stats();
  std::uint64_t on_disk = bytes_on_disk(path);
  // Of an entry that was never begun: its row may have gone with the one before. It holds no content, and goes when
  // somebody wants its key.
  for (const auto& file : std::filesystem::recursive_directory_iterator(path + "/entries")) {
    struct ::stat facts {};
    if (file.path().extension() == ".new" && ::lstat(file.path().c_str(), &facts) == 0) {
      on_disk -= static_cast<std::uint64_t>(facts.st_blocks) * 512;
    }
  }
  if (!stats) {
    page.complain("stats: " + stats.error().message());
  } else if (stats->bytes != on_disk) {
    page.complain(std::string("totals ") + when + ": the store says " + std::to_string(stats->bytes) + ", the disk " +
                  std::to_string(on_disk) + ":" + describe(path) + "; by the index:" + rows_of(store));
  }
}

void check_bytes(const Lease& lease, Page& page) {
  const Version version = Version::of(lease);
  const auto available = lease.resource().available();
  if (!available) {
    page.complain("available: " + available.error().message());
    return;
  }
  for (const ByteRange run : *available) {
    std::vector<std::byte> bytes(run.size());
    for (std::uint64_t at = run.begin; at < run.end;) {
      const auto count = lease.resource().read_at(at, std::span(bytes).subspan(at - run.begin));
      if (!count || *count == 0) {
        page.complain("after all: " + version.name() + " at " + std::to_string(at) + ": " +
                      (count ? "nothing" : count.error().message()));
        return;
      }
      at += *count;
    }
    if (bytes != version.bytes(run)) {
      page.complain("after all: wrong bytes in " + version.name() + " version " + std::to_string(version.number) +
                    " [" + std::to_string(run.begin) + ", " + std::to_string(run.end) + ")");
    }
  }
}

}  // namespace

std::uint64_t bytes_on_disk(const std::string& path) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator it(path + "/entries", error), end; !error && it != end;
       it.increment(error)) {
    struct ::stat facts {};
    if (::lstat(it->path().c_str(), &facts) == 0 && S_ISREG(facts.st_mode)) {
      bytes += static_cast<std::uint64_t>(facts.st_blocks) * 512;
    }
  }
  return bytes;
}

void check_store(const std::string& path, Page& page) {
  auto store = open_store(path);
  if (!store) {
    page.complain("open, alone: " + store.error().message());
    return;
  }
  check_totals(path, *store, page, "after opening alone");
  const auto list = store->list();
  if (!list) {
    page.complain("list: " + list.error().message());
    return;
  }
  std::set<std::string> listed;
  for (const store::EntryInfo& entry : *list) {
    listed.insert(entry.key);
  }
  for (unsigned key = 0; key < kKeys; ++key) {
    const std::string name = Version{key, 0}.name();
    const auto there = store->contains(name);
    if (!there || (*there && !listed.contains(name))) {
      page.complain("contains: " + (there ? name + " is there, and is not listed" : there.error().message()));
    }
    const auto before = std::chrono::steady_clock::now();
    auto lease = store->acquire(name);
    const auto took = std::chrono::steady_clock::now() - before;
    if (!lease) {
      page.complain("acquire, alone: " + lease.error().message());
      continue;
    }
    if (lease->writer() == nullptr && lease->resource().status().state != State::committed) {
      page.complain("acquire, alone: no writer for " + name);
    }
    if (took > std::chrono::seconds(2)) {
      page.complain("acquire, alone: slow");
    }
    check_bytes(*lease, page);
  }
  const auto report = store->verify(false);
  if (!report) {
    page.complain("verify, alone: " + report.error().message());
  } else if (report->bad_bytes != 0 || !report->unreadable.empty()) {
    page.complain("verify, alone: " + std::to_string(report->bad_bytes) + " bad bytes, " +
                  (report->unreadable.empty()
                       ? std::string()
                       : report->unreadable.front().name + ": " + report->unreadable.front().why.message()));
  }
  check_totals(path, *store, page, "at the end");
}

}  // namespace strandline::soak
