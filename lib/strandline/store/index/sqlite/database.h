// Database and Query: a connection to SQLite and a statement in use, with Result and without exceptions.
// Threads: one at a time. Blocks: on the disk, and on other connections for the patience given. Errors: SQLite's word
// and the path. Cost: statements are prepared once. Lifetime: a Query before its Database; a Database is closed on
// destruction, and must be abandoned instead in a fork()ed child.
#pragma once

#include <strandline/base/error.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct sqlite3;
struct sqlite3_stmt;

namespace strandline::store {

class Query;

class Database {
 public:
  // Of a file that exists. It is not looked at yet. unsupported in a child of a process that had any database open when
  // it forked: SQLite keeps in the process's memory which locks it has on which file, and a child has the memory
  // without the locks.
  [[nodiscard]] static Result<Database> open(const std::string& path, std::chrono::milliseconds patience) noexcept;

  Database(Database&& other) noexcept;
  Database& operator=(Database&&) = delete;
  ~Database();
  // Leaks the connection.
  void abandon() noexcept { connection_ = nullptr; }

  // One statement or several, without parameters; answers are passed over.
  [[nodiscard]] Result<void> run(const char* sql) noexcept;
  // `sql` must live as long as the Database: the statement is kept for its address. No other Query of it meanwhile.
  [[nodiscard]] Result<Query> query(const char* sql) noexcept;
  // The number in the first column of the first row.
  [[nodiscard]] Result<std::int64_t> number(const char* sql) noexcept;
  // Runs body, which answers Result<void> and throws nothing, in a transaction that nobody else can write beside: all
  // of it or nothing.
  template <class F>
  [[nodiscard]] Result<void> transact(F&& body) noexcept;

  [[nodiscard]] bool read_only() const noexcept;
  // Is the file no longer at its path?
  [[nodiscard]] bool moved() const noexcept;
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] std::chrono::milliseconds patience() const noexcept { return patience_; }
  // What SQLite says of the code that the last call of this connection has answered; `what`: its first word is told.
  [[nodiscard]] tl::unexpected<Error> failed(int code, std::string_view what) const noexcept;

 private:
  struct Prepared {
    const char* sql;
    sqlite3_stmt* statement;
  };

  Database(std::string path, std::chrono::milliseconds patience) noexcept;
  [[nodiscard]] bool in_transaction() const noexcept;

  sqlite3* connection_ = nullptr;
  std::vector<Prepared> prepared_;
  std::string path_;
  std::chrono::milliseconds patience_;
};

// A statement from its first parameter to its last row.
class Query {
 public:
  Query(Database& database, sqlite3_stmt* statement) noexcept : database_(&database), statement_(statement) {}
  Query(Query&& other) noexcept;
  Query& operator=(Query&&) = delete;
  ~Query();

  // The next parameter. Text and blobs must stay until the Query ends; numbers must fit into 63 bits.
  Query& text(std::string_view value) noexcept;
  Query& blob(std::string_view value) noexcept;
  Query& number(std::uint64_t value) noexcept;
  Query& number(std::optional<std::uint64_t> value) noexcept;

  // True: there is a row. False: there is none left, and what the statement changes is changed.
  [[nodiscard]] Result<bool> step() noexcept;
  // To its end; the rows are passed over.
  [[nodiscard]] Result<void> finish() noexcept;
  // How many rows the statement, at its end, has changed itself.
  [[nodiscard]] std::uint64_t changed() const noexcept;
  // For other parameters.
  void again() noexcept;

  // Of the row. What is stored as something else, which only a corrupt file has, is nothing, 0 or empty.
  [[nodiscard]] bool is_null(int column) const noexcept;
  [[nodiscard]] std::optional<std::uint64_t> number_at(int column) const noexcept;
  [[nodiscard]] std::string_view bytes_at(int column) const noexcept;

 private:
  Query& bound(int code) noexcept;

  Database* database_;
  sqlite3_stmt* statement_;
  int parameter_ = 0;
  int bind_error_ = 0;
  bool stepped_ = false;
};

template <class F>
Result<void> Database::transact(F&& body) noexcept {
  auto done = run("BEGIN IMMEDIATE");
  if (!done) {
    return done;
  }
  done = body();
  if (done) {
    done = run("COMMIT");
  }
  // Some errors have rolled it back already.
  if (!done && in_transaction()) {
    static_cast<void>(run("ROLLBACK"));
  }
  return done;
}

}  // namespace strandline::store
