#include <strandline/resource/wait_index/wait_index.h>
#include <strandline/resource/wait_index/waiter_heap.h>

#include <algorithm>
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
  Groups& groups = groups_of(heap);
  const auto group = groups.find(first_missing);
  if (group == groups.end()) {
    heap.first_missing_ = first_missing;
    groups.insert(heap);
    return;
  }
  Waiter& root = *WaiterHeap::meld(&*group, &heap);
  if (&root != &*group) {
    root.first_missing_ = first_missing;
    groups.replace_node(group, root);
  }
}

std::uint64_t WaitIndex::add(Waiter& waiter, const Availability& availability) noexcept {
  const std::uint64_t first_missing = availability.first_missing(waiter.range_);
  waiter.parked_ = true;
  waiter.child_ = waiter.sibling_ = waiter.previous_ = nullptr;
  join(waiter, first_missing);
  if (availability.windowed()) {
    by_begin_.insert(waiter);
  }
  ++size_;
  return first_missing;
}

void WaitIndex::remove(Waiter& waiter) noexcept {
  if (waiter.previous_ != nullptr) {
    WaiterHeap::cut(waiter);
  } else {
    Groups& groups = groups_of(waiter);
    const auto group = groups.iterator_to(waiter);
    if (Waiter* const heir = WaiterHeap::pop(waiter)) {
      heir->first_missing_ = waiter.first_missing_;
      groups.replace_node(group, *heir);
    } else {
      groups.erase(group);
    }
  }
  if (!by_begin_.empty()) {
    by_begin_.erase(by_begin_.iterator_to(waiter));  // all are in it, or none
  }
  waiter.parked_ = false;
  --size_;
}

void WaitIndex::on_available(ByteRange run, const Availability& availability, ReadyList& ready) noexcept {
  for (Groups& groups : groups_) {
    const auto group = groups.lower_bound(run.begin);
    if (group != groups.end() && group->first_missing_ < run.end) {
      complete(groups, group, run, availability, ready);
    }
  }
}

void WaitIndex::complete(Groups& groups, Groups::iterator group, ByteRange run, const Availability& availability,
                         ReadyList& ready) noexcept {
  Waiter* heap = nullptr;
  while (group != groups.end() && group->first_missing_ < run.end) {
    Waiter& root = *group;
    group = groups.erase(group);
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
  // From the last to the first, so that the list begins with the first of the readers.
  for (Groups* const groups : {&groups_[1], &groups_[0]}) {
    while (!groups->empty()) {
      Waiter& root = *groups->rbegin();
      groups->erase(groups->iterator_to(root));
      all = WaiterHeap::flatten(&root, all);
    }
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

void WaitIndex::collect_demand(std::size_t limit, const Availability& availability, std::vector<Demand>& out) const {
  constexpr std::size_t kMostAsked = 64;  // waits of a group
  for (const Groups& groups : groups_) {
    for (auto root = groups.begin(); root != groups.end() && limit > 0; ++root, --limit) {
      Demand demand{{root->first_missing_, root->first_missing_ + 1}, std::nullopt, root->urgency_, 0};
      auto deadline = Sync::time_point::max();
      const auto widen = [&](const Waiter& waiter) {
        demand.missing.end = std::max(demand.missing.end, waiter.range_.end);
        deadline = std::min(deadline, waiter.deadline());
      };
      WaiterHeap::for_each(*root, widen, kMostAsked);
      demand.missing = availability.clamp(demand.missing);
      demand.enough = std::min(root->satisfied_at(), demand.missing.end);
      if (deadline != Sync::time_point::max()) {
        demand.deadline = deadline;
      }
      out.push_back(demand);
    }
  }
}

void WaitIndex::check_invariants(const Availability& availability) const {
  std::size_t count = 0;
  bool sound = availability.windowed() ? by_begin_.size() == size_ : by_begin_.empty();
  for (const Groups& groups : groups_) {
    for (const Waiter& root : groups) {
      sound = sound && root.previous_ == nullptr && &groups == &groups_[static_cast<std::size_t>(root.urgency_)];
      WaiterHeap::for_each(root, [&](const Waiter& waiter) {
        ++count;
        sound = sound && waiter.parked_ && waiter.verdict_ == Verdict::pending && root.urgency_ == waiter.urgency_ &&
                root.satisfied_at() <= waiter.satisfied_at() &&
                root.first_missing_ == availability.first_missing(waiter.range_) &&
                availability.check(waiter.range_, waiter.until_) == Coverage::missing;
        for (const Waiter* child = waiter.child_; child != nullptr; child = child->sibling_) {
          sound = sound && waiter.satisfied_at() <= child->satisfied_at();
        }
      });
    }
  }
  if (!sound || count != size_) {
    std::abort();
  }
}

}  // namespace strandline
