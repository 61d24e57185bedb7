#include <strandline/resource/wait_index/wait_index.h>
#include <strandline/resource/wait_index/waiter_heap.h>

#include <cstdlib>

namespace strandline {

Verdict verdict_of(Coverage coverage) noexcept {
  switch (coverage) {
    case Coverage::ready:
      return Verdict::ready;
    case Coverage::eof:
      return Verdict::eof;
    case Coverage::evicted:
      return Verdict::evicted;
    case Coverage::missing:
      break;
  }
  return Verdict::pending;
}

void ReadyList::push(Waiter& waiter) noexcept {
  const bool thread = waiter.wake_ == Waiter::Wake::thread;
  Chain& chain = thread ? threads_ : callbacks_;
  waiter.next_ = nullptr;
  if (!thread) {
    had_callbacks_ = true;
    waiter.ready_ = this;
    waiter.previous_ = chain.last;
  }
  (chain.last != nullptr ? chain.last->next_ : chain.first) = &waiter;
  chain.last = &waiter;
}

Waiter* ReadyList::pop_callback() noexcept {
  Waiter* const waiter = callbacks_.first;
  if (waiter != nullptr) {
    static_cast<void>(withdraw(*waiter));
  }
  return waiter;
}

bool ReadyList::withdraw(Waiter& waiter) noexcept {
  ReadyList* const list = std::exchange(waiter.ready_, nullptr);
  if (list == nullptr) {
    return false;
  }
  Waiter* const previous = std::exchange(waiter.previous_, nullptr);
  (previous != nullptr ? previous->next_ : list->callbacks_.first) = waiter.next_;
  (waiter.next_ != nullptr ? waiter.next_->previous_ : list->callbacks_.last) = previous;
  return true;
}

std::uint64_t ReadyList::wake_threads() noexcept {
  // Fewer than these gain nothing by waiting for each other.
  constexpr std::uint64_t kDirectly = 4;
  std::uint64_t count = 0;
  Waiter* const first = std::exchange(threads_, {}).first;
  for (Waiter* waiter = first; waiter != nullptr && count <= kDirectly; waiter = waiter->next_) {
    waiter->child_ = waiter->sibling_ = nullptr;
    ++count;
  }
  if (count <= kDirectly) {
    for (Waiter* waiter = first; waiter != nullptr;) {
      // It may be gone once it is woken, so its link is read before.
      std::exchange(waiter, waiter->next_)->wake();
    }
    return count;
  }
  // The list as a binary tree: each parent, in order, is given the next two. Parents come before their children.
  Waiter* parent = first;
  count = 1;
  for (Waiter* waiter = first->next_; waiter != nullptr; ++count) {
    parent->child_ = waiter;
    parent->sibling_ = waiter->next_;
    waiter = waiter->next_;
    if (waiter != nullptr) {
      waiter = waiter->next_;
      ++count;
    }
    parent = parent->next_;
  }
  for (; parent != nullptr; parent = parent->next_) {
    parent->child_ = parent->sibling_ = nullptr;
  }
  first->wake();
  return count;
}

void WaitIndex::join(Waiter& heap, std::uint64_t first_missing) noexcept {
  const auto group = groups_.find(first_missing);
  if (group == groups_.end()) {
    heap.first_missing_ = first_missing;
    groups_.insert(heap);
    return;
  }
  Waiter& root = *WaiterHeap::meld(&*group, &heap);
  if (&root != &*group) {
    root.first_missing_ = first_missing;
    groups_.replace_node(group, root);
  }
}

void WaitIndex::add(Waiter& waiter, const Availability& availability) noexcept {
  waiter.parked_ = true;
  waiter.child_ = waiter.sibling_ = waiter.previous_ = nullptr;
  join(waiter, availability.first_missing(waiter.range_));
  if (availability.windowed()) {
    by_begin_.insert(waiter);
  }
  ++size_;
}

void WaitIndex::remove(Waiter& waiter) noexcept {
  if (waiter.previous_ != nullptr) {
    WaiterHeap::cut(waiter);
  } else {
    const auto group = groups_.iterator_to(waiter);
    if (Waiter* const heir = WaiterHeap::pop(waiter)) {
      heir->first_missing_ = waiter.first_missing_;
      groups_.replace_node(group, *heir);
    } else {
      groups_.erase(group);
    }
  }
  if (!by_begin_.empty()) {
    by_begin_.erase(by_begin_.iterator_to(waiter));  // all are in it, or none
  }
  waiter.parked_ = false;
  --size_;
}

void WaitIndex::on_available(ByteRange run, const Availability& availability, ReadyList& ready) noexcept {
  auto group = groups_.lower_bound(run.begin);
  if (group == groups_.end() || group->first_missing_ >= run.end) {
    return;
  }
  Waiter* heap = nullptr;
  while (group != groups_.end() && group->first_missing_ < run.end) {
    Waiter& root = *group;
    group = groups_.erase(group);
    heap = WaiterHeap::meld(heap, &root);
  }
  // All is there up to here; and at the length nothing more can come, so that everybody has all there is.
  const std::uint64_t end = availability.first_missing({run.begin, kMaxOffset});
  const std::uint64_t known = availability.length().value_or(kMaxOffset);
  const std::uint64_t satisfied = end >= known ? kMaxOffset : end;
  while (heap != nullptr && heap->satisfied_at() <= satisfied) {
    Waiter& waiter = *heap;
    heap = WaiterHeap::pop(waiter);
    if (!by_begin_.empty()) {
      by_begin_.erase(by_begin_.iterator_to(waiter));
    }
    waiter.parked_ = false;
    --size_;
    waiter.decide(Verdict::ready, nullptr);
    ready.push(waiter);
  }
  if (heap != nullptr) {
    join(*heap, end);
  }
}

void WaitIndex::on_evicted(const Availability& availability, ReadyList& ready) noexcept {
  for (auto it = by_begin_.begin(); it != by_begin_.end() && it->range_.begin < availability.window_begin();) {
    Waiter& waiter = *it++;
    remove(waiter);
    waiter.decide(Verdict::evicted, nullptr);
    ready.push(waiter);
  }
}

Waiter* WaitIndex::take_all() noexcept {
  by_begin_.clear();
  size_ = 0;
  Waiter* all = nullptr;
  // From the last to the first, so that the list begins with the first.
  while (!groups_.empty()) {
    Waiter& root = *groups_.rbegin();
    groups_.erase(groups_.iterator_to(root));
    all = WaiterHeap::flatten(&root, all);
  }
  for (Waiter* waiter = all; waiter != nullptr; waiter = waiter->next_) {
    waiter->parked_ = false;
  }
  return all;
}

void WaitIndex::on_dropped(const Availability& availability) noexcept {
  for (Waiter* next = take_all(); next != nullptr;) {
    Waiter& waiter = *std::exchange(next, next->next_);
    add(waiter, availability);
  }
}

void WaitIndex::check_invariants(const Availability& availability) const {
  std::size_t count = 0;
  bool sound = availability.windowed() ? by_begin_.size() == size_ : by_begin_.empty();
  for (const Waiter& root : groups_) {
    sound = sound && root.previous_ == nullptr;
    WaiterHeap::for_each(root, [&](const Waiter& waiter) {
      ++count;
      sound = sound && waiter.parked_ && waiter.verdict_ == Verdict::pending &&
              root.satisfied_at() <= waiter.satisfied_at() &&
              root.first_missing_ == availability.first_missing(waiter.range_) &&
              availability.check(waiter.range_, waiter.until_) == Coverage::missing;
      for (const Waiter* child = waiter.child_; child != nullptr; child = child->sibling_) {
        sound = sound && waiter.satisfied_at() <= child->satisfied_at();
      }
    });
  }
  if (!sound || count != size_) {
    std::abort();
  }
}

}  // namespace strandline
