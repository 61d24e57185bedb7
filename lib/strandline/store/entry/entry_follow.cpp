// Entry: what other processes do to it, applied to this one's resource.
#include <strandline/drivers/file/failure.h>
#include <strandline/resource/core/parts.h>
#include <strandline/store/entry/entry.h>
#include <strandline/store/entry/later.h>

#include <chrono>
#include <thread>
#include <utility>

namespace strandline::store {

Result<void> Entry::follow(Later* later) noexcept {
  Effects own(core());
  Effects* const given = later != nullptr ? later->of(shared_from_this()) : nullptr;
  Effects& effects = given != nullptr ? *given : own;
  std::unique_ptr<Effects> before;  // what a scout has left, from before what comes now
  MutexLock lock(mutex_);
  before = later == nullptr ? std::move(effects_) : nullptr;
  return follow_locked(false, effects);
}

Result<void> Entry::follow_locked(bool at_any_rate, Effects& effects) noexcept {
  const Signals& signals = driver_.options().signals;
  // All before the journal is read: what comes after is found the next time.
  const std::uint32_t news = signals.news();
  const std::uint32_t changes = signals.changes();
  const std::uint32_t drops = signals.drops();
  if (past_) {
    // It has let go of its name, but until another version has that, somebody else may evict from these files.
    if (at_any_rate) {
      read_last_locked(effects);
      driver_.followed(drops);
    }
    return {};
  }
  if (driver_.role() == EntryDriver::Role::writer && !becoming_writer_) {
    driver_.followed(drops);  // nobody else changes anything
    return {};
  }
  if (!at_any_rate && changes == changes_ && !stand_in_) {
    news_ = news;
    return {};
  }
  const auto read = [&]() -> Result<void> {
    mutex_.assert_held();
    driver_.set_applying(true);
    auto done = file::contained([&] {
      mutex_.assert_held();
      return read_journal_locked(effects);
    });
    driver_.set_applying(false);
    if (done) {
      changes_ = changes;
      driver_.followed(drops);
    }
    return done;
  };
  return file::contained([&]() -> Result<void> {
    mutex_.assert_held();
    const bool stood_in = stand_in_.has_value();
    if (at_any_rate && !stood_in && core().status().state == State::committed) {
      // Nothing is missing: who writes it is of no interest, unless it has been reopened.
      if (auto done = read(); !done) {
        return done;
      }
      if (past_ || core().status().state == State::committed) {
        news_ = news;
        return {};
      }
    }
    // Likewise: of a writer that is gone by now all is in the journal.
    const auto elsewhere = driver_.has_writer_elsewhere();
    if (!elsewhere) {
      return fail(elsewhere.error().clone());
    }
    // A writer that died between a record and its signal has told nobody.
    if (at_any_rate || changes != changes_ || !*elsewhere) {
      if (auto done = read(); !done) {
        return done;
      }
    }
    news_ = news;
    if (past_ || driver_.role() == EntryDriver::Role::writer) {
      return {};
    }
    if (core().status().state == State::committed) {
      stand_in_.reset();
      return {};
    }
    if (auto stands_in = stand_in_locked(effects); !stands_in) {
      return fail(std::move(stands_in.error()));
    }
    if (*elsewhere && !stood_in) {
      signals.ring();  // who looks after entries shall notice when that writer dies
    }
    if (!*elsewhere) {
      // Nobody brings what is missing, until somebody takes the writer: waits shall not hang.
      leave_stand_in_locked(Abandon::stop, effects);
    }
    return {};
  });
}

Result<void> Entry::read_journal_locked(Effects& effects) {
  if (!follower_) {
    if (auto read = read_anew_locked(effects); !read || past_) {
      return read;
    }
  }
  // Mostly nothing is new, and one question to the system tells. Of a torn tail it does not: a record may have taken
  // its place.
  if (const auto journal = follower_->facts();
      journal && journal->has_name && journal->size == follower_->position().offset) {
    return {};
  }
  for (;;) {
    const auto record = follower_->next();
    if (!record) {
      return fail(record.error().clone());
    }
    if (*record) {
      auto applied = apply_locked(**record, effects);
      if (!applied && applied.error().code != Errc::no_memory) {
        // What this process has does not fit what the journal says next: the whole of it tells what is right.
        applied = read_anew_locked(effects);
      }
      if (!applied || past_) {
        return applied;
      }
      continue;
    }
    // Asked after nothing was found: what was written before it was replaced has been read then.
    const auto journal = follower_->facts();
    if (!journal) {
      return fail(journal.error().clone());
    }
    if (journal->has_name && is_at_end_locked(*journal)) {
      return {};
    }
    if (auto read = read_anew_locked(effects); !read || past_) {
      return read;
    }
  }
}

// Is what stands behind the last record a torn tail that has been looked at? Else it may be what a failed append has
// left, and the next one writes over: the records before it that were read from there never counted.
bool Entry::is_at_end_locked(const File::Facts& journal) const {
  const std::uint64_t at = follower_->position().offset;
  return at == journal.size || torn_ == std::pair(at, journal.size);
}

// In the journal's order, each record once; what is there already, or gone already, changes nothing.
Result<void> Entry::apply_locked(const DecodedRecord& record, Effects& effects) {
  const auto number = [&](std::size_t index) { return get(record.payload, index * 8, 8); };
  const auto writer = [&] {
    mutex_.assert_held();
    return stand_in_locked(effects);
  };
  switch (static_cast<RecordType>(record.type)) {
    case RecordType::range: {
      const auto id = writer();
      auto published = id ? core().publish_found(*id, {number(0), number(1)}, &effects) : fail(id.error().clone());
      return published ? Result<void>() : fail(std::move(published.error()));
    }
    case RecordType::evict:
      return give_up_locked({number(0), number(1)}, effects);
    case RecordType::length: {
      const auto id = writer();
      return id ? core().set_found_length(*id, number(0), &effects) : fail(id.error().clone());
    }
    case RecordType::commit: {
      const auto id = writer();
      if (!id) {
        return fail(id.error().clone());
      }
      auto committed = core().commit(*id, number(0), &effects);
      if (committed) {
        stand_in_.reset();
      }
      return committed;
    }
    case RecordType::reopen:
      return reopen_locked(effects);
    case RecordType::pieces: {
      auto noted = driver_.follow_pieces(record.payload);
      if (!noted) {
        follower_.reset();  // this record does not come again: the whole journal does
      }
      return noted;
    }
    case RecordType::note: {
      auto kept = is_note(record) ? driver_.follow_note(record.payload) : Result<void>();
      if (!kept) {
        follower_.reset();  // as above
      }
      return kept;
    }
    case RecordType::doomed:
      become_past_locked(effects);
      return {};
    default:
      return {};  // barriers and checksums concern who writes; snapshots stand at a journal's begin only
  }
}

Result<void> Entry::give_up_locked(ByteRange range, Effects& effects) {
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  for (;;) {
    auto gone = core().evict(range, &effects);
    if (gone || gone.error().code != Errc::busy) {
      return gone ? Result<void>() : fail(std::move(gone.error()));
    }
    if (std::chrono::steady_clock::now() > patience) {
      return fail(std::move(gone.error()));  // by somebody who waits for this one
    }
    std::this_thread::yield();
  }
}

Result<void> Entry::give_up_missing_locked(const BlockMap& there, Effects& effects) {
  const auto have = core().available();
  if (!have) {
    return fail(have.error().clone());
  }
  for (const ByteRange run : *have) {
    for (const ByteRange gone : there.gaps(run)) {
      if (auto given_up = give_up_locked(gone, effects); !given_up) {
        return given_up;
      }
    }
  }
  return {};
}

// The journal has been rewritten, or was never read: what it says now, against what the resource has.
Result<void> Entry::read_anew_locked(Effects& effects) {
  auto before = std::exchange(follower_, std::nullopt);
  const auto lost_name = [&] {
    mutex_.assert_held();
    follower_ = std::move(before);  // it may have grown before it was replaced
    become_past_locked(effects);
  };
  auto journal = driver_.options().files->open(driver_.journal_path(), OpenFile::to_read);
  if (!journal) {
    if (journal.error().code == Errc::not_found) {
      lost_name();
      return {};
    }
    return fail(std::move(journal.error()));
  }
  const auto bytes = read_all(**journal);
  if (!bytes) {
    return fail(bytes.error().clone());
  }
  auto found = replay(*bytes, Trust::everything);
  if (!found) {
    return fail(found.error().clone());
  }
  if (found->header.data != driver_.header().data || found->doomed) {
    lost_name();
    return {};
  }
  // Before the bytes in them.
  if (auto read = driver_.follow_pieces(*found); !read) {
    return read;
  }
  if (auto kept = driver_.follow_note(found->note); !kept) {
    return kept;
  }
  // What the system has lost without a word is a hole; what is being evicted may be one already.
  if (const auto lost = driver_.take_out_holes(found->available); !lost) {
    return fail(lost.error().clone());
  }
  if (auto applied = apply_difference_locked(*found, effects); !applied) {
    return applied;
  }
  follower_.emplace(std::move(*journal), Journal::Position{found->valid_bytes, found->chain});
  torn_ = std::pair(std::uint64_t{found->valid_bytes}, std::uint64_t{bytes->size()});
  return {};
}

Result<void> Entry::apply_difference_locked(const Replay& found, Effects& effects) {
  const auto known = core().length();
  if (known && known != found.length) {
    // It has been reopened since, and may have become longer or shorter.
    if (auto reopened = reopen_locked(effects); !reopened) {
      return reopened;
    }
  }
  if (auto given_up = give_up_missing_locked(found.available, effects); !given_up) {
    return given_up;
  }
  if (core().status().state == State::committed) {
    return {};  // and so the journal says, or something would have been missing
  }
  const auto id = stand_in_locked(effects);
  if (!id) {
    return fail(id.error().clone());
  }
  for (const ByteRange run : found.available.runs()) {
    if (auto published = core().publish_found(*id, run, &effects); !published) {
      return fail(std::move(published.error()));
    }
  }
  if (found.length && core().length() != found.length) {
    if (auto set = core().set_found_length(*id, *found.length, &effects); !set) {
      return set;
    }
  }
  if (found.committed && found.available.covers({0, *found.length})) {
    if (auto committed = core().commit(*id, *found.length, &effects); !committed) {
      return committed;
    }
    stand_in_.reset();
  }
  return {};
}

Result<WriterId> Entry::stand_in_locked(Effects& effects) {
  if (!stand_in_) {
    auto id =
        core().status().state == State::failed ? core().reactivate(Reactivate::resume, &effects) : core().take_writer();
    if (!id) {
      return id;
    }
    stand_in_ = *id;
  }
  return *stand_in_;
}

void Entry::leave_stand_in_locked(Abandon how, Effects& effects) noexcept {
  if (stand_in_) {
    static_cast<void>(core().abandon(*stand_in_, how, &effects));  // refused when it has ended otherwise
    stand_in_.reset();
  }
}

// As its writer elsewhere has: a new stand-in goes on.
Result<void> Entry::reopen_locked(Effects& effects) {
  leave_stand_in_locked(Abandon::handover, effects);
  const auto id = core().reactivate(Reactivate::resume, &effects);
  if (!id) {
    return fail(id.error().clone());
  }
  stand_in_ = *id;
  return {};
}

}  // namespace strandline::store
