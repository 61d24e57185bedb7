#include <strandline/store/index/sqlite/schema.h>
#include <strandline/store/index/sqlite_index.h>
#include <strandline/store/index/use.h>

#include <filesystem>
#include <utility>

namespace strandline::store {
namespace {

// How long closing waits at the door, before it leaves without saying that all is in order.
constexpr std::chrono::milliseconds kLeavingPatience{100};

}  // namespace

Result<std::unique_ptr<Index>> Index::open(Options options) noexcept {
  return file::contained([&]() -> Result<std::unique_ptr<Index>> {
    const auto epoch = ForkEpoch::arm();
    if (!epoch) {
      return fail(epoch.error().clone());
    }
    // SQLite remembers where the file is; so must we, wherever the process goes meanwhile.
    options.path = std::filesystem::absolute(options.path).native();
    auto lock = IndexLock::open(options.path + ".lock");
    if (!lock) {
      return fail(std::move(lock.error()));
    }
    auto index = std::make_unique<SqliteIndex>(std::move(options), *epoch, std::move(*lock));
    if (auto connected = index->connect(); !connected) {
      return fail(std::move(connected.error()));
    }
    return index;
  });
}

SqliteIndex::SqliteIndex(Options options, ForkEpoch epoch, IndexLock lock) noexcept
    : options_(std::move(options)), epoch_(epoch), lock_(std::move(lock)) {}

SqliteIndex::~SqliteIndex() {
  if (epoch_.inherited()) {
    if (database_) {
      database_->abandon();
    }
    return;  // closing the lock's file lets go of nothing: the parent has it too
  }
  const Use use;
  if (database_) {
    // The last to leave says so, that after a restart of the system nobody need look for what was lost.
    const auto door = lock_.enter(kLeavingPatience);
    if (door && usable_locked() && lock_.take_room()) {
      static_cast<void>(note_closed(*database_));
    }
    database_.reset();
    lock_.leave_room();
  }
}

Result<void> SqliteIndex::connect() noexcept {
  const Use use;
  MutexLock lock(mutex_);
  return use_locked(open_index(lock_, options_.path, options_.boot, options_.patience));
}

Result<void> SqliteIndex::use_locked(Result<OpenedIndex> opened) noexcept {
  if (!opened) {
    return fail(std::move(opened.error()));
  }
  database_.emplace(std::move(opened->database));
  generation_ = opened->generation;
  return {};
}

Result<void> SqliteIndex::usable_locked() noexcept {
  if (!database_) {
    return file::about(Errc::corrupt, "condemned, and others have it open:", options_.path);
  }
  const auto generation = lock_.generation();
  if (!generation) {
    return fail(generation.error().clone());
  }
  if (*generation != generation_) {
    return file::about(Errc::corrupt, "condemned:", options_.path);
  }
  if (database_->moved()) {
    return file::about(Errc::corrupt, "no longer there:", options_.path);
  }
  return {};
}

Result<void> SqliteIndex::recreate_locked() noexcept {
  const auto door = lock_.enter(options_.patience);
  if (!door) {
    return fail(door.error().clone());
  }
  // While we are in the room there is no other: the one that is there is ours, or condemned already.
  if (database_) {
    if (auto condemned = lock_.set_generation(generation_ + 1); !condemned) {
      return condemned;
    }
  }
  database_.reset();
  lock_.leave_room();
  return use_locked(open_index_inside(lock_, options_.path, options_.boot, options_.patience));
}

Result<void> SqliteIndex::recreate() noexcept {
  if (auto ours = epoch_.check(options_.path); !ours) {
    return ours;
  }
  const Use use;
  MutexLock lock(mutex_);
  return recreate_locked();
}

}  // namespace strandline::store
