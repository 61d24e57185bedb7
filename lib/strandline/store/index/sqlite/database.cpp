#include <strandline/drivers/file/failure.h>
#include <strandline/store/index/sqlite/database.h>

#include <pthread.h>
#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <thread>

namespace strandline::store {
namespace {

// Connections of this process; raised and lowered by whoever opens and closes one, read by a fork()ed child, which is
// alone then.
constinit std::atomic<unsigned> g_open{0};
// Set in a child before it does anything else.
constinit std::atomic<bool> g_inherited{false};

void in_child() noexcept {
  if (g_open.load(std::memory_order_relaxed) > 0) {
    g_inherited.store(true, std::memory_order_relaxed);
  }
}

Errc meaning(int code, int errno_value) noexcept {
  switch (code) {
    case SQLITE_READONLY_DBMOVED:
    case SQLITE_IOERR_CORRUPTFS:
      return Errc::corrupt;
    case SQLITE_IOERR_NOMEM:
      return Errc::no_memory;
    case SQLITE_CONSTRAINT_CHECK:  // a sum that has outgrown its integer
      return Errc::too_large;
    default:
      break;
  }
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      return Errc::busy;
    case SQLITE_NOMEM:
      return Errc::no_memory;
    case SQLITE_FULL:
      return Errc::no_space;
    case SQLITE_TOOBIG:
      return Errc::too_large;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return Errc::permission_denied;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    // Of statements that are known to be right: the tables are not those they were made for.
    case SQLITE_ERROR:
    case SQLITE_SCHEMA:
    case SQLITE_MISMATCH:
    case SQLITE_CONSTRAINT:
      return Errc::corrupt;
    default:
      return errno_value != 0 ? from_errno(errno_value) : Errc::io;
  }
}

int last_errno_of(sqlite3_file* file) noexcept {
  int value = 0;
  const bool told = file != nullptr && file->pMethods != nullptr &&
                    file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &value) == SQLITE_OK;
  return told ? value : 0;
}

// The errno behind SQLITE_IOERR or SQLITE_CANTOPEN, or 0. sqlite3_system_errno() does not know those met by a commit;
// the files, the log first, remember theirs.
int errno_of(sqlite3* connection, int code) noexcept {
  if ((code & 0xff) == SQLITE_CANTOPEN) {
    return ::sqlite3_system_errno(connection);
  }
  if ((code & 0xff) != SQLITE_IOERR) {
    return 0;
  }
  for (const int which : {SQLITE_FCNTL_JOURNAL_POINTER, SQLITE_FCNTL_FILE_POINTER}) {
    sqlite3_file* file = nullptr;
    if (::sqlite3_file_control(connection, "main", which, &file) == SQLITE_OK) {
      if (const int value = last_errno_of(file); value != 0) {
        return value;
      }
    }
  }
  return ::sqlite3_system_errno(connection);
}

// The call's answer, once it is not busy any more, or the patience is over. Between two calls `let_go` gives up what
// the first has taken. There are cases in which SQLite does not wait by itself: when that might end in a deadlock.
template <class Call, class LetGo>
int while_busy(std::chrono::milliseconds patience, const Call& call, const LetGo& let_go) noexcept {
  const auto until = std::chrono::steady_clock::now() + patience;
  for (;;) {
    const int code = call();
    if ((code & 0xff) != SQLITE_BUSY || std::chrono::steady_clock::now() >= until) {
      return code;
    }
    let_go();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}
template <class Call>
int while_busy(std::chrono::milliseconds patience, const Call& call) noexcept {
  return while_busy(patience, call, [] {});
}

}  // namespace

Database::Database(std::string path, std::chrono::milliseconds patience) noexcept
    : path_(std::move(path)), patience_(patience) {
  g_open.fetch_add(1, std::memory_order_relaxed);
}

