// Control: what the server tells of itself, and lets be done to it, under "/-/": docs/openapi.yaml has every path.
// Threads: thread-safe. Blocks: never. Errors: answers with a status of their own. Cost: none to those who are served
// meanwhile. Lifetime: the server's sessions keep it.
#pragma once

#include <strandline/serve/control/control_request.h>

#include <atomic>
#include <functional>

namespace strandline::serve {

class Control {
 public:
  using Done = std::function<void(ControlAnswer)>;

  // `done` is called once, on any thread, or before this returns. It must not throw.
  void answer(ControlRequest request, Done done) noexcept;
  // From now on it is unwell: who spreads load shall send none here.
  void stopping() noexcept { stopping_.store(true, std::memory_order_relaxed); }

 private:
  [[nodiscard]] ControlAnswer answer_to(const ControlRequest& request) const;

  std::atomic<bool> stopping_{false};  // nothing else is told by it
};

}  // namespace strandline::serve
