#include <strandline/drivers/file/failure.h>
#include <strandline/fill/engine/workers.h>

#include <algorithm>
#include <system_error>
#include <utility>

namespace strandline::fill {
namespace {

bool is_this(const std::thread& thread) noexcept {
  return thread.get_id() == std::this_thread::get_id();
}

}  // namespace

Workers::~Workers() {
  ending_.request_stop();
  std::list<std::thread> returned;
  {
    MutexLock lock(state_->mutex);
    auto& running = state_->running;
    if (const auto mine = std::find_if(running.begin(), running.end(), is_this); mine != running.end()) {
      mine->detach();
      running.erase(mine);
    }
    while (!running.empty()) {
      state_->changed.wait(state_->mutex);
    }
    returned.swap(state_->returned);
  }
  join(std::move(returned));
}

void Workers::join(std::list<std::thread> threads) noexcept {
  for (std::thread& thread : threads) {
    thread.join();
  }
}

Result<void> Workers::run(std::function<void()> call) noexcept {
  std::list<std::thread> returned;
  {
    MutexLock lock(state_->mutex);
    returned.swap(state_->returned);
  }
  join(std::move(returned));
  return file::contained([&]() -> Result<void> {
    std::list<std::thread> thread(1);
    MutexLock lock(state_->mutex);  // so that it finds itself in `running`
    try {
      thread.front() = std::thread([state = state_, call = std::move(call)]() mutable {
        call();
        call = nullptr;
        MutexLock returning(state->mutex);
        auto& running = state->running;
        if (const auto mine = std::find_if(running.begin(), running.end(), is_this); mine != running.end()) {
          state->returned.splice(state->returned.end(), running, mine);
        }
        state->changed.notify_all();
      });
    } catch (const std::system_error& error) {
      return fail(Error::system(error.code().value(), "start a thread"));
    }
    state_->running.splice(state_->running.end(), thread);
    return {};
  });
}

}  // namespace strandline::fill
