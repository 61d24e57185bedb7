// WriteClaim: the right of one driver at a time, in any process, to write the content of a path.
// Threads: all calls may run at once. Blocks: on the disk; never on the lock. Errors: busy when somebody else holds
// the claim; otherwise the system's, with the path. Cost: a few system calls each.
// Lifetime: held by the driver that writes, handed on by rewrite(); its destruction gives the claim back.
#pragma once

#include <strandline/base/mutex.h>
#include <strandline/drivers/file/file_io.h>
#include <strandline/drivers/fork_epoch.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace strandline::file {

// The files around `path`:
//   path          complete content, unless path.resume exists
//   path.part     the side file: new content until it is published; its flock is the claim. Empty while the content
//                 is resumed in place. One that nobody locks is left over from a crash, and worth nothing.
//   path.resume   the marker: path is being extended in place, and only its first `length` bytes are committed.
//                 "strandline-resume 1 <length> <check>\n", written beside and renamed, so never half there.
// Invariant: path without a marker is complete, at every instant, so also after a crash.
class WriteClaim {
 public:
  // Locks path.part, and brings path back to its committed length when a crash left a marker.
  [[nodiscard]] static Result<std::shared_ptr<WriteClaim>> take(const std::string& path, bool durable,
                                                                ForkEpoch epoch) noexcept;
  // The committed length in path's marker; nothing without a marker; corrupt when it cannot be read.
  [[nodiscard]] static Result<std::optional<std::uint64_t>> marked_length(const std::string& path) noexcept;

  WriteClaim(const WriteClaim&) = delete;
  WriteClaim& operator=(const WriteClaim&) = delete;
  // Removes the side file unless it was published, and unlocks. In a fork()ed child: only closes.
  ~WriteClaim();

  // The side file, empty, for writing.
  [[nodiscard]] Result<FileHandle> side() noexcept;
  // A second side file, for a driver that rewrites one which is still writing. From switch_to_fresh_side() on it
  // is the side file; the old one has no name any more, and lives on for those who have it open.
  [[nodiscard]] Result<FileHandle> prepare_fresh_side() noexcept;
  [[nodiscard]] Result<void> switch_to_fresh_side() noexcept;

  // Marks path as committed up to `length` only; durable before it returns.
  [[nodiscard]] Result<void> mark(std::uint64_t length) noexcept;
  // Path is complete as it stands now.
  [[nodiscard]] Result<void> unmark() noexcept;
  [[nodiscard]] std::optional<std::uint64_t> marked() const noexcept;

  // Renames the side file to path. With keep_existing: conflict when path exists. `renamed` says whether the
  // new content is in place even though an error (of making it durable) follows.
  [[nodiscard]] Result<void> publish(bool keep_existing, bool& renamed) noexcept;

 private:
  WriteClaim(std::string path, bool durable, ForkEpoch epoch);

  [[nodiscard]] static Result<FileHandle> lock_side(const std::string& side) noexcept;
  [[nodiscard]] Result<void> recover() noexcept;
  [[nodiscard]] Result<void> sync_names() noexcept;

  const std::string path_;
  const std::string side_path_;
  const std::string marker_path_;
  const std::string fresh_path_;  // files on their way to one of the names above
  const bool durable_;
  const ForkEpoch epoch_;

  mutable Mutex mutex_;
  FileHandle side_ STRANDLINE_GUARDED_BY(mutex_);
  FileHandle fresh_ STRANDLINE_GUARDED_BY(mutex_);  // prepared, and not switched to
  std::optional<std::uint64_t> marked_ STRANDLINE_GUARDED_BY(mutex_);
  bool published_ STRANDLINE_GUARDED_BY(mutex_) = false;
};

}  // namespace strandline::file
