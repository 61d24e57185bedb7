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

Result<std::shared_ptr<Entry>> Entry::open(EntryDriver::Options options, std::string name, std::uint64_t id) noexcept {
  return file::contained([&]() -> Result<std::shared_ptr<Entry>> {
    auto owned = std::make_unique<EntryDriver>();
    EntryDriver& driver = *owned;
    options.may_follow = true;
    const std::uint32_t changes = options.signals.changes();
    auto state = driver.open(std::move(options));
    if (!state) {
      return fail(std::move(state.error()));
    }
    auto resource = Resource<EntryDriver>::on(std::move(owned), std::move(*state));
    if (!resource) {
      return fail(std::move(resource.error()));
    }
    std::shared_ptr<Entry> entry(new Entry(std::move(*resource), driver, std::move(name), id));
    driver.on_stale = [weak = std::weak_ptr<Entry>(entry)]() -> Result<void> {
      const auto self = weak.lock();
      if (self == nullptr) {
        return fail(Errc::cancelled, "the entry has been closed");
      }
      Effects effects(self->core());
      MutexLock lock(self->mutex_);
      return self->follow_locked(true, effects);
    };
    driver.on_bad_block = [weak = std::weak_ptr<Entry>(entry)](ByteRange blocks) {
      if (const auto self = weak.lock()) {
        static_cast<void>(self->drop_bad_blocks(blocks));
      }
    };
    Effects effects(entry->core());
    MutexLock lock(entry->mutex_);
    entry->changes_ = changes;
    // It was opened as the writer, to put right what a crash may have left; that is all there is to write so far.
    entry->demote_locked();
    if (auto followed = entry->follow_locked(true, effects); !followed) {
      return fail(std::move(followed.error()));
    }
    return entry;
  });
}

Entry::~Entry() {
  if (on_close) {
    on_close(*this);
  }
  // A read that is under way elsewhere must not come here any more; it keeps the driver.
  core().cancel();
}

bool Entry::serves(const Validator& validator, std::optional<std::uint64_t> length) const noexcept {
  const auto known = resource_.length();
  if (length && !known) {
    const auto available = resource_.available();
    if (!available || available->end_offset() > *length) {
      return false;
    }
  }
  return (validator.kind == Validator::Kind::none || validator == this->validator()) &&
         (!length || !known || *length == *known);
}

Result<void> Entry::promote_locked(Effects& effects) noexcept {
  if (past_) {
    return fail(Errc::changed, "another version has taken its place");
  }
  if (auto promoted = driver_.promote(); !promoted) {
    if (promoted.error().code == Errc::changed) {
      become_past_locked(effects);
    }
    return promoted;
  }
  // To the journal's end, for nobody else appends any more.
  becoming_writer_ = true;
  auto followed = follow_locked(true, effects);
  becoming_writer_ = false;
  if (!followed || past_) {
    demote_locked();
    return followed ? fail(Errc::changed, "another version has taken its place") : std::move(followed);
  }
  driver_.set_alone();
  return {};
}

void Entry::demote_locked() noexcept {
  if (driver_.role() == EntryDriver::Role::writer) {
    driver_.demote();
    follower_.reset();
    // While the lock is held the name leads to the journal that position() speaks of. Without it all is read anew.
    if (auto journal = driver_.options().files->open(driver_.journal_path(), OpenFile::to_read)) {
      follower_.emplace(std::move(*journal), driver_.position());
    }
    const Signals& signals = driver_.options().signals;
    // Up to here all changes were ours, and unlock() is one more. If there are others by now, whoever looks after
    // entries shall read them.
    changes_ = signals.changes() + 1;
    driver_.unlock();
    if (!signals.watch(changes_)) {
      signals.ring();
    }
  }
}

