// Ready, BoundedReady: what `co_await resource.ready(range)` and `resource.ready(range, options)` wait on.
// Threads: resumed once, outside every lock, on the thread that decides the wait: a writer's, the stopper's, the
// timer's. Blocks: never. Errors: the awaited Result<WaitOutcome>, as Resource::wait_range(). Cost: none on the heap
// but a deadline's; the wait lies in the coroutine's frame. Lifetime: await it while the resource lives; suspended,
// the resource may go, which resumes it with cancelled. Destroying a suspended coroutine withdraws the wait.
#pragma once

#include <strandline/resource/core/bounded_wait.h>

#include <coroutine>
#include <memory>
#include <utility>

namespace strandline {

// Destroying. A suspended coroutine may be destroyed at any time by a thread that knows it to be suspended: also when
// its wait has been decided and its turn to be woken has not come, as when one coroutine destroys another
// that the same write satisfied. It must not be destroyed while another thread resumes it, which no awaitable can
// prevent. Who cannot rule that out by other means (all on one executor, a lock around the write as well) keeps
// the awaitable outside of the frame, has the coroutine `co_await` a reference to it, and destroys the
// coroutine only if withdraw() answers true.
//
// Resuming. A resumed coroutine runs within the call that decided its wait, so a long one holds up the writer, and
// those that are woken after it: move on to an executor, or use <strandline/async/asio.h>, which does. An
// exception that the coroutine's promise lets out of resume() ends the program.
//
// With gcc 12, give options that hold a stop_token a variable of their own: it destroys the members of a braced
// aggregate within a co_await expression twice, and both awaitables of `flag ? co_await a : co_await b`.

// In a suspended coroutine: 160 bytes. No stop, no deadline.
class [[nodiscard]] Ready final : public Waiter {
 public:
  Ready(const std::shared_ptr<Core>& core, ByteRange range) noexcept
      : Waiter(range, WaitFor::all, Wake::callback), core_(core.get()) {}
  ~Ready() override {
    if (suspended_) {
      static_cast<void>(core_->withdraw(*this));
    }
  }

  [[nodiscard]] bool await_ready() noexcept;
  // Neither inline nor a template: clang before 17 keeps an inlined one's own variables in the frame, which another
  // thread may have destroyed by then (llvm-project issue 56301).
  [[nodiscard]] bool await_suspend(std::coroutine_handle<> coroutine) noexcept;
  [[nodiscard]] Result<WaitOutcome> await_resume() const noexcept;

  // True: the coroutine will not be resumed any more, and may only be destroyed. False: it has been or is
  // being resumed, or is not suspended here. From any thread.
  [[nodiscard]] bool withdraw() noexcept;

 private:
  void wake() noexcept override { std::exchange(suspended_, nullptr).resume(); }

  // Not owned, for its size: close() ends all waits, so a suspended one has a living core.
  Core* const core_;
  std::coroutine_handle<> suspended_;  // null before and after
};

// The same with a stop_token, a deadline, or WaitFor::any.
class [[nodiscard]] BoundedReady final : public BoundedWait {
 public:
  using BoundedWait::BoundedWait;
  ~BoundedReady() override {
    if (suspended_) {
      static_cast<void>(BoundedWait::withdraw());
    }
  }

  [[nodiscard]] bool await_ready() const noexcept { return false; }  // await_suspend() looks first
  [[nodiscard]] bool await_suspend(std::coroutine_handle<> coroutine) noexcept;
  [[nodiscard]] Result<WaitOutcome> await_resume() const noexcept { return outcome(); }

  // As Ready::withdraw().
  [[nodiscard]] bool withdraw() noexcept;

 private:
  void ended() noexcept override { std::exchange(suspended_, nullptr).resume(); }

  std::coroutine_handle<> suspended_;
};

}  // namespace strandline
