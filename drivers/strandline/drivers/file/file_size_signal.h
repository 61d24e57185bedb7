// FileSizeSignalHeld: while it lives, going past RLIMIT_FSIZE is EFBIG for this thread and no SIGXFSZ.
// Threads: each its own. Blocks: never. Errors: none. Cost: two system calls, a third to swallow.
// Lifetime: a scope. A signal that was already pending is left pending.
#pragma once

#include <signal.h>
#include <time.h>

#include <cerrno>

namespace strandline::file {

class FileSizeSignalHeld {
 public:
  FileSizeSignalHeld() noexcept {
    ::sigemptyset(&signals_);
    ::sigaddset(&signals_, SIGXFSZ);
    ::pthread_sigmask(SIG_BLOCK, &signals_, &before_);
    // Only a thread that held it blocked before us can have it pending.
    if (::sigismember(&before_, SIGXFSZ) == 1) {
      sigset_t pending;
      ::sigemptyset(&pending);
      ::sigpending(&pending);
      was_pending_ = ::sigismember(&pending, SIGXFSZ) == 1;
    }
  }
  ~FileSizeSignalHeld() {
    if (::sigismember(&before_, SIGXFSZ) != 1) {
      ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
  }
  FileSizeSignalHeld(const FileSizeSignalHeld&) = delete;
  FileSizeSignalHeld& operator=(const FileSizeSignalHeld&) = delete;

  // After an EFBIG: takes the signal that came with it, if one did.
  void swallow() noexcept {
    if (!was_pending_) {
      const struct timespec no_wait = {};
      while (::sigtimedwait(&signals_, nullptr, &no_wait) < 0 && errno == EINTR) {
      }
    }
  }

 private:
  sigset_t signals_;
  sigset_t before_;
  bool was_pending_ = false;
};

}  // namespace strandline::file