Database::Database(Database&& other) noexcept
    : connection_(std::exchange(other.connection_, nullptr)),
      prepared_(std::move(other.prepared_)),
      path_(std::move(other.path_)),
      patience_(other.patience_) {
  other.prepared_.clear();
  g_open.fetch_add(1, std::memory_order_relaxed);
}

Database::~Database() {
  if (connection_ != nullptr) {
    for (const Prepared& prepared : prepared_) {
      ::sqlite3_finalize(prepared.statement);
    }
    ::sqlite3_close(connection_);  // nothing is left that it could be busy with
  }
  g_open.fetch_sub(1, std::memory_order_relaxed);
}

Result<Database> Database::open(const std::string& path, std::chrono::milliseconds patience) noexcept {
  static const int registered = ::pthread_atfork(nullptr, nullptr, &in_child);
  if (registered != 0) {
    return fail(Error::system(registered, "pthread_atfork"));
  }
  if (g_inherited.load(std::memory_order_relaxed)) {
    return file::about(Errc::unsupported, "in a child of a process that had an index open:", path);
  }
  if (::sqlite3_threadsafe() == 0) {
    return fail(Errc::unsupported, "this SQLite was built without threads");
  }
  return file::contained([&]() -> Result<Database> {
    Database database(path, patience);
    const int code = ::sqlite3_open_v2(path.c_str(), &database.connection_,
                                       SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, nullptr);
    if (code != SQLITE_OK) {
      return database.failed(code, "open");
    }
    ::sqlite3_extended_result_codes(database.connection_, 1);
    const auto most = std::chrono::milliseconds(1'000'000);
    ::sqlite3_busy_timeout(database.connection_, static_cast<int>(std::min(patience, most).count()));
    return database;
  });
}

tl::unexpected<Error> Database::failed(int code, std::string_view what) const noexcept {
  Error error = Error::system(0, what.substr(0, what.find(' ')), path_);
  error.code = Errc::no_memory;
  error.cause.clear();
  if (connection_ == nullptr) {
    return tl::unexpected<Error>(std::move(error));  // there was none for it
  }
  try {
    error.context += ": ";
    error.context += ::sqlite3_errmsg(connection_);  // before any other call
    error.context += " (" + std::to_string(code) + ")";
  } catch (const std::exception&) {  // the code says enough
  }
  const int errno_value = errno_of(connection_, code);
  error.code = meaning(code, errno_value);
  if (errno_value != 0) {
    error.cause = std::error_code(errno_value, std::system_category());
  }
  return tl::unexpected<Error>(std::move(error));
}

Result<void> Database::run(const char* sql) noexcept {
  const int code = while_busy(patience_, [&] { return ::sqlite3_exec(connection_, sql, nullptr, nullptr, nullptr); });
  return code == SQLITE_OK ? Result<void>() : failed(code, sql);
}

