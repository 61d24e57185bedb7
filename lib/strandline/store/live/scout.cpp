#include <strandline/store/live/scout.h>

#include <algorithm>
#include <chrono>

namespace strandline::store {
namespace {

// A writer that dies between a change and the waking for it wakes nobody: its news are looked at after this.
constexpr std::chrono::seconds kLongest{1};

}  // namespace

void Scout::detach() noexcept {
  MutexLock lock(mutex_);
  lookout_.reset();
}

Look Scout::look(std::uint32_t news) noexcept {
  MutexLock lock(mutex_);
  return lookout_ ? lookout_->look(news) : Look::stop;
}

void Scout::stand_down() noexcept {
  looks_out_ = false;
  MutexLock lock(mutex_);
  if (lookout_) {
    lookout_->stand_down();
  }
}

bool Scout::begin() noexcept {
  if (!LiveFile::can_sleep_on_two() || taken_.exchange(true, std::memory_order_acquire)) {
    return false;
  }
  looks_out_ = true;
  looked_.reset();
  return true;
}

void Scout::end() noexcept {
  if (looks_out_) {
    stand_down();
  }
  taken_.store(false, std::memory_order_release);
}

bool Scout::sleep(Sync::Atomic<std::uint32_t>& word, std::uint32_t expected, Sync::time_point deadline) noexcept {
  if (looks_out_) {
    // Before the look: what changes after it is found in the next.
    const std::uint32_t news = signals_.news();
    const Look found = looked_ == news ? Look::done : look(news);
    if (word.load(std::memory_order_acquire) != expected) {
      return true;  // what is left to the keeper, stand_down() rings for
    }
    looked_ = news;  // once: ringing for the keeper again would bring nothing new
    if (found == Look::keeper) {
      signals_.ring();
    }
    const auto until = std::min(deadline, Sync::now() + kLongest);
    const auto slept = found != Look::stop ? signals_.sleep(news, word, expected, until) : std::nullopt;
    if (slept) {
      return *slept || until < deadline;
    }
    stand_down();
  }
  return Sync::futex_wait(word, expected, deadline);
}

}  // namespace strandline::store
