#include <strandline/fill/engine/fill_state.h>

#include <algorithm>

namespace strandline::fill {
namespace {

constexpr auto kMeasureEvery = std::chrono::milliseconds(50);
constexpr std::size_t kServersKept = 64;

}  // namespace

void Engine::start() {
  committer_ = std::thread([this] { run_commits(); });
  try {
    thread_ = std::thread([this] { run(); });
  } catch (...) {
    stop();
    throw;
  }
}

void Engine::stop() noexcept {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    for (const auto& fill : fills_) {
      fill->request_stop();
      notice_locked(fill);
    }
    happened_.notify_all();
  }
  if (thread_.joinable()) {
    thread_.join();
  }
  {
    MutexLock lock(mutex_);
    no_more_commits_ = true;
    to_be_committed_.notify_all();
  }
  committer_.join();
}

Result<std::shared_ptr<FillState>> Engine::add(FillRequest request) {
  std::shared_ptr<FillState> fill;
  {
    const std::string name = request.origin->server(request.key);
    MutexLock lock(mutex_);
    auto server = server_locked(name);
    fill = std::make_shared<FillState>(weak_from_this(), std::move(request), std::move(server), options_);
    fills_.insert(fill);
  }
  auto observed = fill->target().observe(fill);
  if (!observed) {
    fill->ask_to_stop();
    static_cast<void>(fill->wait_ended({}));
    fill->let_go_of_origin();
    return fail(std::move(observed.error()));
  }
  notice(fill);
  return fill;
}

std::shared_ptr<Server> Engine::server_locked(const std::string& name) {
  // With a limit to the rate all transfers are one after the other, whatever their server.
  const bool limited = options_.max_rate > 0;
  if (servers_.size() >= kServersKept) {
    std::erase_if(servers_, [](const auto& each) { return each.second.use_count() == 1; });
  }
  auto& server = servers_[limited ? std::string() : name];
  if (server == nullptr) {
    server = std::make_shared<Server>(limited ? 1 : std::max(1U, options_.connections), tally_);
  }
  return server;
}

void Engine::commit(std::shared_ptr<FillState> fill) {
  MutexLock lock(mutex_);
  commits_.push_back(std::move(fill));
  to_be_committed_.notify_all();
}

void Engine::run_commits() noexcept {
  for (;;) {
    std::shared_ptr<FillState> fill;
    {
      MutexLock lock(mutex_);
      while (commits_.empty() && !no_more_commits_) {
        to_be_committed_.wait(mutex_);
      }
      if (commits_.empty()) {
        return;
      }
      fill = std::move(commits_.front());
      commits_.pop_front();
    }
    fill->commit_target();
  }
}

void Engine::notice(std::shared_ptr<FillState> fill) noexcept {
  {
    MutexLock lock(mutex_);
    notice_locked(std::move(fill));
  }
  // Outside, or its thread would wake only to wait for the lock. Who calls keeps the engine.
  happened_.notify_all();
}

void Engine::notice_locked(std::shared_ptr<FillState> fill) noexcept {
  if (!std::exchange(fill->noticed, true)) {
    FillState* const last = fill.get();
    (noticed_ == nullptr ? noticed_ : last_noticed_->next_noticed) = std::move(fill);
    last_noticed_ = last;
  }
}

std::shared_ptr<FillState> Engine::next_noticed() noexcept {
  const auto until = next_time();
  MutexLock lock(mutex_);
  while (noticed_ == nullptr && !(stopping_ && fills_.empty())) {
    if (!happened_.wait_until(mutex_, until)) {
      return nullptr;
    }
  }
  auto fill = std::move(noticed_);
  if (fill != nullptr) {
    noticed_ = std::move(fill->next_noticed);
    fill->noticed = false;
  }
  return fill;
}

Clock::time_point Engine::next_time() const noexcept {
  auto next = Clock::time_point::max();
  for (const auto& place : restless_) {
    const auto& fill = static_cast<const FillState&>(place);
    next = std::min(next, fill.running() ? measured_ + kMeasureEvery : next);
    next = std::min(next, fill.not_before().value_or(next));
  }
  return next;
}

