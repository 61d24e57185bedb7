// SqliteIndex::on_database(): the frame around every call; and what its sources share of rows.
// Threads, Blocks, Errors, Cost, Lifetime: as Index says.
#pragma once

#include <strandline/drivers/file/failure.h>
#include <strandline/drivers/file/file_size_signal.h>
#include <strandline/store/index/sqlite_index.h>

#include <utility>

namespace strandline::store {

// SQLite writes without a thought for SIGXFSZ, and not only in calls that fail.
struct SqliteIndex::Use {
  Use() noexcept = default;
  ~Use() { held.swallow(); }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  file::FileSizeSignalHeld held;
};

template <class F>
auto SqliteIndex::on_database(F&& body) noexcept -> decltype(body(std::declval<Database&>())) {
  // Before the lock, which a child may have inherited held.
  if (auto ours = epoch_.check(options_.path); !ours) {
    return fail(std::move(ours.error()));
  }
  return file::contained([&]() -> decltype(body(std::declval<Database&>())) {
    const Use use;
    MutexLock lock(mutex_);
    if (auto usable = usable_locked(); !usable) {
      return fail(std::move(usable.error()));
    }
    return body(*database_);
  });
}

// invalid_argument when the row is none.
[[nodiscard]] Result<void> check_row(const IndexRow& row) noexcept;
// The next seven parameters, in the order of the columns below.
Query& bind_row(Query& query, const IndexRow& row) noexcept;
// The columns that row_of() reads, in its order.
#define STRANDLINE_INDEX_COLUMNS "name, key, length, allocated, used, complete, open"
[[nodiscard]] Result<IndexRow> row_of(const Query& query, const Database& database);

}  // namespace strandline::store
