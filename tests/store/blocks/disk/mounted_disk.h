// MountedDisk: the file system on a RecordedDisk, mounted through a loop device, which goes when it is unmounted.
// Threads: one. Blocks: as mount(2) does, while the file system recovers. Errors: NotPossible where there are no loop
// devices or no such file system, MountFailed where it is there and cannot read what it finds, Trouble.
// Cost: 10 ms. Lifetime: unmounts at its end.
#pragma once

#include <tests/store/blocks/disk/recorded_disk.h>

#include <span>
#include <string>
#include <vector>

namespace strandline::testing {

struct FileSystemKind {
  std::string type;
  std::vector<std::string> make;  // a command; the disk's path is put behind it
  std::string options;            // of mount(8)
};
// The least for which mkfs.xfs makes one.
inline constexpr std::uint64_t kDiskSize = std::uint64_t{300} << 20;
// Several of each type, ext4 or xfs; none of another.
[[nodiscard]] std::span<const FileSystemKind> file_system_kinds(const std::string& type);
[[nodiscard]] std::string to_string(const FileSystemKind& kind);

struct MountFailed : Trouble {
  using Trouble::Trouble;
};

class MountedDisk {
 public:
  MountedDisk(const RecordedDisk& disk, const FileSystemKind& kind);
  MountedDisk(const MountedDisk&) = delete;
  MountedDisk& operator=(const MountedDisk&) = delete;
  ~MountedDisk();

  // As the destructor does, but in time to be told of an error.
  void unmount();
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  const std::string path_;
  bool mounted_ = false;
};

}  // namespace strandline::testing
