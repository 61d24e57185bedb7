// IndexLock: who is opening an index, who has it open, who rebuilds it, and which database they mean.
// Threads: one at a time. Blocks: enter() for at most its patience. Errors: the file's, with its path; busy.
// Cost: a system call each. Lifetime: what it holds is free again when it ends, or the process. A fork()ed child shares
// the locks: it must not let go of them, and while it lives they may outlive a killed parent.
#pragma once

#include <strandline/base/error.h>
#include <strandline/drivers/file/file_io.h>

#include <chrono>
#include <cstdint>
#include <string>

namespace strandline::store {

// SQLite's own locks keep a database whole, but not its name: it must be neither renamed nor removed while anybody has
// it open, who would go on writing into the old one, and into a log that the new one takes for its own
// (https://www.sqlite.org/howtocorrupt.html, 2.4). Hence a file beside it, with locks of the open file (F_OFD_SETLK):
//   byte 0, the door: exclusive, while somebody opens the index, makes it, or moves it aside;
//   byte 1, the room: shared by all who have it open; exclusive, under the door, to make it or move it aside;
//   byte 2: exclusive for whoever rebuilds it.
// The file's size, of which nothing is ever written, says which database is meant: an even number is its generation,
// an odd one says that the one before is condemned. A hole needs no room on a full disk.
class IndexLock {
 public:
  [[nodiscard]] static Result<IndexLock> open(std::string path) noexcept;

  // Comes in; the door is locked until the Door ends. busy when that takes too long: who is in may have been stopped.
  class Door;
  [[nodiscard]] Result<Door> enter(std::chrono::milliseconds patience) noexcept;

  // Under the door. Taking the room alone keeps it shared when others are in it: busy.
  [[nodiscard]] Result<void> share_room() noexcept { return lock(kRoom, Kind::shared); }
  [[nodiscard]] Result<void> take_room() noexcept { return lock(kRoom, Kind::exclusive); }
  void leave_room() noexcept { unlock(kRoom); }

  // busy when another process has begun to rebuild.
  [[nodiscard]] Result<void> begin_rebuild() noexcept { return lock(kRebuild, Kind::exclusive); }
  void end_rebuild() noexcept { unlock(kRebuild); }

  [[nodiscard]] Result<std::uint64_t> generation() const noexcept { return file::size_of(file_.get(), path_); }
  // Under the door.
  [[nodiscard]] Result<void> set_generation(std::uint64_t generation) noexcept;

 private:
  enum class Kind : std::uint8_t { shared, exclusive };
  static constexpr long kDoor = 0;
  static constexpr long kRoom = 1;
  static constexpr long kRebuild = 2;

  IndexLock(file::FileHandle file, std::string path) noexcept : file_(std::move(file)), path_(std::move(path)) {}
  [[nodiscard]] Result<void> lock(long byte, Kind kind) noexcept;
  void unlock(long byte) noexcept;

  file::FileHandle file_;
  std::string path_;
};

// The IndexLock must stay where it is meanwhile.
class [[nodiscard]] IndexLock::Door {
 public:
  explicit Door(IndexLock& lock) noexcept : lock_(&lock) {}
  Door(Door&& other) noexcept : lock_(other.lock_) { other.lock_ = nullptr; }
  Door& operator=(Door&&) = delete;
  ~Door() {
    if (lock_ != nullptr) {
      lock_->unlock(kDoor);
    }
  }

 private:
  IndexLock* lock_;
};

}  // namespace strandline::store
