// BlockedWaiter: a waiter whose thread sleeps until it is woken, and then wakes those that follow it.
// Threads: sleep() is the waiting thread's, wake() the deciding one's, once. Blocks: sleep(). Errors: none.
// Cost: a futex on the stack. Lifetime: may be destroyed as soon as sleep() has answered true; see Parker.
#pragma once

#include <strandline/resource/wait_index/parker.h>
#include <strandline/resource/wait_index/sleeper.h>
#include <strandline/resource/wait_index/waiter.h>

namespace strandline {

class BlockedWaiter final : public Waiter {
 public:
  BlockedWaiter(ByteRange range, const WaitOptions& options) noexcept
      : Waiter(range, options.until, Wake::thread, options.urgency),
        deadline_(options.deadline.value_or(Sync::time_point::max())) {}

  [[nodiscard]] Sync::time_point deadline() const noexcept override { return deadline_; }

  // Until wake(), or the deadline: false when that came first. Who has been decided must be met: sleep again. On a
  // futex, where no sleeper has been begun.
  [[nodiscard]] bool sleep(Sync::time_point deadline, Sleeper* sleeper) noexcept {
    const auto sleep = [&](Sync::Atomic<std::uint32_t>& word, std::uint32_t expected, Sync::time_point until) {
      return sleeper != nullptr ? sleeper->sleep(word, expected, until) : Sync::futex_wait(word, expected, until);
    };
    if (!parker_.park_until(deadline, sleep)) {
      return false;
    }
    const auto [first, second] = followers();
    for (Waiter* const follower : {first, second}) {
      if (follower != nullptr) {
        Waiter::wake(*follower);
      }
    }
    return true;
  }

 private:
  void wake() noexcept override { parker_.unpark(); }

  const Sync::time_point deadline_;
  Parker parker_;
};

}  // namespace strandline
