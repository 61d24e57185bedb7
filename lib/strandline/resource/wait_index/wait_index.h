// WaitIndex: the parked waits of a resource, found by the bytes that concern them.
// Threads: guarded by the resource's lock; ReadyList::wake() runs outside it. Blocks: never. Errors: none, it
// allocates nothing. Cost: O(log waits + waits touched) per write or eviction. Lifetime: a Waiter stays put while
// parked.
#pragma once

#include <strandline/resource/availability.h>

#include <boost/intrusive/set.hpp>
#include <cstdint>
#include <memory>
#include <utility>

namespace strandline {

// How a wait ends, in the order of precedence of rule R4; pending while nothing has decided it.
enum class Verdict : std::uint8_t {
  cancelled,
  ready,
  eof,
  evicted,
  failed,
  no_writer,
  interrupted,
  timed_out,
  pending
};

// One parked wait. The thread that decides it (under the resource's lock, once) puts it on a ReadyList, and
// wake(), called after unlocking, is the last that anybody but the waiter does with it: so a waiter on
// a stack may go as soon as wake() has let it run, and not before.
class Waiter {
 public:
  // What wake() does: let a sleeping thread go on, or run user code.
  enum class Wake : std::uint8_t { thread, callback };

  Waiter(ByteRange range, WaitFor until, Wake wake) noexcept : range_(range), until_(until), wake_(wake) {}
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  virtual ~Waiter() = default;

  [[nodiscard]] ByteRange range() const noexcept { return range_; }
  [[nodiscard]] WaitFor until() const noexcept { return until_; }

  // Below: guarded by the resource's lock until wake(), the waiter's own after it.
  [[nodiscard]] Verdict verdict() const noexcept { return verdict_; }
  [[nodiscard]] bool parked() const noexcept { return parked_; }
  [[nodiscard]] const std::shared_ptr<const Error>& reason() const noexcept { return reason_; }
  void decide(Verdict verdict, std::shared_ptr<const Error> reason) noexcept {
    verdict_ = verdict;
    reason_ = std::move(reason);
  }
  // A stop or a deadline that came before the wait was parked.
  void request_end(Verdict verdict) noexcept { requested_ = std::min(requested_, verdict); }
  [[nodiscard]] Verdict requested_end() const noexcept { return requested_; }

 private:
  friend class WaitIndex;
  friend class ReadyList;
  virtual void wake() noexcept = 0;

  using Hook = boost::intrusive::set_member_hook<boost::intrusive::link_mode<boost::intrusive::normal_link>>;

  const ByteRange range_;
  const WaitFor until_;
  const Wake wake_;
  Verdict verdict_ = Verdict::pending;
  Verdict requested_ = Verdict::pending;
  bool parked_ = false;
  std::uint64_t first_missing_ = 0;  // while parked: what the next write must bring to matter
  std::shared_ptr<const Error> reason_;
  Hook by_missing_;
  Hook by_begin_;
  Waiter* next_ready_ = nullptr;
};

// Decided waits on their way to being woken: threads first, each kind in the order of deciding.
class ReadyList {
 public:
  ReadyList() noexcept = default;
  ReadyList(const ReadyList&) = delete;
  ReadyList& operator=(const ReadyList&) = delete;

  void push(Waiter& waiter) noexcept;
  [[nodiscard]] bool empty() const noexcept { return threads_.first == nullptr && callbacks_.first == nullptr; }
  // Both are for after unlocking, and answer how many they woke. Threads may be woken in the midst of a write;
  // callbacks only when the call that decided them has nothing in its hands any more.
  std::uint64_t wake_threads() noexcept { return wake_all(threads_); }
  std::uint64_t wake() noexcept { return wake_all(threads_) + wake_all(callbacks_); }

 private:
  struct Chain {
    Waiter* first = nullptr;
    Waiter* last = nullptr;
  };
  static std::uint64_t wake_all(Chain& chain) noexcept;

  Chain threads_;
  Chain callbacks_;
};

// Invariant: each parked waiter is in both trees, keyed in one by the first byte it lacks, in the other by
// where its range begins; every parked waiter is pending.
class WaitIndex {
 public:
  void add(Waiter& waiter, const Availability& availability) noexcept;
  // Takes out a waiter that gives up by itself.
  void remove(Waiter& waiter) noexcept;

  // The run has become available: those it completes are ready, the others lack a later byte.
  void on_available(ByteRange run, const Availability& availability, ReadyList& ready) noexcept;
  // The window's begin has moved: waits on bytes behind it can no longer be met.
  void on_evicted(const Availability& availability, ReadyList& ready) noexcept;
  // Bytes were taken away from under parked waits, which may lack an earlier byte now. O(waits log waits).
  void on_dropped(const Availability& availability) noexcept;
  // Asks `judge(const Waiter&) -> Verdict` of every wait, and ends those that are not pending.
  template <class Judge>
  void decide_all(Judge&& judge, const std::shared_ptr<const Error>& reason, ReadyList& ready) noexcept {
    for (auto it = by_begin_.begin(); it != by_begin_.end();) {
      Waiter& waiter = *it++;
      if (const Verdict verdict = judge(std::as_const(waiter)); verdict != Verdict::pending) {
        end(waiter, verdict, reason, ready);
      }
    }
  }

  [[nodiscard]] std::size_t size() const noexcept { return by_begin_.size(); }
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
  void end(Waiter& waiter, Verdict verdict, const std::shared_ptr<const Error>& reason, ReadyList& ready) noexcept;

  boost::intrusive::multiset<Waiter, boost::intrusive::key_of_value<MissingOf>,
                             boost::intrusive::member_hook<Waiter, Waiter::Hook, &Waiter::by_missing_>>
      by_missing_;
  boost::intrusive::multiset<Waiter, boost::intrusive::key_of_value<BeginOf>,
                             boost::intrusive::member_hook<Waiter, Waiter::Hook, &Waiter::by_begin_>>
      by_begin_;
};

// What a wait's bytes say about it: ready, eof, evicted, or pending while they are missing.
[[nodiscard]] Verdict verdict_of(Coverage coverage) noexcept;

}  // namespace strandline
