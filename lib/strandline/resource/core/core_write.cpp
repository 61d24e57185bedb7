#include <strandline/resource/core/parts.h>

#include <algorithm>
#include <array>
#include <boost/container/small_vector.hpp>
#include <cstring>

namespace strandline {

// A write goes through five steps; only the first and the last hold the lock.
//  1 start: at the gate, holding nothing, it waits until no commit runs, no other write has claimed the same
//    bytes, and on a ring the cursors leave room. There it moves the window first, runs what that entails, and
//    starts anew, until the window is where the write needs it and nobody holds bytes whose storage
//    it needs. Then, in one critical section, it notes what is there and claims what is missing.
//  2 compare what is there with what is offered: a difference ends the write before it changed anything.
//  3 write the claimed pieces to the storage.
//  4 publish each piece, as far as the storage says it wrote it.
//  5 release the claims; then wake and tell, with nothing in its hands.
// Whoever holds claims waits for nobody, so there is no cycle. On a ring the window moves before its old bytes
// are overwritten, so that no new reader takes them while those that already have hold the write up; what lies in
// the window as it stands goes first, as a write of its own, so that a failed write evicts nothing for it.
struct Core::Pieces : InFlight {
  using Ranges = boost::container::small_vector<ByteRange, 2>;

  std::shared_ptr<Storage> storage;
  Ranges present;
  Ranges missing;  // what `claimed` shows
};

struct Core::WriteBounds {
  time_point deadline;
  bool stopped = false;          // set under the lock by the stop callback
  std::uint64_t interrupts = 0;  // Core::interrupts_ when the write began
};

std::optional<Errc> Core::wait_at_gate_locked(WriteBounds& bounds) noexcept {
  // Elsewhere than on a ring nothing holds a write up for long, and interrupt() is meant for readers.
  if (bounds.stopped || (capacity_ && interrupts_ != bounds.interrupts)) {
    return Errc::interrupted;
  }
  if (bounds.deadline <= Sync::now()) {
    return Errc::timed_out;
  }
  gate_.wait_until(mutex_, bounds.deadline);
  return std::nullopt;
}

bool Core::claimed_locked(ByteRange range) const noexcept {
  for (const InFlight& write : writes_) {
    for (const ByteRange piece : write.claimed) {
      if (piece.intersects(range)) {
        return true;
      }
    }
  }
  return false;
}

// The part of a write that can go now: what the window can hold, and what no cursor holds back.
ByteRange Core::window_chunk_locked(ByteRange range) const noexcept {
  const std::uint64_t window = filling_locked().availability.window_begin();
  ByteRange chunk{std::max(range.begin, window), range.end};
  if (overflow_ == Overflow::block && !next_) {
    for (const CursorPosition& cursor : cursors_) {
      const std::uint64_t position = cursor.at.load(std::memory_order_relaxed);
      // A cursor that has been left behind can hold nothing back any more.
      if (position >= window && chunk.end > position && chunk.end - position > *capacity_) {
        chunk.end = position + *capacity_;
      }
    }
  }
  if (chunk.empty()) {
    return {chunk.begin, chunk.begin};
  }
  if (chunk.size() > *capacity_) {
    chunk.begin = chunk.end - *capacity_;
  }
  const std::uint64_t window_end = window + std::min(*capacity_, kMaxOffset - window);
  if (chunk.begin < window_end) {
    chunk.end = std::min(chunk.end, window_end);
  }
  return chunk;
}

Result<void> Core::evict_locked(std::uint64_t window_begin, Effects& effects) {
  Content& content = filling_locked();
  Availability& availability = content.availability;
  const ByteRange gone{availability.window_begin(), window_begin};
  auto events = effects.wanted() ? evictions(availability, gone) : EventQueue::Batch();
  if (auto evicted = availability.evict_before(window_begin); !evicted) {
    return evicted;
  }
  if (content.storage->discards()) {
    content.to_discard = {content.to_discard.empty() ? gone.begin : content.to_discard.begin, gone.end};
  }
  effects.append(std::move(events));
  if (!next_) {
    waits_.on_evicted(availability, effects.ready());
  }
  return {};
}

// Does anybody hold bytes whose storage a write needs: behind the window, or among those it is to write, which a
// view may show that a commit below has dropped?
bool Core::pinned_locked(const Content& content, std::span<const ByteRange> wanted) const noexcept {
  const std::uint64_t window = content.availability.window_begin();
  Pin first;
  first.generation = content.generation;
  for (auto pin = pins_.lower_bound(first); pin != pins_.end() && pin->generation == content.generation; ++pin) {
    const auto meets = [&](ByteRange piece) { return pin->range.intersects(piece); };
    if (pin->range.begin < window || std::any_of(wanted.begin(), wanted.end(), meets)) {
      return true;
    }
  }
  // A write that still compares or writes where the window has been.
  return std::any_of(writes_.begin(), writes_.end(), [&](const InFlight& write) {
    return write.generation == content.generation && write.chunk.begin < window;
  });
}

// The part of the range that may go now; empty when a cursor leaves no room.
Result<ByteRange> Core::admit_locked(WriterId writer, ByteRange range) {
  if (const auto refusal = life_.may_write(writer)) {
    return refused(*refusal);
  }
  const Availability& availability = filling_locked().availability;
  const auto length = availability.length();
  if (length && range.end > *length) {
    return fail(Errc::invalid_range, "write past the length");
  }
  if (range.end <= availability.window_begin()) {
    return fail(Errc::evicted, "write behind the window");
  }
  return capacity_ ? window_chunk_locked(range) : range;
}

Result<void> Core::start_write(WriterId writer, ByteRange range, WriteBounds& bounds, Pieces& pieces) {
  Effects effects(*this);
  MutexLock lock(mutex_);
  for (;;) {
    const auto chunk = admit_locked(writer, range);
    if (!chunk) {
      return fail(chunk.error().clone());
    }
    if (!exclusive_ && !chunk->empty() && !claimed_locked(*chunk)) {
      Content& content = filling_locked();
      const std::uint64_t window = content.availability.window_begin_for(chunk->end);
      if (window > content.availability.window_begin()) {
        if (auto moved = evict_locked(window, effects); !moved) {
          return moved;
        }
        lock.unlock();
        effects.run();
        lock.lock();
        continue;
      }
      pieces.present.clear();
      pieces.missing.clear();
      content.availability.collect_covered(*chunk, pieces.present);
      content.availability.collect_gaps(*chunk, pieces.missing);
      if (!capacity_ || !pinned_locked(content, pieces.missing)) {
        if (content.to_discard.empty()) {
          pieces.storage = content.storage;
          pieces.generation = content.generation;
          pieces.chunk = *chunk;
          pieces.claimed = pieces.missing;
          writes_.push_back(pieces);
          return {};
        }
        // Nobody holds them any more; and nobody writes where they were while the driver is told.
        const auto storage = content.storage;
        const ByteRange gone = std::exchange(content.to_discard, {});
        exclusive_ = true;
        if (auto drained = wait_for_writes_locked(); !drained) {
          return drained;
        }
        lock.unlock();
        storage->discard(gone);
        lock.lock();
        leave_exclusive_locked();
        continue;
      }
    }
    if (const auto end = wait_at_gate_locked(bounds)) {
      return fail(*end, "write held up");
    }
  }
}

namespace {

Result<void> compare(const Storage& storage, ByteRange piece, std::span<const std::byte> data) {
  std::array<std::byte, 16384> buffer;
  while (!data.empty()) {
    const std::size_t wanted = std::min(buffer.size(), data.size());
    const auto count = storage.read_at(piece.begin, std::span(buffer).first(wanted));
    if (!count) {
      return fail(count.error().clone());
    }
    if (*count == 0 || *count > wanted) {
      return fail(Errc::io, "the driver's read made no progress");
    }
    if (std::memcmp(buffer.data(), data.data(), *count) != 0) {
      return fail(Errc::conflict, "different bytes are there already, in " + to_string(piece));
    }
    piece.begin += *count;
    data = data.subspan(*count);
  }
  return {};
}

}  // namespace

Result<std::size_t> Core::publish(ByteRange run, Effects& effects) {
  MutexLock lock(mutex_);
  if (life_.state() != State::active) {
    // A commit would have waited for this write.
    return refused(life_.state() == State::failed ? Errc::failed : Errc::cancelled);
  }
  Availability& availability = filling_locked().availability;
  // Another write may have moved the window over this one's bytes; it waits for us before it reuses them.
  const ByteRange kept = run.clamped_to({availability.window_begin(), kMaxOffset});
  if (kept.empty()) {
    return 0;
  }
  auto events = effects.wanted() ? batch_of(Event{Event::Kind::write, kept, 0, nullptr, 0}) : EventQueue::Batch();
  if (auto published = availability.publish(kept); !published) {
    return fail(std::move(published.error()));
  }
  effects.append(std::move(events));
  Counters::add(counters_->bytes_written, kept.size());
  if (!next_) {
    update_hints_locked();
    waits_.on_available(kept, availability, effects.ready());
  }
  return kept.size();
}

Result<std::size_t> Core::write_pieces(Pieces& pieces, std::uint64_t offset, std::span<const std::byte> data,
                                       Effects& effects) {
  const auto bytes_of = [&](ByteRange piece) { return data.subspan(piece.begin - offset, piece.size()); };
  for (const ByteRange piece : pieces.present) {
    if (auto same = compare(*pieces.storage, piece, bytes_of(piece)); !same) {
      return fail(std::move(same.error()));
    }
  }
  std::size_t fresh = 0;
  for (ByteRange piece : pieces.claimed) {
    while (!piece.empty()) {
      auto count = pieces.storage->write_at(piece.begin, bytes_of(piece));
      if (!count) {
        return count;
      }
      if (*count == 0 || *count > piece.size()) {
        return fail(Errc::io, "the driver's write made no progress");
      }
      const ByteRange written{piece.begin, piece.begin + *count};
      auto published = publish(written, effects);
      if (!published) {
        return published;
      }
      effects.wake_threads();
      fresh += *published;
      piece.begin = written.end;
    }
  }
  return fresh;
}

// Before the effects run, so that an observer may write, commit or fail.
void Core::end_write(InFlight& write) noexcept {
  MutexLock lock(mutex_);
  writes_.erase(writes_.iterator_to(write));
  gate_.notify_all();
}

Result<std::size_t> Core::write(WriterId writer, std::uint64_t offset, std::span<const std::byte> data,
                                const WaitOptions& options) noexcept {
  const auto whole = ByteRange::from_size(offset, data.size());
  if (!whole) {
    return fail(whole.error().clone());
  }
  WriteBounds bounds{options.deadline.value_or(time_point::max())};
  const std::stop_callback on_stop(options.stop, [&]() noexcept {
    MutexLock lock(mutex_);
    bounds.stopped = true;
    gate_.notify_all();
  });
  return without_throwing([&]() -> Result<std::size_t> {
    if (capacity_ || data.empty()) {
      MutexLock lock(mutex_);
      bounds.interrupts = interrupts_;
      if (const auto refusal = life_.may_write(writer); refusal && data.empty()) {
        return refused(*refusal);
      }
    }
    std::size_t fresh = 0;
    // Once round, but for a ring: there, up to the window's end, then what moves it, and if it blocks, as
    // much at a time as its cursors leave room for.
    for (ByteRange rest = *whole; !rest.empty();) {
      Pieces pieces;
      if (auto started = start_write(writer, rest, bounds, pieces); !started) {
        return fail(std::move(started.error()));
      }
      Effects effects(*this);
      auto written = without_throwing([&] { return write_pieces(pieces, offset, data, effects); });
      rest.begin = pieces.chunk.end;
      // A rewrite waits for this write, and then wants what the storage may hold, such as a lock on its file.
      pieces.storage.reset();
      end_write(pieces);
      effects.run();
      if (!written) {
        return written;
      }
      fresh += *written;
    }
    return fresh;
  });
}

Result<std::size_t> Core::publish_found(WriterId writer, ByteRange range, Effects* later) noexcept {
  if (!range.valid()) {
    return fail(Errc::invalid_range, "publish");
  }
  return without_throwing([&]() -> Result<std::size_t> {
    if (range.empty()) {
      return 0;
    }
    WriteBounds bounds{time_point::max()};
    Pieces pieces;
    if (auto started = start_write(writer, range, bounds, pieces); !started) {
      return fail(std::move(started.error()));
    }
    Effects own(*this);
    Effects& effects = later != nullptr ? *later : own;
    std::size_t fresh = 0;
    Result<void> result;
    for (const ByteRange piece : pieces.claimed) {
      auto published = publish(piece, effects);
      if (!published) {
        result = fail(std::move(published.error()));
        break;
      }
      fresh += *published;
    }
    pieces.storage.reset();
    end_write(pieces);
    return result ? Result<std::size_t>(fresh) : fail(std::move(result.error()));
  });
}

}  // namespace strandline
