#include <strandline/drivers/file/failure.h>
#include <strandline/fill/engine/workers.h>

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>

namespace strandline::fill {
namespace {

constexpr std::chrono::seconds kIdle{5};

bool is_this(const std::thread& thread) noexcept {
  return thread.get_id() == std::this_thread::get_id();
}

}  // namespace

Workers::~Workers() {
  ending_.request_stop();
  std::list<std::thread> returned;
  {
    MutexLock lock(state_->mutex);
    state_->ending = true;
    state_->changed.notify_all();
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

void Workers::work(State& state, std::function<void()> call) {
  while (call) {
    call();
    call = nullptr;  // before others are told that this thread is idle
    call = next(state);
  }
  MutexLock lock(state.mutex);
  auto& running = state.running;
  if (const auto mine = std::find_if(running.begin(), running.end(), is_this); mine != running.end()) {
    state.returned.splice(state.returned.end(), running, mine);
  }
  state.changed.notify_all();
}

std::function<void()> Workers::next(State& state) noexcept {
  const auto until = std::chrono::steady_clock::now() + kIdle;
  MutexLock lock(state.mutex);
  ++state.idle;
  bool in_time = true;
  while (state.waiting.empty() && !state.ending && in_time) {
    in_time = state.changed.wait_until(state.mutex, until);
  }
  --state.idle;
  if (state.waiting.empty()) {
    return nullptr;
  }
  std::function<void()> call = std::move(state.waiting.front());
  state.waiting.pop_front();
  return call;
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
    MutexLock lock(state_->mutex);
    if (state_->waiting.size() < state_->idle) {
      state_->waiting.push_back(std::move(call));
      state_->changed.notify_all();
      return {};
    }
    std::list<std::thread> thread(1);  // under the lock, so that it finds itself in `running`
    try {
      thread.front() =
          std::thread([state = state_, call = std::move(call)]() mutable { work(*state, std::move(call)); });
    } catch (const std::system_error& error) {
      return fail(Error::system(error.code().value(), "start a thread"));
    }
    state_->running.splice(state_->running.end(), thread);
    return {};
  });
}

}  // namespace strandline::fill
