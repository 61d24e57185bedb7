#include <strandline/base/hazard.h>
#include <strandline/resource/core/parts.h>
#include <strandline/resource/view.h>

#include <algorithm>
#include <iterator>

namespace strandline {

// Declared before the Hazard or Grant that keeps the content, so that it ends after it.
class Core::Visit {
 public:
  explicit Visit(Core& core) noexcept : core_(core) {}
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;
  ~Visit() {
    if (content_ == nullptr) {
      return;
    }
    Sync::light_fence();  // with the heavy one of reclaim(): either it sees us gone, or we see that it waits for us
    // Another's content is another's to reclaim: hits of the one that is shown stay without a lock meanwhile.
    if (core_.retired_waiting_.load(std::memory_order_relaxed) &&
        core_.sure_content_.load(std::memory_order_relaxed) != content_) {
      core_.reclaim();
    }
  }
  void of(const Content* content) noexcept { content_ = content; }

 private:
  Core& core_;
  const Content* content_ = nullptr;  // for comparing only: it may be gone
};

// What a read may touch. The content stays: the Hazard keeps it, or when that has no room, a count. Its bytes
// may be taken away, by a commit below them or a rewrite of an uncommitted generation: the copy is then
// worthless, so a reader asks still_there() after copying and before answering. In a window, a Pin keeps the
// bytes from being overwritten as well.
struct Core::Grant {
  Grant() = default;
  Grant(const Grant&) = delete;
  Grant& operator=(const Grant&) = delete;
  ~Grant() {
    if (counting != nullptr) {
      MutexLock lock(counting->mutex_);
      --content->counted_readers;
    }
  }

