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
Result<std::shared_ptr<Entry>> Entry::open(EntryDriver::Options options, std::string name, std::uint64_t id) noexcept {
  return file::contained([&]() -> Result<std::shared_ptr<Entry>> {
    auto owned = std::make_unique<EntryDriver>();
    EntryDriver& driver = *owned;
    options.may_follow = true;
    const std::uint32_t news = options.signals.news();
    const std::uint32_t changes = options.signals.changes();
    auto state = driver.open(std::move(options));
    if (!state) {
      return fail(std::move(state.error()));
    }
    auto resource = Resource<EntryDriver>::on(std::move(owned), std::move(*state));
    if (!resource) {
      return fail(std::move(resource.error()));
    }
    const auto epoch = ForkEpoch::arm();
    if (!epoch) {
      return fail(epoch.error().clone());
    }
    auto demand =
        std::make_shared<SharedDemand>(driver.options().signals, DemandTable::tag_of(name, driver.header().generation),
                                       resource->handle()->core(), *epoch);
    resource->set_demand_observer(demand);
    std::shared_ptr<Entry> entry(new Entry(std::move(*resource), driver, std::move(demand), std::move(name), id));
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
    entry->news_ = news;
    entry->changes_ = changes;
    entry->make_scout();
    // It was opened as the writer, to put right what a crash may have left; that is all there is to write so far.
    entry->demote_locked();
    if (auto followed = entry->follow_locked(true, effects); !followed) {
      return fail(std::move(followed.error()));
    }
    return entry;
  });
}

Entry::Entry(Resource<EntryDriver> resource, EntryDriver& driver, std::shared_ptr<SharedDemand> demand,
             std::string name, std::uint64_t id) noexcept
    : resource_(std::move(resource)), driver_(driver), demand_(std::move(demand)), name_(std::move(name)), id_(id) {}

Entry::~Entry() {
  end_scout();
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
    auto journal =
        file::contained([this] { return driver_.options().files->open(driver_.journal_path(), OpenFile::to_read); });
    if (journal) {
      follower_.emplace(std::move(*journal), driver_.position());
    }
    const Signals& signals = driver_.options().signals;
    // Up to here all changes were ours, and unlock() is one more. If there are others by now, whoever looks after
    // entries shall read them.
    news_ = (signals.news() + 1) % News::kCounts;
    changes_ = signals.changes() + 1;
    driver_.unlock();
    if (!watch_locked()) {
      signals.ring();
    }
  }
}

Result<std::optional<Writer<EntryDriver>>> Entry::take_writer(Later* later) noexcept {
  using Answer = Result<std::optional<Writer<EntryDriver>>>;
  end_finished();
  return file::contained([&]() -> Answer {
    const auto claimed = claim_writer(later);
    if (!claimed || !*claimed) {
      return claimed ? Answer(std::nullopt) : fail(claimed.error().clone());
    }
    Effects* const given = later != nullptr ? later->of(shared_from_this()) : nullptr;
    auto writer = patiently([&](bool last) -> std::optional<Answer> {
      Effects own(core());
      MutexLock lock(mutex_);
      auto started = start_writing_locked(given != nullptr ? *given : own);
      const bool held = !started && started.error().code == Errc::busy;
      if (held && !last) {
        return std::nullopt;
      }
      // Somebody who changes the files, for a moment, has been stopped in the midst of it.
      return held ? Answer(std::nullopt) : std::move(started);
    });
    MutexLock lock(mutex_);
    taking_writer_ = false;
    if (!writer || !*writer) {
      demote_locked();
      driver_.release_role();
    } else {
      demand_->set_fetching(true);
    }
    return writer;
  });
}

// True: the role is this caller's, until it is released. False: another's, or there is nothing to write.
Result<bool> Entry::claim_writer(Later* later) {
  Effects own(core());
  Effects* const given = later != nullptr ? later->of(shared_from_this()) : nullptr;
  Effects& effects = given != nullptr ? *given : own;
  MutexLock lock(mutex_);
  if (past_) {
    return fail(Errc::changed, "another version has taken its place");
  }
  if (taking_writer_ || is_writer()) {
    return false;
  }
  // Most entries that are asked for are complete.
  if (auto followed = follow_locked(false, effects); !followed || core().status().state == State::committed) {
    return followed ? Result<bool>(false) : fail(std::move(followed.error()));
  }
  if (auto claimed = driver_.claim_role(); !claimed) {
    if (claimed.error().code != Errc::busy) {
      return fail(std::move(claimed.error()));
    }
    auto followed = follow_locked(true, effects);  // who has it shall be stood in for
    return followed ? Result<bool>(false) : fail(std::move(followed.error()));
  }
  taking_writer_ = true;
  return true;
}

