// The system calls by which the mmap driver changes files, made to fail or to be the last one on demand. The test
// program's own definitions take the place of libc's (see kernel_faults.cpp).
#pragma once

#include <cstddef>
#include <limits>

namespace strandline::testing {

enum class Call { open, pwrite, ftruncate, fdatasync, fsync, rename, unlink, mremap };

// While it lives, the k-th call of the kind (1 is the next) fails with `error`; with `for_good`, so do all later ones.
class FailingCall {
 public:
  FailingCall(Call call, int error, int k = 1, bool for_good = false);
  ~FailingCall();
  FailingCall(const FailingCall&) = delete;
  FailingCall& operator=(const FailingCall&) = delete;
  [[nodiscard]] bool happened() const;
};

// While it lives, a pwrite writes at most that many bytes.
class ShortWrites {
 public:
  explicit ShortWrites(std::size_t most);
  ~ShortWrites();
  ShortWrites(const ShortWrites&) = delete;
  ShortWrites& operator=(const ShortWrites&) = delete;
};

// The process ends, as if killed, instead of making its k-th changing call from now on (exit code kCutExit); `after`:
// once it has been made. For use in a child.
inline constexpr int kCutExit = 77;
void cut_power_at(int k, bool after);

}  // namespace strandline::testing
