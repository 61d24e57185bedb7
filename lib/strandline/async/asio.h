// async_wait(resource, range, options, token): a wait as an operation of Boost.Asio, for any completion token.
// Threads: the handler runs where its associated executor says, always by way of a post: never within this call or the
// writer's. Blocks: never. Errors: the handler's error_code, which is an Errc; operation_aborted when its cancellation
// slot ended the wait. Cost: one allocation and one post. Lifetime: keeps work on the executor until the handler
// has run, so end the wait (cancel the resource, at worst) and run the context dry before you destroy it.
#pragma once

#include <strandline/resource/core/bounded_wait.h>
#include <strandline/resource/resource.h>

#include <atomic>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/error_code.hpp>
#include <memory>
#include <optional>
#include <utility>

namespace strandline {

using WaitSignature = void(boost::system::error_code, WaitOutcome);

// The code without the context; Resource::status() has the whole of a failure. An Errc compares equal to it.
[[nodiscard]] inline boost::system::error_code to_boost(Errc code) noexcept {
  return make_error_code(code);
}

// One operation. It owns itself from start() until its handler runs; the cancellation slot knows it weakly, so that the
// signal may go first, or be emitted afterwards.
template <class Handler>
class AsioWait final : public BoundedWait {
 public:
  using Executor = boost::asio::associated_executor_t<Handler>;
  using Allocator = boost::asio::associated_allocator_t<Handler>;

  static void start(WaitRequest&& request, Handler handler) {
    const Executor executor = boost::asio::get_associated_executor(handler);
    const Allocator allocator = boost::asio::get_associated_allocator(handler);
    auto slot = boost::asio::get_associated_cancellation_slot(handler);
    const auto wait = std::allocate_shared<AsioWait>(allocator, std::move(request), std::move(handler), executor);
    if (slot.is_connected()) {
      wait->link_ = std::make_shared<Link>(wait);
      slot.assign([link = wait->link_](boost::asio::cancellation_type type) {
        const auto alive = type != boost::asio::cancellation_type::none ? link->get() : nullptr;
        if (alive != nullptr) {
          alive->aborted_.store(true, std::memory_order_relaxed);
          alive->interrupt();
        }
      });
    }
    wait->self_ = wait;
    if (!wait->BoundedWait::start()) {
      wait->ended();
    }
  }

  AsioWait(WaitRequest&& request, Handler&& handler, const Executor& executor)
      : BoundedWait(std::move(request.core), request.range, request.options),
        handler_(std::move(handler)),
        work_(executor) {}
  // It has ended, or never begun: it owns itself until then.
  ~AsioWait() override = default;

 private:
  // What the cancellation slot keeps, for as long as its signal likes: it does not keep the operation's memory, which
  // is the handler's allocator's. (Nor can the slot be cleared: its signal may have gone.)
  struct Link {
    explicit Link(std::weak_ptr<AsioWait> of) noexcept : wait(std::move(of)) {}
    Mutex mutex;
    std::weak_ptr<AsioWait> wait STRANDLINE_GUARDED_BY(mutex);
    [[nodiscard]] std::shared_ptr<AsioWait> get() {
      MutexLock lock(mutex);
      return wait.lock();
    }
    void cut() {
      MutexLock lock(mutex);
      wait.reset();
    }
  };

  // What is posted.
  struct Completion {
    using executor_type = Executor;
    using allocator_type = Allocator;
    [[nodiscard]] executor_type get_executor() const noexcept { return executor; }
    [[nodiscard]] allocator_type get_allocator() const noexcept { return allocator; }
    void operator()() { wait->complete(std::move(wait)); }

    std::shared_ptr<AsioWait> wait;
    Executor executor;
    Allocator allocator;
  };

  // Not inline, whoever calls: the handler would run inside somebody's write_at(). No memory for it ends the program.
  void ended() noexcept override {
    // Work of its own: else the handler could run, and the context with it out of work and be destroyed, while this
    // thread is still within the post.
    const auto posting = boost::asio::make_work_guard(work_.get_executor());
    const Executor executor = posting.get_executor();
    boost::asio::post(executor,
                      Completion{std::move(self_), executor, boost::asio::get_associated_allocator(*handler_)});
  }

  void complete(std::shared_ptr<AsioWait> self) {
    const auto answer = outcome();
    boost::system::error_code error;
    WaitOutcome how = WaitOutcome::interrupted;
    if (!answer) {
      error = to_boost(answer.error().code);
    } else if (*answer == WaitOutcome::interrupted && aborted_.load(std::memory_order_relaxed)) {
      error = boost::asio::error::operation_aborted;
    } else {
      how = *answer;
    }
    // The operation's memory goes before its handler runs, as Asio promises; the work lasts until it has.
    if (link_ != nullptr) {
      link_->cut();
    }
    Handler handler = std::move(*handler_);
    handler_.reset();
    const auto work = std::move(work_);
    self.reset();
    std::move(handler)(error, how);
  }

  std::optional<Handler> handler_;
  boost::asio::executor_work_guard<Executor> work_;
  std::shared_ptr<AsioWait> self_;
  std::shared_ptr<Link> link_;  // null without a slot
  // Written by the slot before it ends the wait, read by the handler's call, both on the handler's executor.
  std::atomic<bool> aborted_{false};
};

// Waits as Resource::wait_range() does; the handler is called with no error and the outcome, or with an error (and an
// outcome that says nothing). So `co_await async_wait(..., use_awaitable)` answers a WaitOutcome and throws
// boost::system::system_error for the rest. Any cancellation type ends just this wait, with operation_aborted;
// options.stop and Resource::interrupt() end it with WaitOutcome::interrupted. Neither begun nor deferred does it keep
// the resource open: once that is gone, the answer is Errc::cancelled. Throws std::bad_alloc when there is no memory to
// begin.
template <Driver D, BOOST_ASIO_COMPLETION_TOKEN_FOR(WaitSignature) Token>
auto async_wait(const Resource<D>& resource, ByteRange range, const WaitOptions& options, Token&& token) {
  return boost::asio::async_initiate<Token, WaitSignature>(
      [](auto&& handler, WaitRequest request) {
        AsioWait<std::decay_t<decltype(handler)>>::start(std::move(request), std::forward<decltype(handler)>(handler));
      },
      token, resource.template ready<WaitRequest>(range, options));
}

}  // namespace strandline
