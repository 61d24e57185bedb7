#include <strandline/drivers/file/failure.h>
#include <strandline/store/index/sqlite/schema.h>

#include <unistd.h>

#include <cstdint>
#include <string>

namespace strandline::store {
namespace {

// Names it the first time, so that another program's database is not taken for an index: "StrL".
constexpr std::int64_t kApplication = 0x5374724c;
// Index::kFileName has it too.
constexpr std::int64_t kVersion = 1;

enum class Made : std::uint8_t { at_once, by_rebuild };
struct Object {
  const char* sql;
  Made made;
};

// As sqlite_schema gives them back, so that they can be compared; in the order of their names.
//
// entries has no rowid: each index has the name at its end, which makes pages of equals come in an order of their own.
// `key`, which may be long, comes last, so that the columns before it are on the row's first page. Two indexes are made
// when a rebuild has finished, sorted and at one go, which takes seconds of a million rows, not half a minute; up to
// then what asks for their order sorts.
// totals has one row. The triggers keep its sums in the transaction that changes them, and `tick` from falling behind a
// row; so what INSERT OR REPLACE removes, which fires none, is never used. The CHECKs are for sums that outgrow an
// integer and become REAL; the difference, in brackets, cannot.
//   built: has a rebuild finished? round: how many have begun; a row's: the last that had begun when it was written.
//   boot: in which start of the system there may be changes that are not synced; empty: in none.
constexpr Object kObjects[] = {
    {"CREATE TABLE entries(name TEXT PRIMARY KEY NOT NULL, length INTEGER, allocated INTEGER NOT NULL, used INTEGER "
     "NOT NULL, complete INTEGER NOT NULL, open INTEGER NOT NULL, round INTEGER NOT NULL, key BLOB NOT NULL) "
     "WITHOUT ROWID",
     Made::at_once},
    {"CREATE TRIGGER entries_added AFTER INSERT ON entries BEGIN UPDATE totals SET entries = entries + 1, allocated = "
     "allocated + new.allocated, tick = max(tick, new.used); END",
     Made::at_once},
    {"CREATE INDEX entries_by_key ON entries(key)", Made::by_rebuild},
    {"CREATE INDEX entries_by_used ON entries(used)", Made::by_rebuild},
    {"CREATE TRIGGER entries_changed AFTER UPDATE OF allocated ON entries WHEN new.allocated <> old.allocated BEGIN "
     "UPDATE totals SET allocated = allocated + (new.allocated - old.allocated); END",
     Made::at_once},
    {"CREATE INDEX entries_open ON entries(open) WHERE open", Made::at_once},
    {"CREATE TRIGGER entries_removed AFTER DELETE ON entries BEGIN UPDATE totals SET entries = entries - 1, allocated "
     "= allocated - old.allocated; END",
     Made::at_once},
    {"CREATE TRIGGER entries_used AFTER UPDATE OF used ON entries WHEN new.used > (SELECT tick FROM totals) BEGIN "
     "UPDATE totals SET tick = new.used; END",
     Made::at_once},
    {"CREATE TABLE totals(one INTEGER PRIMARY KEY CHECK(one = 1), entries INTEGER NOT NULL, allocated INTEGER NOT NULL "
     "CHECK(typeof(allocated) = 'integer'), tick INTEGER NOT NULL CHECK(typeof(tick) = 'integer'), round INTEGER NOT "
     "NULL, built INTEGER NOT NULL, restarted INTEGER NOT NULL, boot BLOB NOT NULL, generation INTEGER NOT NULL)",
     Made::at_once},
};

// mmap_size: a mapped database that somebody cuts short would be a SIGBUS; a read is an error.
// cell_size_check: looks a little closer at pages as they are read.
constexpr char kCareful[] = "PRAGMA mmap_size=0; PRAGMA cell_size_check=1; PRAGMA trusted_schema=0";
// synchronous=NORMAL: a commit syncs nothing, a checkpoint does. A killed process loses nothing. After a power cut the
// file is sound, but the last transactions may be gone: a price for a hundredth of the time, since what they said can
// be looked up in the entries. note_opened() and note_closed() tell when that may have happened.
constexpr char kSettings[] =
    "PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=1000; PRAGMA journal_size_limit=8388608; "
    "PRAGMA cache_size=-2048";

std::string_view bytes_of(const BootId& boot) noexcept {
  return {reinterpret_cast<const char*>(boot.data()), boot.size()};
}

Result<void> configure(Database& database) noexcept {
  auto query = database.query("PRAGMA journal_mode=WAL");
  if (!query) {
    return fail(std::move(query.error()));
  }
  const auto row = query->step();
  if (!row) {
    return fail(row.error().clone());
  }
  if (!*row || query->bytes_at(0) != "wal") {
    return file::about(Errc::unsupported, "no write-ahead log on this file system:", database.path());
  }
  if (auto ended = query->finish(); !ended) {
    return ended;
  }
  return database.run(kSettings);
}

Result<void> is_number(Database& database, const char* sql, std::int64_t wanted, std::string_view otherwise) noexcept {
  const auto number = database.number(sql);
  if (!number) {
    return fail(number.error().clone());
  }
  return *number == wanted ? Result<void>() : file::about(Errc::corrupt, otherwise, database.path());
}

std::string script_of(Made made) {
  std::string script;
  for (const Object& object : kObjects) {
    if (object.made == made) {
      script += object.sql;
      script += ';';
    }
  }
  return script;
}

Result<void> has_objects(Database& database) noexcept {
  const auto built = database.number("SELECT built FROM totals");
  if (!built) {
    return fail(built.error().clone());
  }
  auto query = database.query("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name");
  if (!query) {
    return fail(std::move(query.error()));
  }
  for (const Object& object : kObjects) {
    if (object.made == Made::by_rebuild && *built != 1) {
      continue;
    }
    const auto row = query->step();
    if (!row) {
      return fail(row.error().clone());
    }
    if (!*row || query->bytes_at(0) != object.sql) {
      return file::about(Errc::corrupt, "other tables than an index has:", database.path());
    }
  }
  const auto more = query->step();
  if (!more) {
    return fail(more.error().clone());
  }
  return *more ? file::about(Errc::corrupt, "more tables than an index has:", database.path()) : Result<void>();
}

// Synced, with all that was before it.
Result<void> durably(Database& database, const char* sql, std::string_view parameter) noexcept {
  auto done = database.run("PRAGMA synchronous=FULL");
  if (done) {
    auto query = database.query(sql);
    done = query ? query->blob(parameter).finish() : Result<void>(fail(std::move(query.error())));
  }
  const auto back = database.run("PRAGMA synchronous=NORMAL");
  return done ? back.map_error([](const Error& error) { return error.clone(); }) : std::move(done);
}

}  // namespace

Result<void> make_schema(Database& database, std::uint64_t generation, const BootId& boot) noexcept {
  return file::contained([&]() -> Result<void> {
    auto done = database.run(kCareful);
    if (done) {
      done = configure(database);
    }
    if (!done) {
      return done;
    }
    std::string script = script_of(Made::at_once);
    script += "PRAGMA application_id=" + std::to_string(kApplication) + ";";
    script += "PRAGMA user_version=" + std::to_string(kVersion);
    // The two numbers in the header come with the tables or not at all.
    return database.transact([&]() -> Result<void> {
      if (auto made = database.run(script.c_str()); !made) {
        return made;
      }
      auto query = database.query("INSERT INTO totals VALUES(1, 0, 0, 0, 0, 0, 0, ?, ?)");
      return query ? query->blob(bytes_of(boot)).number(generation).finish() : fail(std::move(query.error()));
    });
  });
}

Result<void> complete_schema(Database& database) noexcept {
  return file::contained([&]() -> Result<void> {
    const auto built = database.number("SELECT built FROM totals");
    if (!built) {
      return fail(built.error().clone());
    }
    if (*built != 1) {
      if (auto made = database.run(script_of(Made::by_rebuild).c_str()); !made) {
        return made;
      }
    }
    return database.run("UPDATE totals SET built = 1, restarted = 0");
  });
}

Result<void> check_schema(Database& database, std::uint64_t generation) noexcept {
  auto done = database.run(kCareful);
  if (done) {
    done = is_number(database, "PRAGMA application_id", kApplication, "not an index:");
  }
  if (done) {
    done = is_number(database, "PRAGMA user_version", kVersion, "an index of another schema:");
  }
  if (done && database.read_only()) {
    // A header that is damaged can say so too.
    return ::access(database.path().c_str(), W_OK) == 0
               ? file::about(Errc::corrupt, "an index that cannot be written:", database.path())
               : file::about(Errc::permission_denied, "open", database.path());
  }
  if (done) {
    done = has_objects(database);
  }
  if (done) {
    done = is_number(database, "SELECT generation FROM totals", static_cast<std::int64_t>(generation),
                     "an index that was condemned:");
  }
  return done ? configure(database) : std::move(done);
}

Result<void> note_opened(Database& database, const BootId& boot) noexcept {
  std::string_view mine = bytes_of(boot);
  bool in_order = false;
  {
    auto query = database.query("SELECT boot FROM totals");
    if (!query) {
      return fail(std::move(query.error()));
    }
    const auto row = query->step();
    if (!row) {
      return fail(row.error().clone());
    }
    if (*row && query->bytes_at(0) == mine) {
      return {};
    }
    in_order = *row && query->bytes_at(0).empty();
  }
  // Only if this is on the disk before the changes that follow can it be believed, when it is missing, that none did.
  return in_order ? durably(database, "UPDATE totals SET boot = ?", mine)
                  : durably(database, "UPDATE totals SET boot = ?, restarted = 1", mine);
}

Result<void> note_closed(Database& database) noexcept {
  return durably(database, "UPDATE totals SET boot = ?", {});
}

}  // namespace strandline::store