Result<Query> Database::query(const char* sql) noexcept {
  const auto known = std::find_if(prepared_.begin(), prepared_.end(), [&](const Prepared& p) { return p.sql == sql; });
  if (known != prepared_.end()) {
    return Query(*this, known->statement);
  }
  return file::contained([&]() -> Result<Query> {
    prepared_.reserve(prepared_.size() + 1);
    sqlite3_stmt* statement = nullptr;
    const int code = while_busy(patience_, [&] {
      return ::sqlite3_prepare_v3(connection_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    });
    if (code != SQLITE_OK) {
      return failed(code, sql);
    }
    prepared_.push_back({sql, statement});
    return Query(*this, statement);
  });
}

Result<std::int64_t> Database::number(const char* sql) noexcept {
  auto asked = query(sql);
  if (!asked) {
    return fail(std::move(asked.error()));
  }
  const auto row = asked->step();
  if (!row) {
    return fail(row.error().clone());
  }
  const auto found = *row ? asked->number_at(0) : std::nullopt;
  return found ? static_cast<std::int64_t>(*found) : -1;
}

bool Database::read_only() const noexcept {
  return ::sqlite3_db_readonly(connection_, "main") != 0;
}

bool Database::moved() const noexcept {
  int moved = 0;
  return ::sqlite3_file_control(connection_, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved != 0;
}

bool Database::in_transaction() const noexcept {
  return ::sqlite3_get_autocommit(connection_) == 0;
}

Query::Query(Query&& other) noexcept
    : database_(other.database_),
      statement_(std::exchange(other.statement_, nullptr)),
      parameter_(other.parameter_),
      bind_error_(other.bind_error_),
      stepped_(other.stepped_) {}

Query::~Query() {
  if (statement_ != nullptr) {
    again();
    ::sqlite3_clear_bindings(statement_);  // they point to what may end with us
  }
}

Query& Query::bound(int code) noexcept {
  bind_error_ = bind_error_ == SQLITE_OK ? code : bind_error_;
  return *this;
}

Query& Query::text(std::string_view value) noexcept {
  const char* const data = value.data() == nullptr ? "" : value.data();  // a null pointer would be NULL
  return bound(::sqlite3_bind_text64(statement_, ++parameter_, data, value.size(), SQLITE_STATIC, SQLITE_UTF8));
}

Query& Query::blob(std::string_view value) noexcept {
  const char* const data = value.data() == nullptr ? "" : value.data();
  return bound(::sqlite3_bind_blob64(statement_, ++parameter_, data, value.size(), SQLITE_STATIC));
}

Query& Query::number(std::uint64_t value) noexcept {
  return bound(::sqlite3_bind_int64(statement_, ++parameter_, static_cast<sqlite3_int64>(value)));
}

Query& Query::number(std::optional<std::uint64_t> value) noexcept {
  return value ? number(*value) : bound(::sqlite3_bind_null(statement_, ++parameter_));
}

Result<bool> Query::step() noexcept {
  if (bind_error_ != SQLITE_OK) {
    return database_->failed(bind_error_, "bind");
  }
  // Behind the first row it cannot begin again.
  const auto patience = stepped_ ? std::chrono::milliseconds(0) : database_->patience();
  const int code = while_busy(
      patience, [&] { return ::sqlite3_step(statement_); }, [&] { ::sqlite3_reset(statement_); });
  if (code != SQLITE_ROW && code != SQLITE_DONE) {
    return database_->failed(code, ::sqlite3_sql(statement_));
  }
  stepped_ = true;
  return code == SQLITE_ROW;
}

Result<void> Query::finish() noexcept {
  for (;;) {
    const auto row = step();
    if (!row) {
      return fail(row.error().clone());
    }
    if (!*row) {
      return {};
    }
  }
}

std::uint64_t Query::changed() const noexcept {
  return static_cast<std::uint64_t>(::sqlite3_changes(::sqlite3_db_handle(statement_)));
}

void Query::again() noexcept {
  ::sqlite3_reset(statement_);  // answers the last step's error once more
  parameter_ = 0;
  bind_error_ = SQLITE_OK;
  stepped_ = false;
}

bool Query::is_null(int column) const noexcept {
  return ::sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

std::optional<std::uint64_t> Query::number_at(int column) const noexcept {
  const sqlite3_int64 value = ::sqlite3_column_int64(statement_, column);
  return ::sqlite3_column_type(statement_, column) == SQLITE_INTEGER && value >= 0
             ? std::optional(static_cast<std::uint64_t>(value))
             : std::nullopt;
}

std::string_view Query::bytes_at(int column) const noexcept {
  const int type = ::sqlite3_column_type(statement_, column);
  if (type != SQLITE_BLOB && type != SQLITE_TEXT) {
    return {};
  }
  const void* const bytes = ::sqlite3_column_blob(statement_, column);
  return {static_cast<const char*>(bytes), static_cast<std::size_t>(::sqlite3_column_bytes(statement_, column))};
}

}  // namespace strandline::store
