// Coroutine: what the tests of async/ await in. It starts at once, and its owner destroys the frame.
// Threads: join() and finished() from any. Blocks: join(), with a bound. Errors: none. Cost: none worth naming.
// Lifetime: destroy it suspended or finished, as its owner must know.
#pragma once

#include <tests/resource/subjects.h>

#include <atomic>
#include <coroutine>
#include <exception>
#include <memory>
#include <utility>

namespace strandline::testing {

class Coroutine {
 public:
  struct promise_type {
    // Out of the frame: the last thing that a finished coroutine's thread touches is this.
    std::shared_ptr<std::atomic<bool>> finished = std::make_shared<std::atomic<bool>>(false);

    struct Final {
      bool await_ready() noexcept { return false; }
      void await_suspend(std::coroutine_handle<promise_type> coroutine) noexcept {
        const auto flag = coroutine.promise().finished;
        flag->store(true, std::memory_order_release);
      }
      void await_resume() noexcept {}
    };
    Coroutine get_return_object() {
      return Coroutine(std::coroutine_handle<promise_type>::from_promise(*this), finished);
    }
    std::suspend_never initial_suspend() noexcept { return {}; }
    Final final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };

  Coroutine() = default;
  Coroutine(Coroutine&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)), finished_(std::move(other.finished_)) {}
  Coroutine& operator=(Coroutine&& other) noexcept {
    destroy();
    handle_ = std::exchange(other.handle_, nullptr);
    finished_ = std::move(other.finished_);
    return *this;
  }
  ~Coroutine() { destroy(); }

  [[nodiscard]] bool finished() const { return finished_ != nullptr && finished_->load(std::memory_order_acquire); }
  void join() const {
    REQUIRE(eventually([this] { return finished(); }));
  }
  void destroy() {
    if (handle_ != nullptr) {
      std::exchange(handle_, nullptr).destroy();
    }
  }

 private:
  Coroutine(std::coroutine_handle<promise_type> handle, std::shared_ptr<std::atomic<bool>> finished)
      : handle_(handle), finished_(std::move(finished)) {}

  std::coroutine_handle<promise_type> handle_;
  std::shared_ptr<std::atomic<bool>> finished_;
};

}  // namespace strandline::testing
