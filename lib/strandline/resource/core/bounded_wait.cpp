#include <strandline/resource/core/bounded_wait.h>

namespace strandline {

BoundedWait::BoundedWait(std::shared_ptr<Core> core, ByteRange range, const WaitOptions& options) noexcept
    : Waiter(range, options.until, Wake::callback, options.urgency),
      core_(std::move(core)),
      deadline_(options.deadline.value_or(Sync::time_point::max())),
      stop_(options.stop) {}

bool BoundedWait::arm_deadline() noexcept {
  // One that has passed is start_wait()'s to see.
  if (deadline_ == Sync::time_point::max() || deadline_ <= Sync::now()) {
    return true;
  }
  auto ticket = DeadlineTimer::instance().schedule(deadline_, [this] { end(Verdict::timed_out); });
  if (!ticket) {
    refused_ = std::move(ticket.error());
    return false;
  }
  ticket_ = *ticket;
  return true;
}

bool BoundedWait::start() noexcept {
  if (core_->ready_now(range(), until())) {
    decide(Verdict::ready, nullptr);
    return false;
  }
  // Both before parking: afterwards another thread may already have ended and destroyed this. What comes before
  // it is parked leaves a note, which parking reads.
  auto deadline = deadline_;
  if (!arm_deadline()) {
    deadline = Sync::time_point::min();  // it cannot be parked; but what is so already needs no timer
  } else if (stop_.stop_possible()) {
    on_stop_.emplace(stop_, Stop{this});
  }
  auto verdict = core_->start_wait(*this, deadline);
  if (verdict == Verdict::pending) {
    return true;
  }
  if (!verdict) {
    refused_ = std::move(verdict.error());
  } else if (*verdict != Verdict::timed_out) {
    refused_.reset();
  }
  disarm();
  return false;
}

void BoundedWait::end(Verdict verdict) noexcept {
  // What ended() runs may destroy this, and with it the last that keeps the core.
  const auto core = core_;
  core->end_wait(*this, verdict);
}

bool BoundedWait::withdraw() noexcept {
  if (!core_->withdraw(*this)) {
    return false;
  }
  disarm();
  return true;
}

void BoundedWait::disarm() noexcept {
  on_stop_.reset();
  if (ticket_) {
    DeadlineTimer::instance().cancel_and_wait(*ticket_);
    ticket_.reset();
  }
}

Result<WaitOutcome> BoundedWait::outcome() const noexcept {
  return refused_ ? Result<WaitOutcome>(fail(refused_->clone())) : Core::outcome_of(*this);
}

}  // namespace strandline
