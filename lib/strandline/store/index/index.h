// Index: keys, sizes and recency of a store's entries, in one SQLite file that many processes use at once. It is a
// cache of what the entries' own files say: it may be thrown away at any time and made again from them.
// Threads: thread-safe; one call after the other. Blocks: on the disk, and on other processes for Options::patience.
// Errors: the file's, with its path; busy; corrupt: recreate() it, or go on without; unsupported in a fork()ed child.
// Cost: of a million rows one is found in 10 us and changed in 50 us; every 4 MiB some fsyncs. Lifetime: closes on
// destruction; a fork()ed child can neither use it nor, if the parent had any open, open one.
#pragma once

#include <strandline/base/error.h>
#include <strandline/store/io/identity.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace strandline::store {

struct IndexRow {
  std::string name;                     // the entry's file name: 1 to 255 bytes, no NUL; a row's identity
  std::string key;                      // any bytes, up to 64 KiB
  std::optional<std::uint64_t> length;  // bytes, when known
  std::uint64_t allocated = 0;          // bytes on the disk, data and journal
  std::uint64_t used = 0;               // when last: a tick of reserve_ticks(), not a time, for clocks jump
  bool complete = false;
  bool open = false;  // somebody may be changing the entry: after a crash `allocated` is not to be believed
  friend bool operator==(const IndexRow&, const IndexRow&) = default;
};

struct IndexTotals {
  std::uint64_t entries = 0;
  std::uint64_t allocated = 0;  // bytes
  // False in a new index until a Rebuild has finished, whoever's: entries may be missing from it. list() and oldest()
  // take longer meanwhile.
  bool whole = false;
  // The system has stopped without a last close() since the last Rebuild, or reconciled(): the last changes before that
  // may be lost, the marks `open` among them.
  bool restarted = false;
};

class Index {
 public:
  // What the file should be called: another schema is another file, and programs of two versions leave each other's
  // alone.
  static constexpr std::string_view kFileName = "index-1.sqlite";
  static constexpr std::uint64_t kMaxTick = (std::uint64_t{1} << 62) - 1;

  struct Options {
    std::string path;
    BootId boot{};                             // FileSystem::boot_id()
    std::chrono::milliseconds patience{5000};  // with other processes, before a call is busy
  };

  // Makes it if there is none. What is there and is no index is moved to PATH.bad, in place of an older one. busy when
  // it is corrupt and others have it open: they find out with their next call, and it can be made anew once they have
  // let go. Beside it lie PATH-wal and PATH-shm, and PATH.lock, which must never be removed while anybody has it open.
  [[nodiscard]] static Result<std::unique_ptr<Index>> open(Options options) noexcept;

  virtual ~Index() = default;
  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;

  // After corrupt: condemns what is there for all who have it open, and opens what another has made since, or makes a
  // new one. busy while somebody has not let go: every other call is then corrupt, and recreate() may be called again.
  [[nodiscard]] virtual Result<void> recreate() noexcept = 0;

  [[nodiscard]] virtual Result<IndexTotals> totals() noexcept = 0;
  [[nodiscard]] virtual Result<std::optional<IndexRow>> find(const std::string& name) noexcept = 0;
  // Inserts or replaces.
  [[nodiscard]] virtual Result<void> put(const IndexRow& row) noexcept = 0;
  // All of them or, after an error, none. Rows that are not there stay so: somebody has removed the entry. Keys are not
  // looked at; `used` never goes back.
  [[nodiscard]] virtual Result<void> update(std::span<const IndexRow> rows) noexcept = 0;
  // Likewise, `used` alone.
  [[nodiscard]] virtual Result<void> touch(std::span<const std::pair<std::string, std::uint64_t>> used) noexcept = 0;
  // No error when there is none.
  [[nodiscard]] virtual Result<void> remove(const std::string& name) noexcept = 0;
  // Likewise, unless the entry has been made anew: asked while nobody can put or remove a row.
  [[nodiscard]] virtual Result<void> remove_unless(const std::string& name,
                                                   const std::function<bool()>& is_there) noexcept = 0;

  // Pages of at most `limit` rows: the first without `after`, which is the last row of the page before, however it has
  // changed since. A row that changes its place meanwhile may be met twice or never.
  // Those whose key begins with `prefix`, by key, byte by byte, then by name.
  [[nodiscard]] virtual Result<std::vector<IndexRow>> list(std::string_view prefix, const IndexRow* after,
                                                           std::size_t limit) noexcept = 0;
  // The least recently used first; of equals, by name.
  [[nodiscard]] virtual Result<std::vector<IndexRow>> oldest(const IndexRow* after, std::size_t limit) noexcept = 0;
  // The names of rows marked `open`: somebody has the entry, or died having it.
  [[nodiscard]] virtual Result<std::vector<std::string>> left_open() noexcept = 0;

  // The first of `count` ticks that no other call has been given, and that are later than every row's.
  [[nodiscard]] virtual Result<std::uint64_t> reserve_ticks(std::uint64_t count) noexcept = 0;

  // One process at a time; busy for others. Meanwhile everybody goes on as ever.
  class Rebuild;
  [[nodiscard]] virtual Result<std::unique_ptr<Rebuild>> rebuild() noexcept = 0;
  // What a restart may have lost has been put right.
  [[nodiscard]] virtual Result<void> reconciled() noexcept = 0;

 protected:
  Index() = default;
};

// Looks at all entries and tells the index what it finds. Must end before the Index does; without finish() it has only
// added and corrected.
class Index::Rebuild {
 public:
  virtual ~Rebuild() = default;
  Rebuild(const Rebuild&) = delete;
  Rebuild& operator=(const Rebuild&) = delete;

  // What was found, in one transaction: other writers wait for it, so some thousands at a time. In the order of their
  // names it takes a third of the time. Whatever has been put or updated since the Rebuild began is newer and stays.
  // changed after a recreate().
  [[nodiscard]] virtual Result<void> add(std::span<const IndexRow> found) noexcept = 0;
  // Removes the rows that were neither found nor put since it began, and makes the index whole. The first one sorts
  // them all meanwhile: other writers wait, some seconds of a million rows.
  [[nodiscard]] virtual Result<void> finish() noexcept = 0;

 protected:
  Rebuild() = default;
};

}  // namespace strandline::store
