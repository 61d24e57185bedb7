// Rivals: on a thread each, a write of [0, 4), and one of stop, interrupt() and cancel(). They begin when the test
// comes to together() as well.
// Threads: one. Blocks: together(), join(). Errors: none. Cost: two threads. Lifetime: join() before it goes.
#pragma once

#include <tests/resource/subjects.h>

#include <atomic>
#include <stop_token>

namespace strandline::testing {

class Rivals {
 public:
  // `kind`: any number; its remainder says which of the three.
  Rivals(Opened<MemoryDriver>& opened, std::stop_source& source, std::uint64_t kind)
      : writing_([this, &opened] {
          together();
          (void)opened.write({0, 4});
        }),
        ending_([this, &opened, &source, kind] {
          together();
          if (kind % 3 == 0) {
            (void)source.request_stop();
          } else if (kind % 3 == 1) {
            opened.resource.interrupt();
          } else {
            opened.resource.cancel();
          }
        }) {}

  void together() {
    ++ready_;
    while (ready_ < 3) {
      std::this_thread::yield();
    }
  }
  void join() {
    writing_.join();
    ending_.join();
  }
  // Whether a wait on [0, 4) that had a deadline too may have ended so.
  [[nodiscard]] static bool may_end(const std::string& answer) {
    return answer == "ready" || answer == "timed_out" || answer == "interrupted" || answer == "!cancelled";
  }

 private:
  std::atomic<int> ready_{0};
  std::thread writing_;
  std::thread ending_;
};

}  // namespace strandline::testing
