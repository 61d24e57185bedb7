// What the tests of the index share: rows made from a number, an index in a scratch folder, and a second opinion.
// Threads: as each says. Blocks: as the index. Errors: a broken expectation is a failed REQUIRE. Cost: none worth
// naming. Lifetime: within one test.
#pragma once

#include <strandline/store/index/index.h>
#include <tests/drivers/scratch.h>

#include <sqlite3.h>

#include <cstdio>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace strandline::testing {

using store::Index;
using store::IndexRow;
using store::IndexTotals;

// 40 letters, in an order that has nothing to do with the number's.
inline std::string name_of(std::uint64_t number) {
  std::mt19937_64 random(number);
  char text[41];
  std::snprintf(text, sizeof text, "%016llx%08llx%016llx", static_cast<unsigned long long>(random()),
                static_cast<unsigned long long>(number), static_cast<unsigned long long>(random()));
  return text;
}

inline IndexRow row_of(std::uint64_t number) {
  IndexRow row;
  row.name = name_of(number);
  row.key = "https://example.org/media/" + std::to_string(number) + ".bin";
  row.length = number % 3 == 0 ? std::optional<std::uint64_t>() : number * 1000;
  row.allocated = number * 4096;
  row.used = number;
  row.complete = number % 2 == 0;
  row.open = number % 5 == 0;
  return row;
}

inline store::BootId boot(int start) {
  store::BootId id{};
  id[0] = static_cast<std::byte>(start);
  return id;
}

// An index in a folder of its own.
struct Scene {
  ScratchDir folder;
  std::string path = (folder.path() / std::string(Index::kFileName)).native();

  Result<std::unique_ptr<Index>> try_open(int start = 1,
                                          std::chrono::milliseconds patience = std::chrono::seconds(20)) {
    return Index::open({path, boot(start), patience});
  }
  std::unique_ptr<Index> open(int start = 1) {
    auto index = try_open(start);
    REQUIRE_MESSAGE(index, index.error().message());
    return std::move(*index);
  }
};

template <class T>
T needed(Result<T> result) {
  REQUIRE_MESSAGE(result, result.error().message());
  return std::move(*result);
}
inline void needed(const Result<void>& result) {
  REQUIRE_MESSAGE(result, result.error().message());
}

// All pages of oldest().
inline std::vector<IndexRow> all_oldest(Index& index, std::size_t limit) {
  std::vector<IndexRow> all;
  for (;;) {
    auto page = needed(index.oldest(all.empty() ? nullptr : &all.back(), limit));
    all.insert(all.end(), page.begin(), page.end());
    if (page.size() < limit) {
      return all;
    }
  }
}
inline std::vector<IndexRow> all_listed(Index& index, std::string_view prefix, std::size_t limit) {
  std::vector<IndexRow> all;
  for (;;) {
    auto page = needed(index.list(prefix, all.empty() ? nullptr : &all.back(), limit));
    all.insert(all.end(), page.begin(), page.end());
    if (page.size() < limit) {
      return all;
    }
  }
}

// Do the totals say what the rows add up to?
inline bool adds_up(Index& index) {
  std::uint64_t allocated = 0;
  const auto rows = all_oldest(index, 1000);
  for (const IndexRow& row : rows) {
    allocated += row.allocated;
  }
  const IndexTotals totals = needed(index.totals());
  return totals.entries == rows.size() && totals.allocated == allocated;
}

// What SQLite itself says of the file: "ok".
inline std::string integrity(const std::string& path, const char* question = "PRAGMA integrity_check(1)") {
  sqlite3* database = nullptr;
  std::string text = "cannot be opened";
  if (::sqlite3_open_v2(path.c_str(), &database, SQLITE_OPEN_READWRITE, nullptr) == SQLITE_OK) {
    const auto take = [](void* out, int, char** columns, char**) {
      *static_cast<std::string*>(out) = columns[0];  // of the only row
      return 0;
    };
    ::sqlite3_busy_timeout(database, 20000);
    if (::sqlite3_exec(database, question, take, &text, nullptr) != SQLITE_OK) {
      text = ::sqlite3_errmsg(database);
    }
  }
  ::sqlite3_close(database);
  return text;
}

}  // namespace strandline::testing
