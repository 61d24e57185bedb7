#include <strandline/fill/opening/object_slot.h>

#include <utility>

namespace strandline::fill {
using origin::Failure;

ObjectSlot::Opened ObjectSlot::get(const Validator& wanted, const Ask& ask, const std::stop_token& stop) {
  const std::stop_callback wake(stop, [this]() noexcept {
    MutexLock lock(mutex_);
    answered_.notify_all();
  });
  std::shared_ptr<OpenObject> at_hand;  // ends outside the lock
  MutexLock lock(mutex_);
  const std::uint64_t earlier = questions_;  // their answers may be of before this call
  while (!serves_locked(wanted)) {
    if (stop.stop_requested()) {
      return tl::unexpected(Failure{Error::make(Errc::interrupted)});
    }
    if (asking_) {
      answered_.wait(mutex_);
      continue;
    }
    if (last_answered_ > earlier && failure_) {
      return tl::unexpected(failure_->clone());
    }
    if (last_answered_ > earlier && object_ != nullptr) {
      break;
    }
    asking_ = true;
    const std::uint64_t question = ++questions_;
    at_hand = untold_locked() ? nullptr : object_;
    auto dated = untold_locked() ? std::exchange(object_, nullptr) : nullptr;
    lock.unlock();
    dated.reset();  // else its writer would keep another version out
    auto opened = ask(at_hand);
    lock.lock();
    asking_ = false;
    answered_.notify_all();
    if (!opened && stop.stop_requested()) {
      return opened;  // which is no answer for the others
    }
    last_answered_ = question;
    failure_ = opened ? std::nullopt : std::optional<Failure>(opened.error().clone());
    if (!opened) {
      return opened;
    }
    object_ = std::move(*opened);
    opened_at_ = Sync::now();
    break;
  }
  if (wanted.kind != Validator::Kind::none && wanted != object_->info.validator) {
    return tl::unexpected(
        Failure{Error::make(Errc::changed, "the origin has another version: " + object_->info.validator.value)});
  }
  return object_;
}

void ObjectSlot::forget(const std::shared_ptr<OpenObject>& object) {
  MutexLock lock(mutex_);
  if (object_ == object) {
    object_.reset();
  }
}

bool ObjectSlot::in_use() {
  MutexLock lock(mutex_);
  return object_.use_count() > 1;
}

bool ObjectSlot::untold_locked() const {
  return object_ != nullptr && object_->info.validator.kind == Validator::Kind::none;
}

bool ObjectSlot::serves_locked(const Validator& wanted) const {
  if (untold_locked()) {
    return object_.use_count() > 1 || Sync::now() - opened_at_ < untold_for_;
  }
  return object_ != nullptr && object_->info.validator == wanted;
}

}  // namespace strandline::fill
