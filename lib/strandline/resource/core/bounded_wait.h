// BoundedWait: a wait that no thread sits in, with its stop_token and deadline, embedded in what its user owns.
// Threads: start() and its user's calls one at a time; it ends on any thread. Blocks: only for a stop or deadline
// that runs at this moment on another thread and finds the wait ended: for a lock's time. Errors: outcome().
// Cost: no allocation but the timer's for a deadline. Lifetime: stays put; from start() until ended() or a
// withdraw() that answered true. It keeps the core, not the resource: the last handle's going ends the wait.
#pragma once

#include <strandline/base/deadline_timer.h>
#include <strandline/resource/core/core.h>

#include <memory>
#include <optional>
#include <stop_token>

namespace strandline {

// Neither the stop_callback nor the timer's function touches a wait that is gone: both only call
// Core::end_wait() with the wait, and both are taken back in ways that wait for one under way (disarm()) before the
// wait's owner learns of its end, or destroys it. Nobody waits for himself: if the stop or the deadline is what ended
// the wait, disarm() runs inside it, on its own thread, and lets it be; it touches the wait no more after that.
class BoundedWait : public Waiter {
 public:
  BoundedWait(std::shared_ptr<Core> core, ByteRange range, const WaitOptions& options) noexcept;

  // True: it waits, and ended() will be called once, perhaps before this returns; so touch nothing of it any more.
  // False: it has ended already; ended() is not called.
  [[nodiscard]] bool start() noexcept;
  // True: ended() will not be called any more. False: it has been or is being called, or never will be.
  [[nodiscard]] bool withdraw() noexcept;
  // Ends it with interrupted, unless something else has ended it.
  void interrupt() noexcept { end(Verdict::interrupted); }
  // Once start() has answered false: because it could not even begin?
  [[nodiscard]] bool refused() const noexcept { return refused_.has_value(); }
  // Once it has ended.
  [[nodiscard]] Result<WaitOutcome> outcome() const noexcept;
  [[nodiscard]] Sync::time_point deadline() const noexcept final { return deadline_; }

 protected:
  // A derived class withdraws in its own destructor, since ended() is its own.
  ~BoundedWait() override { disarm(); }
  // Outside every lock, on the thread that decided it. The last that is done with the wait: may destroy it.
  virtual void ended() noexcept = 0;

 private:
  struct Stop {
    BoundedWait* wait;
    void operator()() const noexcept { wait->interrupt(); }
  };

  void wake() noexcept final {
    disarm();
    ended();
  }
  void end(Verdict verdict) noexcept;
  [[nodiscard]] bool arm_deadline() noexcept;
  void disarm() noexcept;

  const std::shared_ptr<Core> core_;
  const Sync::time_point deadline_;  // max(): none
  const std::stop_token stop_;
  std::optional<DeadlineTimer::Ticket> ticket_;
  std::optional<std::stop_callback<Stop>> on_stop_;
  std::optional<Error> refused_;  // why it could not even begin
};

// What the faces that make their BoundedWait themselves ask of Resource::ready().
struct WaitRequest {
  WaitRequest(std::shared_ptr<Core> of, ByteRange on, const WaitOptions& with) noexcept
      : core(std::move(of)), range(on), options(with) {}
  std::shared_ptr<Core> core;
  ByteRange range;
  WaitOptions options;
};

}  // namespace strandline
