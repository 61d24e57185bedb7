#include <strandline/drivers/file/failure.h>
#include <strandline/store/checksums/block_checks.h>
#include <strandline/store/entry/entry_driver.h>
#include <strandline/store/live/room.h>
#include <strandline/store/sealing/sealed_data.h>

#include <algorithm>
#include <utility>

namespace strandline::store {

// A copy counts only if nothing was destroyed by another process before it was made, of which this one has not heard:
// docs/store.md has the argument. Nobody else destroys while this one is the writer, all the time.
Result<std::size_t> EntryDriver::read_at(std::uint64_t offset, std::span<std::byte> out) const noexcept {
  for (;;) {
    // The kernel may have dropped what it could not write, and read the disk again.
    if (doomed_.load(std::memory_order_acquire)) {
      return fail(Errc::io, "an fsync has failed before");
    }
    const std::uint32_t epoch = alone_epoch_.load(std::memory_order_acquire);
    const std::uint32_t drops = drops_followed_.load(std::memory_order_acquire);
    auto verified = checks_->verify({offset, offset + out.size()});
    auto count = verified ? read_stored(offset, out) : fail(std::move(verified.error()));
    if (count && *count == 0) {
      count = fail(Errc::io, "the file has been cut short");
    }
    const bool alone = epoch % 2 != 0 && alone_epoch_.load(std::memory_order_acquire) == epoch;
    if (options_.room != nullptr && count) {
      options_.room->read({offset, offset + *count});
    }
    if ((alone && !retired_.load(std::memory_order_acquire)) || options_.signals.intact(drops)) {
      // Not before: a block that others have evicted and are filling anew only looks bad.
      if (!count && count.error().code == Errc::corrupt && on_bad_block) {
        const ByteRange read{offset, offset + out.size()};
        on_bad_block(sealed_ != nullptr ? sealed_->unit_of(read)
                                        : ByteRange{read.begin / kChecksumBlock * kChecksumBlock,
                                                    (read.end + kChecksumBlock - 1) / kChecksumBlock * kChecksumBlock});
      }
      return count;
    }
    if (drops_followed_.load(std::memory_order_acquire) == drops) {
      if (!on_stale) {
        return fail(Errc::changed, "by another process");
      }
      if (auto followed = on_stale(); !followed) {
        return fail(std::move(followed.error()));
      }
    }
  }
}

Result<void> EntryDriver::check(ByteRange range, std::span<std::byte> buffer) const noexcept {
  const std::uint32_t epoch = alone_epoch_.load(std::memory_order_acquire);
  const std::uint32_t drops = drops_followed_.load(std::memory_order_acquire);
  const auto judged = [&](Error error) -> tl::unexpected<Error> {
    const bool alone = epoch % 2 != 0 && alone_epoch_.load(std::memory_order_acquire) == epoch;
    const bool sure = alone || options_.signals.intact(drops) || retired_.load(std::memory_order_acquire);
    return sure ? fail(std::move(error)) : fail(Errc::changed, "by another process");
  };
  if (auto verified = checks_->verify(range); !verified) {
    return judged(std::move(verified.error()));
  }
  while (!range.empty()) {
    const auto count = read_stored(range.begin, buffer.first(range.size()));
    if (!count || *count == 0) {
      return count ? fail(Errc::io, "the file has been cut short") : judged(count.error().clone());
    }
    range.begin += *count;
  }
  return {};
}

Result<void> EntryDriver::may_change() const noexcept {
  if (doomed_.load(std::memory_order_acquire)) {
    return fail(Errc::io, "an fsync has failed before");
  }
  if (retired_.load(std::memory_order_acquire)) {
    return fail(Errc::unsupported, "another version has taken its place");
  }
  // With wait_for_changes(): sequentially consistent, as the Change that was counted before.
  if (role_epoch_.load(std::memory_order_seq_cst) % 2 == 0) {
    return fail(Errc::no_writer, "another is, or may be, writing this entry");
  }
  return epoch_.check("change an entry in a forked child");
}

Result<std::size_t> EntryDriver::write_at(std::uint64_t offset, std::span<const std::byte> data) noexcept {
  const Change change(*this);
  if (auto allowed = may_change(); !allowed) {
    return fail(std::move(allowed.error()));
  }
  // A process that was killed before it synced what it gave up: no crash may bring that back once others stand there.
  if (journal_->found_may_be_lost()) {
    if (auto synced = sync_journal(); !synced) {
      return fail(std::move(synced.error()));
    }
  }
  std::uint64_t reserved = 0;
  auto count = sealed_ != nullptr ? write_sealed(offset, data) : write_data(offset, data, reserved);
  auto told = count ? tell_of({offset, offset + *count}) : fail(count.error().clone());
  settle(reserved);
  if (!told) {
    return fail(std::move(told.error()));
  }
  // If it cannot be rewritten it goes on growing; if it is broken the next append says so.
  static_cast<void>(journal_->compact_if_grown());
  return count;
}

Result<void> EntryDriver::tell_of(ByteRange written) noexcept {
  // The journal last: what it says is there stays there, whatever fails.
  if (auto noted = checks_->wrote(written); !noted) {
    return noted;
  }
  if (sealed_ == nullptr) {
    if (auto told = journal_->append(RecordType::range, {written.begin, written.end}); !told) {
      return told;
    }
  }
  options_.signals.changed();
  std::uint64_t reach = reach_.load(std::memory_order_relaxed);
  while (reach < written.end && !reach_.compare_exchange_weak(reach, written.end, std::memory_order_relaxed)) {
  }
  unsynced_.fetch_add(written.size(), std::memory_order_relaxed);
  if (options_.room != nullptr) {
    options_.room->wrote(written);
  }
  return {};
}

// An fsync that has failed may never be believed again (rule D4): the kernel drops the bytes and reports it once.
Result<void> EntryDriver::doom(Error cause) noexcept {
  doomed_.store(true, std::memory_order_release);
  const bool told = journal_->append(RecordType::doomed, {}) && journal_->sync();
  if (!told) {
    // A journal that cannot be written must not be found: that takes no room.
    static_cast<void>(file::contained([&] { return options_.files->remove(journal_path()); }));
  }
  return fail(std::move(cause));
}

Result<void> EntryDriver::sync_journal() noexcept {
  auto synced = journal_->sync();
  return synced || !journal_->is_broken() ? std::move(synced) : doom(std::move(synced.error()));
}

// One at a time: a failure is reported to one of those who sync at once, and the others must not make a barrier of it.
Result<void> EntryDriver::barrier() noexcept {
  MutexLock lock(barrier_mutex_);
  if (auto allowed = may_change(); !allowed) {
    return allowed;
  }
  const std::uint64_t bytes = unsynced_.load(std::memory_order_relaxed);
  const std::uint64_t begun = journal_->begin_barrier();
  auto synced = data_->sync();
  auto ended = journal_->end_barrier(begun, synced.has_value());
  unsynced_.fetch_sub(bytes, std::memory_order_relaxed);
  return synced ? std::move(ended) : doom(std::move(synced.error()));
}

// Not while blocks are given up: a checksum must not come behind the eviction of what it was made of.
Result<void> EntryDriver::append_checksums(std::optional<std::uint64_t> commit) noexcept {
  return file::contained([&]() -> Result<void> {
    MutexLock lock(checks_mutex_);
    const auto sums = checks_->to_journal();
    if (!sums) {
      return fail(sums.error().clone());
    }
    std::vector<std::pair<std::uint64_t, std::uint32_t>> records;
    for (const BlockChecks::Sum& sum : *sums) {
      records.emplace_back(sum.block, sum.checksum);
    }
    auto told = journal_->append_checksums(commit, records);
    if (told) {
      checks_->journalled(*sums);
    }
    return told;
  });
}

// A commit that is not journalled leaves the length as unknown as it was: else a block that grows on would be summed
// as a short one.
Result<void> EntryDriver::append_commit(std::uint64_t length) noexcept {
  const bool known = checks_->length_known();
  auto told = checks_->cut(length);
  if (told) {
    told = append_checksums(length);
  }
  if (!told && !known) {
    checks_->reopen();
  }
  return told;
}

Result<void> EntryDriver::sync() noexcept {
  const Change change(*this);
  auto done = barrier();
  if (done) {
    done = append_checksums(std::nullopt);
  }
  return done ? sync_journal() : done;
}

Result<void> EntryDriver::set_length(std::uint64_t length) noexcept {
  if (applying_.load(std::memory_order_acquire)) {
    return {};
  }
  const Change change(*this);
  if (auto allowed = may_change(); !allowed) {
    return allowed;
  }
  auto told = journal_->append(RecordType::length, {length});
  options_.signals.changed();
  return told;
}

// Everything that can fail comes before the commit is journalled, or ends the entry.
Result<void> EntryDriver::commit(std::uint64_t length) noexcept {
  if (applying_.load(std::memory_order_acquire)) {
    return checks_->cut(length);
  }
  const Change change(*this);
  if (auto allowed = may_change(); !allowed) {
    return allowed;
  }
  const bool durable = options_.durability == Durability::every_commit;
  if (durable) {
    if (auto synced = barrier(); !synced) {
      return synced;
    }
  }
  if (auto told = append_commit(length); !told) {
    return told;
  }
  // Bytes that the journal has spoken of may be cut off only once no crash can bring back what it said.
  if (durable || reach_.load(std::memory_order_relaxed) > length || journal_->found_may_be_lost()) {
    if (auto synced = sync_journal(); !synced) {
      return synced;
    }
  }
  if (reach_.load(std::memory_order_relaxed) > length) {
    options_.signals.destroying();
  }
  // If the file cannot be cut, room is lost and nothing else.
  if (sealed_ == nullptr) {
    static_cast<void>(data_->set_size(length));
  } else if (const auto size = sealed_->table().cut(length)) {
    static_cast<void>(data_->set_size(*size));
  }
  reach_.store(length, std::memory_order_relaxed);
  options_.signals.changed();
  settle(0);
  return {};
}

Result<void> EntryDriver::evict(ByteRange range) noexcept {
  if (!range.valid()) {
    return fail(Errc::invalid_range, "evict");
  }
  if (range.empty()) {
    return {};
  }
  if (applying_.load(std::memory_order_acquire)) {
    if (sealed_ != nullptr && role() == Role::reader) {
      sealed_->table().forget(range);
    }
    return checks_->gave_up(range);
  }
  const Change change(*this);
  if (auto allowed = may_change(); !allowed) {
    return allowed;
  }
  MutexLock sealing(sealing_mutex_);
  ByteRange freed = range;
  {
    MutexLock lock(checks_mutex_);
    if (auto told = journal_->append(RecordType::evict, {range.begin, range.end}); !told) {
      return told;
    }
    if (auto noted = checks_->gave_up(range); !noted) {
      return noted;
    }
  }
  if (sealed_ != nullptr) {
    const auto pieces = sealed_->table().give_up(range);
    if (!pieces) {
      return fail(pieces.error().clone());
    }
    freed = *pieces;
  } else if (checks_->ends_by(range.end)) {
    freed.end = (range.end + kChecksumBlock - 1) / kChecksumBlock * kChecksumBlock;  // with the rest of its last block
  }
  // Else a power cut could take the record back, but not the hole.
  if (auto synced = sync_journal(); !synced) {
    return synced;
  }
  options_.signals.destroying();
  const bool stays = freed.empty() || evicting_.load(std::memory_order_acquire) == Evicting::leaving;
  auto punched = stays ? Result<void>() : data_->punch(freed);
  options_.signals.changed();
  if (options_.room != nullptr) {
    options_.room->gave_up(range);
  }
  settle(0);
  return punched;
}

Result<void> EntryDriver::reactivate() noexcept {
  if (applying_.load(std::memory_order_acquire)) {
    checks_->reopen();
    return {};
  }
  const Change change(*this);
  if (auto allowed = may_change(); !allowed) {
    return allowed;
  }
  auto done = journal_->append(RecordType::reopen, {});
  if (done) {
    checks_->reopen();
    // Where the commit has dropped bytes others may be written now: no crash may bring back what says that they are
    // there.
    done = sync_journal();
    options_.signals.changed();
  }
  return done;
}

}  // namespace strandline::store