void Engine::run() noexcept {
  for (;;) {
    const auto fill = next_noticed();
    const auto now = Clock::now();
    if (fill != nullptr) {
      handle(*fill, now);
    }
    if (now >= next_time()) {
      try {
        measure(now);
      } catch (const std::bad_alloc&) {
        // The next time; nothing has been lost.
      }
    }
    if (fill == nullptr) {
      MutexLock lock(mutex_);
      if (stopping_ && fills_.empty()) {
        return;
      }
    }
  }
}

void Engine::handle(FillState& fill, Clock::time_point now) noexcept {
  fill.obey();
  try {
    fill.collect(now);
  } catch (const std::bad_alloc&) {
    fill.finish(fail(Errc::no_memory, "fill"));
  }
  serve(fill.server(), now);  // those before it in the line first
  look_at(fill.shared_from_this(), now);
}

// In a list of its server's if it would begin more than it may.
void Engine::look_at(const std::shared_ptr<FillState>& fill, Clock::time_point now) noexcept {
  Place<Turn>& turn = *fill;
  Place<Restless>& restless = *fill;
  const bool first = restless_.empty();
  turn.unlink();
  restless.unlink();
  try {
    if (fill->look(now)) {
      (fill->wanted() ? fill->server().urgent : fill->server().later).push_back(turn);
    }
  } catch (const std::bad_alloc&) {
    fill->finish(fail(Errc::no_memory, "fill"));
  }
  if (!fill->running()) {
    fill->rest();
  }
  if (fill->running() || fill->not_before()) {
    measured_ = first ? now : measured_;
    restless_.push_back(restless);
  }
  if (fill->ended()) {
    drop(fill);
  }
}

// Each once at the most: who comes back to the list's end has had its turn.
void Engine::serve(Server& server, Clock::time_point now) noexcept {
  for (auto* const places : {&server.urgent, &server.later}) {
    const auto* const last = places->empty() ? nullptr : &places->back();
    for (bool more = last != nullptr; more && !places->empty();) {
      if ((places == &server.urgent ? server.free() : server.free_background()) == 0) {
        break;
      }
      Place<Turn>& first = places->front();
      more = &first != last;
      look_at(static_cast<FillState&>(first).shared_from_this(), now);
    }
  }
}

void Engine::measure(Clock::time_point now) {
  const Seconds elapsed = now - std::exchange(measured_, now);
  std::vector<std::shared_ptr<Server>> servers;
  std::vector<std::shared_ptr<FillState>> due;
  for (auto& place : restless_) {
    auto& fill = static_cast<FillState&>(place);
    fill.measure(now);
    // What they wait for may be nearer by another way now, and so may all the rest.
    if (fill.running() || (fill.not_before() && *fill.not_before() <= now)) {
      due.push_back(fill.shared_from_this());
    }
  }
  {
    MutexLock lock(mutex_);
    for (const auto& [name, server] : servers_) {
      servers.push_back(server);
    }
  }
  for (const auto& server : servers) {
    server->governor.measured(elapsed, std::exchange(server->bytes, 0), server->running, server->network.round_trip);
    serve(*server, now);
    if (!server->urgent.empty() && server->free() == 0) {
      make_way(*server);
    }
  }
  for (const auto& fill : due) {
    handle(*fill, now);
  }
}

// Somebody waits, and all connections are taken: one that brings what nobody waits for is given up.
void Engine::make_way(Server& server) noexcept {
  for (auto& place : restless_) {
    auto& fill = static_cast<FillState&>(place);
    if (&fill.server() == &server && fill.yield()) {
      return;
    }
  }
}

void Engine::drop(const std::shared_ptr<FillState>& fill) noexcept {
  static_cast<Place<Turn>&>(*fill).unlink();
  static_cast<Place<Restless>&>(*fill).unlink();
  MutexLock lock(mutex_);
  fills_.erase(fill);
}

}  // namespace strandline::fill
