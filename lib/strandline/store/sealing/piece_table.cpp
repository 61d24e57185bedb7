#include <strandline/store/sealing/piece_table.h>

#include <algorithm>
#include <new>
#include <utility>

namespace strandline::store {
namespace {

template <class F>
auto in_memory(F&& body) noexcept -> decltype(body()) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return fail(Errc::no_memory, "pieces");
  }
}

}  // namespace

Result<void> PieceTable::reset(PieceMap pieces, const BlockMap& there) noexcept {
  return in_memory([&]() -> Result<void> {
    auto bytes = there.clone();
    if (!bytes) {
      return fail(std::move(bytes.error()));
    }
    MutexLock lock(mutex_);
    pieces_ = std::move(pieces);
    there_ = std::move(*bytes);
    changes_.fetch_add(2, std::memory_order_release);
    return {};
  });
}

PieceTable::Found PieceTable::find(ByteRange range) const noexcept {
  MutexLock lock(mutex_);
  Found found;
  found.changes = changes_.load(std::memory_order_relaxed);
  if (const Piece* const piece = pieces_.at(range.begin)) {
    found.piece = *piece;
  } else {
    found.gap = pieces_.gap_at(range);
  }
  return found;
}

bool PieceTable::settle(std::uint32_t changes) const noexcept {
  std::uint32_t now = changes_.load(std::memory_order_acquire);
  const bool changed = now != changes || now % 2 != 0;
  for (; now % 2 != 0; now = changes_.load(std::memory_order_acquire)) {
    changes_.wait(now);
  }
  return changed;
}

Result<void> PieceTable::note(std::span<const Piece> pieces) noexcept {
  return in_memory([&]() -> Result<void> {
    MutexLock lock(mutex_);
    for (const Piece& piece : pieces) {
      pieces_.replace(std::span(&piece, 1));
    }
    changes_.fetch_add(2, std::memory_order_release);
    return {};
  });
}

void PieceTable::forget(ByteRange range) noexcept {
  MutexLock lock(mutex_);
  pieces_.erase_if(range, [&](const Piece& piece) { return range.contains(piece.range); });
  changes_.fetch_add(2, std::memory_order_release);
}

bool PieceTable::overlaps(ByteRange range) const noexcept {
  MutexLock lock(mutex_);
  return pieces_.overlaps(range);
}

Result<void> PieceTable::wrote(const Piece& piece) noexcept {
  return in_memory([&]() -> Result<void> {
    MutexLock lock(mutex_);
    if (auto added = there_.insert(piece.range); !added) {
      return fail(std::move(added.error()));
    }
    pieces_.replace(std::span(&piece, 1));
    return {};
  });
}

Result<PieceTable::Overlapped> PieceTable::overlapped(ByteRange range) const noexcept {
  return in_memory([&]() -> Result<Overlapped> {
    MutexLock lock(mutex_);
    Overlapped found;
    found.pieces = pieces_.overlapping(range);
    for (const Piece& piece : found.pieces) {
      for (const ByteRange run : there_.runs(piece.range)) {
        found.there.reserve(1);
        found.there.add_reserved(run);
      }
    }
    return found;
  });
}

Result<void> PieceTable::begin_replacing(std::span<const Piece> pieces) noexcept {
  return in_memory([&]() -> Result<void> {
    MutexLock lock(mutex_);
    for (const Piece& piece : pieces) {
      if (auto added = there_.insert(piece.range); !added) {
        return fail(std::move(added.error()));
      }
    }
    pieces_.replace(pieces);
    changes_.fetch_add(1, std::memory_order_release);
    return {};
  });
}

void PieceTable::end_replacing(std::span<const Piece> pieces, bool written) noexcept {
  {
    MutexLock lock(mutex_);
    if (!written) {
      for (const Piece& piece : pieces) {
        pieces_.erase_if(piece.range, [](const Piece&) { return true; });
      }
    }
    changes_.fetch_add(1, std::memory_order_release);
  }
  changes_.notify_all();
}

void PieceTable::erase_empty_locked(ByteRange range) noexcept {
  pieces_.erase_if(range, [&](const Piece& piece) {
    mutex_.assert_held();
    return !there_.intersects(piece.range);
  });
}

Result<ByteRange> PieceTable::give_up(ByteRange range) noexcept {
  MutexLock lock(mutex_);
  if (auto taken = there_.erase(range); !taken) {
    return fail(std::move(taken.error()));
  }
  ByteRange free = range;
  const Piece* const first = pieces_.at(range.begin);
  const Piece* const last = pieces_.at(range.end - 1);
  if (first != nullptr) {
    free.begin = there_.intersects(first->range) ? std::max(free.begin, first->range.end) : first->range.begin;
  }
  if (last != nullptr) {
    free.end = there_.intersects(last->range) ? std::min(free.end, last->range.begin) : last->range.end;
  }
  erase_empty_locked(range);
  changes_.fetch_add(2, std::memory_order_release);
  return free;
}

Result<std::uint64_t> PieceTable::cut(std::uint64_t length) noexcept {
  MutexLock lock(mutex_);
  std::uint64_t size = length;
  if (length < kMaxOffset) {
    if (auto taken = there_.erase({length, kMaxOffset}); !taken) {
      return fail(std::move(taken.error()));
    }
    erase_empty_locked({length, kMaxOffset});
  }
  if (const Piece* const last = length > 0 ? pieces_.at(length - 1) : nullptr) {
    size = std::max(size, last->range.end);
  }
  changes_.fetch_add(2, std::memory_order_release);
  return size;
}

}  // namespace strandline::store
