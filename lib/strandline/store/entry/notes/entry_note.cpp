// The note of an entry: bytes of the application's, in its journal. docs/store.md says who may write one, and why none
// is mixed up with that of another version.
#include <strandline/drivers/file/failure.h>
#include <strandline/resource/core/parts.h>
#include <strandline/store/entry/entry.h>
#include <strandline/store/live/room.h>
#include <strandline/store/sealing/sealed_data.h>

#include <algorithm>
#include <utility>

namespace strandline::store {
namespace {

// What a note's record may add to the journal at most: two blocks, and as many when it is rewritten beside the old one.
constexpr std::uint64_t kForNote = 4 * 4096;
// Where an encrypted note is said to stand: no byte of a content can, so that it is never taken for a piece of one.
constexpr std::uint64_t kNotePlace = kMaxOffset + 1;

}  // namespace

// Of an encrypted version: nonce, tag, and what was made of the note.
Result<std::vector<std::byte>> EntryDriver::payload_of(std::span<const std::byte> note) const {
  std::vector<std::byte> payload;
  if (sealed_ == nullptr || note.empty()) {
    payload.assign(note.begin(), note.end());
    return payload;
  }
  const auto sealed = sealed_->seal({kNotePlace, kNotePlace + note.size()}, note);
  if (!sealed) {
    return fail(sealed.error().clone());
  }
  payload.insert(payload.end(), sealed->piece.nonce.begin(), sealed->piece.nonce.end());
  payload.insert(payload.end(), sealed->piece.tag.begin(), sealed->piece.tag.end());
  payload.insert(payload.end(), sealed->span().begin(), sealed->span().end());
  return payload;
}

// What cannot be decrypted is none: somebody has changed it, and who reads notes does without.
Result<std::vector<std::byte>> EntryDriver::note_of(std::span<const std::byte> payload) const {
  if (sealed_ == nullptr || payload.empty()) {
    return std::vector<std::byte>(payload.begin(), payload.end());
  }
  Piece piece;
  if (payload.size() < piece.nonce.size() + piece.tag.size()) {
    return {};
  }
  std::copy_n(payload.begin(), piece.nonce.size(), piece.nonce.begin());
  std::copy_n(payload.begin() + piece.nonce.size(), piece.tag.size(), piece.tag.begin());
  payload = payload.subspan(piece.nonce.size() + piece.tag.size());
  piece.range = {kNotePlace, kNotePlace + payload.size()};
  std::vector<std::byte> note(payload.size());
  if (auto opened = sealed_->sealer().open(piece, payload, note); !opened) {
    return opened.error().code == Errc::corrupt ? Result<std::vector<std::byte>>(std::vector<std::byte>())
                                                : fail(std::move(opened.error()));
  }
  return note;
}

Result<void> EntryDriver::set_note(std::span<const std::byte> note, std::uint64_t& reserved) noexcept {
  return file::contained([&]() -> Result<void> {
    const Change change(*this);
    if (auto allowed = may_change(); !allowed) {
      return allowed;
    }
    // Before anything is written: from there on nothing may fail.
    std::vector<std::byte> kept(note.begin(), note.end());
    const auto payload = payload_of(note);
    if (!payload) {
      return fail(payload.error().clone());
    }
    Result<void> told;
    {
      MutexLock lock(note_mutex_);
      told = journal_->append_note(*payload);
      if (told) {
        note_.swap(kept);
        unsynced_.fetch_add(kRecordHead + payload->size(), std::memory_order_relaxed);
      }
    }
    options_.signals.changed();
    // As after a write: if it cannot be rewritten it goes on growing.
    static_cast<void>(journal_->compact_if_grown());
    settle(std::exchange(reserved, 0));
    return told;
  });
}

Result<void> EntryDriver::follow_note(std::span<const std::byte> payload) noexcept {
  return file::contained([&]() -> Result<void> {
    auto note = note_of(payload);
    if (!note) {
      return fail(std::move(note.error()));
    }
    MutexLock lock(note_mutex_);
    note_ = std::move(*note);
    return {};
  });
}

Result<std::vector<std::byte>> EntryDriver::note() const noexcept {
  return file::contained([&]() -> Result<std::vector<std::byte>> {
    MutexLock lock(note_mutex_);
    return note_;
  });
}

Result<std::vector<std::byte>> Entry::note() noexcept {
  if (inherited()) {
    return fail(Errc::unsupported, "a note, in a forked child");  // locks may be held for ever
  }
  if (auto followed = follow(); !followed) {
    return fail(std::move(followed.error()));
  }
  return driver_.note();
}

Result<void> Entry::set_note(std::span<const std::byte> note) noexcept {
  if (note.size() > kMaxNote) {
    return fail(Errc::too_large, "a note");
  }
  if (inherited()) {
    return fail(Errc::unsupported, "a note, in a forked child");
  }
  // Before the mutex: making room may evict from this entry. To take one away needs none.
  const auto& room = driver_.options().room;
  std::uint64_t reserved = 0;
  if (room != nullptr && !note.empty()) {
    if (auto granted = room->reserve(kForNote); !granted) {
      return granted;
    }
    reserved = kForNote;
  }
  auto done = write_note(note, reserved);
  if (reserved > 0) {
    room->give_back(reserved);
  }
  return done;
}

Result<void> Entry::write_note(std::span<const std::byte> note, std::uint64_t& reserved) noexcept {
  if (is_past()) {
    return fail(Errc::changed, "the entry is of the past");
  }
  if (is_writer()) {
    auto done = driver_.set_note(note, reserved);
    if (done || done.error().code != Errc::no_writer) {
      return done;
    }
  }
  Effects effects(core());
  MutexLock lock(mutex_);
  if (is_writer()) {
    return driver_.set_note(note, reserved);
  }
  // For a moment, as an eviction.
  if (auto promoted = promote_locked(effects); !promoted) {
    return promoted;
  }
  auto done = driver_.set_note(note, reserved);
  demote_locked();
  static_cast<void>(follow_locked(true, effects));  // somebody may have begun to write; if not, waits end
  return done;
}

}  // namespace strandline::store