// Others change the files as well, but only for a moment: who is to write waits for them.
Result<void> Entry::promote_patiently_locked(Effects& effects) noexcept {
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  for (;;) {
    auto promoted = promote_locked(effects);
    if (promoted || promoted.error().code != Errc::busy || std::chrono::steady_clock::now() > patience) {
      return promoted;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

Result<std::optional<Writer<EntryDriver>>> Entry::take_writer(Later* later) noexcept {
  using Answer = Result<std::optional<Writer<EntryDriver>>>;
  end_finished();
  return file::contained([&]() -> Answer {
    Effects own(core());
    Effects* const given = later != nullptr ? later->of(shared_from_this()) : nullptr;
    Effects& effects = given != nullptr ? *given : own;
    MutexLock lock(mutex_);
    if (past_) {
      return fail(Errc::changed, "another version has taken its place");
    }
    if (driver_.role() == EntryDriver::Role::writer) {
      return std::nullopt;
    }
    // Most entries that are asked for are complete.
    if (auto followed = follow_locked(false, effects); !followed || core().status().state == State::committed) {
      return followed ? Answer(std::nullopt) : fail(std::move(followed.error()));
    }
    if (auto claimed = driver_.claim_role(); !claimed) {
      if (claimed.error().code != Errc::busy) {
        return fail(std::move(claimed.error()));
      }
      auto followed = follow_locked(true, effects);  // who has it shall be stood in for
      return followed ? Answer(std::nullopt) : fail(std::move(followed.error()));
    }
    auto writer = start_writing_locked(effects);
    if (!writer || !*writer) {
      demote_locked();
      driver_.release_role();
    }
    // Somebody who changes the files, for a moment, has been stopped in the midst of it.
    return writer || writer.error().code != Errc::busy ? std::move(writer) : Answer(std::nullopt);
  });
}

Result<std::optional<Writer<EntryDriver>>> Entry::start_writing_locked(Effects& effects) {
  if (auto promoted = promote_patiently_locked(effects); !promoted) {
    return fail(std::move(promoted.error()));
  }
  leave_stand_in_locked(Abandon::handover, effects);
  const State state = core().status().state;
  if (state == State::committed) {
    return std::nullopt;
  }
  auto writer = state == State::failed ? core().reactivate(Reactivate::resume, &effects) : core().take_writer();
  if (!writer) {
    return fail(std::move(writer.error()));
  }
  return Writer<EntryDriver>(resource_.handle(), *writer);
}

void Entry::end_writing(Writer<EntryDriver> writer) noexcept {
  static_cast<void>(writer.abandon(Abandon::stop));  // refused when it has ended otherwise
  end_finished();
}

void Entry::end_finished() noexcept {
  if (!is_writer() || core().is_written()) {
    return;
  }
  // Before the mutex: a write that makes room for itself may be evicting from this entry.
  driver_.wait_for_changes();
  if (driver_.options().durability == Durability::batched && driver_.unsynced() > 0) {
    static_cast<void>(driver_.sync());  // nobody would later; what cannot be synced is doomed, and says so
  }
  MutexLock lock(mutex_);
  if (is_writer() && !becoming_writer_ && !core().is_written()) {
    demote_locked();
    driver_.release_role();
    driver_.options().signals.changed();
  }
}

bool Entry::watch() noexcept {
  MutexLock lock(mutex_);
  return past_ || driver_.role() == EntryDriver::Role::writer || driver_.options().signals.watch(changes_);
}

bool Entry::is_written_elsewhere() noexcept {
  MutexLock lock(mutex_);
  return stand_in_.has_value();
}

Result<void> Entry::retire_and(const std::function<Result<void>()>& then, Later* later) noexcept {
  end_finished();
  if (driver_.doomed()) {
    driver_.wait_for_changes();  // before the mutex, as there; those that come now are refused at once
  }
  Effects own(core());
  Effects* const given = later != nullptr ? later->of(shared_from_this()) : nullptr;
  Effects& effects = given != nullptr ? *given : own;
  MutexLock lock(mutex_);
  if (past_) {
    return {};
  }
  if (driver_.role() == EntryDriver::Role::writer && !driver_.doomed()) {
    return fail(Errc::busy, "it is being written");
  }
  if (driver_.role() == EntryDriver::Role::reader) {
    const auto elsewhere = driver_.has_writer_elsewhere();
    if (!elsewhere || *elsewhere) {
      return elsewhere ? fail(Errc::busy, "it is being written") : fail(elsewhere.error().clone());
    }
    if (auto promoted = promote_patiently_locked(effects); !promoted) {
      return promoted.error().code == Errc::changed ? Result<void>() : std::move(promoted);
    }
  }
  auto done = then();
  if (done) {
    become_past_locked(effects);
  } else {
    demote_locked();
  }
  return done;
}

// Under the mutex, as evictions of this process are: none sees a pin half made. One of another process passes soon.
Result<void> Entry::pin(ByteRange range) noexcept {
  if (!range.valid() || range.end > kWhole.end) {
    return fail(Errc::invalid_range, "pin");
  }
  if (range.empty()) {
    return {};
  }
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  for (;;) {
    {
      MutexLock lock(mutex_);
      try {
        pins_.reserve(pins_.size() + 1);
      } catch (const std::bad_alloc&) {
        return fail(Errc::no_memory, "pin");
      }
      auto held = driver_.pin(range);
      if (held) {
        pins_.push_back(range);
        return {};
      }
      if (held.error().code != Errc::busy || std::chrono::steady_clock::now() > patience) {
        return held;
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void Entry::unpin(ByteRange range) noexcept {
  MutexLock lock(mutex_);
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
  if (!pinned_or_not && std::any_of(pins_.begin(), pins_.end(), meets)) {
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
    if (!pinned_or_not) {
      if (auto excluded = driver_.exclude(range); !excluded) {
        return fail(std::move(excluded.error()));
      }
    }
    driver_.set_evicting(true);
    auto evicted = core().evict(range, &effects);
    driver_.set_evicting(false);
    if (!pinned_or_not) {
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

// A pin keeps bytes that are there. These are not, whatever the journal says of them. If it cannot, the read says
// corrupt.
bool Entry::drop_bad_blocks(ByteRange blocks) noexcept {
  Effects effects(core());
  MutexLock lock(mutex_);
  if (!driver_.is_still_bad(blocks)) {
    return true;  // others have given them up, or brought them anew
  }
  return evict_locked(blocks.clamped_to(kWhole), true, effects).has_value();
}

Result<void> Entry::sync(bool at_any_rate) noexcept {
  if (is_writer()) {
    auto synced = driver_.sync();
    if (synced || synced.error().code != Errc::no_writer) {
      return synced;
    }
  }
  if (!at_any_rate && driver_.unsynced() == 0) {
    return {};
  }
  Effects effects(core());
  MutexLock lock(mutex_);
  if (is_writer()) {
    return driver_.sync();
  }
  if (auto promoted = promote_locked(effects); !promoted) {
    // Another process changes it; or nobody will ask for this version again.
    return promoted.error().code == Errc::busy || promoted.error().code == Errc::changed ? Result<void>()
                                                                                         : std::move(promoted);
  }
  auto synced = driver_.sync();
  demote_locked();
  return synced;
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

std::uint64_t Entry::allocated() noexcept {
  MutexLock lock(mutex_);
  return driver_.allocated();
}

}  // namespace strandline::store
