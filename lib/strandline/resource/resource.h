// Resource<D>: a run of bytes that arrives in pieces, in any order, over a driver D: the read side.
// Threads: thread-safe; cheap to copy. Blocks: wait_range(), wait_read_at() and cursors only. Errors: rules
// R1 to R14 of docs/contracts.md; no call throws. Cost: no lock where the bytes are there (but in a window), else
// one; a wait costs one wake-up. Lifetime: the last Resource, Writer or Cursor to go shuts it down; views outlive
// it. One that was moved from may only be assigned to or destroyed.
#pragma once

#include <strandline/resource/cursor.h>
#include <strandline/resource/view.h>
#include <strandline/resource/writer.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace strandline {

// Of <strandline/async/coroutine.h>, which is on a floor above: include it where ready() is called.
class Ready;
class BoundedReady;

template <Driver D>
class Resource {
 public:
  // Opens the driver and waits for the first writer; a driver that finds complete content opens committed.
  [[nodiscard]] static Result<Resource> open(typename D::Options options, ResourceOptions resource_options = {}) {
    try {
      auto driver = std::make_unique<D>();
      auto state = DriverStorage<D>::open(*driver, std::move(options));
      if (!state) {
        return fail(std::move(state.error()));
      }
      return on(std::move(driver), std::move(*state), std::move(resource_options));
    } catch (const std::bad_alloc&) {
      return fail(Errc::no_memory, "open");
    }
  }
  // On a driver whose open() has answered `state`, for owners who keep a pointer to it: it lives as long as any handle.
  [[nodiscard]] static Result<Resource> on(std::unique_ptr<D> driver, DriverState state,
                                           ResourceOptions resource_options = {}) {
    try {
      auto core = Core::create(std::make_shared<DriverStorage<D>>(std::move(driver)), std::move(state),
                               std::move(resource_options));
      if (!core) {
        return fail(std::move(core.error()));
      }
      return Resource(std::make_shared<ResourceHandle>(std::move(*core)));
    } catch (const std::bad_alloc&) {
      return fail(Errc::no_memory, "open");
    }
  }

  // Copies bytes that are there and never waits for more; when the storage fails while a commit or rewrite runs, it
  // waits for the outcome of that. The whole range, clamped to a known length, must be
  // available: else not_available, or evicted when a window has passed its begin. Past the end: 0.
  [[nodiscard]] Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const {
    return handle_->core()->read(offset, out, Extent::whole);
  }
  // Waits for the whole of the range or the end, then copies. A deadline or stop that comes first is
  // Errc::timed_out or interrupted.
  [[nodiscard]] Result<std::size_t> wait_read_at(std::uint64_t offset, std::span<std::byte> out,
                                                 WaitOptions options = {}) const {
    const auto range = ByteRange::from_size(offset, out.size());
    if (!range) {
      return fail(range.error().clone());
    }
    options.until = WaitFor::all;
    const auto held = core();
    for (;;) {
      auto outcome = held->wait(*range, options);
      if (!outcome) {
        return fail(std::move(outcome.error()));
      }
      if (*outcome == WaitOutcome::timed_out || *outcome == WaitOutcome::interrupted) {
        return fail(*outcome == WaitOutcome::timed_out ? Errc::timed_out : Errc::interrupted, "read");
      }
      auto count = held->read(offset, out, Extent::whole);
      // A rewrite may have taken the bytes away again between the wait and the read.
      if (count || count.error().code != Errc::not_available) {
        return count;
      }
    }
  }
  // Blocks until the range is readable (`until`), cannot become so, or the wait is stopped. Precedence:
  // cancelled, ready, eof, evicted, failed, no_writer, interrupted, timed_out; of these ready, eof, interrupted and
  // timed_out are outcomes, the others errors. An empty range is ready.
  [[nodiscard]] Result<WaitOutcome> wait_range(ByteRange range, const WaitOptions& options = {}) const {
    return core()->wait(range, options);
  }
  // The same without a thread: `callback(Result<WaitOutcome>)` is called exactly once, outside every lock, on the
  // thread that decides it: this one before the call returns, a writer's, the stopper's, or the timer's. It must not
  // throw, and should be short.
  template <std::invocable<Result<WaitOutcome>> Callback>
  void async_wait(ByteRange range, const WaitOptions& options, Callback callback) const {
    struct Adapter final : WaitCallback {
      explicit Adapter(Callback&& function) : function_(std::move(function)) {}
      void call(Result<WaitOutcome> outcome) noexcept override { function_(std::move(outcome)); }
      Callback function_;
    };
    auto* const adapter = new (std::nothrow) Adapter(std::move(callback));
    if (adapter == nullptr) {
      callback(Result<WaitOutcome>(fail(Errc::no_memory, "wait")));  // not moved from: no adapter took it
      return;
    }
    core()->async_wait(range, options, std::unique_ptr<WaitCallback>(adapter));
  }
  // The same for a coroutine: `co_await resource.ready(range)`, or with options, answers a Result<WaitOutcome>. Without
  // options it takes less memory. The other faces of a wait in async/ pass a `Wait` of their own.
  template <class Wait = Ready>
  [[nodiscard]] Wait ready(ByteRange range) const {
    return Wait(core(), range);
  }
  template <class Wait = BoundedReady>
  [[nodiscard]] Wait ready(ByteRange range, const WaitOptions& options) const {
    return Wait(core(), range, options);
  }
  // The bytes in place; the range, clamped to a known length, must be available. Unsupported by some drivers.
  [[nodiscard]] Result<View> view(ByteRange range) const { return core()->view(range); }
  [[nodiscard]] Result<Cursor<D>> cursor(std::uint64_t offset = 0) const {
    if (offset > kMaxOffset) {
      return fail(Errc::invalid_range, "cursor");
    }
    auto slot = core()->add_cursor(offset);
    if (!slot) {
      return fail(std::move(slot.error()));
    }
    return Cursor<D>(handle_, *slot, offset);
  }

