// Core: everything a resource is but its driver's type: state, availability, waits, events, one lock.
// Threads: thread-safe. Blocks: wait() and, where said, the write side. Errors: rules R1 to R14 of
// docs/contracts.md. Cost: hits take no lock, else one per call; no driver call, observer or callback runs under it
// (docs/locking.md). Lifetime: shared by handles, views and pending callbacks; close() comes with the last handle.
#pragma once

#include <strandline/resource/core/content.h>
#include <strandline/resource/event_queue.h>
#include <strandline/resource/lifecycle.h>
#include <strandline/resource/wait_index/wait_index.h>

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

namespace strandline {

class Sleeper;
class View;

// A pending async_wait's continuation; called exactly once, outside every lock.
class WaitCallback {
 public:
  virtual ~WaitCallback() = default;
  virtual void call(Result<WaitOutcome> outcome) noexcept = 0;
};

// How much a read must find.
enum class Extent : std::uint8_t {
  whole,  // everything asked for, clamped to the length
  some    // at least the first byte; answers what follows without a break
};

using WriterId = std::uint64_t;

class Core : public std::enable_shared_from_this<Core> {
 public:
  [[nodiscard]] static Result<std::shared_ptr<Core>> create(std::shared_ptr<Storage> storage, DriverState state,
                                                            ResourceOptions options) noexcept;
  // For create(): make_shared needs it public.
  Core(std::shared_ptr<Storage> storage, DriverState state);
  ~Core();

  // Read side.
  [[nodiscard]] Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> out, Extent extent) noexcept;
  [[nodiscard]] Result<View> view(ByteRange range) noexcept;
  [[nodiscard]] Result<WaitOutcome> wait(ByteRange range, const WaitOptions& options) noexcept;
  void async_wait(ByteRange range, const WaitOptions& options, std::unique_ptr<WaitCallback> callback) noexcept;
  [[nodiscard]] bool contains(ByteRange range) noexcept;

  // Is a wait surely over before it begins? Then it counts as a hit. Takes no lock; false when it is not sure.
  [[nodiscard]] bool ready_now(ByteRange range, WaitFor until) noexcept;
  // For waiters that their callers own. The verdict is pending once the wait is parked: wake() will be called once,
  // outside every lock, unless withdraw() comes first. Any other verdict is the answer, and wake() is not called.
  [[nodiscard]] Result<Verdict> start_wait(Waiter& waiter, Sync::time_point deadline) noexcept;
  // Ends the wait with interrupted or timed_out, unless it has been decided. Also before start_wait().
  void end_wait(Waiter& waiter, Verdict verdict) noexcept STRANDLINE_EXCLUDES(mutex_);
  // True: wake() will not be called any more. False: it has been or is being called, or never will be.
  [[nodiscard]] bool withdraw(Waiter& waiter) noexcept STRANDLINE_EXCLUDES(mutex_);
  // What a decided wait's caller is told.
  [[nodiscard]] static Result<WaitOutcome> outcome_of(const Waiter& waiter) noexcept;

  [[nodiscard]] Result<RangeSet> available() const noexcept;
  [[nodiscard]] std::optional<ByteRange> next_gap(std::uint64_t from, std::uint64_t limit) const noexcept;
  [[nodiscard]] std::optional<std::uint64_t> length() const noexcept;
  [[nodiscard]] ResourceStatus status() const noexcept;
  [[nodiscard]] ResourceStats stats() const noexcept;
  [[nodiscard]] Result<std::filesystem::path> path() const noexcept;
  [[nodiscard]] Result<Subscription> subscribe(std::shared_ptr<AvailabilityObserver> observer) noexcept;

  // What is waited for, and who is told of more of it.
  [[nodiscard]] Result<std::vector<Demand>> demand(std::size_t limit) const noexcept;
  void set_demand_observer(std::shared_ptr<DemandObserver> observer) noexcept STRANDLINE_EXCLUDES(mutex_);

