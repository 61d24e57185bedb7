#include <strandline/store/index/use.h>
#include <strandline/store/journal/format.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

namespace strandline::store {
namespace {

constexpr std::size_t kMaxName = 255;
constexpr std::uint64_t kMaxBytes = std::numeric_limits<std::int64_t>::max();

constexpr char kPut[] =
    "INSERT INTO entries(name, key, length, allocated, used, complete, open, round) "
    "VALUES(?, ?, ?, ?, ?, ?, ?, (SELECT round FROM totals)) ON CONFLICT(name) DO UPDATE SET key = excluded.key, "
    "length = excluded.length, allocated = excluded.allocated, used = excluded.used, complete = excluded.complete, "
    "open = excluded.open, round = excluded.round";
constexpr char kUpdate[] =
    "UPDATE entries SET length = ?, allocated = ?, used = max(used, ?), complete = ?, open = ?, "
    "round = (SELECT round FROM totals) WHERE name = ?";
constexpr char kTouch[] = "UPDATE entries SET used = ?1 WHERE name = ?2 AND used < ?1";
constexpr char kRemove[] = "DELETE FROM entries WHERE name = ?";
constexpr char kFind[] = "SELECT " STRANDLINE_INDEX_COLUMNS " FROM entries WHERE name = ?";
constexpr char kList[] =
    "SELECT " STRANDLINE_INDEX_COLUMNS " FROM entries WHERE (key, name) > (?, ?) ORDER BY key, name LIMIT ?";
constexpr char kOldest[] =
    "SELECT " STRANDLINE_INDEX_COLUMNS " FROM entries WHERE (used, name) > (?, ?) ORDER BY used, name LIMIT ?";
constexpr char kLeftOpen[] = "SELECT name FROM entries WHERE open";
constexpr char kTotals[] = "SELECT entries, allocated, built, restarted FROM totals";
constexpr char kReconciled[] = "UPDATE totals SET restarted = 0";
constexpr char kReserve[] = "UPDATE totals SET tick = tick + ? RETURNING tick";

bool is_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= kMaxName && name.find('\0') == std::string_view::npos;
}

Result<void> check_name(std::string_view name) noexcept {
  return is_name(name) ? Result<void>() : fail(Errc::invalid_argument, "the name of an index row");
}

Result<void> check_numbers(const IndexRow& row) noexcept {
  const bool fit = row.length.value_or(0) <= kMaxBytes && row.allocated <= kMaxBytes && row.used <= Index::kMaxTick;
  return fit ? check_name(row.name) : fail(Errc::invalid_argument, "the numbers of an index row");
}

// At most `limit` rows of what is left of the query, while they are wanted.
template <class Wanted>
Result<std::vector<IndexRow>> page(Query& query, std::size_t limit, const Database& database, Wanted&& wanted) {
  std::vector<IndexRow> rows;
  while (rows.size() < limit) {
    const auto more = query.step();
    if (!more) {
      return fail(more.error().clone());
    }
    if (!*more) {
      break;
    }
    auto row = row_of(query, database);
    if (!row) {
      return fail(std::move(row.error()));
    }
    if (!wanted(*row)) {
      break;
    }
    rows.push_back(std::move(*row));
  }
  return rows;
}

}  // namespace

Result<void> check_row(const IndexRow& row) noexcept {
  return row.key.size() <= kMaxKey ? check_numbers(row) : fail(Errc::invalid_argument, "the key of an index row");
}

Query& bind_row(Query& query, const IndexRow& row) noexcept {
  return query.text(row.name)
      .blob(row.key)
      .number(row.length)
      .number(row.allocated)
      .number(row.used)
      .number(std::uint64_t{row.complete})
      .number(std::uint64_t{row.open});
}

