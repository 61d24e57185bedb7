#include <strandline/base/sync.h>

#if !defined(STRANDLINE_SYNC_HEADER)

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace strandline {

std::atomic<bool> NativeSync::membarrier_works_{false};

namespace {

// The kernel reads and writes the word as a plain 32-bit integer.
static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));

timespec to_timespec(std::chrono::steady_clock::time_point when) noexcept {
  const auto since = when.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
  return {static_cast<std::time_t>(seconds.count()),
          static_cast<long>(std::chrono::duration_cast<std::chrono::nanoseconds>(since - seconds).count())};
}

}  // namespace

bool NativeSync::futex_wait(Atomic<std::uint32_t>& word, std::uint32_t expected, time_point deadline) noexcept {
  const bool bounded = deadline != time_point::max();
  if (bounded && deadline.time_since_epoch().count() < 0) {
    return false;  // the kernel takes no time before its clock's begin
  }
  // libstdc++'s steady_clock is CLOCK_MONOTONIC, which is what FUTEX_WAIT_BITSET's absolute time is in.
  const timespec until = bounded ? to_timespec(deadline) : timespec{};
  const long result = ::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected,
                                bounded ? &until : nullptr, nullptr, FUTEX_BITSET_MATCH_ANY);
  return result == 0 || errno != ETIMEDOUT;
}

void NativeSync::futex_wake(Atomic<std::uint32_t>& word) noexcept {
  static_cast<void>(::syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, nullptr, nullptr, 0));
}

void NativeSync::enable_light_fences() noexcept {
  if (::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0) {
    membarrier_works_.store(true, std::memory_order_release);
    // Before this thread's first light fence that is light: whoever does not see the store yet, and so sends no
    // barrier, is then seen by it.
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
}

bool NativeSync::heavy_fence() noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!membarrier_works_.load(std::memory_order_acquire)) {
    return true;
  }
  // It may fail though it could be registered for: without memory, or under a seccomp filter that came later.
  const bool done = ::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return done;
}

}  // namespace strandline

#endif
