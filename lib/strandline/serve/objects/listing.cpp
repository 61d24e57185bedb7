// Objects: what is open, for those who look after the server.
#include <strandline/serve/objects/objects.h>

#include <utility>

namespace strandline::serve {

std::vector<Objects::Listed> Objects::open_objects() const {
  std::vector<Listed> listed;
  MutexLock lock(mutex_);
  listed.reserve(slots_.size());
  for (const auto& [name, slot] : slots_) {
    if (slot.object != nullptr) {
      // Not the object itself: by the number of those who hold that it is judged whether anybody reads it.
      listed.push_back({name, slot.object->info.content_type, slot.object->fetched});
    }
  }
  return listed;
}

Objects::Forgot Objects::forget(const std::string& name) noexcept {
  std::shared_ptr<const Object> object;
  {
    MutexLock lock(mutex_);
    const auto slot = slots_.find(name);
    if (slot == slots_.end()) {
      return Forgot::was_not_open;
    }
    if (slot->second.asking != nullptr || slot->second.object.use_count() > 1) {
      return Forgot::in_use;
    }
    object = std::move(slot->second.object);
    used_.erase(slot->second.used);
    slots_.erase(slot);
  }
  if (object != nullptr) {
    object->fetched.give_up(Error::make(Errc::cancelled, "purged"));  // what is written cannot be removed
  }
  return Forgot::forgotten;
}

}  // namespace strandline::serve