Result<IndexRow> row_of(const Query& query, const Database& database) {
  IndexRow row;
  row.name = query.bytes_at(0);
  row.key = query.bytes_at(1);
  row.length = query.number_at(2);
  const auto allocated = query.number_at(3);
  const auto used = query.number_at(4);
  const auto complete = query.number_at(5);
  const auto open = query.number_at(6);
  const bool sound = allocated && used && complete && open && (row.length || query.is_null(2)) && check_row(row);
  if (!sound) {
    return file::about(Errc::corrupt, "a row that nobody has put there:", database.path());
  }
  row.allocated = *allocated;
  row.used = *used;
  row.complete = *complete != 0;
  row.open = *open != 0;
  return row;
}

Result<IndexTotals> SqliteIndex::totals() noexcept {
  return on_database([](Database& database) -> Result<IndexTotals> {
    auto query = database.query(kTotals);
    if (!query) {
      return fail(std::move(query.error()));
    }
    const auto row = query->step();
    if (!row) {
      return fail(row.error().clone());
    }
    const auto entries = *row ? query->number_at(0) : std::nullopt;
    const auto allocated = *row ? query->number_at(1) : std::nullopt;
    if (!entries || !allocated) {
      return file::about(Errc::corrupt, "no totals in", database.path());
    }
    return IndexTotals{*entries, *allocated, query->number_at(2) == 1U, query->number_at(3) != 0U};
  });
}

Result<std::optional<IndexRow>> SqliteIndex::find(const std::string& name) noexcept {
  return on_database([&](Database& database) -> Result<std::optional<IndexRow>> {
    auto query = database.query(kFind);
    if (!query) {
      return fail(std::move(query.error()));
    }
    const auto found = query->text(name).step();
    if (!found) {
      return fail(found.error().clone());
    }
    if (!*found) {
      return std::nullopt;
    }
    auto row = row_of(*query, database);
    return row ? Result<std::optional<IndexRow>>(std::move(*row)) : fail(std::move(row.error()));
  });
}

Result<void> SqliteIndex::put(const IndexRow& row) noexcept {
  if (auto checked = check_row(row); !checked) {
    return checked;
  }
  return on_database([&](Database& database) -> Result<void> {
    auto query = database.query(kPut);
    return query ? bind_row(*query, row).finish() : fail(std::move(query.error()));
  });
}

Result<void> SqliteIndex::update(std::span<const IndexRow> rows) noexcept {
  for (const IndexRow& row : rows) {
    if (auto checked = check_numbers(row); !checked) {
      return checked;
    }
  }
  return on_database([&](Database& database) -> Result<void> {
    return database.transact([&]() -> Result<void> {
      auto query = database.query(kUpdate);
      if (!query) {
        return fail(std::move(query.error()));
      }
      for (const IndexRow& row : rows) {
        query->again();
        auto done = query->number(row.length)
                        .number(row.allocated)
                        .number(row.used)
                        .number(std::uint64_t{row.complete})
                        .number(std::uint64_t{row.open})
                        .text(row.name)
                        .finish();
        if (!done) {
          return done;
        }
      }
      return {};
    });
  });
}

Result<void> SqliteIndex::touch(std::span<const std::pair<std::string, std::uint64_t>> used) noexcept {
  for (const auto& [name, tick] : used) {
    if (!is_name(name) || tick > kMaxTick) {
      return fail(Errc::invalid_argument, "a tick of an index row");
    }
  }
  return on_database([&](Database& database) -> Result<void> {
    return database.transact([&]() -> Result<void> {
      auto query = database.query(kTouch);
      if (!query) {
        return fail(std::move(query.error()));
      }
      for (const auto& [name, tick] : used) {
        query->again();
        if (auto done = query->number(tick).text(name).finish(); !done) {
          return done;
        }
      }
      return {};
    });
  });
}

Result<void> SqliteIndex::remove(const std::string& name) noexcept {
  return on_database([&](Database& database) -> Result<void> {
    auto query = database.query(kRemove);
    return query ? query->text(name).finish() : fail(std::move(query.error()));
  });
}

