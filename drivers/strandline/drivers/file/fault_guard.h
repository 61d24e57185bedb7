// Fault guard: a page of a mapped file that cannot be read (the file was cut short, the disk failed) raises
// SIGBUS; here it becomes an answer. Threads: all calls may run at once. Blocks: never.
// Errors: arm() answers the system's. Cost: a sigsetjmp per copy, some 10 ns; the signal path walks
// every watched region. Lifetime: the handler stays for good; a MappedWatch ends before its munmap.
#pragma once

#include <strandline/base/error.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace strandline {

// What happens on a SIGBUS that the kernel raised for an address:
//  1. inside the source of a guarded_copy() of this thread: the copy is left, and answers false;
//  2. inside a watched mapping (a user reads a View after somebody cut the file): the page is replaced by
//     a private page of zeros, `damaged()` is set before that, and the reader goes on. The zeros are the
//     one thing a View can show that was never written; reads go to the file itself from then on;
//  3. anywhere else, and for a SIGBUS sent by kill(2): the handler that was installed before, or the default.
// The handler is installed at the first arm() and chains to the one it found. A program that installs its
// own SIGBUS handler later must chain to the one it finds, or 1 and 2 are gone.
class FaultGuard {
 public:
  [[nodiscard]] static Result<void> arm() noexcept;

  // memcpy, or false when some page of [from, from + size) could not be read; `to` is then unspecified.
  [[nodiscard]] static bool guarded_copy(void* to, const void* from, std::size_t size) noexcept;
};

// Watches [begin, begin + size), both on page boundaries, for as long as it lives.
class MappedWatch {
 public:
  MappedWatch() noexcept = default;
  ~MappedWatch();
  MappedWatch(const MappedWatch&) = delete;
  MappedWatch& operator=(const MappedWatch&) = delete;

  // Called once; allocates when every slot is taken.
  [[nodiscard]] Result<void> watch(const void* begin, std::size_t size) noexcept;
  [[nodiscard]] bool damaged() const noexcept { return damaged_.load(std::memory_order_acquire); }

  struct Slot;

 private:
  Slot* slot_ = nullptr;
  // Written by the signal handler before it replaces a page, read after every copy: a copy that saw the
  // replaced page sees the flag.
  std::atomic<bool> damaged_{false};
};

}  // namespace strandline
