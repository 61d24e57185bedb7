// Entry: what a thread that waits does for its whole process when another process has written: the common case only,
// without waiting for anybody. Anything else is the keeper's, in follow().
#include <strandline/drivers/file/failure.h>
#include <strandline/resource/core/parts.h>
#include <strandline/store/entry/entry.h>
#include <strandline/store/live/scout.h>

#include <new>

namespace strandline::store {
namespace {

// 64 KiB of records. Who is further behind leaves the rest to the keeper, and sleeps on: a wait has a deadline.
constexpr int kMostLooks = 16;

// Is it applied by publishing, or by nothing at all? That calls no driver, and waits for no reader.
bool is_quick(std::uint8_t type) noexcept {
  switch (static_cast<RecordType>(type)) {
    case RecordType::range:
    case RecordType::pieces:
    case RecordType::barrier:
    case RecordType::checksums:
      return true;
    default:
      return false;
  }
}

}  // namespace

void Entry::make_scout() {
  scout_ = std::make_shared<Scout>(
      driver_.options().signals,
      Scout::Lookout{[this](std::uint32_t news) { return look(news); }, [this] { stand_down(); }});
  core().set_sleeper(scout_);
}

void Entry::end_scout() noexcept {
  if (scout_ == nullptr) {
    return;  // there was no memory for it: the entry was never open
  }
  scout_->detach();
  core().set_sleeper(nullptr);
}

Look Entry::look(std::uint32_t news) noexcept {
  if (driver_.inherited()) {
    return Look::stop;
  }
  // Who has it may be at work for long, and is the keeper mostly.
  if (!mutex_.try_lock()) {
    return Look::keeper;
  }
  const Look found = look_locked(news);
  mutex_.unlock();
  return found;
}

Look Entry::look_locked(std::uint32_t news) noexcept {
  if (past_ || !stand_in_ || is_writer()) {
    return Look::stop;  // nobody writes it elsewhere: a process wakes nobody for what it writes itself
  }
  const Signals& signals = driver_.options().signals;
  scouted_.store(true, std::memory_order_release);
  if (asked_) {
    signals.unwatch(*std::exchange(asked_, std::nullopt));
  }
  if (!News::is_later(news, news_)) {
    return Look::done;  // the keeper has got as far, or further
  }
  if (effects_ == nullptr) {
    effects_.reset(new (std::nothrow) Effects(core()));
  }
  if (effects_ == nullptr || !follower_) {
    return Look::keeper;
  }
  // As follow_locked() has them.
  const std::uint32_t changes = signals.changes();
  const std::uint32_t drops = signals.drops();
  const bool all = apply_known_locked(*effects_);
  effects_->wake_threads();
  if (!all || effects_->calls()) {
    return Look::keeper;  // with news_ as it was, so that it is rung for when the scout leaves now
  }
  news_ = news;
  changes_ = changes;
  driver_.followed(drops);
  return Look::done;
}

// True: some ranges, all that there are, and in the journal that has the name: asked last, so that one which takes its
// place after that has not been told of when the caller looked what had changed.
bool Entry::apply_known_locked(Effects& effects) noexcept {
  bool ranges = false;
  for (int looks = 0; looks < kMostLooks; ++looks) {
    if (!follower_->look()) {
      return false;
    }
    while (const auto record = follower_->known()) {
      if (!is_quick(record->type)) {
        return false;
      }
      if (!file::contained([&] {
            mutex_.assert_held();
            return apply_locked(*record, effects);
          })) {
        follower_.reset();  // as there: the whole of it tells what is right
        return false;
      }
      follower_->take(*record);
      ranges = ranges || static_cast<RecordType>(record->type) == RecordType::range;
    }
    if (follower_->at_end()) {
      const auto facts = follower_->facts();
      return ranges && facts && facts->has_name;
    }
  }
  return false;
}

void Entry::stand_down() noexcept {
  scouted_.store(false, std::memory_order_release);
  // From here on the keeper does not count on a scout. If it has just done so, or something has changed since the last
  // look, it shall look again.
  bool watched = false;
  if (mutex_.try_lock()) {
    watched = watch_locked() && (effects_ == nullptr || !effects_->calls());
    mutex_.unlock();
  }
  if (!watched) {
    driver_.options().signals.ring();
  }
}

bool Entry::watch() noexcept {
  MutexLock lock(mutex_);
  return scouted_.load(std::memory_order_acquire) || watch_locked();
}

bool Entry::watch_locked() noexcept {
  if (past_ || is_writer()) {
    return true;
  }
  const Signals& signals = driver_.options().signals;
  // One that asks twice would be counted twice.
  if (asked_ == news_) {
    return signals.news() == news_;
  }
  if (!signals.watch(news_)) {
    return false;
  }
  asked_ = news_;
  return true;
}

}  // namespace strandline::store
