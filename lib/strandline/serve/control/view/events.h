// Events: the server's states, one after the other, to all who listen: at most ten a second, and none while nobody
// does. Listener: one of them, who takes the newest when he is ready for it.
// Threads: listen(), take() on any; tick() on the desk's. Blocks: never. Errors: null when too many listen. Throws
// bad_alloc. Cost: a picture for all together, a text for each number of cells. Lifetime: a listener ends with its last
// reference.
#pragma once

#include <strandline/base/mutex.h>
#include <strandline/serve/control/view/picture.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace strandline::serve {

class Listener {
 public:
  // "id: ...", as it is sent; null: there is none that has not been taken.
  [[nodiscard]] std::shared_ptr<const std::string> take() STRANDLINE_EXCLUDES(mutex_);

 private:
  friend class Events;
  Listener(std::size_t cells, std::function<void()> wake) : cells_(cells), wake_(std::move(wake)) {}
  void tell(std::shared_ptr<const std::string> event) STRANDLINE_EXCLUDES(mutex_);

  const std::size_t cells_;
  const std::function<void()> wake_;
  bool told_ = false;  // anything; the desk's
  Mutex mutex_;        // a leaf
  std::shared_ptr<const std::string> newest_ STRANDLINE_GUARDED_BY(mutex_);
};

class Events {
 public:
  using Clock = std::chrono::steady_clock;

  // `wake` is called when there is something to take. Must not throw.
  [[nodiscard]] std::shared_ptr<Listener> listen(std::size_t cells, std::function<void()> wake)
      STRANDLINE_EXCLUDES(mutex_);
  // Tells what is new, if it is time to. Answers when it will be: time_point::max() when nobody listens.
  [[nodiscard]] Clock::time_point tick(Picture& picture, Clock::time_point now) STRANDLINE_EXCLUDES(mutex_);

 private:
  struct State {
    std::string compared;  // without what changes by itself
    std::shared_ptr<const std::string> event;
    bool used = false;    // in this turn
    bool is_new = false;  // likewise
  };
  [[nodiscard]] std::vector<std::shared_ptr<Listener>> listeners() STRANDLINE_EXCLUDES(mutex_);

  std::uint64_t number_ = 0;
  Clock::time_point told_{};
  std::map<std::size_t, State> states_;  // by cells
  Mutex mutex_;                          // a leaf
  std::vector<std::weak_ptr<Listener>> listeners_ STRANDLINE_GUARDED_BY(mutex_);
};

}  // namespace strandline::serve