  // Where threads that wait() sleep from now on, if it takes them; null: on a futex of their own.
  void set_sleeper(std::shared_ptr<Sleeper> sleeper) noexcept STRANDLINE_EXCLUDES(mutex_);

  // Positions of Cursors: they hold back the writer of a ring that blocks. Moving one takes no lock without a window.
  using CursorSlot = std::list<CursorPosition>::iterator;
  [[nodiscard]] Result<CursorSlot> add_cursor(std::uint64_t position) noexcept;
  void move_cursor(CursorSlot slot, std::uint64_t position) noexcept;
  void remove_cursor(CursorSlot slot) noexcept;
  [[nodiscard]] Result<std::vector<std::uint64_t>> cursor_positions(std::size_t limit) const noexcept;

  // Ending things.
  void interrupt() noexcept;
  void cancel() noexcept;
  // Cancels, and lets go of the storage.
  void close() noexcept;
  // The writer was destroyed: fails the resource unless the writer had finished.
  void writer_gone(WriterId writer) noexcept;

  // Write side. With `later`, what follows from the change, waking and telling, is left to its run(): for callers that
  // hold a lock of their own.
  class Effects;  // see parts.h
  [[nodiscard]] Result<WriterId> take_writer() noexcept;
  [[nodiscard]] Result<WriterId> reactivate(Reactivate mode, Effects* later = nullptr) noexcept;
  [[nodiscard]] Result<std::size_t> write(WriterId writer, std::uint64_t offset, std::span<const std::byte> data,
                                          const WaitOptions& options) noexcept;
  [[nodiscard]] Result<void> set_length(WriterId writer, std::uint64_t length, Effects* later = nullptr) noexcept;
  // As set_length, of one that was found on the disk: its writer may not have known of what lay past it and is gone.
  [[nodiscard]] Result<void> set_found_length(WriterId writer, std::uint64_t length, Effects* later = nullptr) noexcept;
  [[nodiscard]] Result<void> commit(WriterId writer, std::optional<std::uint64_t> length,
                                    Effects* later = nullptr) noexcept;
  [[nodiscard]] Result<void> fail_with(WriterId writer, Error error, Effects* later = nullptr) noexcept;
  [[nodiscard]] Result<void> abandon(WriterId writer, Abandon how, Effects* later = nullptr) noexcept;
  [[nodiscard]] Result<void> sync(WriterId writer) noexcept;
  [[nodiscard]] Result<std::size_t> publish_found(WriterId writer, ByteRange range, Effects* later = nullptr) noexcept;
  // Is this the writer, and may it still write? Does anybody write?
  [[nodiscard]] bool is_writer(WriterId writer) const noexcept;
  [[nodiscard]] bool is_written() const noexcept;
  // While it is, waits on missing bytes go on though nobody writes and the last one said that none follows.
  void expect_writer(bool expected, Effects* later = nullptr) noexcept STRANDLINE_EXCLUDES(mutex_);
  // Anybody's. Answers how many bytes are gone.
  [[nodiscard]] Result<std::uint64_t> evict(ByteRange range, Effects* later = nullptr) noexcept;

  // Aborts when an invariant is broken; for tests and fuzzers. O(ranges + waits).
  void check_invariants() const noexcept;

 private:
  struct Counters;     // ResourceStats
  struct Grant;        // what a read or view may touch, and until when that is sure
  class Visit;         // of a reader to a content: the last to leave a replaced one reclaims it
  struct ViewPin;      // a view's hold on a window
  struct WriteBounds;  // a write's deadline and stop_token, while it is held up
  struct Pieces;       // what a write found: bytes to compare, bytes to write
  struct DemandCall;   // what parking a wait leaves to be told
  struct CommitPlan;   // a commit's length, and all it needs so that it cannot fail half way
  class AsyncWait;
  using time_point = Sync::time_point;

