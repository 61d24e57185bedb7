#include <strandline/resource/core/parts.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace strandline {

// A write goes through six steps; only the first three and the last hold the lock.
//  1 admit: wait until no commit runs, no other write is on the same bytes, and on a ring that blocks the
//    cursors leave room.
//  2 claim: what is missing is claimed, so that no other write touches it; what is there is noted.
//  3 on a ring, move the window, and wait for the pins behind it before their storage is reused.
//  4 compare what is there with what is offered: a difference ends the write before it changed anything.
//  5 write the claimed pieces to the storage.
//  6 publish each piece, as far as the storage says it wrote it, then release the claims.
// Steps 1 to 3 allocate all they need before the state changes. A ring's write that moves the window has
// no bytes to compare: what lies in the window as it stands goes first, as a write of its own.
// Who holds claims waits for nobody but, in step 3, those whose bytes lie before its own, so there is no
// cycle; such a write is not in flight yet, so that a commit need not wait for what it waits for.
struct Core::Pieces {
  std::shared_ptr<Storage> storage;
  std::uint64_t generation = 0;
  ByteRange chunk;
  ByteRange evicted;  // what the window has moved over for this write
  std::vector<ByteRange> present;
  std::vector<ByteRange> claimed;
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
  if (bounds.deadline <= std::chrono::steady_clock::now()) {
    return Errc::timed_out;
  }
  gate_.wait_until(mutex_, bounds.deadline);
  return std::nullopt;
}

bool Core::claimed_locked(ByteRange range) const noexcept {
  // Claims are disjoint: only the last that begins before the range's end can reach into it.
  const auto after = claims_.lower_bound(range.end);
  return after != claims_.begin() && std::prev(after)->second > range.begin;
}

