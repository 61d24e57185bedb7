#include <strandline/serve/control/view/events.h>

#include <nlohmann/json.hpp>
#include <utility>

namespace strandline::serve {

using nlohmann::json;

namespace {

constexpr auto kEvery = std::chrono::milliseconds(100);
constexpr std::size_t kMostListeners = 64;

}  // namespace

std::shared_ptr<const std::string> Listener::take() {
  MutexLock lock(mutex_);
  return std::exchange(newest_, nullptr);
}

void Listener::tell(std::shared_ptr<const std::string> event) {
  {
    MutexLock lock(mutex_);
    newest_ = std::move(event);  // one that has not been taken is skipped
  }
  told_ = true;
  wake_();
}

std::shared_ptr<Listener> Events::listen(std::size_t cells, std::function<void()> wake) {
  std::shared_ptr<Listener> listener(new Listener(cells, std::move(wake)));
  MutexLock lock(mutex_);
  std::erase_if(listeners_, [](const auto& each) { return each.expired(); });
  if (listeners_.size() >= kMostListeners) {
    return nullptr;
  }
  listeners_.push_back(listener);
  return listener;
}

std::vector<std::shared_ptr<Listener>> Events::listeners() {
  std::vector<std::shared_ptr<Listener>> found;
  MutexLock lock(mutex_);
  for (const auto& each : listeners_) {
    if (auto listener = each.lock()) {
      found.push_back(std::move(listener));
    }
  }
  return found;
}

Events::Clock::time_point Events::tick(Picture& picture, Clock::time_point now) {
  const auto told = listeners();
  if (told.empty()) {
    states_.clear();
    return Clock::time_point::max();
  }
  if (now - told_ < kEvery) {
    return told_ + kEvery;
  }
  told_ = now;
  picture.look(now);
  ++number_;
  for (const auto& listener : told) {
    State& state = states_[listener->cells_];
    if (!std::exchange(state.used, true)) {
      json data = picture.state(listener->cells_);
      json compared = data;
      compared.erase("time_ms");
      compared.erase("uptime_s");
      std::string text = compared.dump(-1, ' ', false, json::error_handler_t::replace);
      state.is_new = text != state.compared;
      if (state.is_new) {
        state.compared = std::move(text);
        state.event =
            std::make_shared<const std::string>("id: " + std::to_string(number_) + "\nevent: state\ndata: " +
                                                data.dump(-1, ' ', false, json::error_handler_t::replace) + "\n\n");
      }
    }
    if (state.is_new || !listener->told_) {
      listener->tell(state.event);
    }
  }
  for (auto it = states_.begin(); it != states_.end();) {
    it = std::exchange(it->second.used, false) ? std::next(it) : states_.erase(it);
  }
  return now + kEvery;
}

}  // namespace strandline::serve
