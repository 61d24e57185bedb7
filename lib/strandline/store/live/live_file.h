// LiveFile: memory that all processes share which use a store: what has changed in which entry, what is waited for, and
// how full it is.
// Threads: thread-safe, across processes. Blocks: sleep(). Errors: the file's. Cost: a change is an atomic add, and a
// system call when somebody sleeps for it. Lifetime: shared by the store and its entries. docs/store.md has the
// protocol, and why no change is missed.
#pragma once

#include <strandline/base/error.h>
#include <strandline/store/live/demand_table.h>
#include <strandline/store/live/news.h>
#include <strandline/store/live/notice.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace strandline::store {

class LiveFile {
 public:
  // Of one entry, or of several whose names have the same hash. All are written and read by every process.
  struct alignas(64) Slot {
    // Raised after every append to the journal. To be told of it is asked here by older versions only.
    Notice changes;
    // Raised before bytes are destroyed, release.
    std::atomic<std::uint32_t> drops;
    // Raised after demand has been put in the table.
    Notice demands;
    // Raised after `changes`, for who wants to be told.
    News news;
  };

  // The file is made if there is none, and its memory set aside, so that no use of it can fail later.
  [[nodiscard]] static Result<std::shared_ptr<LiveFile>> open(const std::string& path) noexcept;
  ~LiveFile();
  LiveFile(const LiveFile&) = delete;
  LiveFile& operator=(const LiveFile&) = delete;

  [[nodiscard]] Slot& slot_of(const std::string& name) const noexcept;
  // Rings if somebody wants to be told.
  void raise(Notice& notice) noexcept {
    if (notice.raise()) {
      ring();
    }
  }
  [[nodiscard]] DemandTable& demand() const noexcept;
  // After a change: raises, wakes and rings, as far as anybody wants to be told.
  void announce(Slot& slot) noexcept;

  [[nodiscard]] std::uint32_t bell() const noexcept;
  void ring() noexcept;
  // Until the bell has another value than this, or the time has come; may return without cause.
  void sleep(std::uint32_t bell, std::chrono::steady_clock::time_point until) noexcept;
  // Until the news count more than this, or the word, which is this process's own futex, is not `expected` any more;
  // may return without cause. False once the deadline has passed; nothing: the system refuses, as it may where
  // can_sleep_on_two() was true (seccomp). Only there: futex_waitv(2), of Linux 5.16.
  [[nodiscard]] static std::optional<bool> sleep(News& news, std::uint32_t count, Sync::Atomic<std::uint32_t>& word,
                                                 std::uint32_t expected, Sync::time_point deadline) noexcept;
  [[nodiscard]] static bool can_sleep_on_two() noexcept;

  // The bytes in use, of all entries.
  [[nodiscard]] std::atomic<std::uint64_t>& used() const noexcept;
  // Is nobody else using the store? Then the count may be made anew, until share() lets others in.
  [[nodiscard]] bool alone() const noexcept { return alone_; }
  void share() noexcept;

 private:
  struct Memory;
  LiveFile(int handle, Memory* memory, bool alone) noexcept : handle_(handle), memory_(memory), alone_(alone) {}
  const int handle_;
  Memory* const memory_;
  bool alone_;
};

// What an entry's driver tells others; nobody, when made without a file.
class Signals {
 public:
  Signals() noexcept = default;
  Signals(std::shared_ptr<LiveFile> file, const std::string& name) noexcept
      : file_(std::move(file)), slot_(&file_->slot_of(name)) {}

  [[nodiscard]] bool shared() const noexcept { return slot_ != nullptr; }
  void changed() const noexcept {
    if (slot_ != nullptr) {
      file_->announce(*slot_);
    }
  }
  // Bytes are about to be destroyed: with the acquire fence of intact(), who copies what is left knows it.
  void destroying() const noexcept {
    if (slot_ != nullptr) {
      slot_->drops.fetch_add(1, std::memory_order_seq_cst);
    }
  }
  [[nodiscard]] std::uint32_t drops() const noexcept {
    return slot_ != nullptr ? slot_->drops.load(std::memory_order_acquire) : 0;
  }
  // After a copy: has nothing been destroyed since drops() was this?
  [[nodiscard]] bool intact(std::uint32_t drops) const noexcept {
    std::atomic_thread_fence(std::memory_order_acquire);
    return slot_ == nullptr || slot_->drops.load(std::memory_order_relaxed) == drops;
  }
  // The number of changes so far.
  [[nodiscard]] std::uint32_t changes() const noexcept { return slot_ != nullptr ? slot_->changes.count() : 0; }
  void ring() const noexcept {
    if (file_ != nullptr) {
      file_->ring();
    }
  }
  // The same number, of those that have been told of: asked before changes(), none is counted here and not there.
  [[nodiscard]] std::uint32_t news() const noexcept { return slot_ != nullptr ? slot_->news.count() : 0; }
  // The keeper asks to be told of the next change. False when there has been one since news() was this.
  [[nodiscard]] bool watch(std::uint32_t news) const noexcept { return slot_ == nullptr || slot_->news.ask(news); }
  // It need not be told any more, if nothing has changed since.
  void unwatch(std::uint32_t news) const noexcept {
    if (slot_ != nullptr) {
      slot_->news.take_back(news);
    }
  }
  // As LiveFile::sleep(), for news.
  [[nodiscard]] std::optional<bool> sleep(std::uint32_t news, Sync::Atomic<std::uint32_t>& word, std::uint32_t expected,
                                          Sync::time_point deadline) const noexcept {
    return slot_ != nullptr ? LiveFile::sleep(slot_->news, news, word, expected, deadline)
                            : Sync::futex_wait(word, expected, deadline);
  }
  // The same for what is waited for, which is in the table; null: nobody else's.
  [[nodiscard]] DemandTable* demand_table() const noexcept { return file_ != nullptr ? &file_->demand() : nullptr; }
  void demanded() const noexcept {
    if (slot_ != nullptr) {
      file_->raise(slot_->demands);
    }
  }
  [[nodiscard]] std::uint32_t demands() const noexcept { return slot_ != nullptr ? slot_->demands.count() : 0; }
  [[nodiscard]] bool watch_demands(std::uint32_t demands) const noexcept {
    return slot_ == nullptr || slot_->demands.ask(demands);
  }

 private:
  std::shared_ptr<LiveFile> file_;
  LiveFile::Slot* slot_ = nullptr;
};

}  // namespace strandline::store
