#include <strandline/resource/core/parts.h>

#include <algorithm>
#include <cstdlib>

namespace strandline {

tl::unexpected<Error> refused(Errc code) noexcept {
  switch (code) {
    case Errc::cancelled:
      return fail(code, "the resource was shut down");
    case Errc::committed:
      return fail(code, "the content is final");
    case Errc::failed:
      return fail(code, "the producer gave up");
    case Errc::busy:
      return fail(code, "there is a writer already");
    case Errc::no_writer:
      return fail(code, "this writer has handed over or stopped");
    default:
      return fail(code);
  }
}

Core::Core(std::shared_ptr<Storage> storage, DriverState state)
    : events_(std::make_shared<EventQueue>()),
      counters_(std::make_unique<Counters>()),
      capacity_(storage->window_capacity()),
      overflow_(storage->overflow()),
      writer_gone_(std::make_shared<const Error>(
          Error{Errc::no_writer, {}, "the writer went away without commit, fail or abandon"})),
      life_(state.committed),
      fail_event_(1) {
  fail_event_.front().kind = Event::Kind::fail;
  readable_ = std::make_unique<Content>(std::move(storage), std::move(state), capacity_, life_.generation());
  MutexLock lock(mutex_);
  update_hints_locked();
}

Core::~Core() = default;

namespace {

// All that a driver found in one place, as an Availability takes it. Throws std::bad_alloc.
void gather(DriverState& state, bool windowed) {
  if (windowed) {
    for (const ByteRange run : state.blocks.runs()) {
      state.available.reserve(1);
      state.available.add_reserved(run);
    }
    state.blocks = BlockMap();
    return;
  }
  for (const ByteRange range : state.available) {
    if (!state.blocks.insert(range)) {
      throw std::bad_alloc();
    }
  }
  state.available.clear();
  state.blocks.lower_end(state.blocks.covered_end());
}

// It must make sense before anything is built on it.
bool sound(const DriverState& state, bool windowed) noexcept {
  const std::uint64_t length = state.length.value_or(kMaxOffset);
  const bool complete = state.length && (windowed || state.blocks.covers({0, length}));
  const std::uint64_t end = windowed ? state.available.end_offset() : state.blocks.end_offset();
  return length <= kMaxOffset && end <= length && (complete || !state.committed);
}

}  // namespace

EventQueue::Batch evictions(const Availability& availability, ByteRange range) {
  struct {
    EventQueue::Batch batch;
    void push_back(ByteRange part) { batch.push_back(Event{Event::Kind::evict, part, 0, nullptr, 0}); }
  } events;
  availability.collect_covered(range, events);
  return std::move(events.batch);
}

Result<std::shared_ptr<Core>> Core::create(std::shared_ptr<Storage> storage, DriverState state,
                                           ResourceOptions options) noexcept {
  return without_throwing([&]() -> Result<std::shared_ptr<Core>> {
    const bool windowed = storage->window_capacity().has_value();
    gather(state, windowed);
    if (!sound(state, windowed)) {
      return fail(Errc::corrupt, "what the driver found contradicts itself");
    }
    if (std::count(options.observers.begin(), options.observers.end(), nullptr) != 0) {
      return fail(Errc::invalid_argument, "no observer");
    }
    auto core = std::make_shared<Core>(std::move(storage), std::move(state));
    for (auto& observer : options.observers) {
      // Kept for as long as the resource: the queue holds the slot.
      core->events_->keep(std::move(observer));
    }
    core->owner_stop_.emplace(options.stop, [weak = std::weak_ptr<Core>(core)] {
      if (const auto owned = weak.lock()) {
        owned->cancel();
      }
    });
    return core;
  });
}

std::optional<std::uint64_t> Core::length() const noexcept {
  MutexLock lock(mutex_);
  return readable_->availability.length();
}

ResourceStatus Core::status() const noexcept {
  MutexLock lock(mutex_);
  ResourceStatus status{life_.state(), readable_->availability.length(), life_.generation(), std::nullopt};
  if (life_.state() == State::failed) {
    status.error = failure_->clone();
  }
  return status;
}

ResourceStats Core::stats() const noexcept {
  const Counters& counters = *counters_;
  ResourceStats stats;
  stats.bytes_written = Counters::get(counters.bytes_written);
  stats.read_misses = Counters::get(counters.read_misses);
  stats.wait_hits = Counters::get(counters.wait_hits);
  stats.waits = Counters::get(counters.waits);
  stats.wakes = Counters::get(counters.wakes);
  stats.time_waited = std::chrono::nanoseconds(Counters::get(counters.nanoseconds_waited));
  MutexLock lock(mutex_);
  stats.bytes_read = counters.read_hits.bytes();
  stats.read_hits = counters.read_hits.reads();
  stats.parked = waits_.size();
  return stats;
}

Result<std::filesystem::path> Core::path() const noexcept {
  std::shared_ptr<Storage> storage;
  {
    MutexLock lock(mutex_);
    storage = readable_->storage;
  }
  return storage ? storage->path() : std::filesystem::path();
}

Result<Subscription> Core::subscribe(std::shared_ptr<AvailabilityObserver> observer) noexcept {
  if (!observer) {
    return fail(Errc::invalid_argument, "no observer");
  }
  return without_throwing([&]() -> Result<Subscription> { return events_->subscribe(std::move(observer)); });
}

void Core::check_invariants() const noexcept {
  MutexLock lock(mutex_);
  readable_->availability.check_invariants();
  waits_.check_invariants(readable_->availability);
  if (next_) {
    next_->availability.check_invariants();
  }
  const bool cancelled = life_.state() == State::cancelled;  // which leaves all else as it was
  const bool sound =
      (cancelled || (next_ != nullptr) == life_.rewriting()) &&
      (cancelled || (failure_ != nullptr) == (life_.state() == State::failed)) &&
      (!cancelled || (waits_.size() == 0 && sure_prefix_.load() == 0 && sure_content_.load() == nullptr)) &&
      (cancelled || sure_prefix_.load() == readable_->availability.sure_begin());
  if (!sound) {
    std::abort();
  }
}

}  // namespace strandline
