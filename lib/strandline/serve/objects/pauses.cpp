#include <strandline/serve/objects/pauses.h>

#include <algorithm>
#include <utility>

namespace strandline::serve {

using origin::Failure;

std::optional<Failure> Pauses::standing(const std::string& server, const std::string& key, Time now) const {
  MutexLock lock(mutex_);
  const auto known = servers_.find(server);
  if (known == servers_.end()) {
    return std::nullopt;
  }
  const auto of_object = known->second.of_objects.find(key);
  const Pause* pause = of_object != known->second.of_objects.end() ? &of_object->second : nullptr;
  if (const auto& of_all = known->second.of_all; of_all && (pause == nullptr || pause->until < of_all->until)) {
    pause = &*of_all;
  }
  if (pause == nullptr || pause->until <= now) {
    return std::nullopt;
  }
  Failure failure = pause->said.clone();
  failure.retry_after = std::chrono::ceil<std::chrono::milliseconds>(pause->asked_until - now);
  return failure;
}

void Pauses::heard(const std::string& server, const std::string& key, const Failure* failure, Time now) {
  MutexLock lock(mutex_);
  if (failure == nullptr || !failure->retry_after || *failure->retry_after <= failure->retry_after->zero()) {
    const auto known = servers_.find(server);
    if (known != servers_.end() && (failure == nullptr || !failure->may_pass)) {
      known->second.answers = true;
    }
    return;
  }
  std::size_t objects = 0;
  for (auto it = servers_.begin(); it != servers_.end();) {
    end_past(it->second, now);
    objects += it->second.of_objects.size();
    it = it->second.of_objects.empty() && !it->second.of_all ? servers_.erase(it) : std::next(it);
  }
  // Later than any clock will show is late enough.
  constexpr std::chrono::hours kSome{24 * 365};
  const auto asked = std::min<std::chrono::milliseconds>(*failure->retry_after, kSome);
  const auto pause = [&] {
    return Pause{now + std::min<std::chrono::milliseconds>(asked, kLongest), now + asked, failure->clone()};
  };
  Server& asking = servers_[server];
  const bool others = asking.of_objects.size() > asking.of_objects.count(key);
  const bool answered = std::exchange(asking.answers, false);
  if (others && !answered) {
    asking.of_all = pause();
  } else if (objects < kMost) {
    asking.of_objects.insert_or_assign(key, pause());
  }
}

void Pauses::end_past(Server& server, Time now) noexcept {
  std::erase_if(server.of_objects, [&](const auto& each) { return each.second.until <= now; });
  if (server.of_all && server.of_all->until <= now) {
    server.of_all.reset();
  }
}

}  // namespace strandline::serve