Result<std::optional<Writer<EntryDriver>>> Entry::start_writing_locked(Effects& effects) {
  if (auto promoted = promote_locked(effects); !promoted) {
    return fail(std::move(promoted.error()));
  }
  leave_stand_in_locked(Abandon::handover, effects);
  const State state = core().status().state;
  if (state == State::committed) {
    return std::nullopt;
  }
  auto writer = state == State::failed ? core().reactivate(Reactivate::resume, &effects) : core().take_writer();
  if (!writer) {
    // busy: somebody has taken one from the resource itself, which cannot write. It is theirs to let go of.
    return writer.error().code == Errc::busy ? Result<std::optional<Writer<EntryDriver>>>(std::nullopt)
                                             : fail(std::move(writer.error()));
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
    demand_->set_fetching(false);
    driver_.options().signals.changed();
  }
}

Result<void> Entry::add_successor(std::shared_ptr<const Successor> successor) noexcept {
  auto added = file::contained([&]() -> Result<void> {
    MutexLock lock(mutex_);
    const auto free = std::find(successors_.begin(), successors_.end(), nullptr);
    if (free != successors_.end()) {
      *free = std::move(successor);
    } else {
      successors_.push_back(std::move(successor));
    }
    has_successors_.store(true, std::memory_order_release);
    core().expect_writer(true);
    return {};
  });
  if (added) {
    driver_.options().signals.ring();  // nobody may be writing already
  }
  return added;
}

void Entry::remove_successor(const std::shared_ptr<const Successor>& successor) noexcept {
  std::shared_ptr<const Successor> removed;  // ends outside the lock
  Effects effects(core());
  MutexLock lock(mutex_);
  if (const auto it = std::find(successors_.begin(), successors_.end(), successor); it != successors_.end()) {
    removed.swap(*it);
  }
  if (std::all_of(successors_.begin(), successors_.end(), [](const auto& one) { return one == nullptr; })) {
    has_successors_.store(false, std::memory_order_release);
    core().expect_writer(false, &effects);
  }
  lock.unlock();
}

bool Entry::call_successors(std::chrono::steady_clock::time_point now) noexcept {
  constexpr auto kBetween = std::chrono::milliseconds(200);  // less than the store's thread sleeps
  if (!has_successors_.load(std::memory_order_acquire)) {
    return false;
  }
  {
    Effects effects(core());
    MutexLock lock(mutex_);
    const State state = core().status().state;
    if (past_ || is_writer() || stand_in_ || state == State::committed || state == State::cancelled) {
      return false;
    }
    if (taking_writer_) {
      return true;  // it may come to nothing
    }
    const auto elsewhere = driver_.has_writer_elsewhere();
    if (!elsewhere || *elsewhere) {
      // Nothing has changed yet: so that its end will be noticed, it is stood in for.
      return !elsewhere || !follow_locked(true, effects);
    }
    if (now < next_call_) {
      return true;
    }
    next_call_ = now + kBetween;
  }
  for (std::size_t i = 0;; ++i) {
    std::shared_ptr<const Successor> successor;
    {
      MutexLock lock(mutex_);
      if (i >= successors_.size()) {
        return true;
      }
      successor = successors_[i];
    }
    if (successor != nullptr) {
      (*successor)();
    }
  }
}

bool Entry::is_written_elsewhere() noexcept {
  MutexLock lock(mutex_);
  return stand_in_.has_value();
}

Result<void> Entry::retire_and(const std::function<Result<void>()>& then, Later* later) noexcept {
  if (driver_.doomed()) {
    driver_.wait_for_changes();  // before the mutex, as there; those that come now are refused at once
  }
  Effects* const given = later != nullptr ? later->of(shared_from_this()) : nullptr;
  return patiently([&](bool last) -> std::optional<Result<void>> {
    end_finished();
    Effects own(core());
    Effects& effects = given != nullptr ? *given : own;
    MutexLock lock(mutex_);
    if (past_) {
      return Result<void>();
    }
    // Readers have the last byte before who wrote it has committed, and let go.
    const auto written = [&]() -> std::optional<Result<void>> {
      const auto length = core().length();
      const bool whole = length && !core().next_gap(0, *length);
      return whole && !last ? std::nullopt : std::optional<Result<void>>(fail(Errc::busy, "it is being written"));
    };
    if (taking_writer_ || (is_writer() && !driver_.doomed())) {
      return written();
    }
    if (!is_writer()) {
      const auto elsewhere = driver_.has_writer_elsewhere();
      if (!elsewhere || *elsewhere) {
        return elsewhere ? written() : fail(elsewhere.error().clone());
      }
      if (auto promoted = promote_locked(effects); !promoted) {
        if (promoted.error().code == Errc::busy && !last) {
          return std::nullopt;
        }
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
  });
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

std::uint64_t Entry::allocated() noexcept {
  MutexLock lock(mutex_);
  return driver_.allocated();
}

}  // namespace strandline::store