// The part of a write that can go now: what the window can hold, and what no cursor holds back.
ByteRange Core::window_chunk_locked(ByteRange range) const noexcept {
  const std::uint64_t window = filling_locked().availability.window_begin();
  ByteRange chunk{std::max(range.begin, window), range.end};
  if (overflow_ == Overflow::block && !next_) {
    for (const std::uint64_t position : cursors_) {
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
  Availability& availability = filling_locked().availability;
  const ByteRange gone{availability.window_begin(), window_begin};
  auto events = effects.evictions(availability.set(), gone);
  if (!events) {
    return fail(std::move(events.error()));
  }
  if (auto dropped = availability.drop(gone); !dropped) {
    return dropped;
  }
  availability.advance_window(window_begin);
  effects.append(std::move(*events));
  if (!next_) {
    waits_.on_evicted(availability, effects.ready());
  }
  return {};
}

// Steps 1 and 2.
Result<Core::Pieces> Core::admit_locked(WriterId writer, ByteRange range, WriteBounds& bounds) {
  for (;;) {
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
    const ByteRange chunk = capacity_ ? window_chunk_locked(range) : range;
    if (!exclusive_ && !chunk.empty() && !claimed_locked(chunk)) {
      return claim_locked(chunk);
    }
    if (const auto end = wait_at_gate_locked(bounds)) {
      return fail(*end, "write held up");
    }
  }
}

// Does anybody hold bytes whose storage this write needs: behind the window it wants, or among its own,
// which a view may show that a commit below has dropped?
bool Core::pinned_locked(const Pieces& pieces, std::uint64_t window) const noexcept {
  bool own = false;
  for (auto pin = pins_.lower_bound({pieces.generation, 0, 0}); pin != pins_.end(); ++pin) {
    const auto [generation, begin, end] = *pin;
    const ByteRange held{begin, end};
    if (generation != pieces.generation) {
      break;
    }
    if (!own && held == pieces.chunk) {
      own = true;
      continue;
    }
    const auto meets = [held](ByteRange piece) { return held.intersects(piece); };
    if (begin < window || std::any_of(pieces.claimed.begin(), pieces.claimed.end(), meets)) {
      return true;
    }
  }
  return false;
}

// Step 3. The window moves before its old bytes are overwritten, so that no new reader takes them while
// those that already have hold us up.
Result<void> Core::make_room_locked(WriterId writer, Pieces& pieces, WriteBounds& bounds) {
  const std::uint64_t before = filling_locked().availability.window_begin();
  const std::uint64_t window = filling_locked().availability.window_begin_for(pieces.chunk.end);
  if (window > before) {
    Effects effects(*this);
    if (auto moved = evict_locked(window, effects); !moved) {
      return moved;
    }
    pieces.evicted = {before, window};
    mutex_.unlock();
    effects.run();
    mutex_.lock();
  }
  for (;;) {
    if (const auto refusal = life_.may_write(writer)) {
      return refused(*refusal);
    }
    // Not checked for good by admit_locked(): set_length() may come while this one is held up.
    const auto length = filling_locked().availability.length();
    if (length && pieces.chunk.end > *length) {
      return fail(Errc::invalid_range, "write past the length");
    }
    if (!exclusive_ && !pinned_locked(pieces, window)) {
      ++writes_in_flight_;
      return {};
    }
    if (const auto end = wait_at_gate_locked(bounds)) {
      return fail(*end, "write held up");
    }
  }
}

Result<Core::Pieces> Core::claim_locked(ByteRange chunk) {
  Content& content = filling_locked();
  Pieces pieces;
  pieces.storage = content.storage;
  pieces.generation = life_.filling();
  pieces.chunk = chunk;
  auto present = content.availability.set().covered(chunk);
  auto missing = content.availability.set().gaps(chunk);
  if (!present || !missing) {
    return fail(Errc::no_memory, "write");
  }
  pieces.present = std::move(*present);
  pieces.claimed = std::move(*missing);
  // Built aside and merged whole: an allocation that fails leaves no claim behind.
  std::map<std::uint64_t, std::uint64_t> claims;
  for (const ByteRange piece : pieces.claimed) {
    claims.emplace(piece.begin, piece.end);
  }
  if (capacity_) {
    pins_.emplace(pieces.generation, chunk.begin, chunk.end);
  }
  claims_.merge(claims);
  return pieces;
}

void Core::release_locked(const Pieces& pieces) noexcept {
  for (const ByteRange piece : pieces.claimed) {
    claims_.erase(piece.begin);
  }
  if (capacity_) {
    pins_.erase(pins_.find({pieces.generation, pieces.chunk.begin, pieces.chunk.end}));
  }
  gate_.notify_all();
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
    return refused(life_.state() == State::failed ? Errc::failed : Errc::cancelled);
  }
  Availability& availability = filling_locked().availability;
  // Another write may have moved the window over this one's bytes; it waits for our pin.
  const ByteRange kept = run.clamped_to({availability.window_begin(), kMaxOffset});
  if (kept.empty()) {
    return 0;
  }
  auto events = effects.batch(Event{Event::Kind::write, kept, 0, nullptr, 0});
  if (auto published = availability.publish(kept); !published) {
    return fail(std::move(published.error()));
  }
  effects.append(std::move(events));
  Counters::add(counters_->bytes_written, kept.size());
  if (!next_) {
    waits_.on_available(kept, availability, effects.ready());
  }
  return kept.size();
}

Result<std::size_t> Core::write_pieces(const Pieces& pieces, std::uint64_t offset, std::span<const std::byte> data,
                                       Effects& effects) {
  const auto bytes_of = [&](ByteRange piece) { return data.subspan(piece.begin - offset, piece.size()); };
  for (const ByteRange piece : pieces.present) {
    if (auto same = compare(*pieces.storage, piece, bytes_of(piece)); !same) {
      return fail(std::move(same.error()));
    }
  }
  if (!pieces.evicted.empty()) {
    pieces.storage->discard(pieces.evicted);
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
    {
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
      Result<Pieces> pieces = [&]() -> Result<Pieces> {
        MutexLock lock(mutex_);
        auto admitted = admit_locked(writer, rest, bounds);
        if (admitted) {
          auto room = without_throwing([&] {
            mutex_.assert_held();
            return make_room_locked(writer, *admitted, bounds);
          });
          if (!room) {
            release_locked(*admitted);
            return fail(std::move(room.error()));
          }
        }
        return admitted;
      }();
      if (!pieces) {
        return fail(std::move(pieces.error()));
      }
      // The claims go before the effects run, so that an observer may write, commit or fail.
      Effects effects(*this);
      auto written = without_throwing([&] { return write_pieces(*pieces, offset, data, effects); });
      {
        MutexLock lock(mutex_);
        --writes_in_flight_;
        release_locked(*pieces);
      }
      effects.run();
      if (!written) {
        return written;
      }
      fresh += *written;
      rest.begin = pieces->chunk.end;
    }
    return fresh;
  });
}

}  // namespace strandline
