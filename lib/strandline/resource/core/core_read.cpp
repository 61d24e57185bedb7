#include <strandline/resource/core/parts.h>
#include <strandline/resource/view.h>

#include <algorithm>

namespace strandline {

// What a read may touch. In a window the pin keeps the bytes from being overwritten. They may still be
// taken away, by a commit below them or a rewrite of an uncommitted generation: the copy is then
// worthless, so a reader asks still_there() after copying and before answering.
struct Core::Grant {
  std::shared_ptr<Storage> storage;
  ByteRange range;
  std::uint64_t generation = 0;
  std::uint64_t drops = 0;
  bool pinned = false;
};

struct Core::Pin {
  std::shared_ptr<Core> core;
  std::uint64_t generation = 0;
  ByteRange range;
  Pin() = default;
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;
  ~Pin() {
    if (core) {
      core->unpin(generation, range);
    }
  }
};

namespace {

Result<std::size_t> read_fully(const Storage& storage, std::uint64_t offset, std::span<std::byte> out) noexcept {
  std::size_t done = 0;
  while (done < out.size()) {
    auto count = storage.read_at(offset + done, out.subspan(done));
    if (!count) {
      return count;
    }
    if (*count == 0 || *count > out.size() - done) {
      return fail(Errc::io, "the driver's read made no progress");
    }
    done += *count;
  }
  return done;
}

}  // namespace

Result<Core::Grant> Core::grant(ByteRange range, Extent extent) noexcept {
  return without_throwing([&]() -> Result<Grant> {
    MutexLock lock(mutex_);
    if (life_.state() == State::cancelled) {
      return refused(Errc::cancelled);
    }
    Grant grant;
    if (range.empty()) {
      return grant;
    }
    const Availability& availability = readable_.availability;
    const Coverage coverage = availability.check(range, extent == Extent::some ? WaitFor::any : WaitFor::all);
    switch (coverage) {
      case Coverage::eof:
        return grant;
      case Coverage::evicted:
      case Coverage::missing: {
        Counters::add(counters_->read_misses);
        const std::uint64_t at = coverage == Coverage::missing ? availability.first_missing(range) : range.begin;
        lock.unlock();
        return fail(coverage == Coverage::evicted ? Errc::evicted : Errc::not_available, "byte " + std::to_string(at));
      }
      case Coverage::ready:
        break;
    }
    grant.range = extent == Extent::some ? availability.prefix(range) : availability.clamp(range);
    grant.storage = readable_.storage;
    grant.generation = life_.generation();
    grant.drops = drops_;
    if (availability.windowed()) {
      pins_.emplace(grant.generation, grant.range.begin, grant.range.end);
      grant.pinned = true;
    }
    return grant;
  });
}

bool Core::still_there(const Grant& grant, bool driver_failed) noexcept {
  MutexLock lock(mutex_);
  // A rewrite may take uncommitted bytes away before the core knows that it succeeded: its outcome tells
  // whether the driver's answer is about bytes that were still there.
  while (driver_failed && exclusive_) {
    gate_.wait(mutex_);
  }
  return drops_ == grant.drops;
}

void Core::unpin(std::uint64_t generation, ByteRange range) noexcept {
  MutexLock lock(mutex_);
  pins_.erase(pins_.find({generation, range.begin, range.end}));
  gate_.notify_all();
}

Result<std::size_t> Core::read(std::uint64_t offset, std::span<std::byte> out, Extent extent) noexcept {
  const auto range = ByteRange::from_size(offset, out.size());
  if (!range) {
    return fail(range.error().clone());
  }
  for (;;) {
    auto granted = grant(*range, extent);
    if (!granted) {
      return fail(std::move(granted.error()));
    }
    if (granted->range.empty()) {
      return 0;
    }
    auto count = read_fully(*granted->storage, offset, out.first(granted->range.size()));
    const bool sure = still_there(*granted, !count);
    if (granted->pinned) {
      unpin(granted->generation, granted->range);
    }
    if (sure) {
      if (count) {
        Counters::add(counters_->read_hits);
        Counters::add(counters_->bytes_read, *count);
      }
      return count;
    }
  }
}

Result<View> Core::view(ByteRange range) noexcept {
  if (!range.valid()) {
    return fail(Errc::invalid_range, "view");
  }
  return without_throwing([&]() -> Result<View> {
    for (;;) {
      auto pin = capacity_ ? std::make_shared<Pin>() : nullptr;
      auto granted = grant(range, Extent::whole);
      if (!granted) {
        return fail(std::move(granted.error()));
      }
      if (granted->range.empty()) {
        return View();
      }
      if (pin) {
        pin->core = shared_from_this();
        pin->generation = granted->generation;
        pin->range = granted->range;
      }
      auto bytes = granted->storage->view(granted->range);
      if (!still_there(*granted, !bytes)) {
        continue;
      }
      if (!bytes) {
        return fail(std::move(bytes.error()));
      }
      return View(granted->range, std::move(*bytes), std::move(pin));
    }
  });
}

bool Core::contains(ByteRange range) const noexcept {
  if (!range.valid()) {
    return false;
  }
  MutexLock lock(mutex_);
  return life_.state() != State::cancelled && readable_.availability.set().covers(range);
}

Result<RangeSet> Core::available() const noexcept {
  MutexLock lock(mutex_);
  if (life_.state() == State::cancelled) {
    return RangeSet();
  }
  return readable_.availability.set().clone();
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
  return readable_.availability.next_gap(range);
}

Result<std::optional<Core::CursorSlot>> Core::add_cursor(std::uint64_t position) noexcept {
  if (!capacity_) {
    return std::nullopt;
  }
  return without_throwing([&]() -> Result<std::optional<CursorSlot>> {
    MutexLock lock(mutex_);
    return cursors_.insert(cursors_.end(), position);
  });
}

void Core::move_cursor(std::optional<CursorSlot> slot, std::uint64_t position) noexcept {
  if (slot) {
    MutexLock lock(mutex_);
    **slot = position;
    gate_.notify_all();
  }
}

void Core::remove_cursor(std::optional<CursorSlot> slot) noexcept {
  if (slot) {
    MutexLock lock(mutex_);
    cursors_.erase(*slot);
    gate_.notify_all();
  }
}

}  // namespace strandline