Result<void> SqliteIndex::remove_unless(const std::string& name, const std::function<bool()>& is_there) noexcept {
  return on_database([&](Database& database) -> Result<void> {
    return database.transact([&]() -> Result<void> {
      if (is_there()) {
        return {};
      }
      auto query = database.query(kRemove);
      return query ? query->text(name).finish() : fail(std::move(query.error()));
    });
  });
}

Result<std::vector<IndexRow>> SqliteIndex::list(std::string_view prefix, const IndexRow* after,
                                                std::size_t limit) noexcept {
  // No name is empty: behind (prefix, "") come all that begin with the prefix, in one run. Where it ends needs no upper
  // bound, which a prefix that ends in 0xff has not got: the first row that does not begin so.
  const bool further = after != nullptr && std::string_view(after->key) >= prefix;
  const std::string_view key = further ? std::string_view(after->key) : prefix;
  const std::string_view name = further ? std::string_view(after->name) : std::string_view();
  return on_database([&](Database& database) -> Result<std::vector<IndexRow>> {
    auto query = database.query(kList);
    if (!query) {
      return fail(std::move(query.error()));
    }
    query->blob(key).text(name).number(std::min<std::uint64_t>(limit, kMaxBytes));
    return page(*query, limit, database, [&](const IndexRow& row) { return row.key.starts_with(prefix); });
  });
}

Result<std::vector<IndexRow>> SqliteIndex::oldest(const IndexRow* after, std::size_t limit) noexcept {
  if (after != nullptr && after->used > kMaxTick) {
    return fail(Errc::invalid_argument, "a tick of an index row");
  }
  return on_database([&](Database& database) -> Result<std::vector<IndexRow>> {
    auto query = database.query(kOldest);
    if (!query) {
      return fail(std::move(query.error()));
    }
    query->number(after != nullptr ? after->used : 0)
        .text(after != nullptr ? std::string_view(after->name) : std::string_view())
        .number(std::min<std::uint64_t>(limit, kMaxBytes));
    return page(*query, limit, database, [](const IndexRow&) { return true; });
  });
}

Result<std::vector<std::string>> SqliteIndex::left_open() noexcept {
  return on_database([](Database& database) -> Result<std::vector<std::string>> {
    auto query = database.query(kLeftOpen);
    if (!query) {
      return fail(std::move(query.error()));
    }
    std::vector<std::string> names;
    for (;;) {
      const auto row = query->step();
      if (!row) {
        return fail(row.error().clone());
      }
      if (!*row) {
        return names;
      }
      names.emplace_back(query->bytes_at(0));
    }
  });
}

Result<std::uint64_t> SqliteIndex::reserve_ticks(std::uint64_t count) noexcept {
  if (count == 0 || count > kMaxTick) {
    return fail(Errc::invalid_argument, "a number of ticks");
  }
  return on_database([&](Database& database) -> Result<std::uint64_t> {
    std::uint64_t last = 0;
    auto done = database.transact([&]() -> Result<void> {
      auto query = database.query(kReserve);
      if (!query) {
        return fail(std::move(query.error()));
      }
      const auto row = query->number(count).step();
      if (!row) {
        return fail(row.error().clone());
      }
      const auto tick = *row ? query->number_at(0) : std::nullopt;
      if (!tick) {
        return file::about(Errc::corrupt, "no ticks in", database.path());
      }
      last = *tick;
      return last <= kMaxTick ? query->finish() : file::about(Errc::too_large, "no ticks left in", database.path());
    });
    return done ? Result<std::uint64_t>(last - count + 1) : fail(std::move(done.error()));
  });
}

Result<void> SqliteIndex::reconciled() noexcept {
  return on_database([](Database& database) -> Result<void> {
    auto query = database.query(kReconciled);
    return query ? query->finish() : fail(std::move(query.error()));
  });
}

}  // namespace strandline::store
