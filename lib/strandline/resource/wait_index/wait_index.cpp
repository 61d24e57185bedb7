#include <strandline/resource/wait_index.h>

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
  Chain& chain = waiter.wake_ == Waiter::Wake::thread ? threads_ : callbacks_;
  waiter.next_ready_ = nullptr;
  (chain.last != nullptr ? chain.last->next_ready_ : chain.first) = &waiter;
  chain.last = &waiter;
}

std::uint64_t ReadyList::wake_all(Chain& chain) noexcept {
  std::uint64_t count = 0;
  for (Waiter* waiter = std::exchange(chain, {}).first; waiter != nullptr; ++count) {
    // The waiter may be gone once it is woken, so its link is read before.
    std::exchange(waiter, waiter->next_ready_)->wake();
  }
  return count;
}

void WaitIndex::add(Waiter& waiter, const Availability& availability) noexcept {
  waiter.parked_ = true;
  waiter.first_missing_ = availability.first_missing(waiter.range_);
  by_missing_.insert(waiter);
  by_begin_.insert(waiter);
}

void WaitIndex::remove(Waiter& waiter) noexcept {
  by_missing_.erase(by_missing_.iterator_to(waiter));
  by_begin_.erase(by_begin_.iterator_to(waiter));
  waiter.parked_ = false;
}

void WaitIndex::end(Waiter& waiter, Verdict verdict, const std::shared_ptr<const Error>& reason,
                    ReadyList& ready) noexcept {
  remove(waiter);
  waiter.decide(verdict, reason);
  ready.push(waiter);
}

void WaitIndex::on_available(ByteRange run, const Availability& availability, ReadyList& ready) noexcept {
  for (auto it = by_missing_.lower_bound(run.begin); it != by_missing_.end() && it->first_missing_ < run.end;) {
    Waiter& waiter = *it;
    it = by_missing_.erase(it);
    const Verdict verdict = verdict_of(availability.check(waiter.range_, waiter.until_));
    // Put back before anything else: what it lacks now lies at or past run.end, so this loop ends. A
    // wait for any byte lacks only its first.
    waiter.first_missing_ = availability.first_missing(waiter.range_);
    by_missing_.insert(waiter);
    if (verdict != Verdict::pending) {
      end(waiter, verdict, nullptr, ready);
    }
  }
}

void WaitIndex::on_evicted(const Availability& availability, ReadyList& ready) noexcept {
  for (auto it = by_begin_.begin(); it != by_begin_.end() && it->range_.begin < availability.window_begin();) {
    Waiter& waiter = *it++;
    end(waiter, Verdict::evicted, nullptr, ready);
  }
}

void WaitIndex::on_dropped(const Availability& availability) noexcept {
  by_missing_.clear();
  for (Waiter& waiter : by_begin_) {
    waiter.first_missing_ = availability.first_missing(waiter.range_);
    by_missing_.insert(waiter);
  }
}

void WaitIndex::check_invariants(const Availability& availability) const {
  bool sound = by_missing_.size() == by_begin_.size();
  for (const Waiter& waiter : by_begin_) {
    sound = sound && waiter.parked_ && waiter.verdict_ == Verdict::pending &&
            waiter.first_missing_ == availability.first_missing(waiter.range_) &&
            availability.check(waiter.range_, waiter.until_) == Coverage::missing;
  }
  if (!sound) {
    std::abort();
  }
}

}  // namespace strandline
