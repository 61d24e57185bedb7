// EntryDriver: who may change the files, and what they take on the disk.
#include <strandline/store/checksums/block_checks.h>
#include <strandline/store/entry/entry_driver.h>
#include <strandline/store/live/room.h>
#include <strandline/store/sealing/sealed_data.h>

#include <algorithm>
#include <utility>

namespace strandline::store {
namespace {

constexpr std::uint64_t kDiskBlock = 4096;  // bytes; that of every file system that Strandline is tested on
// What a write's record may add to the journal: a block, and another when it is rewritten beside the old one.
constexpr std::uint64_t kForJournal = 2 * kDiskBlock;

}  // namespace

EntryDriver::EntryDriver() noexcept = default;

EntryDriver::~EntryDriver() {
  // A forked child has the same open file, and would keep the name as long as it lives.
  if (data_ != nullptr && !epoch_.inherited()) {
    data_->let_go({0, kMaxOffset});
  }
}

void EntryDriver::retire() noexcept {
  retired_.store(true, std::memory_order_seq_cst);
  wait_for_changes();
  if (journal_ != nullptr) {
    journal_->retire();  // a rewriting of it that has begun must not take the new one's place
  }
  if (data_ != nullptr && !epoch_.inherited()) {
    data_->unlock();
  }
}

Result<void> EntryDriver::promote() noexcept {
  if (auto alive = epoch_.check("write an entry in a forked child"); !alive) {
    return alive;
  }
  if (doomed_.load(std::memory_order_acquire) || retired_.load(std::memory_order_acquire)) {
    return fail(Errc::changed, "the entry is of the past");
  }
  if (auto locked = data_->try_lock(); !locked) {
    return locked;
  }
  auto opened = [&]() -> Result<Journal::Opened> {
    const auto here = leads_here(*data_);
    if (!here) {
      return fail(here.error().clone());
    }
    if (!*here) {
      return fail(Errc::changed, "another version has taken its place");
    }
    auto found = Journal::open(options_.files, journal_path());
    if (found && (found->found.header.data != header_.data || found->found.doomed)) {
      return fail(Errc::changed, "the entry is of the past");
    }
    if (found) {
      // Before the role: reads may need what others have sealed since, and what is followed comes behind it.
      if (auto read = follow_pieces(found->found); !read) {
        return fail(std::move(read.error()));
      }
    }
    return found;
  }();
  if (!opened) {
    data_->unlock();
    return fail(opened.error().code == Errc::not_found ? Error::make(Errc::changed, "the entry has been removed")
                                                       : std::move(opened.error()));
  }
  journal_ = std::move(opened->journal);
  reach_.store(std::max(reach_.load(std::memory_order_relaxed), opened->found.available.end_offset()),
               std::memory_order_relaxed);
  role_epoch_.fetch_add(1, std::memory_order_acq_rel);
  {
    // Others may have changed what the files take, and have accounted for it.
    MutexLock lock(account_mutex_);
    accounted_ = allocated();
  }
  options_.signals.changed();
  return {};
}

void EntryDriver::demote() noexcept {
  if (role() == Role::reader) {
    return;
  }
  // Checksums of what has become complete: without them the blocks are believed unverified.
  if (may_change()) {
    static_cast<void>(append_checksums(std::nullopt));
  }
  drops_followed_.store(options_.signals.drops(), std::memory_order_release);
  if (alone_epoch_.load(std::memory_order_relaxed) % 2 != 0) {
    alone_epoch_.fetch_add(1, std::memory_order_acq_rel);
  }
  role_epoch_.fetch_add(1, std::memory_order_seq_cst);
  wait_for_changes();
  settle(0);
  position_ = journal_->position();
}

void EntryDriver::set_alone() noexcept {
  if (alone_epoch_.load(std::memory_order_relaxed) % 2 == 0) {
    alone_epoch_.fetch_add(1, std::memory_order_acq_rel);
  }
}

Result<void> EntryDriver::may_evict() const noexcept {
  if (options_.signals.shared() && !applying_.load(std::memory_order_acquire) &&
      evicting_.load(std::memory_order_acquire) == Evicting::nothing) {
    return fail(Errc::unsupported, "what goes is the store's to decide");
  }
  return {};
}

void EntryDriver::unlock() noexcept {
  if (!retired_.load(std::memory_order_acquire) && !epoch_.inherited()) {
    data_->unlock();
  }
  options_.signals.changed();
}

// With the sequentially consistent raise in Change: either it sees that the role has changed, or it is waited for.
void EntryDriver::wait_for_changes() const noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  for (std::uint32_t count = changing_.load(std::memory_order_seq_cst); count != 0;
       count = changing_.load(std::memory_order_seq_cst)) {
    changing_.wait(count);
  }
}

std::uint64_t EntryDriver::allocated() const noexcept {
  return data_->allocated().value_or(0) + (journal_ != nullptr ? journal_->allocated() : 0);
}

void EntryDriver::settle(std::uint64_t reserved) noexcept {
  if (options_.room == nullptr) {
    return;
  }
  MutexLock lock(account_mutex_);
  const std::uint64_t now = allocated();
  // In terms of what has been counted so far: the reservation, and what was accounted for before.
  const std::uint64_t counted = accounted_ + reserved;
  if (now < counted) {
    options_.room->give_back(counted - now);
  } else if (now > counted) {
    options_.room->taken(now - counted);
  }
  accounted_ = now;
}

Result<std::size_t> EntryDriver::write_data(std::uint64_t offset, std::span<const std::byte> data,
                                            std::uint64_t& reserved) noexcept {
  if (options_.room == nullptr) {
    return data_->write_at(offset, data);
  }
  const std::uint64_t begin = offset / kDiskBlock * kDiskBlock;
  const std::uint64_t end = (offset + data.size() + kDiskBlock - 1) / kDiskBlock * kDiskBlock;
  const std::uint64_t most = end - begin + kForJournal;
  if (auto granted = options_.room->reserve(most); !granted) {
    return fail(std::move(granted.error()));
  }
  auto count = data_->write_at(offset, data);
  for (int again = 0; !count && count.error().code == Errc::no_space && again < 2; ++again) {
    // The disk is not the store's alone.
    if (!options_.room->make_room(most)) {
      break;
    }
    count = data_->write_at(offset, data);
  }
  reserved = most;
  return count;
}

}  // namespace strandline::store
