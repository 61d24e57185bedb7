// Control: what the server tells of itself, and lets be done to it, under "/-/": docs/openapi.yaml has every path.
// Threads: thread-safe; what takes its time is done on a thread of its own. Blocks: stop(), until nothing of it runs.
// Errors: answers with a status of their own. Cost: two threads; nothing to those who are served meanwhile. Lifetime:
// the server's sessions keep it; no answer is under way when it is stopped.
#pragma once

#include <strandline/serve/control/changes/prefetches.h>
#include <strandline/serve/control/control_request.h>
#include <strandline/serve/control/desk.h>
#include <strandline/serve/control/view/events.h>

#include <atomic>
#include <functional>
#include <future>

namespace strandline::serve {

class Control {
 public:
  using Done = std::function<void(ControlAnswer)>;

  explicit Control(ServerParts parts);
  // Where paths lead from now on. Before anything is asked.
  void serves(const std::shared_ptr<const CurrentServing>& serving);

  // `done` is called once, on any thread, or before this returns. It must not throw.
  void answer(ControlRequest request, Done done) noexcept;
  // Null: too many do. `wake` is called, on any thread, when there is something to take.
  [[nodiscard]] std::shared_ptr<Listener> listen(std::size_t cells, std::function<void()> wake);
  // Once, and once all questions to origins end: see Objects::stop().
  void stop() noexcept;

 private:
  using Handler = ControlAnswer (Control::*)(const ControlRequest&);
  struct Route {
    std::string_view path;
    std::string_view method;
    Handler handler;
    bool is_long = false;  // the others do not wait for it
  };
  [[nodiscard]] ControlAnswer page(const ControlRequest& request) const;
  // On the desk's thread.
  [[nodiscard]] ControlAnswer metrics(const ControlRequest& request);
  [[nodiscard]] ControlAnswer objects(const ControlRequest& request);
  [[nodiscard]] ControlAnswer object(const ControlRequest& request);
  [[nodiscard]] ControlAnswer prefetch(const ControlRequest& request);
  [[nodiscard]] Desk::Clock::time_point tick();
  // On a thread of its own.
  [[nodiscard]] ControlAnswer purge(const ControlRequest& request);
  // Null: the server is ending.
  [[nodiscard]] std::shared_ptr<const Serving> current() const { return current_of(serving_); }

  ServerParts parts_;
  std::atomic<bool> ending_{false};  // nothing else is told by it
  std::promise<void> idle_;          // by the desk's thread, once
  bool said_idle_ = false;
  std::weak_ptr<const CurrentServing> serving_;
  // The desk's.
  std::optional<Picture> picture_;
  Events events_;
  std::optional<Prefetches> prefetches_;
  std::shared_ptr<Desk> desk_;       // after all it touches
  std::shared_ptr<Desk> long_desk_;  // for what takes long, one after the other
};

}  // namespace strandline::serve
