// Entry: what is held, what is given up, and what turns out to be bad.
#include <strandline/drivers/file/failure.h>
#include <strandline/resource/core/parts.h>
#include <strandline/store/entry/entry.h>
#include <strandline/store/entry/later.h>

#include <algorithm>
#include <chrono>
#include <new>
#include <span>
#include <thread>
#include <utility>
#include <vector>

namespace strandline::store {

namespace {

constexpr std::uint64_t kReadBetween = 64 << 20;  // bytes verified, between two words of how far it has come

}  // namespace

// Under the mutex, as evictions of this process are: none sees a pin half made. One of another process passes soon; one
// whose process was killed between its record and its signal has passed unheard of: so the journal is read once the
// bytes are held, and what is here from then on stays.
Result<void> Entry::pin(ByteRange range) noexcept {
  if (!range.valid() || range.end > kWhole.end) {
    return fail(Errc::invalid_range, "pin");
  }
  if (range.empty()) {
    return {};
  }
  return patiently([&](bool last) -> std::optional<Result<void>> {
    Effects effects(core());
    MutexLock lock(mutex_);
    try {
      pins_.reserve(pins_.size() + 1);
    } catch (const std::bad_alloc&) {
      return fail(Errc::no_memory, "pin");
    }
    if (auto held = driver_.pin(range); !held) {
      return held.error().code == Errc::busy && !last ? std::nullopt : std::optional(std::move(held));
    }
    pins_.push_back(range);
    auto followed = follow_locked(true, effects);
    if (!followed) {
      unpin_locked(range);
    }
    return followed;
  });
}

void Entry::unpin(ByteRange range) noexcept {
  MutexLock lock(mutex_);
  unpin_locked(range);
}

void Entry::unpin_locked(ByteRange range) noexcept {
  const auto it = std::find(pins_.begin(), pins_.end(), range);
  if (it == pins_.end()) {
    return;
  }
  pins_.erase(it);
  // Piece by piece what no other pin holds.
  for (std::uint64_t at = range.begin; at < range.end;) {
    std::uint64_t end = range.end;
    std::uint64_t held_to = at;
    for (const ByteRange pin : pins_) {
      if (pin.begin <= at && at < pin.end) {
        held_to = std::max(held_to, pin.end);
      } else if (at < pin.begin) {
        end = std::min(end, pin.begin);
      }
    }
    if (held_to > at) {
      at = held_to;
      continue;
    }
    driver_.unpin({at, end});
    at = end;
  }
}

Result<std::uint64_t> Entry::evict(ByteRange range, Later* later) noexcept {
  Effects own(core());
  Effects* const given = later != nullptr ? later->of(shared_from_this()) : nullptr;
  Effects& effects = given != nullptr ? *given : own;
  MutexLock lock(mutex_);
  return evict_locked(range.clamped_to(kWhole), false, effects);
}

Result<std::uint64_t> Entry::evict_locked(ByteRange range, bool pinned_or_not, Effects& effects) noexcept {
  const auto meets = [&](ByteRange pin) { return pin.intersects(range); };
  const bool pinned = std::any_of(pins_.begin(), pins_.end(), meets);
  if (pinned && !pinned_or_not) {
    return fail(Errc::busy, "pinned");
  }
  const bool is_writer = driver_.role() == EntryDriver::Role::writer;
  if (!is_writer) {
    if (auto promoted = promote_locked(effects); !promoted) {
      return fail(std::move(promoted.error()));
    }
  }
  auto gone = [&]() -> Result<std::uint64_t> {
    mutex_.assert_held();
    // Not where it is pinned here: the lock would take the place of the pin's.
    auto excluded = pinned ? fail(Errc::busy, "pinned") : driver_.exclude(range);
    if (!excluded && !pinned_or_not) {
      return fail(std::move(excluded.error()));
    }
    using Evicting = EntryDriver::Evicting;
    driver_.set_evicting(excluded ? Evicting::freeing : Evicting::leaving);
    auto evicted = core().evict(range, &effects);
    driver_.set_evicting(Evicting::nothing);
    if (excluded) {
      driver_.unpin(range);
    }
    return evicted;
  }();
  if (!is_writer) {
    demote_locked();
    static_cast<void>(follow_locked(true, effects));  // somebody may have begun to write; if not, waits end
  }
  return gone;
}

// A pin keeps bytes that are there. These are not, whatever the journal says of them; but they stay in the file, where
// somebody may be sending them. If it cannot, the read says corrupt.
bool Entry::drop_bad_blocks(ByteRange blocks) noexcept {
  Effects effects(core());
  MutexLock lock(mutex_);
  if (!driver_.is_still_bad(blocks)) {
    return true;  // others have given them up, or brought them anew
  }
  return evict_locked(blocks.clamped_to(kWhole), true, effects).has_value();
}

Result<void> Entry::verify(bool repair, const std::function<bool(std::uint64_t)>& read,
                           const std::function<void(ByteRange, bool)>& bad) noexcept {
  return file::contained([&]() -> Result<void> {
    const auto available = resource_.available();
    if (!available) {
      return fail(available.error().clone());
    }
    std::vector<std::byte> buffer(kChecksumBlock);
    std::uint64_t bytes = 0;
    for (const ByteRange run : *available) {
      for (ByteRange block = run; block.begin < run.end; block.begin = block.end) {
        block.end = std::min(run.end, (block.begin / kChecksumBlock + 1) * kChecksumBlock);
        const auto part = std::span(buffer).first(block.size());
        auto checked = driver_.check(block, part);
        if (!checked && (checked.error().code == Errc::corrupt || checked.error().code == Errc::changed)) {
          // Or another process has given it up since: then it is a hole, and this one does not know yet.
          if (auto followed = follow(); !followed) {
            return followed;
          }
          checked = resource_.contains(block) ? driver_.check(block, part) : Result<void>();
        }
        if (!checked && checked.error().code != Errc::corrupt) {
          return checked;
        }
        if (!checked) {
          bad(block, repair && drop_bad_blocks(block));
        }
        bytes += block.size();
        if (bytes >= kReadBetween || block.end == run.end) {
          if (!read(std::exchange(bytes, 0))) {
            return {};
          }
        }
      }
    }
    return {};
  });
}

}  // namespace strandline::store
