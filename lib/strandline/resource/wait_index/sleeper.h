// Sleeper: where a thread sleeps that waits for bytes, in place of a futex of its own alone: whoever brings the bytes
// wakes it there, and it publishes them itself, which saves the way through another thread.
// Threads: begin() and end() on the thread that waits; sleep() likewise, between them. Blocks: sleep(). Errors: none: a
// thread that is turned away sleeps on its futex. Cost: what the sleeper does. Lifetime: shared by the resource and who
// sleeps.
#pragma once

#include <strandline/base/sync.h>

#include <cstdint>

namespace strandline {

class Sleeper {
 public:
  virtual ~Sleeper() = default;
  // True: this thread may sleep() here, until end(). Called once the wait is parked, outside every lock.
  [[nodiscard]] virtual bool begin() noexcept = 0;
  // Until the word, which others of this process set and wake as a futex, is not `expected` any more; may return
  // without cause. False once the deadline has passed. What it publishes may wake threads; it runs neither callbacks
  // nor observers, for nobody expects them on a thread that waits.
  [[nodiscard]] virtual bool sleep(Sync::Atomic<std::uint32_t>& word, std::uint32_t expected,
                                   Sync::time_point deadline) noexcept = 0;
  virtual void end() noexcept = 0;
};

}  // namespace strandline
