// WaitIndex: the parked waits of a resource, found by the bytes that concern them.
// Threads: guarded by the resource's lock. Blocks: never. Errors: none, it allocates nothing.
// Cost: a write or eviction costs O(log groups + waits it ends); what ends, stops or interrupts all costs O(waits).
// Lifetime: a Waiter stays put while parked.
#pragma once

#include <strandline/resource/availability/availability.h>
#include <strandline/resource/demand.h>
#include <strandline/resource/wait_index/waiter.h>

#include <array>
#include <boost/intrusive/set.hpp>
#include <cstdint>
#include <memory>
#include <vector>

namespace strandline {

// Waits of one urgency that lack the same first byte are a group: a pairing heap (Fredman, Sedgewick, Sleator, Tarjan,
// 1986) by the byte at which they are satisfied. Its root stands in a tree by that first byte, one tree for each
// urgency. A write takes out the groups it fills, pops those it completes and melds the rest into the group of the next
// missing byte.
// Invariant: a parked waiter is in exactly one heap, whose root's key is the first byte that it lacks; in a
// window it is also in a tree by where its range begins; every parked waiter is pending.
class WaitIndex {
 public:
  // Answers the first byte that the wait lacks.
  std::uint64_t add(Waiter& waiter, const Availability& availability) noexcept;
  // Takes out a waiter that gives up by itself.
  void remove(Waiter& waiter) noexcept;

  // The run has become available: those it completes are ready, the others lack a later byte.
  void on_available(ByteRange run, const Availability& availability, ReadyList& ready) noexcept;
  // The window's begin has moved: waits on bytes behind it can no longer be met.
  void on_evicted(const Availability& availability, ReadyList& ready) noexcept;
  // Bytes were taken away from under parked waits, which may lack an earlier byte now.
  void on_dropped(const Availability& availability) noexcept;
  // Asks `judge(const Waiter&) -> Verdict` of every wait, and ends those that are not pending.
  template <class Judge>
  void decide_all(Judge&& judge, const Availability& availability, const std::shared_ptr<const Error>& reason,
                  ReadyList& ready) noexcept {
    for (Waiter* next = take_all(); next != nullptr;) {
      Waiter& waiter = *std::exchange(next, next->next_);
      const Verdict verdict = judge(std::as_const(waiter));
      if (verdict == Verdict::pending) {
        add(waiter, availability);
      } else {
        waiter.decide(verdict, reason);
        ready.push(waiter);
      }
    }
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  // Appends what is waited for, at most `limit` groups: readers' by offset, then the others'. O(limit). May throw
  // std::bad_alloc.
  void collect_demand(std::size_t limit, const Availability& availability, std::vector<Demand>& out) const;
  // Aborts when the invariant is broken. O(waits log ranges).
  void check_invariants(const Availability& availability) const;

 private:
  struct MissingOf {
    using type = std::uint64_t;
    std::uint64_t operator()(const Waiter& waiter) const noexcept { return waiter.first_missing_; }
  };
  struct BeginOf {
    using type = std::uint64_t;
    std::uint64_t operator()(const Waiter& waiter) const noexcept { return waiter.range_.begin; }
  };

  using Groups = boost::intrusive::set<Waiter, boost::intrusive::key_of_value<MissingOf>,
                                       boost::intrusive::member_hook<Waiter, Waiter::Hook, &Waiter::by_missing_>>;

  // The tree of its kind.
  [[nodiscard]] Groups& groups_of(const Waiter& waiter) noexcept {
    return groups_[static_cast<std::size_t>(waiter.urgency_)];
  }
  // Of one tree, from `group` on: at least one lacks a byte of the run.
  void complete(Groups& groups, Groups::iterator group, ByteRange run, const Availability& availability,
                ReadyList& ready) noexcept;
  // Makes the heap the group of `first_missing`, or a part of it.
  void join(Waiter& heap, std::uint64_t first_missing) noexcept;
  // Takes every waiter out; a list through next_.
  [[nodiscard]] Waiter* take_all() noexcept;

  std::array<Groups, 2> groups_;  // the roots, by urgency
  boost::intrusive::multiset<Waiter, boost::intrusive::key_of_value<BeginOf>,
                             boost::intrusive::member_hook<Waiter, Waiter::Hook, &Waiter::by_begin_>>
      by_begin_;  // in a window only
  std::size_t size_ = 0;
};

// What a wait's bytes say about it: ready, eof, evicted, or pending while they are missing.
[[nodiscard]] Verdict verdict_of(Coverage coverage) noexcept;

}  // namespace strandline