  // Is every byte of the range readable? An empty range is; an invalid one is not; nothing is once cancelled.
  [[nodiscard]] bool contains(ByteRange range) const { return handle_->core()->contains(range); }
  // A snapshot of what is readable; its only error is no_memory.
  [[nodiscard]] Result<RangeSet> available() const { return core()->available(); }
  // The first run of [from, limit) that is not readable, clamped to a known length and to a window; once
  // cancelled, all of it.
  [[nodiscard]] std::optional<ByteRange> next_gap(std::uint64_t from, std::uint64_t limit = kMaxOffset) const {
    return core()->next_gap(from, limit);
  }
  // In bytes, once set_length or commit has made it known.
  [[nodiscard]] std::optional<std::uint64_t> length() const { return core()->length(); }
  [[nodiscard]] ResourceStatus status() const { return core()->status(); }
  [[nodiscard]] ResourceStats stats() const { return core()->stats(); }
  // Where the driver keeps or will keep the content; empty when nowhere with a name.
  [[nodiscard]] std::filesystem::path path() const { return core()->path().value_or(std::filesystem::path()); }

  // What is waited for at this moment, at most `limit` groups, by offset: see Demand. Over the limit those of
  // background waits go first, and then those furthest from the start. Its only error is no_memory.
  [[nodiscard]] Result<std::vector<Demand>> demand(std::size_t limit) const { return core()->demand(limit); }
  // The one who is told of waits that are parked from now on; null: nobody. The one before may be called once more
  // after this has returned, by each thread that has just parked a wait.
  void set_demand_observer(std::shared_ptr<DemandObserver> observer) const {
    core()->set_demand_observer(std::move(observer));
  }
  // Where cursors stand at this moment, at most `limit` of them, ascending: who reads on without waiting shows here
  // only.
  [[nodiscard]] Result<std::vector<std::uint64_t>> reader_positions(std::size_t limit) const {
    return core()->cursor_positions(limit);
  }

  // The observer is told of what happens from now on, until the subscription ends.
  [[nodiscard]] Result<Subscription> subscribe(std::shared_ptr<AvailabilityObserver> observer) const {
    return core()->subscribe(std::move(observer));
  }

  // The write side: refused with busy while there is a writer, and with the state's word when it is terminal.
  [[nodiscard]] Result<Writer<D>> writer() const { return writer_of(core()->take_writer()); }
  // Starts filling again, after commit, fail or abandon. See Reactivate.
  [[nodiscard]] Result<Writer<D>> reactivate(Reactivate mode) const { return writer_of(core()->reactivate(mode)); }

  // Gives bytes up, and what they take of the storage; answers how many were there. They are missing from then on:
  // reads of them answer not_available, and a committed resource is active again, its length known, until a writer
  // brings them back: reactivate(Reactivate::resume). Never waits for writes: busy while one is under way in the range,
  // while a commit or the like runs, and while a new generation is written. unsupported by some drivers.
  [[nodiscard]] Result<std::uint64_t> evict(ByteRange range) const { return core()->evict(range); }

  // Ends the waits parked at this moment, and writes held up on a ring, with interrupted. Changes nothing else.
  void interrupt() const { core()->interrupt(); }
  // Shuts the resource down: every call, parked or to come, ends with cancelled. Views stay.
  void cancel() const { core()->cancel(); }

  // Aborts when an invariant is broken; for tests and fuzzers. O(ranges + waits).
  void check_invariants() const { core()->check_invariants(); }

  // For what is built on resources.
  [[nodiscard]] const std::shared_ptr<ResourceHandle>& handle() const noexcept { return handle_; }

 private:
  explicit Resource(std::shared_ptr<ResourceHandle> handle) noexcept : handle_(std::move(handle)) {}

  // A copy of the pointer, not a reference: the core outlives a call even if the last handle goes meanwhile.
  [[nodiscard]] std::shared_ptr<Core> core() const noexcept { return handle_->core(); }
  [[nodiscard]] Result<Writer<D>> writer_of(Result<WriterId> id) const {
    if (!id) {
      return fail(std::move(id.error()));
    }
    return Writer<D>(handle_, *id);
  }

  std::shared_ptr<ResourceHandle> handle_;
};

}  // namespace strandline
