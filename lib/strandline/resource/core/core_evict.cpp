// Core: giving bytes up in the midst of others.
#include <strandline/resource/core/parts.h>

#include <algorithm>

namespace strandline {

// To other writes an eviction is one of them: it has claimed its range, so that none writes there or compares what is
// there until the storage is through with it, and a commit waits for it. It waits for nobody itself: who evicts to
// make room may be in the midst of a write. Readers look again, as after any loss: the bytes go from the availability
// first, then `drops` changes, then the storage.
Result<std::uint64_t> Core::start_eviction(InFlight& eviction, std::shared_ptr<Storage>& storage, Effects& effects) {
  MutexLock lock(mutex_);
  if (const auto refusal = life_.may_lose()) {
    return refused(*refusal);
  }
  const ByteRange range = eviction.chunk;
  const auto meets = [&](const InFlight& write) { return write.chunk.intersects(range); };
  if (exclusive_ || std::any_of(writes_.begin(), writes_.end(), meets)) {
    return fail(Errc::busy, "the bytes are being written");
  }
  Content& content = *readable_;
  if (content.storage != storage) {
    return fail(Errc::busy, "a new generation has just come");
  }
  if (!content.availability.intersects(range)) {
    return 0;
  }
  std::uint64_t bytes = 0;
  auto events = evictions(content.availability, range);
  for (const Event& event : events) {
    bytes += event.range.size();
  }
  // Before the bytes go: nobody may find them missing by one way and then there by another.
  if (range.begin < sure_prefix_.load(std::memory_order_relaxed)) {
    sure_prefix_.store(range.begin, std::memory_order_release);
  }
  if (auto gone = content.availability.evict(range); !gone) {
    update_hints_locked();
    return fail(std::move(gone.error()));
  }
  life_.lose();
  drop_locked(content);
  effects.append(std::move(events));
  eviction.generation = content.generation;
  writes_.push_back(eviction);
  return bytes;
}

Result<std::uint64_t> Core::evict(ByteRange range, Effects* later) noexcept {
  if (!range.valid()) {
    return fail(Errc::invalid_range, "evict");
  }
  return without_throwing([&]() -> Result<std::uint64_t> {
    std::shared_ptr<Storage> storage;
    InFlight eviction;
    {
      MutexLock lock(mutex_);
      storage = readable_->storage;
      range = range.clamped_to({0, readable_->availability.end_offset()});
    }
    if (storage && (!storage->evicts() || capacity_)) {
      return fail(Errc::unsupported, "this driver cannot give bytes up");
    }
    if (storage) {
      if (auto allowed = storage->may_evict(); !allowed) {
        return fail(std::move(allowed.error()));
      }
    }
    eviction.chunk = range;
    eviction.claimed = std::span(&range, 1);
    Effects own(*this);
    Effects& effects = later != nullptr ? *later : own;
    auto bytes = start_eviction(eviction, storage, effects);
    if (!bytes || *bytes == 0) {
      return bytes;
    }
    auto done = storage->evict(range);
    storage.reset();
    end_write(eviction);
    return done ? std::move(bytes) : fail(std::move(done.error()));
  });
}

bool Core::is_writer(WriterId writer) const noexcept {
  MutexLock lock(mutex_);
  return !life_.may_write(writer);
}

bool Core::is_written() const noexcept {
  MutexLock lock(mutex_);
  return life_.supply() == Supply::writing;
}

}  // namespace strandline
