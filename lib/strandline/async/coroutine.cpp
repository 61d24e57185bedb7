#include <strandline/async/coroutine.h>

namespace strandline {

bool Ready::await_ready() noexcept {
  if (!core_->ready_now(range(), until())) {
    return false;
  }
  decide(Verdict::ready, nullptr);
  return true;
}

bool Ready::await_suspend(std::coroutine_handle<> coroutine) noexcept {
  suspended_ = coroutine;
  const auto verdict = core_->start_wait(*this, Sync::time_point::max());
  if (verdict == Verdict::pending) {
    return true;  // parked: another thread may have resumed and destroyed it by now
  }
  suspended_ = nullptr;
  return false;
}

Result<WaitOutcome> Ready::await_resume() const noexcept {
  if (verdict() == Verdict::pending) {
    return fail(Errc::invalid_range, "wait");  // the only reason for which it could not begin
  }
  return Core::outcome_of(*this);
}

bool Ready::withdraw() noexcept {
  if (!core_->withdraw(*this)) {
    return false;
  }
  suspended_ = nullptr;
  return true;
}

bool BoundedReady::await_suspend(std::coroutine_handle<> coroutine) noexcept {
  suspended_ = coroutine;
  if (start()) {
    return true;
  }
  suspended_ = nullptr;
  return false;
}

bool BoundedReady::withdraw() noexcept {
  if (!BoundedWait::withdraw()) {
    return false;
  }
  suspended_ = nullptr;
  return true;
}

}  // namespace strandline
