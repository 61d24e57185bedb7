// Workers: threads for calls that block, one for each that runs at a time; EitherStop: what stops one.
// Threads: thread-safe. Blocks: the destructor, until all calls have returned but one that it is called from. Errors:
// run(): no_memory, or the system's for want of a thread. Cost: a wake-up, or a new thread where none is idle; an idle
// one ends after a few seconds. Lifetime: what calls use outlives it.
#pragma once

#include <strandline/base/error.h>
#include <strandline/base/mutex.h>

#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <stop_token>
#include <thread>

namespace strandline::fill {

// Stops when either token does.
class EitherStop {
 public:
  EitherStop(const std::stop_token& one, const std::stop_token& other)
      : on_one_(one, Stop{&either_}), on_other_(other, Stop{&either_}) {}
  [[nodiscard]] std::stop_token token() const noexcept { return either_.get_token(); }

 private:
  struct Stop {
    std::stop_source* source;
    void operator()() const noexcept { source->request_stop(); }
  };
  std::stop_source either_;
  std::stop_callback<Stop> on_one_, on_other_;
};

class Workers {
 public:
  Workers() = default;
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers();

  // Requested when they are to end.
  [[nodiscard]] std::stop_token ending() const noexcept { return ending_.get_token(); }
  // What `call` holds is let go of on its thread. An error: it is not called.
  [[nodiscard]] Result<void> run(std::function<void()> call) noexcept;

 private:
  // Of the calls that wait there are never more than threads that are idle, and one of those takes each, also when it
  // is about to end.
  struct State {
    Mutex mutex;  // a leaf
    CondVar changed;
    std::deque<std::function<void()>> waiting STRANDLINE_GUARDED_BY(mutex);
    std::size_t idle STRANDLINE_GUARDED_BY(mutex) = 0;
    bool ending STRANDLINE_GUARDED_BY(mutex) = false;
    std::list<std::thread> running STRANDLINE_GUARDED_BY(mutex);
    std::list<std::thread> returned STRANDLINE_GUARDED_BY(mutex);  // to be joined
  };
  static void work(State& state, std::function<void()> call);
  // The next one, as soon as there is one; nothing: the thread is to end.
  [[nodiscard]] static std::function<void()> next(State& state) noexcept;
  static void join(std::list<std::thread> threads) noexcept;

  std::stop_source ending_;
  const std::shared_ptr<State> state_ = std::make_shared<State>();  // shared with the threads
};

}  // namespace strandline::fill
