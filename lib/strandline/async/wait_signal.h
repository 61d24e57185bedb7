// WaitSignal: a file descriptor that is readable when a wait has ended, for poll, epoll, libuv and the like.
// Threads: one at a time; the wait ends on any thread. Blocks: disarm(), destruction: only while another thread
// is just ending the wait. Errors: arm(): busy, and as Resource::wait_range() where it cannot begin; create(): busy, no
// more descriptors. Cost: an eventfd(2); an allocation per arm(), one system call per end and per outcome(). Lifetime:
// destroying it withdraws the wait and closes the descriptor: take that out of the loop first. Moved from, it may be
// destroyed or assigned to, no more.
#pragma once

#include <strandline/resource/core/bounded_wait.h>
#include <strandline/resource/resource.h>

#include <memory>
#include <optional>
#include <utility>

namespace strandline {

// The descriptor is readable exactly while an outcome is there to be taken: from the end of the wait (which may be
// before arm() returns) until outcome() has answered it or disarm() has dropped it. The two change together under one
// lock, so no wake-up is lost and none is spurious: whoever finds it readable finds an outcome, and whoever finds no
// outcome will see it become readable. Level-triggered or edge-triggered is the loop's choice. Do not read(2) from it.
class WaitSignal {
 public:
  [[nodiscard]] static Result<WaitSignal> create() noexcept;
  WaitSignal(WaitSignal&&) noexcept;
  WaitSignal& operator=(WaitSignal&&) noexcept;
  ~WaitSignal();

  // To poll for reading (POLLIN, EPOLLIN). Owned by the signal; the same for as long as that lives.
  [[nodiscard]] int fd() const noexcept;

  // Begins a wait. Busy when there is one already, or its outcome has not been taken. An error here means that no wait
  // has begun; that the bytes cannot come any more is an outcome.
  template <Driver D>
  [[nodiscard]] Result<void> arm(const Resource<D>& resource, ByteRange range,
                                 const WaitOptions& options = {}) noexcept {
    return arm(resource.template ready<WaitRequest>(range, options));
  }
  // How the wait ended, once: the descriptor is not readable any more, and arm() may be called again. None while it
  // has not ended, or when there is no wait.
  [[nodiscard]] std::optional<Result<WaitOutcome>> outcome() noexcept;
  // Is there a wait, or an outcome to be taken?
  [[nodiscard]] bool armed() const noexcept;
  // Withdraws the wait, or drops its outcome: afterwards the descriptor is not readable.
  void disarm() noexcept;

 private:
  class State;

  explicit WaitSignal(std::unique_ptr<State> state) noexcept;
  [[nodiscard]] Result<void> arm(WaitRequest request) noexcept;

  std::unique_ptr<State> state_;  // null once moved from
};

}  // namespace strandline
