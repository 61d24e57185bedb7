// Waiter: one wait, and ReadyList: decided waits on their way to being woken.
// Threads: guarded by the resource's lock until decided, then as said below. Blocks: never. Errors: none.
// Cost: no allocation; a Waiter is 144 bytes. Lifetime: a Waiter stays put from parking until wake() or
// Core::withdraw().
#pragma once

#include <strandline/base/byte_range.h>
#include <strandline/base/sync.h>
#include <strandline/resource/wait.h>

#include <boost/intrusive/set_hook.hpp>
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

class ReadyList;

// The thread that decides a wait (under the resource's lock, once) puts it on a ReadyList. wake(), called after
// unlocking, is the last that anybody but the waiter does with it: so a waiter on a stack may go as
// soon as wake() has let it run, and not before.
class Waiter {
 public:
  // What wake() does: let a sleeping thread go on, or run user code.
  enum class Wake : std::uint8_t { thread, callback };

  Waiter(ByteRange range, WaitFor until, Wake wake, Urgency urgency = Urgency::reader) noexcept
      : range_(range), until_(until), wake_(wake), urgency_(urgency) {}
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  virtual ~Waiter() = default;

  [[nodiscard]] ByteRange range() const noexcept { return range_; }
  [[nodiscard]] WaitFor until() const noexcept { return until_; }
  [[nodiscard]] Urgency urgency() const noexcept { return urgency_; }
  // When it gives up by itself; constant. Asked under the resource's lock.
  [[nodiscard]] virtual Sync::time_point deadline() const noexcept { return Sync::time_point::max(); }

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

 protected:
  // Once woken, a thread wakes these two, if any: they wait for nobody else.
  [[nodiscard]] std::pair<Waiter*, Waiter*> followers() const noexcept { return {child_, sibling_}; }
  virtual void wake() noexcept = 0;
  static void wake(Waiter& waiter) noexcept { waiter.wake(); }

 private:
  friend class WaitIndex;
  friend class ReadyList;
  friend class WaiterHeap;

  using Hook = boost::intrusive::set_member_hook<boost::intrusive::link_mode<boost::intrusive::normal_link>,
                                                 boost::intrusive::optimize_size<true>>;

  // The byte that must be there, and all from first_missing_ to it, for the wait to be satisfied, plus one.
  [[nodiscard]] std::uint64_t satisfied_at() const noexcept {
    return until_ == WaitFor::any ? range_.begin + 1 : range_.end;
  }

  const ByteRange range_;
  const WaitFor until_;
  const Wake wake_;
  const Urgency urgency_;
  Verdict verdict_ = Verdict::pending;
  Verdict requested_ = Verdict::pending;
  bool parked_ = false;
  std::shared_ptr<const Error> reason_;
  // While parked: the heap. previous_ is the sibling before, or the parent of a first child; null for a root.
  // While a thread is being woken: child_ and sibling_ are its followers.
  Waiter* child_ = nullptr;
  Waiter* sibling_ = nullptr;
  Waiter* previous_ = nullptr;
  std::uint64_t first_missing_ = 0;  // of a root: what the next write must bring to matter
  Hook by_missing_;                  // of a root
  Hook by_begin_;                    // in a window
  // Once decided: the list. Of callbacks only, previous_ is its link back.
  Waiter* next_ = nullptr;
  ReadyList* ready_ = nullptr;  // which list a callback is on
};

// Threads are woken first, each kind in the order of deciding.
class ReadyList {
 public:
  ReadyList() noexcept = default;
  ReadyList(const ReadyList&) = delete;
  ReadyList& operator=(const ReadyList&) = delete;

  // Under the resource's lock.
  void push(Waiter& waiter) noexcept;
  // The next callback to wake, which is then out of withdraw()'s reach; null when there is none.
  [[nodiscard]] Waiter* pop_callback() noexcept;
  // Takes a callback off the list that it is on, if it is still on one.
  [[nodiscard]] static bool withdraw(Waiter& waiter) noexcept;

  // By the list's owner, after unlocking. Answers how many it woke. More than a few threads wake each other, two by
  // each, so that it takes the caller no time (a tree: see docs/locking.md).
  std::uint64_t wake_threads() noexcept;
  // Has a callback been pushed since the last call? The owner's own note, so no lock.
  [[nodiscard]] bool had_callbacks() noexcept { return std::exchange(had_callbacks_, false); }
  [[nodiscard]] bool has_had_callbacks() const noexcept { return had_callbacks_; }  // and leaves the note
  static void wake(Waiter& waiter) noexcept { waiter.wake(); }

 private:
  struct Chain {
    Waiter* first = nullptr;
    Waiter* last = nullptr;
  };
  Chain threads_;
  Chain callbacks_;
  bool had_callbacks_ = false;
};

}  // namespace strandline
