#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <tests/store/blocks/disk/fuse_server.h>
#include <tests/store/blocks/disk/recorded_disk.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

namespace strandline::testing {
namespace {

std::string scratch_directory() {
  const char* const place = std::getenv("TMPDIR");
  std::string path = std::string(place != nullptr ? place : "/tmp") + "/block-replay-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) {
    system_call<NotPossible>(-1, path);
  }
  return path;
}

constexpr int kNoSuchProgram = 127;

}  // namespace

RecordedDisk::RecordedDisk(std::uint64_t size) : disk_("disk", size), base_("base", size) {
  connection_ = system_call<NotPossible>(::open("/dev/fuse", O_RDWR | O_CLOEXEC), "/dev/fuse");
  try {
    directory_ = scratch_directory();
    start_server();
    mount_file();
  } catch (...) {
    take_down();
    throw;
  }
}

RecordedDisk::~RecordedDisk() {
  take_down();
}

// In the mount namespace that was there before: when this process ends, the one it has goes, all that is mounted there
// is unmounted in order, with the server still answering, and that ends the server.
void RecordedDisk::start_server() {
  std::array<int, 2> pipe{};
  system_call(::pipe2(pipe.data(), O_CLOEXEC), "pipe");
  server_ = system_call(::fork(), "fork");
  if (server_ != 0) {
    ready_ = pipe[1];
    ::close(pipe[0]);
    return;
  }
  ::setsid();  // who ends the processes of a terminal or of a test does not end this one first
  ::close(pipe[1]);
  char mounted = 0;
  int status = 0;
  if (::read(pipe[0], &mounted, 1) == 1) {
    try {
      serve_disk(connection_, disk_, log_);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "block_replay: the disk's process: %s\n", error.what());
      status = 1;
    }
  }
  ::rmdir(directory_.c_str());  // where it is still mounted that ends with this; gone already in an orderly end
  ::_exit(status);
}

void RecordedDisk::mount_file() {
  system_call<NotPossible>(::unshare(CLONE_NEWNS), "a mount namespace of its own (unshare)");
  system_call<NotPossible>(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "making mounts private");
  system_call<NotPossible>(::mount("none", directory_.c_str(), "tmpfs", 0, "size=1m"), "mounting a tmpfs");
  system_call(::mkdir(mount_point().c_str(), 0700), mount_point());
  ::close(system_call(::open(path().c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600), path()));
  const std::string options = "fd=" + std::to_string(connection_) + ",rootmode=100000,user_id=0,group_id=0";
  system_call<NotPossible>(::mount("block_replay", path().c_str(), "fuse", MS_NOSUID | MS_NODEV, options.c_str()),
                           "mounting a FUSE file");
  // The server alone has it now: if it dies, whoever waits for the disk is told.
  ::close(std::exchange(connection_, -1));
  system_call(::write(ready_, "m", 1), "starting the disk's process");
}

void RecordedDisk::take_down() noexcept {
  // Some of these may not be mounted.
  if (!directory_.empty()) {
    static_cast<void>(::umount2(mount_point().c_str(), MNT_DETACH));
    static_cast<void>(::umount2(path().c_str(), MNT_DETACH));
    static_cast<void>(::umount2(directory_.c_str(), MNT_DETACH));
  }
  for (const int file : {connection_, ready_}) {
    if (file >= 0) {
      ::close(file);
    }
  }
  int status = 0;
  if (server_ > 0 && (::waitpid(server_, &status, 0) != server_ || status != 0)) {
    std::fprintf(stderr, "block_replay: the disk's process ended with status %d\n", status);
  }
  if (!directory_.empty() && ::rmdir(directory_.c_str()) != 0 && errno != ENOENT) {
    std::perror(directory_.c_str());
  }
}

void RecordedDisk::format(const std::vector<std::string>& make_file_system) {
  disk_.clear();
  base_.clear();
  touched_.clear();
  std::vector<char*> words;
  for (const std::string& word : make_file_system) {
    words.push_back(const_cast<char*>(word.c_str()));
  }
  const std::string path = disk_.path();
  words.push_back(const_cast<char*>(path.c_str()));
  words.push_back(nullptr);
  const ::pid_t child = system_call(::fork(), "fork");
  if (child == 0) {
    const char* const places = std::getenv("PATH");
    ::setenv("PATH", (std::string(places != nullptr ? places : "/usr/bin:/bin") + ":/usr/sbin:/sbin").c_str(), 1);
    ::execvp(words[0], words.data());
    ::_exit(kNoSuchProgram);
  }
  int status = 0;
  system_call(::waitpid(child, &status, 0), "waitpid");
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNoSuchProgram) {
    throw NotPossible(make_file_system[0] + " is not installed");
  }
  if (status != 0) {
    throw Trouble(make_file_system[0] + " ended with status " + std::to_string(status));
  }
  for (off_t end = 0, begin = ::lseek(disk_.file(), 0, SEEK_DATA); begin >= 0;
       begin = ::lseek(disk_.file(), end, SEEK_DATA)) {
    end = system_call(::lseek(disk_.file(), begin, SEEK_HOLE), "lseek");
    std::memcpy(base_.bytes() + begin, disk_.bytes() + begin, static_cast<std::size_t>(end - begin));
  }
}

void RecordedDisk::copy(const SharedMemory& from, const SharedMemory& to) {
  for (const auto& [offset, size] : touched_) {
    std::memcpy(to.bytes() + offset, from.bytes() + offset, size);
  }
  touched_.clear();
}

void RecordedDisk::restore() {
  copy(base_, disk_);
}

void RecordedDisk::make_base() {
  copy(disk_, base_);
}

void RecordedDisk::apply(const std::vector<DiskChange>& changes, const std::vector<std::byte>& bytes) {
  for (const DiskChange& change : changes) {
    if (change.kind == DiskChange::Kind::write) {
      std::memcpy(disk_.bytes() + change.offset, bytes.data() + change.bytes, change.size);
    } else {
      std::memset(disk_.bytes() + change.offset, 0, change.size);
    }
    touched_.emplace_back(change.offset, change.size);
  }
}

Recording RecordedDisk::take_recording() {
  if (::waitpid(server_, nullptr, WNOHANG) != 0) {
    server_ = -1;
    throw Trouble("the disk's process has died");
  }
  if (log_.full()) {
    throw Trouble("more was written than the log holds");
  }
  Recording recording = log_.copy();
  for (const DiskChange& change : recording.changes) {
    touched_.emplace_back(change.offset, change.size);
  }
  log_.clear();
  return recording;
}

void RecordedDisk::save(const std::string& path) const {
  const int file = system_call(::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600), path);
  system_call(::ftruncate(file, static_cast<off_t>(disk_.size())), path);
  constexpr std::uint64_t kPart = 4096;
  for (std::uint64_t at = 0; at < disk_.size(); at += kPart) {
    const std::span part(disk_.bytes() + at, kPart);
    if (std::any_of(part.begin(), part.end(), [](std::byte byte) { return byte != std::byte{0}; })) {
      system_call(::pwrite(file, part.data(), part.size(), static_cast<off_t>(at)), path);
    }
  }
  ::close(file);
}

}  // namespace strandline::testing
