// NoteKeeper: writes notes into the store on a thread of its own, for who learns what to note may not wait for a disk.
// Threads: thread-safe. Blocks: never; the destructor, until all has been tried that was to be noted. Errors: a note
// that cannot be written is left out: it only spares questions. Cost: as Lease::set_note(). Lifetime: keeps the leases
// that it is given until their notes are written.
#pragma once

#include <strandline/base/mutex.h>
#include <strandline/store/lease.h>

#include <deque>
#include <optional>
#include <string>
#include <thread>

namespace strandline::serve {

class NoteKeeper {
 public:
  NoteKeeper() : thread_([this] { run(); }) {}
  NoteKeeper(const NoteKeeper&) = delete;
  NoteKeeper& operator=(const NoteKeeper&) = delete;
  ~NoteKeeper();

  // In place of one that has not been written yet. Empty: takes away the one that is there.
  void keep(store::Lease lease, std::string note) noexcept STRANDLINE_EXCLUDES(mutex_);

 private:
  struct Item {
    store::Lease lease;
    std::string note;
    unsigned tries = 0;
    CondVar::time_point due{};
  };

  void run() noexcept STRANDLINE_EXCLUDES(mutex_);
  // Waits for it; the end: there will be none.
  [[nodiscard]] std::deque<Item>::iterator next_locked() noexcept STRANDLINE_REQUIRES(mutex_);
  // Unless another has come for the same entry.
  void try_later(Item item) noexcept STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] std::deque<Item>::iterator item_of_locked(const store::Lease& lease) noexcept
      STRANDLINE_REQUIRES(mutex_);

  Mutex mutex_;  // a leaf, but for memory
  CondVar changed_;
  bool ending_ STRANDLINE_GUARDED_BY(mutex_) = false;
  std::deque<Item> items_ STRANDLINE_GUARDED_BY(mutex_);  // one for an entry
  std::thread thread_;                                    // the last to be made
};

}  // namespace strandline::serve
