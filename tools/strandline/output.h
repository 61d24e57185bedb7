// Output: a descriptor that takes a stream, such as stdout; SignalWatch: turns Ctrl-C into a call.
// Threads: Output: one at a time; SignalWatch: its function runs on a thread of its own. Blocks: write() until all is
// taken or a stop is requested. Errors: the system's; EPIPE is Wrote::reader_gone. Cost: one poll() and one write() per
// pipe-full; where the descriptor is no pipe, or one that cannot be opened anew, per PIPE_BUF (4 KiB); a regular file
// is not polled. Lifetime: the descriptor stays the caller's, and its blocking mode too.
#pragma once

#include <strandline/base/error.h>

#include <atomic>
#include <csignal>
#include <cstddef>
#include <functional>
#include <span>
#include <stop_token>
#include <thread>

namespace strandline::tool {

enum class Wrote { all, reader_gone, stopped };

class Output {
 public:
  explicit Output(int fd);
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output();

  [[nodiscard]] Result<Wrote> write(std::span<const std::byte> data, const std::stop_token& stop);

 private:
  [[nodiscard]] bool wait_for_room() const;

  const int own_;    // the same pipe opened anew, non-blocking; or -1
  const int fd_;     // where to write: own_, or the caller's
  const int wake_;   // an eventfd: a stop wakes the poll
  const bool poll_;  // not a regular file
};

// While it lives, SIGINT, SIGTERM and SIGHUP do not end the process: the first one calls `on_signal`; a second one ends
// it at once. With `on_hang_up` that is what SIGHUP calls, each time, and nothing else. Make it before any other
// thread, so that all inherit the blocked signals.
class SignalWatch {
 public:
  explicit SignalWatch(std::function<void()> on_signal, std::function<void()> on_hang_up = {});
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;
  ~SignalWatch();

  // The signal that came, or 0.
  [[nodiscard]] int caught() const noexcept { return caught_.load(std::memory_order_acquire); }

 private:
  void run() noexcept;

  const std::function<void()> on_signal_;
  const std::function<void()> on_hang_up_;
  ::sigset_t watched_{};
  ::sigset_t before_{};
  std::atomic<int> caught_{0};         // written by the watching thread, read by anyone
  std::atomic<bool> finished_{false};  // written by the destructor, read by the watching thread
  std::thread thread_;
};

}  // namespace strandline::tool
