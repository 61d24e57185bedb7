#include <strandline/serve/objects/lines.h>

#include <algorithm>
#include <utility>

namespace strandline::serve {

bool Lines::take(const std::string& of) {
  MutexLock lock(mutex_);
  Line& line = lines_[of];
  if (line.taken == at_once_) {
    return false;
  }
  ++line.taken;
  return true;
}

void Lines::stand(const std::string& of, const void* who, Turn turn) {
  {
    MutexLock lock(mutex_);
    Line& line = lines_[of];
    if (line.taken == at_once_) {
      line.standing.push_back({who, std::move(turn)});
      return;
    }
    ++line.taken;
  }
  turn();
}

bool Lines::leave(const std::string& of, const void* who) noexcept {
  std::list<Standing> gone;
  MutexLock lock(mutex_);
  const auto known = lines_.find(of);
  if (known == lines_.end()) {
    return false;
  }
  auto& standing = known->second.standing;
  const auto it = std::find_if(standing.begin(), standing.end(), [&](const Standing& one) { return one.who == who; });
  if (it != standing.end()) {
    gone.splice(gone.end(), standing, it);
  }
  return !gone.empty();
}

void Lines::give_back(const std::string& of) {
  std::list<Standing> next;
  {
    MutexLock lock(mutex_);
    const auto known = lines_.find(of);
    Line& line = known->second;
    if (!line.standing.empty()) {
      next.splice(next.end(), line.standing, line.standing.begin());
    } else if (--line.taken == 0) {
      lines_.erase(known);
    }
  }
  for (const Standing& one : next) {
    one.turn();
  }
}

}  // namespace strandline::serve
