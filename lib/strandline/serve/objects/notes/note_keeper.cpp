#include <strandline/drivers/file/failure.h>
#include <strandline/serve/objects/notes/note_keeper.h>

#include <algorithm>
#include <chrono>
#include <span>
#include <utility>

namespace strandline::serve {

// Another process that evicts has the entry for a moment, one that fetches for as long as that takes: then it knows
// what the origin says, and notes it if it serves.
constexpr unsigned kTries = 30;
constexpr std::chrono::seconds kBetween{1};

NoteKeeper::~NoteKeeper() {
  {
    MutexLock lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

std::deque<NoteKeeper::Item>::iterator NoteKeeper::item_of_locked(const store::Lease& lease) noexcept {
  return std::find_if(items_.begin(), items_.end(),
                      [&](const Item& item) { return &item.lease.entry() == &lease.entry(); });
}

void NoteKeeper::keep(store::Lease lease, std::string note) noexcept {
  // Without memory it is left out.
  static_cast<void>(file::contained([&]() -> Result<void> {
    MutexLock lock(mutex_);
    if (const auto known = item_of_locked(lease); known != items_.end()) {
      known->note = std::move(note);
      known->tries = 0;
      known->due = {};
    } else {
      items_.push_back({std::move(lease), std::move(note)});
    }
    changed_.notify_all();
    return {};
  }));
}

std::deque<NoteKeeper::Item>::iterator NoteKeeper::next_locked() noexcept {
  for (;;) {
    const auto next =
        std::min_element(items_.begin(), items_.end(), [](const Item& a, const Item& b) { return a.due < b.due; });
    if (ending_ || (next != items_.end() && next->due <= std::chrono::steady_clock::now())) {
      return next;
    }
    changed_.wait_until(mutex_, next != items_.end() ? next->due : CondVar::time_point::max());
  }
}

void NoteKeeper::try_later(Item item) noexcept {
  static_cast<void>(file::contained([&]() -> Result<void> {
    MutexLock lock(mutex_);
    if (!ending_ && item_of_locked(item.lease) == items_.end()) {
      items_.push_back(std::move(item));
    }
    return {};
  }));
}

void NoteKeeper::run() noexcept {
  for (;;) {
    std::optional<Item> item;  // ends, with its lease, outside the lock
    {
      MutexLock lock(mutex_);
      const auto next = next_locked();
      if (next == items_.end()) {
        return;
      }
      item.emplace(std::move(*next));
      items_.erase(next);
    }
    const auto done = item->lease.set_note(std::as_bytes(std::span(item->note)));
    if (!done && done.error().code == Errc::busy && ++item->tries < kTries) {
      item->due = std::chrono::steady_clock::now() + kBetween;
      try_later(std::move(*item));
    }
  }
}

}  // namespace strandline::serve
