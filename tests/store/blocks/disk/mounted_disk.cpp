#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <tests/store/blocks/disk/mounted_disk.h>
#include <unistd.h>

#include <array>
#include <cstdio>

namespace strandline::testing {
namespace {

class Descriptor {
 public:
  template <class Failure>
  static Descriptor open(const std::string& path) {
    return Descriptor(system_call<Failure>(::open(path.c_str(), O_RDWR | O_CLOEXEC), path));
  }
  Descriptor(Descriptor&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (file_ >= 0) {
      ::close(file_);
    }
  }
  [[nodiscard]] int get() const noexcept { return file_; }

 private:
  explicit Descriptor(int file) noexcept : file_(file) {}
  int file_;
};

struct LoopDevice {
  std::string path;
  Descriptor file;
};

// Nobody's as soon as nobody has it open or mounted.
LoopDevice attach_loop_device(const std::string& disk) {
  const auto backing = Descriptor::open<Trouble>(disk);
  const auto control = Descriptor::open<NotPossible>("/dev/loop-control");
  constexpr int kTries = 100;
  for (int i = 0; i < kTries; ++i) {
    const int number = system_call<NotPossible>(::ioctl(control.get(), LOOP_CTL_GET_FREE), "a free loop device");
    LoopDevice device{"/dev/loop" + std::to_string(number),
                      Descriptor::open<NotPossible>("/dev/loop" + std::to_string(number))};
    ::loop_config config{};
    config.fd = static_cast<std::uint32_t>(backing.get());
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    if (::ioctl(device.file.get(), LOOP_CONFIGURE, &config) == 0) {
      return device;
    }
    if (errno != EBUSY) {  // another process was quicker
      system_call<NotPossible>(-1, "attaching " + device.path);
    }
  }
  throw NotPossible("no loop device is free for long enough");
}

}  // namespace

std::span<const FileSystemKind> file_system_kinds(const std::string& type) {
  // Not lazy: what a thread of the kernel still has to do would be recorded as well.
  static const std::vector<std::string> ext4{"mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0",
                                             "-b"};
  static const std::vector<std::string> xfs{"mkfs.xfs", "-q", "-f", "-b"};
  const auto with = [](std::vector<std::string> words, const char* last) {
    words.emplace_back(last);
    return words;
  };
  static const std::array<FileSystemKind, 4> all_ext4{{{"ext4", with(ext4, "4096"), ""},
                                                       {"ext4", with(ext4, "4096"), "data=writeback"},
                                                       {"ext4", with(ext4, "4096"), "data=journal"},
                                                       {"ext4", with(ext4, "1024"), ""}}};
  static const std::array<FileSystemKind, 2> all_xfs{
      {{"xfs", with(xfs, "size=4096"), ""}, {"xfs", with(xfs, "size=1024"), ""}}};
  if (type == "ext4") {
    return all_ext4;
  }
  return type == "xfs" ? std::span<const FileSystemKind>(all_xfs) : std::span<const FileSystemKind>();
}

std::string to_string(const FileSystemKind& kind) {
  return kind.type + " (blocks of " + kind.make.back() + (kind.options.empty() ? "" : ", ") + kind.options + ")";
}

MountedDisk::MountedDisk(const RecordedDisk& disk, const FileSystemKind& kind) : path_(disk.mount_point()) {
  const LoopDevice device = attach_loop_device(disk.path());
  if (::mount(device.path.c_str(), path_.c_str(), kind.type.c_str(), MS_NOSUID | MS_NODEV, kind.options.c_str()) != 0) {
    if (errno == ENODEV || errno == EPERM || errno == EACCES) {
      system_call<NotPossible>(-1, "mounting " + to_string(kind));
    }
    system_call<MountFailed>(-1, "mounting " + to_string(kind));
  }
  mounted_ = true;
}

MountedDisk::~MountedDisk() {
  if (mounted_ && ::umount2(path_.c_str(), MNT_DETACH) != 0) {
    std::perror(path_.c_str());
  }
}

void MountedDisk::unmount() {
  system_call(::umount2(path_.c_str(), 0), "unmounting " + path_);
  mounted_ = false;
}

}  // namespace strandline::testing
