// Finding: an answer of Objects', for a coroutine of the client's executor.
// Threads: tell() on any, once; the others on the executor's. Blocks: never. Errors: none. Throws bad_alloc. Cost: a
// post, where somebody waits. Lifetime: shared by who waits and who tells; until then the server's threads run.
#pragma once

#include <strandline/base/mutex.h>
#include <strandline/serve/connection/client_socket.h>
#include <strandline/serve/objects/objects.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <utility>

namespace strandline::serve {

class Finding : public std::enable_shared_from_this<Finding> {
 public:
  explicit Finding(const boost::asio::any_io_executor& executor) : work_(executor) {}

  void tell(Objects::Found found) {
    bool is_waited_for = false;
    {
      MutexLock lock(mutex_);
      found_ = std::move(found);
      is_waited_for = is_waited_for_;
    }
    if (is_waited_for) {
      boost::asio::post(work_.get_executor(), [self = shared_from_this()] { self->told_->cancel(); });
    }
  }
  [[nodiscard]] std::optional<Objects::Found> take() {
    MutexLock lock(mutex_);
    return std::exchange(found_, std::nullopt);
  }
  // Ends once there is something to take.
  boost::asio::awaitable<void> told() {
    if (begin_wait()) {
      co_await told_->async_wait(kToken);
    }
  }

 private:
  // False: it has been told.
  [[nodiscard]] bool begin_wait() {
    told_.emplace(work_.get_executor(), boost::asio::steady_timer::time_point::max());
    MutexLock lock(mutex_);
    is_waited_for_ = !found_;
    return is_waited_for_;
  }

  const boost::asio::executor_work_guard<boost::asio::any_io_executor> work_;
  std::optional<boost::asio::steady_timer> told_;             // the executor's; mostly nobody has to wait
  Mutex mutex_;                                               // a leaf
  bool is_waited_for_ STRANDLINE_GUARDED_BY(mutex_) = false;  // what is posted then runs behind the wait's beginning
  std::optional<Objects::Found> found_ STRANDLINE_GUARDED_BY(mutex_);
};

}  // namespace strandline::serve
