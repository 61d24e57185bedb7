// RecordedDisk: a disk in memory that records what reaches it: a FUSE file served by a process of its own, for a loop
// device. From the first on this process has mounts of its own: nobody else sees them, and however it ends they end
// too, and the loop devices with them. Threads: one, and none other when it is made: it forks. Blocks: as disks do.
// Errors: NotPossible when made, Trouble. Cost: as much memory as has been written, twice. Lifetime: after what is
// mounted of it; once per process.
#pragma once

#include <tests/store/blocks/disk/disk_log.h>

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace strandline::testing {

class RecordedDisk {
 public:
  explicit RecordedDisk(std::uint64_t size);
  RecordedDisk(const RecordedDisk&) = delete;
  RecordedDisk& operator=(const RecordedDisk&) = delete;
  ~RecordedDisk();

  // An empty file system is the base.
  void format(const std::vector<std::string>& make_file_system);
  // Back to the base. Only while nothing is mounted, like all that follows.
  void restore();
  void apply(const std::vector<DiskChange>& changes, const std::vector<std::byte>& bytes);
  // What it holds is the base from now on.
  void make_base();
  // What has reached it since this was last called. Trouble when its process has died: nothing that its users were
  // told since means anything.
  [[nodiscard]] Recording take_recording();
  void save(const std::string& path) const;

  // Changes since then; may be asked while it is mounted.
  [[nodiscard]] std::uint64_t recorded() const noexcept { return log_.size(); }
  // The file to put a loop device over, and an empty directory.
  [[nodiscard]] std::string path() const { return directory_ + "/disk"; }
  [[nodiscard]] std::string mount_point() const { return directory_ + "/mounted"; }

 private:
  void start_server();
  void mount_file();
  void take_down() noexcept;
  void copy(const SharedMemory& from, const SharedMemory& to);

  SharedMemory disk_;
  SharedMemory base_;
  DiskLog log_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> touched_;  // offset and size, since it held the base
  std::string directory_;
  int connection_ = -1;
  int ready_ = -1;  // a pipe to the server
  ::pid_t server_ = -1;
};

}  // namespace strandline::testing