  // core_read.cpp
  [[nodiscard]] std::optional<std::size_t> read_sure_hit(ByteRange range, std::span<std::byte> out, Extent extent,
                                                         std::optional<Result<std::size_t>>& otherwise) noexcept;
  [[nodiscard]] std::optional<Result<std::size_t>> read_granted(ByteRange range, std::span<std::byte> out,
                                                                Extent extent) noexcept STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] Result<void> grant(ByteRange range, Extent extent, Pin& pin, Grant& grant) noexcept
      STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] bool still_there(const Content& content, std::uint64_t drops, bool driver_failed) noexcept
      STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] Result<std::optional<View>> try_view(ByteRange range) STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] bool surely_there(ByteRange range) noexcept STRANDLINE_EXCLUDES(mutex_);
  void unpin(Pin& pin) noexcept STRANDLINE_EXCLUDES(mutex_);

  // core_wait.cpp
  [[nodiscard]] Result<void> check_wait(ByteRange range, WaitFor until) const noexcept;
  [[nodiscard]] Verdict judge_locked(ByteRange range, WaitFor until) const noexcept STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] Verdict park_locked(Waiter& waiter, time_point deadline, DemandCall& call) noexcept
      STRANDLINE_REQUIRES(mutex_);
  void judge_all_locked(Effects& effects) noexcept STRANDLINE_REQUIRES(mutex_);

  // core_write.cpp
  [[nodiscard]] Result<void> start_write(WriterId writer, ByteRange range, WriteBounds& bounds, Pieces& pieces)
      STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] Result<ByteRange> admit_locked(WriterId writer, ByteRange range) STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] std::optional<Errc> wait_at_gate_locked(WriteBounds& bounds) noexcept STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] ByteRange window_chunk_locked(ByteRange range) const noexcept STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] Result<void> evict_locked(std::uint64_t window_begin, Effects& effects) STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] bool claimed_locked(ByteRange range) const noexcept STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] bool pinned_locked(const Content& content, std::span<const ByteRange> wanted) const noexcept
      STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] Result<std::size_t> write_pieces(Pieces& pieces, std::uint64_t offset, std::span<const std::byte> data,
                                                 Effects& effects) STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] Result<std::size_t> publish(ByteRange run, Effects& effects) STRANDLINE_EXCLUDES(mutex_);
  void end_write(InFlight& write) noexcept STRANDLINE_EXCLUDES(mutex_);

  // core_evict.cpp
  [[nodiscard]] Result<std::uint64_t> start_eviction(InFlight& eviction, std::shared_ptr<Storage>& storage,
                                                     Effects& effects) STRANDLINE_EXCLUDES(mutex_);

  // core_state.cpp
  void wait_for_exclusive_locked() noexcept STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] Result<void> enter_exclusive_locked(WriterId writer) noexcept STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] Result<void> wait_for_writes_locked() noexcept STRANDLINE_REQUIRES(mutex_);
  void leave_exclusive_locked() noexcept STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] Result<std::uint64_t> commit_length_locked(std::optional<std::uint64_t> wanted) const
      STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] Result<CommitPlan> prepare_commit_locked(std::optional<std::uint64_t> wanted)
      STRANDLINE_REQUIRES(mutex_);
  // Answers the rewrite that ends with it, if any, to be destroyed outside the lock before the effects run.
  [[nodiscard]] std::unique_ptr<Content> fail_locked(std::shared_ptr<const Error> reason, Effects& effects) noexcept
      STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] Result<void> resume_locked(Effects& effects) STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] Result<void> rewrite_locked(Effects& effects) STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] Result<void> end_with_failure(WriterId writer, std::shared_ptr<const Error> reason,
                                              Effects* later = nullptr) noexcept STRANDLINE_EXCLUDES(mutex_);
  void drop_locked(Content& content) noexcept STRANDLINE_REQUIRES(mutex_);
  // Readers see `content` from now on; the one before goes once no reader is in it: see reclaim().
  void show_locked(std::unique_ptr<Content> content) noexcept STRANDLINE_REQUIRES(mutex_);
  // Tells lock-free readers what they may rely on, after whatever changed it.
  void update_hints_locked() noexcept STRANDLINE_REQUIRES(mutex_);
  // Destroys replaced contents that no reader is in.
  void reclaim() noexcept STRANDLINE_EXCLUDES(mutex_);
  // After what may have replaced a content.
  void reclaim_if_retired() noexcept STRANDLINE_EXCLUDES(mutex_) {
    if (retired_waiting_.load(std::memory_order_relaxed)) {
      reclaim();
    }
  }

  [[nodiscard]] Content& filling_locked() noexcept STRANDLINE_REQUIRES(mutex_) { return next_ ? *next_ : *readable_; }
  [[nodiscard]] const Content& filling_locked() const noexcept STRANDLINE_REQUIRES(mutex_) {
    return next_ ? *next_ : *readable_;
  }

  // Never change after create().
  const std::shared_ptr<EventQueue> events_;
  const std::unique_ptr<Counters> counters_;
  const std::optional<std::uint64_t> capacity_;  // of the window, in bytes
  const Overflow overflow_;
  const std::shared_ptr<const Error> writer_gone_;  // made early, so that a lost writer needs no memory
  std::optional<std::stop_callback<std::function<void()>>> owner_stop_;

  // Hints for readers without the lock. Written under it, always after the bytes they speak of.
  // The readable content; null when readers must take the lock: in a window, and once cancelled.
  Sync::Atomic<Content*> sure_content_{nullptr};
  // All bytes of the readable content before this are there.
  Sync::Atomic<std::uint64_t> sure_prefix_{0};
  // Is there a replaced content that a reader was in?
  Sync::Atomic<bool> retired_waiting_{false};

  // mutex_ guards all below it. It is taken before EventQueue's, and never held while calling a
  // driver, an observer, a callback, or anything of a stop_token.
  alignas(64) mutable Mutex mutex_;  // on a cache line that hits do not need
  // The write side waits here: for other writes, commits, pins and cursors. Writers are few.
  CondVar gate_;

  Lifecycle life_ STRANDLINE_GUARDED_BY(mutex_);
  std::unique_ptr<Content> readable_ STRANDLINE_GUARDED_BY(mutex_);  // what readers see
  std::unique_ptr<Content> next_ STRANDLINE_GUARDED_BY(mutex_);      // set iff life_.rewriting(): what a rewrite fills
  std::unique_ptr<Content> retired_ STRANDLINE_GUARDED_BY(mutex_);   // replaced, perhaps with readers in them
  std::shared_ptr<const Error> failure_ STRANDLINE_GUARDED_BY(mutex_);  // set iff failed
  EventQueue::Batch fail_event_ STRANDLINE_GUARDED_BY(mutex_);          // one spare event: failing needs no memory
  WaitIndex waits_ STRANDLINE_GUARDED_BY(mutex_);

  WritesInFlight writes_ STRANDLINE_GUARDED_BY(mutex_);  // of the filling content
  std::uint64_t syncs_in_flight_ STRANDLINE_GUARDED_BY(mutex_) = 0;
  // A commit or the like runs: no write starts, and it has waited for those in flight.
  bool exclusive_ STRANDLINE_GUARDED_BY(mutex_) = false;
  // Counts interrupt() calls, for writers at the gate.
  std::uint64_t interrupts_ STRANDLINE_GUARDED_BY(mutex_) = 0;
  Pins pins_ STRANDLINE_GUARDED_BY(mutex_);                          // of reads and views, in a window
  std::list<CursorPosition> cursors_ STRANDLINE_GUARDED_BY(mutex_);  // but for the positions themselves
  std::shared_ptr<DemandObserver> demand_observer_ STRANDLINE_GUARDED_BY(mutex_);
  std::shared_ptr<Sleeper> sleeper_ STRANDLINE_GUARDED_BY(mutex_);
  bool writer_expected_ STRANDLINE_GUARDED_BY(mutex_) = false;
};

}  // namespace strandline
