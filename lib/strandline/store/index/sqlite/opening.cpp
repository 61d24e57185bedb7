#include <strandline/drivers/file/failure.h>
#include <strandline/drivers/file/file_io.h>
#include <strandline/store/index/sqlite/opening.h>
#include <strandline/store/index/sqlite/schema.h>

#include <fcntl.h>

#include <utility>

namespace strandline::store {
namespace {

Result<void> remove_if_there(const std::string& path) noexcept {
  auto removed = file::remove_name(path);
  return removed || removed.error().code == Errc::not_found ? Result<void>() : std::move(removed);
}

Result<void> move_if_there(const std::string& from, const std::string& to) noexcept {
  auto moved = file::rename_file(from, to, false);
  if (moved || moved.error().code != Errc::not_found) {
    return moved;
  }
  return remove_if_there(to);  // an older one's, which does not belong to what stands beside it now
}

// A log belongs to its database: SQLite would take it for that of whatever stands there next. The database first: a log
// without one is dropped by the next who comes here, a database without its log might be believed.
Result<void> move_aside(const std::string& path) {
  const std::string bad = path + ".bad";
  auto done = move_if_there(path, bad);
  if (done) {
    done = move_if_there(path + "-wal", bad + "-wal");
  }
  if (done) {
    done = remove_if_there(path + "-journal");  // of one that was never finished
  }
  if (done) {
    done = remove_if_there(path + "-shm");  // only says where in the log what is
  }
  return done ? file::sync_directory_of(path) : std::move(done);
}

Result<Database> open_found(const std::string& path, std::uint64_t generation, std::chrono::milliseconds patience) {
  auto database = Database::open(path, patience);
  if (database) {
    if (auto checked = check_schema(*database, generation); !checked) {
      return fail(std::move(checked.error()));
    }
  }
  return database;
}

Result<Database> make_new(const std::string& path, std::uint64_t generation, const BootId& boot,
                          std::chrono::milliseconds patience) {
  // SQLite would let others read it, and keys may be secrets. It gives its other files the same mode. Nobody in this
  // process has it open, so that closing this descriptor lets go of no lock of SQLite's.
  if (auto made = file::open_regular(path, O_RDWR | O_CREAT | O_EXCL, 0600); !made) {
    return fail(std::move(made.error()));
  }
  auto database = Database::open(path, patience);
  if (database) {
    if (auto made = make_schema(*database, generation, boot); !made) {
      return fail(std::move(made.error()));
    }
  }
  return database;
}

// From inside the room.
Result<OpenedIndex> open_or_make(IndexLock& lock, const std::string& path, const BootId& boot,
                                 std::chrono::milliseconds patience) {
  auto found = file::look_at(path);
  auto generation = lock.generation();
  if (!found || !generation) {
    return fail(found ? std::move(generation.error()) : std::move(found.error()));
  }
  if (*found && (*found)->size > 0) {
    auto database = open_found(path, *generation, patience);
    if (database) {
      if (auto noted = note_opened(*database, boot); noted) {
        return OpenedIndex{std::move(*database), *generation};
      } else if (noted.error().code != Errc::corrupt) {
        return fail(std::move(noted.error()));
      }
    } else if (database.error().code != Errc::corrupt) {
      return fail(std::move(database.error()));
    }
  }
  if (auto alone = lock.take_room(); !alone) {
    if (*generation % 2 == 0 && alone.error().code == Errc::busy) {
      static_cast<void>(lock.set_generation(*generation + 1));  // failing, they go on until they see for themselves
    }
    return alone.error().code == Errc::busy
               ? Result<OpenedIndex>(file::about(Errc::busy, "corrupt, and others have it open:", path))
               : fail(std::move(alone.error()));
  }
  const std::uint64_t next = *generation / 2 * 2 + 2;
  auto ready = move_aside(path);
  if (ready) {
    ready = lock.set_generation(next);
  }
  if (!ready) {
    return fail(std::move(ready.error()));
  }
  auto database = make_new(path, next, boot, patience);
  if (!database) {
    return fail(std::move(database.error()));
  }
  if (auto shared = lock.share_room(); !shared) {
    return fail(std::move(shared.error()));
  }
  return OpenedIndex{std::move(*database), next};
}

}  // namespace

Result<OpenedIndex> open_index_inside(IndexLock& lock, const std::string& path, const BootId& boot,
                                      std::chrono::milliseconds patience) noexcept {
  return file::contained([&]() -> Result<OpenedIndex> {
    // Exclusive only under the door, where we are: nobody can be alone in there.
    if (auto shared = lock.share_room(); !shared) {
      return fail(std::move(shared.error()));
    }
    auto opened = open_or_make(lock, path, boot, patience);
    if (!opened) {
      lock.leave_room();
    }
    return opened;
  });
}

Result<OpenedIndex> open_index(IndexLock& lock, const std::string& path, const BootId& boot,
                               std::chrono::milliseconds patience) noexcept {
  const auto door = lock.enter(patience);
  if (!door) {
    return fail(door.error().clone());
  }
  return open_index_inside(lock, path, boot, patience);
}

}  // namespace strandline::store
