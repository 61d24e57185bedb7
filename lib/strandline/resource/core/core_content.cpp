// Core: which content readers see, what they may rely on without the lock, and when a replaced one goes.
#include <strandline/base/hazard.h>
#include <strandline/resource/core/parts.h>

#include <utility>

namespace strandline {

// Bytes have gone from the content's availability: readers in it must look again, and waits too.
void Core::drop_locked(Content& content) noexcept {
  content.drops.fetch_add(1, std::memory_order_release);
  // With the acquire fence of still_there(): who copies what replaces the bytes sees that they were dropped.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (&content == readable_.get()) {
    update_hints_locked();
    waits_.on_dropped(content.availability);
  }
}

void Core::update_hints_locked() noexcept {
  const bool cancelled = life_.state() == State::cancelled;
  // Stored only when changed: readers on other processors keep the cache line.
  const std::uint64_t prefix = cancelled ? 0 : readable_->availability.sure_begin();
  const std::uint64_t before = sure_prefix_.load(std::memory_order_relaxed);
  Content* const sure = cancelled || capacity_ ? nullptr : readable_.get();
  if (sure_content_.load(std::memory_order_relaxed) != sure) {
    // In three steps, so that who has seen bytes of the new content never comes upon the old one after that: what
    // both have, the new one, what only that has.
    if (prefix < before) {
      sure_prefix_.store(prefix, std::memory_order_release);
    }
    sure_content_.store(sure, std::memory_order_release);
  }
  if (before != prefix) {
    sure_prefix_.store(prefix, std::memory_order_release);
  }
}

void Core::show_locked(std::unique_ptr<Content> content) noexcept {
  std::unique_ptr<Content> before = std::exchange(readable_, std::move(content));
  before->next_retired = std::move(retired_);
  retired_ = std::move(before);
  update_hints_locked();
  retired_waiting_.store(true, std::memory_order_relaxed);
}

void Core::reclaim() noexcept {
  std::unique_ptr<Content> unused;
  MutexLock lock(mutex_);
  // Under the lock: a content that is retired after the fence would not be covered by it.
  if (!Sync::heavy_fence()) {
    return;  // they stay until another tries, or the resource goes
  }
  std::unique_ptr<Content>* at = &retired_;
  while (*at) {
    if ((*at)->counted_readers > 0 || Hazard::held(at->get())) {
      at = &(*at)->next_retired;
      continue;
    }
    std::unique_ptr<Content> one = std::move(*at);
    *at = std::move(one->next_retired);
    one->next_retired = std::move(unused);
    unused = std::move(one);
  }
  retired_waiting_.store(retired_ != nullptr, std::memory_order_relaxed);
  lock.unlock();
  // One at a time: a long list must not be a deep recursion.
  while (unused) {
    unused = std::move(unused->next_retired);
  }
}

void Core::close() noexcept {
  cancel();  // from here on readers find no content without the lock, and nothing with it
  const bool fenced = Sync::heavy_fence();
  std::shared_ptr<Storage> storage;
  std::unique_ptr<Content> next;
  MutexLock lock(mutex_);
  // A reader that is still in it keeps this alive too, and the storage goes with us.
  if (fenced && readable_->counted_readers == 0 && !Hazard::held(readable_.get())) {
    storage = std::move(readable_->storage);
  }
  next = std::move(next_);
  lock.unlock();
}

}  // namespace strandline
