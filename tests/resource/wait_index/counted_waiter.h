// CountedWaiter: a wait in a WaitIndex that counts how often it is woken, and wakes its followers as a thread would.
// Threads: one. Blocks: never. Errors: none. Cost: none. Lifetime: longer than it is in an index.
#pragma once

#include <strandline/resource/wait_index/wait_index.h>

namespace strandline::testing {

class CountedWaiter : public Waiter {
 public:
  explicit CountedWaiter(ByteRange range, WaitFor until = WaitFor::all, Wake wake = Wake::thread,
                         Urgency urgency = Urgency::reader)
      : Waiter(range, until, wake, urgency) {}
  int woken = 0;

 private:
  void wake() noexcept override {
    ++woken;
    const auto [first, second] = followers();
    for (Waiter* const follower : {first, second}) {
      if (follower != nullptr) {
        Waiter::wake(*follower);
      }
    }
  }
};

}  // namespace strandline::testing
