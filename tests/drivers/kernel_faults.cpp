#include <tests/drivers/kernel_faults.h>

#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

namespace strandline::testing {
namespace {

// One test at a time sets these up, before the calls they are about; drivers' threads read them.
std::atomic<int> g_failing{-1};
std::atomic<int> g_error{0};
std::atomic<int> g_countdown{0};
std::atomic<bool> g_for_good{false};
std::atomic<bool> g_happened{false};
std::atomic<std::size_t> g_most{std::numeric_limits<std::size_t>::max()};
std::atomic<int> g_cut_countdown{0};
std::atomic<bool> g_cut_after{false};

bool cut_now() {
  return g_cut_countdown.load() > 0 && g_cut_countdown.fetch_sub(1) == 1;
}

// The call is `make`, unless this one is to fail, or the process to end.
template <class F>
auto filtered(Call call, bool changes, F make) -> decltype(make()) {
  if (g_failing.load() == static_cast<int>(call)) {
    const int left = g_countdown.fetch_sub(1);
    if (left == 1 || (left < 1 && g_for_good.load())) {
      g_happened = true;
      errno = g_error.load();
      return static_cast<decltype(make())>(-1);
    }
  }
  const bool cut = changes && cut_now();
  if (cut && !g_cut_after.load()) {
    ::_exit(kCutExit);
  }
  const auto result = make();
  if (cut) {
    ::_exit(kCutExit);
  }
  return result;
}

}  // namespace

FailingCall::FailingCall(Call call, int error, int k, bool for_good) {
  g_error = error;
  g_countdown = k;
  g_for_good = for_good;
  g_happened = false;
  g_failing = static_cast<int>(call);
}
FailingCall::~FailingCall() {
  g_failing = -1;
}
bool FailingCall::happened() const {
  return g_happened.load();
}

ShortWrites::ShortWrites(std::size_t most) {
  g_most = most;
}
ShortWrites::~ShortWrites() {
  g_most = std::numeric_limits<std::size_t>::max();
}

void cut_power_at(int k, bool after) {
  g_cut_after = after;
  g_cut_countdown = k;
}

// Named apart from libc's declarations, which may be redirected (pwrite to pwrite64); the linker sees the labels. The
// bodies make the bare system calls.
extern "C" {

ssize_t faulty_pwrite(int fd, const void* data, size_t size, off_t offset) {
  return filtered(Call::pwrite, true, [&] {
    return static_cast<ssize_t>(::syscall(SYS_pwrite64, fd, data, std::min(size, g_most.load()), offset));
  });
}
int faulty_ftruncate(int fd, off_t length) {
  return filtered(Call::ftruncate, true, [&] { return static_cast<int>(::syscall(SYS_ftruncate, fd, length)); });
}
int faulty_open(const char* path, int flags, unsigned mode) {
  return filtered(Call::open, (flags & O_CREAT) != 0,
                  [&] { return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags, mode)); });
}

ssize_t replaced_pwrite(int, const void*, size_t, off_t) __asm__("pwrite");
ssize_t replaced_pwrite(int fd, const void* data, size_t size, off_t offset) {
  return faulty_pwrite(fd, data, size, offset);
}
ssize_t replaced_pwrite64(int, const void*, size_t, off_t) __asm__("pwrite64");
ssize_t replaced_pwrite64(int fd, const void* data, size_t size, off_t offset) {
  return faulty_pwrite(fd, data, size, offset);
}
int replaced_ftruncate(int, off_t) __asm__("ftruncate");
int replaced_ftruncate(int fd, off_t length) {
  return faulty_ftruncate(fd, length);
}
int replaced_ftruncate64(int, off_t) __asm__("ftruncate64");
int replaced_ftruncate64(int fd, off_t length) {
  return faulty_ftruncate(fd, length);
}

// The mode is read whether or not it was passed; it is only used with O_CREAT.
int replaced_open(const char*, int, unsigned) __asm__("open");
int replaced_open(const char* path, int flags, unsigned mode) {
  return faulty_open(path, flags, mode);
}
int replaced_open64(const char*, int, unsigned) __asm__("open64");
int replaced_open64(const char* path, int flags, unsigned mode) {
  return faulty_open(path, flags, mode);
}

int replaced_fdatasync(int) __asm__("fdatasync");
int replaced_fdatasync(int fd) {
  return filtered(Call::fdatasync, true, [&] { return static_cast<int>(::syscall(SYS_fdatasync, fd)); });
}
int replaced_fsync(int) __asm__("fsync");
int replaced_fsync(int fd) {
  return filtered(Call::fsync, true, [&] { return static_cast<int>(::syscall(SYS_fsync, fd)); });
}
int replaced_rename(const char*, const char*) __asm__("rename");
int replaced_rename(const char* from, const char* to) {
  return filtered(Call::rename, true,
                  [&] { return static_cast<int>(::syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0)); });
}
int replaced_renameat2(int, const char*, int, const char*, unsigned) __asm__("renameat2");
int replaced_renameat2(int from_at, const char* from, int to_at, const char* to, unsigned flags) {
  return filtered(Call::rename, true,
                  [&] { return static_cast<int>(::syscall(SYS_renameat2, from_at, from, to_at, to, flags)); });
}
int replaced_unlink(const char*) __asm__("unlink");
int replaced_unlink(const char* path) {
  return filtered(Call::unlink, true, [&] { return static_cast<int>(::syscall(SYS_unlinkat, AT_FDCWD, path, 0)); });
}
void* replaced_mremap(void*, size_t, size_t, int, void*) __asm__("mremap");
void* replaced_mremap(void* from, size_t old_size, size_t size, int flags, void* to) {
  return reinterpret_cast<void*>(
      filtered(Call::mremap, false, [&] { return ::syscall(SYS_mremap, from, old_size, size, flags, to); }));
}

}  // extern "C"
}  // namespace strandline::testing
