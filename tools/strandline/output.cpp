#include "output.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "command.h"

namespace strandline::tool {
namespace {

bool is_regular_file(int fd) noexcept {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

// The blocking mode belongs to the open file, and stdout's is shared with whoever else holds it: the shell, other
// programs of the pipeline. A pipe can be opened anew, and that opening has a mode of its own. Whatever
// is in the way (no /proc, a pipe of another user), -1.
int open_pipe_anew(int fd) noexcept {
  struct stat info {};
  const int mode = ::fcntl(fd, F_GETFL);
  if (::fstat(fd, &info) != 0 || !S_ISFIFO(info.st_mode) || mode < 0 || (mode & O_ACCMODE) == O_RDONLY) {
    return -1;
  }
  char path[32];
  static_cast<void>(std::snprintf(path, sizeof path, "/proc/self/fd/%d", fd));
  return ::open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
}

}  // namespace

Output::Output(int fd)
    : own_(open_pipe_anew(fd)),
      fd_(own_ >= 0 ? own_ : fd),
      wake_(::eventfd(0, EFD_CLOEXEC)),
      poll_(!is_regular_file(fd)) {}

Output::~Output() {
  for (const int fd : {own_, wake_}) {
    if (fd >= 0) {
      ::close(fd);
    }
  }
}

// False once a stop woke it.
bool Output::wait_for_room() const {
  ::pollfd polled[] = {{fd_, POLLOUT, 0}, {wake_, POLLIN, 0}};
  while (::poll(polled, 2, -1) < 0 && errno == EINTR) {
  }
  return polled[1].revents == 0;
}

Result<Wrote> Output::write(std::span<const std::byte> data, const std::stop_token& stop) {
  const std::stop_callback wake(stop, [this] {
    const std::uint64_t one = 1;
    static_cast<void>(!::write(wake_, &one, sizeof one));
  });
  while (!data.empty()) {
    std::size_t size = data.size();
    if (poll_) {
      if (!wait_for_room()) {
        return Wrote::stopped;
      }
      // A write that blocks could not be stopped. Non-blocking, it takes what there is room for; otherwise
      // this much is what a pipe with room is sure to take at once.
      size = own_ >= 0 ? size : std::min<std::size_t>(size, PIPE_BUF);
    }
    const ssize_t count = ::write(fd_, data.data(), size);
    if (count >= 0) {
      data = data.subspan(static_cast<std::size_t>(count));
    } else if (errno == EPIPE) {
      return Wrote::reader_gone;
    } else if (errno != EINTR && errno != EAGAIN) {
      return fail(Error::system(errno, "write", "standard output"));
    }
  }
  return Wrote::all;
}

SignalWatch::SignalWatch(std::function<void()> on_signal, std::function<void()> on_hang_up)
    : on_signal_(std::move(on_signal)), on_hang_up_(std::move(on_hang_up)) {
  ::sigemptyset(&watched_);
  ::sigaddset(&watched_, SIGINT);
  ::sigaddset(&watched_, SIGTERM);
  // nohup has SIGHUP ignored, and means it. SIGINT is watched even if ignored, as it is in a script's
  // background jobs: whoever sends it to this process wants it to end.
  struct sigaction hang_up {};
  if (::sigaction(SIGHUP, nullptr, &hang_up) == 0 && hang_up.sa_handler != SIG_IGN) {
    ::sigaddset(&watched_, SIGHUP);
  }
  ::pthread_sigmask(SIG_BLOCK, &watched_, &before_);
  thread_ = std::thread([this] { run(); });
}

SignalWatch::~SignalWatch() {
  finished_.store(true, std::memory_order_release);
  ::pthread_kill(thread_.native_handle(), SIGTERM);
  thread_.join();
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void SignalWatch::run() noexcept {
  for (;;) {
    int signal = 0;
    if (::sigwait(&watched_, &signal) != 0 || finished_.load(std::memory_order_acquire)) {
      return;
    }
    if (signal == SIGHUP && on_hang_up_) {
      on_hang_up_();
      continue;
    }
    if (caught() != 0) {
      // Asked twice: something does not let go. What has come stays, and the next run goes on from there.
      std::_Exit(kExitSignal + signal);
    }
    caught_.store(signal, std::memory_order_release);
    on_signal_();
  }
}

}  // namespace strandline::tool
