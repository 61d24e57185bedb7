#include <strandline/store/index/sqlite/schema.h>
#include <strandline/store/index/use.h>

#include <utility>

namespace strandline::store {
namespace {

// Of rows that are swept at a time: others may write in between.
constexpr char kSlice[] = "SELECT name FROM entries WHERE name > ? ORDER BY name LIMIT 1 OFFSET 9999";
constexpr char kSweep[] = "DELETE FROM entries WHERE round < ? AND name > ? AND name <= ?";
constexpr char kBegin[] = "UPDATE totals SET round = round + 1 RETURNING round";
constexpr char kRound[] = "SELECT round FROM totals";
// The parameters of both: a row's, and the round.
constexpr char kFound[] =
    "INSERT INTO entries(name, key, length, allocated, used, complete, open, round) VALUES(?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT(name) DO UPDATE SET key = excluded.key, length = excluded.length, allocated = excluded.allocated, "
    "used = max(used, excluded.used), complete = excluded.complete, open = excluded.open, round = excluded.round "
    "WHERE round < excluded.round";
// Of a row that is as it was: SQLite writes every index of a column that is set, though it be set to what it is.
constexpr char kSame[] =
    "UPDATE entries SET round = ?8 WHERE name = ?1 AND key = ?2 AND length IS ?3 AND allocated = ?4 AND used >= ?5 AND "
    "complete = ?6 AND open = ?7 AND round < ?8";

// For the pages that the next row needs too.
constexpr char kLargeCache[] = "PRAGMA cache_size=-65536";
constexpr char kSmallCache[] = "PRAGMA cache_size=-2048; PRAGMA shrink_memory";

}  // namespace

// Mark and sweep: it takes a round of its own, which it gives to the rows it finds, and everybody to those they change
// from then on. What is left of rounds before is of entries that are gone.
class SqliteRebuild final : public Index::Rebuild {
 public:
  SqliteRebuild(SqliteIndex& index, std::uint64_t round) noexcept : index_(index), round_(round) {}
  ~SqliteRebuild() override { index_.end_rebuild(); }

  Result<void> add(std::span<const IndexRow> found) noexcept override {
    for (const IndexRow& row : found) {
      if (auto checked = check_row(row); !checked) {
        return checked;
      }
    }
    return in_round([&](Database& database) -> Result<void> {
      auto same = database.query(kSame);
      auto other = database.query(kFound);
      if (!same || !other) {
        return fail(std::move((same ? other : same).error()));
      }
      for (const IndexRow& row : found) {
        same->again();
        auto done = bind_row(*same, row).number(round_).finish();
        if (done && same->changed() == 0) {
          other->again();
          done = bind_row(*other, row).number(round_).finish();
        }
        if (!done) {
          return done;
        }
      }
      return {};
    });
  }

  Result<void> finish() noexcept override {
    return file::contained([&]() -> Result<void> {
      std::string from;
      for (bool last = false; !last;) {
        auto done = in_round([&](Database& database) { return sweep(database, from, last); });
        if (!done) {
          return done;
        }
      }
      return in_round([](Database& database) { return complete_schema(database); });
    });
  }

 private:
  // Removes what is left of old rounds among the next rows behind `from`, and moves it there.
  Result<void> sweep(Database& database, std::string& from, bool& last) const {
    std::string to;
    {
      auto query = database.query(kSlice);
      if (!query) {
        return fail(std::move(query.error()));
      }
      const auto row = query->text(from).step();
      if (!row) {
        return fail(row.error().clone());
      }
      last = !*row;
      to = last ? std::string() : std::string(query->bytes_at(0));
    }
    auto query = database.query(kSweep);
    if (!query) {
      return fail(std::move(query.error()));
    }
    query->number(round_).text(from);
    if (last) {
      query->blob({});  // every text comes before every blob
    } else {
      query->text(to);
    }
    auto done = query->finish();
    from = std::move(to);
    return done;
  }

  template <class F>
  Result<void> in_round(F&& body) noexcept {
    return index_.on_database([&](Database& database) -> Result<void> {
      return database.transact([&]() -> Result<void> {
        const auto round = database.number(kRound);
        if (!round) {
          return fail(round.error().clone());
        }
        if (*round != static_cast<std::int64_t>(round_)) {
          return file::about(Errc::changed, "made anew since the rebuild began:", database.path());
        }
        return file::contained([&] { return body(database); });
      });
    });
  }

  SqliteIndex& index_;
  const std::uint64_t round_;
};

Result<std::unique_ptr<Index::Rebuild>> SqliteIndex::rebuild() noexcept {
  return on_database([&](Database& database) -> Result<std::unique_ptr<Rebuild>> {
    mutex_.assert_held();
    if (rebuilding_) {
      return file::about(Errc::busy, "being rebuilt already:", database.path());
    }
    if (auto begun = lock_.begin_rebuild(); !begun) {
      return fail(std::move(begun.error()));
    }
    std::uint64_t round = 0;
    auto done = database.run(kLargeCache);
    if (done) {
      done = database.transact([&]() -> Result<void> {
        auto query = database.query(kBegin);
        if (!query) {
          return fail(std::move(query.error()));
        }
        const auto row = query->step();
        if (!row) {
          return fail(row.error().clone());
        }
        round = *row ? query->number_at(0).value_or(0) : 0;
        return query->finish();
      });
    }
    if (!done) {
      lock_.end_rebuild();
      return fail(std::move(done.error()));
    }
    rebuilding_ = true;
    return std::make_unique<SqliteRebuild>(*this, round);
  });
}

void SqliteIndex::end_rebuild() noexcept {
  if (epoch_.inherited()) {
    return;
  }
  MutexLock lock(mutex_);
  rebuilding_ = false;
  lock_.end_rebuild();
  if (database_) {
    static_cast<void>(database_->run(kSmallCache));
  }
}

}  // namespace strandline::store
