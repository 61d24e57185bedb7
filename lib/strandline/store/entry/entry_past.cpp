// Entry: what is left of it once another version has taken its place.
#include <strandline/drivers/file/failure.h>
#include <strandline/resource/core/parts.h>
#include <strandline/store/entry/entry.h>

namespace strandline::store {

// Whoever took the name may have evicted before, and this process hears of both at once, or of the second alone. From
// here on nobody changes these files, and so reads ask nobody any more.
void Entry::read_last_locked(Effects& effects) noexcept {
  driver_.set_applying(true);
  const auto read = file::contained([&]() -> Result<void> {
    mutex_.assert_held();
    while (follower_) {
      const auto record = follower_->next();
      if (!record) {
        return fail(record.error().clone());
      }
      if (!*record) {
        break;
      }
      if (auto applied = apply_locked(**record, effects); !applied) {
        return applied;
      }
    }
    // Of a journal that took this one's place, and lost it again, the holes tell.
    const auto have = core().available();
    if (!have) {
      return fail(have.error().clone());
    }
    BlockMap there(*have);
    const auto lost = driver_.take_out_holes(there);
    if (!lost) {
      return fail(lost.error().clone());
    }
    for (const ByteRange range : *lost) {
      if (auto given_up = give_up_locked(range, effects); !given_up) {
        return given_up;
      }
    }
    return {};
  });
  if (!read) {
    static_cast<void>(give_up_locked(kWhole, effects));  // refused when it has been cancelled
  }
  driver_.set_applying(false);
}

// What is here stays readable. What is missing never comes: waits for it end.
void Entry::become_past_locked(Effects& effects) noexcept {
  if (past_.exchange(true)) {
    return;
  }
  if (driver_.role() == EntryDriver::Role::reader) {
    read_last_locked(effects);
  }
  if (core().status().state == State::active) {
    // Refused when a lease has the writer: its writes fail by themselves.
    static_cast<void>(file::contained([&]() -> Result<void> {
      mutex_.assert_held();
      const auto id = stand_in_locked(effects);
      return id ? core().fail_with(*id, Error::make(Errc::changed, "another version has taken its place"), &effects)
                : fail(id.error().clone());
    }));
  }
  stand_in_.reset();
  follower_.reset();
  driver_.retire();
}

}  // namespace strandline::store
