// SqliteIndex: the Index that is a SQLite database.
// Threads, Blocks, Errors, Cost, Lifetime: as Index says.
#pragma once

#include <strandline/base/mutex.h>
#include <strandline/drivers/fork_epoch.h>
#include <strandline/store/index/index.h>
#include <strandline/store/index/sqlite/opening.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace strandline::store {

class SqliteIndex final : public Index {
 public:
  SqliteIndex(Options options, ForkEpoch epoch, IndexLock lock) noexcept;
  ~SqliteIndex() override;

  // Once, before anything else.
  [[nodiscard]] Result<void> connect() noexcept STRANDLINE_EXCLUDES(mutex_);

  [[nodiscard]] Result<void> recreate() noexcept override STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] Result<IndexTotals> totals() noexcept override;
  [[nodiscard]] Result<std::optional<IndexRow>> find(const std::string& name) noexcept override;
  [[nodiscard]] Result<void> put(const IndexRow& row) noexcept override;
  [[nodiscard]] Result<void> update(std::span<const IndexRow> rows) noexcept override;
  [[nodiscard]] Result<void> touch(std::span<const std::pair<std::string, std::uint64_t>> used) noexcept override;
  [[nodiscard]] Result<void> remove(const std::string& name) noexcept override;
  [[nodiscard]] Result<void> remove_unless(const std::string& name,
                                           const std::function<bool()>& is_there) noexcept override;
  [[nodiscard]] Result<std::vector<IndexRow>> list(std::string_view prefix, const IndexRow* after,
                                                   std::size_t limit) noexcept override;
  [[nodiscard]] Result<std::vector<IndexRow>> oldest(const IndexRow* after, std::size_t limit) noexcept override;
  [[nodiscard]] Result<std::vector<std::string>> left_open() noexcept override;
  [[nodiscard]] Result<std::uint64_t> reserve_ticks(std::uint64_t count) noexcept override;
  [[nodiscard]] Result<std::unique_ptr<Rebuild>> rebuild() noexcept override STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] Result<void> reconciled() noexcept override;

 private:
  friend class SqliteRebuild;
  struct Use;

  // Runs body(database) under the lock, if the database is the one that is meant.
  template <class F>
  [[nodiscard]] auto on_database(F&& body) noexcept -> decltype(body(std::declval<Database&>()));
  [[nodiscard]] Result<void> usable_locked() noexcept STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] Result<void> use_locked(Result<OpenedIndex> opened) noexcept STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] Result<void> recreate_locked() noexcept STRANDLINE_REQUIRES(mutex_);
  void end_rebuild() noexcept STRANDLINE_EXCLUDES(mutex_);

  const Options options_;
  const ForkEpoch epoch_;
  Mutex mutex_;  // a leaf, held while the disk works and while others are waited for
  IndexLock lock_ STRANDLINE_GUARDED_BY(mutex_);
  std::optional<Database> database_ STRANDLINE_GUARDED_BY(mutex_);  // none after a recreate() that failed
  std::uint64_t generation_ STRANDLINE_GUARDED_BY(mutex_) = 0;
  bool rebuilding_ STRANDLINE_GUARDED_BY(mutex_) = false;
};

}  // namespace strandline::store