  Hazard hazard;
  Core* counting = nullptr;  // the reader is in content->counted_readers
  Content* content = nullptr;
  ByteRange range;
  std::uint64_t drops = 0;
};

// Unpins when the view's last copy goes.
struct Core::ViewPin {
  std::shared_ptr<Core> core;
  Pin pin;
  ViewPin() = default;
  ViewPin(const ViewPin&) = delete;
  ViewPin& operator=(const ViewPin&) = delete;
  ~ViewPin() {
    if (core) {
      core->unpin(pin);
    }
  }
};

namespace {

// Goes on after the driver's first answer.
Result<std::size_t> read_rest(const Storage& storage, ByteRange range, std::span<std::byte> out,
                              Result<std::size_t> count) noexcept {
  for (std::size_t done = 0;;) {
    if (!count) {
      return count;
    }
    if (*count == 0 || *count > range.size() - done) {
      return fail(Errc::io, "the driver's read made no progress");
    }
    done += *count;
    if (done == range.size()) {
      return done;
    }
    count = storage.read_at(range.begin + done, out.subspan(done, range.size() - done));
  }
}

}  // namespace

Result<void> Core::grant(ByteRange range, Extent extent, Pin& pin, Grant& grant) noexcept {
  MutexLock lock(mutex_);
  if (life_.state() == State::cancelled) {
    return refused(Errc::cancelled);
  }
  if (range.empty()) {
    return {};
  }
  const Availability& availability = readable_->availability;
  const Coverage coverage = availability.check(range, extent == Extent::some ? WaitFor::any : WaitFor::all);
  switch (coverage) {
    case Coverage::eof:
      return {};
    case Coverage::evicted:
    case Coverage::missing: {
      Counters::add(counters_->read_misses);
      const std::uint64_t at = coverage == Coverage::missing ? availability.first_missing(range) : range.begin;
      lock.unlock();
      return without_throwing([&]() -> Result<void> {
        return fail(coverage == Coverage::evicted ? Errc::evicted : Errc::not_available, "byte " + std::to_string(at));
      });
    }
    case Coverage::ready:
      break;
  }
  grant.range = extent == Extent::some ? availability.prefix(range) : availability.clamp(range);
  grant.content = readable_.get();
  grant.drops = readable_->drops.load(std::memory_order_relaxed);
  if (!grant.hazard.hold(readable_.get())) {
    ++readable_->counted_readers;
    grant.counting = this;
  }
  if (availability.windowed()) {
    pin.generation = readable_->generation;
    pin.range = grant.range;
    pins_.insert(pin);
  }
  return {};
}

bool Core::still_there(const Content& content, std::uint64_t drops, bool driver_failed) noexcept {
  if (driver_failed) {
    // A rewrite may take uncommitted bytes away before the core knows that it succeeded: its outcome tells
    // whether the driver's answer is about bytes that were still there.
    MutexLock lock(mutex_);
    wait_for_exclusive_locked();
  }
  // What was copied was loaded before this.
  std::atomic_thread_fence(std::memory_order_acquire);
  return content.drops.load(std::memory_order_relaxed) == drops;
}

void Core::unpin(Pin& pin) noexcept {
  MutexLock lock(mutex_);
  pins_.erase(pins_.iterator_to(pin));
  gate_.notify_all();
}

// The common case, in as few instructions as may be: a processor that has room for what comes after a copy starts
// the next one before this one has all its bytes. What the driver does not copy in one go is answered by `otherwise`.
std::optional<std::size_t> Core::read_sure_hit(ByteRange range, std::span<std::byte> out, Extent extent,
                                               std::optional<Result<std::size_t>>& otherwise) noexcept {
  Visit visit(*this);
  Hazard hazard;
  const Content* const content = hazard.protect(sure_content_);
  if (content == nullptr) {
    return std::nullopt;
  }
  visit.of(content);
  const std::uint64_t drops = content->drops.load(std::memory_order_acquire);
  const Availability& availability = content->availability;
  const ByteRange hit = extent == Extent::whole ? availability.sure_hit(range) : availability.sure_prefix(range);
  if (hit.empty()) {
    return std::nullopt;
  }
  auto count = content->storage->read_at(hit.begin, out.first(hit.size()));
  if (!count || *count != hit.size()) {
    auto all = read_rest(*content->storage, hit, out, std::move(count));
    if (still_there(*content, drops, !all)) {
      if (all) {
        counters_->read_hits.add(hazard.thread_number(), *all);
      }
      otherwise = std::move(all);
    }
    return std::nullopt;
  }
  if (!still_there(*content, drops, false)) {
    return std::nullopt;
  }
  counters_->read_hits.add(hazard.thread_number(), hit.size());
  return hit.size();
}

std::optional<Result<std::size_t>> Core::read_granted(ByteRange range, std::span<std::byte> out,
                                                      Extent extent) noexcept {
  Visit visit(*this);
  Pin pin;
  Grant granted;
  if (auto allowed = grant(range, extent, pin, granted); !allowed) {
    return fail(std::move(allowed.error()));
  }
  if (granted.range.empty()) {
    return 0;
  }
  visit.of(granted.content);
  const Storage& storage = *granted.content->storage;
  auto count =
      read_rest(storage, granted.range, out, storage.read_at(granted.range.begin, out.first(granted.range.size())));
  const bool sure = still_there(*granted.content, granted.drops, !count);
  if (pin.is_linked()) {
    unpin(pin);
  }
  if (!sure) {
    return std::nullopt;
  }
  if (count) {
    counters_->read_hits.add(granted.hazard.thread_number(), *count);
  }
  return count;
}

Result<std::size_t> Core::read(std::uint64_t offset, std::span<std::byte> out, Extent extent) noexcept {
  const auto range = ByteRange::from_size(offset, out.size());
  if (!range) {
    return fail(range.error().clone());
  }
  std::optional<Result<std::size_t>> answer;
  if (const auto hit = read_sure_hit(*range, out, extent, answer)) {
    return *hit;
  }
  while (!answer) {
    answer = read_granted(*range, out, extent);
  }
  return std::move(*answer);
}

Result<std::optional<View>> Core::try_view(ByteRange range) {
  auto pin = capacity_ ? std::make_shared<ViewPin>() : nullptr;
  Pin unused;
  Visit visit(*this);
  Grant granted;
  if (Content* const content = granted.hazard.protect(sure_content_)) {
    granted.drops = content->drops.load(std::memory_order_acquire);
    granted.range = content->availability.sure_hit(range);
    granted.content = content;
  }
  if (granted.range.empty()) {
    if (auto allowed = grant(range, Extent::whole, pin ? pin->pin : unused, granted); !allowed) {
      return fail(std::move(allowed.error()));
    }
  }
  visit.of(granted.content);
  if (granted.range.empty()) {
    return View();
  }
  if (pin) {
    pin->core = shared_from_this();
  }
  auto bytes = granted.content->storage->view(granted.range);
  if (!still_there(*granted.content, granted.drops, !bytes)) {
    return std::nullopt;
  }
  if (!bytes) {
    return fail(std::move(bytes.error()));
  }
  return View(granted.range, std::move(*bytes), std::move(pin));
}

Result<View> Core::view(ByteRange range) noexcept {
  if (!range.valid()) {
    return fail(Errc::invalid_range, "view");
  }
  return without_throwing([&]() -> Result<View> {
    auto answer = try_view(range);
    while (answer && !*answer) {
      answer = try_view(range);
    }
    if (!answer) {
      return fail(std::move(answer.error()));
    }
    return std::move(**answer);
  });
}

bool Core::surely_there(ByteRange range) noexcept {
  if (range.end <= sure_prefix_.load(std::memory_order_acquire)) {
    return true;
  }
  Visit visit(*this);
  Hazard hazard;
  const Content* const content = hazard.protect(sure_content_);
  if (content == nullptr) {
    return false;
  }
  visit.of(content);
  // It is not asked in one step: what is dropped meanwhile, and what comes after that, were never there together.
  const std::uint64_t drops = content->drops.load(std::memory_order_acquire);
  return content->availability.surely_covers(range) && still_there(*content, drops, false);
}

bool Core::contains(ByteRange range) noexcept {
  if (!range.valid()) {
    return false;
  }
  if (!range.empty() && surely_there(range)) {
    return true;
  }
  MutexLock lock(mutex_);
  return life_.state() != State::cancelled && readable_->availability.covers(range);
}

Result<RangeSet> Core::available() const noexcept {
  MutexLock lock(mutex_);
  if (life_.state() == State::cancelled) {
    return RangeSet();
  }
  return readable_->availability.snapshot();
}

std::optional<ByteRange> Core::next_gap(std::uint64_t from, std::uint64_t limit) const noexcept {
  const ByteRange range{from, std::min(limit, kMaxOffset)};
  if (!range.valid()) {
    return std::nullopt;
  }
  MutexLock lock(mutex_);
  if (life_.state() == State::cancelled) {
    return range.empty() ? std::nullopt : std::optional(range);
  }
  return readable_->availability.next_gap(range);
}

Result<Core::CursorSlot> Core::add_cursor(std::uint64_t position) noexcept {
  return without_throwing([&]() -> Result<CursorSlot> {
    std::list<CursorPosition> made;
    made.emplace_back(position);
    MutexLock lock(mutex_);
    cursors_.splice(cursors_.end(), made);
    return std::prev(cursors_.end());
  });
}

void Core::move_cursor(CursorSlot slot, std::uint64_t position) noexcept {
  constexpr std::uint64_t kTellEvery = 1 << 20;
  const bool tell = position < slot->told || position - slot->told >= kTellEvery;
  slot->told = tell ? position : slot->told;
  std::shared_ptr<DemandObserver> observer;
  if (!capacity_) {
    slot->at.store(position, std::memory_order_relaxed);
    if (!tell) {
      return;
    }
  }
  {
    MutexLock lock(mutex_);
    slot->at.store(position, std::memory_order_relaxed);
    gate_.notify_all();
    if (tell) {
      observer = demand_observer_;
    }
  }
  if (observer != nullptr) {
    observer->on_moved(position);
  }
}

void Core::remove_cursor(CursorSlot slot) noexcept {
  std::list<CursorPosition> removed;
  MutexLock lock(mutex_);
  removed.splice(removed.end(), cursors_, slot);
  gate_.notify_all();
  lock.unlock();
}

Result<std::vector<std::uint64_t>> Core::cursor_positions(std::size_t limit) const noexcept {
  return without_throwing([&]() -> Result<std::vector<std::uint64_t>> {
    std::vector<std::uint64_t> positions;
    {
      MutexLock lock(mutex_);
      for (auto cursor = cursors_.begin(); cursor != cursors_.end() && positions.size() < limit; ++cursor) {
        positions.push_back(cursor->at.load(std::memory_order_relaxed));
      }
    }
    std::sort(positions.begin(), positions.end());
    return positions;
  });
}

}  // namespace strandline
