#include <strandline/store/entry/entry_driver.h>

#include <algorithm>
#include <new>
#include <utility>

namespace strandline::store {
namespace {

template <class Body>
auto without_throwing(Body&& body) noexcept -> decltype(body()) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return fail(Errc::no_memory, "entry");
  }
}

Error about(Error error, const std::string& path) {
  error.context = path + (error.context.empty() ? "" : ": " + error.context);
  return error;
}

}  // namespace

Result<DriverState> EntryDriver::open(Options options) noexcept {
  return without_throwing([&]() -> Result<DriverState> {
    options_ = std::move(options);
    if (options_.files == nullptr || options_.name.empty() || options_.key.size() > kMaxKey ||
        options_.validator.value.size() > kMaxValidator || options_.length.value_or(0) > kMaxOffset) {
      return fail(Errc::invalid_argument, "an entry's options");
    }
    auto epoch = ForkEpoch::arm();
    if (!epoch) {
      return fail(std::move(epoch.error()));
    }
    epoch_ = *epoch;
    auto data = claim();
    if (!data) {
      return fail(std::move(data.error()));
    }
    auto found = Journal::open(options_.files, journal_path());
    if (found) {
      return open_found(std::move(*found), std::move(*data));
    }
    // A header that is no header says nothing of the bytes beside it.
    const Errc code = found.error().code;
    if (code == Errc::not_found || code == Errc::corrupt) {
      return begin_version(1);
    }
    return fail(code == Errc::unsupported ? about(std::move(found.error()), journal_path()) : std::move(found.error()));
  });
}

// Who has the data file locked has the name, as long as the name leads to that file: a new version's file is locked
// before it takes the old one's place.
Result<std::unique_ptr<File>> EntryDriver::claim() {
  for (;;) {
    auto data = options_.files->open(data_path(), OpenFile::made);
    if (!data) {
      return data;
    }
    if (auto locked = (*data)->try_lock(); !locked) {
      return fail(std::move(locked.error()));
    }
    const auto named = options_.files->open(data_path(), OpenFile::to_read);
    if (!named && named.error().code != Errc::not_found) {
      return fail(named.error().clone());
    }
    const auto mine = (*data)->identity();
    const auto its = named ? (*named)->identity() : Result<DataIdentity>(DataIdentity{});
    if (!mine || !its) {
      return fail((mine ? its : mine).error().clone());
    }
    if (*mine == *its) {
      return data;
    }
    // It was replaced in between: whoever did so may be through by now.
  }
}

Result<DriverState> EntryDriver::open_found(Journal::Opened opened, std::unique_ptr<File> data) {
  Replay& found = opened.found;
  if (found.header.key != options_.key) {
    return fail(Errc::conflict, journal_path() + " is another key's");
  }
  const std::uint64_t next = found.header.generation + 1;
  const bool other_version =
      (options_.validator.kind != Validator::Kind::none && options_.validator != found.header.validator) ||
      (options_.length && found.length && *options_.length != *found.length);
  const auto identity = data->identity();
  if (!identity) {
    return fail(identity.error().clone());
  }
  if (other_version || found.doomed || *identity != found.header.data) {
    return begin_version(next);
  }
  data_ = std::move(data);
  journal_ = std::move(opened.journal);
  header_ = found.header;
  torn_bytes_ = found.torn_bytes;
  auto believed = not_holes(found.available);
  if (!believed) {
    return fail(std::move(believed.error()));
  }
  if (auto told = journal_lost(found.available, *believed); !told) {
    return fail(std::move(told.error()));
  }
  if (options_.length && !found.length) {
    if (believed->end_offset() > *options_.length) {
      return begin_version(next);
    }
    if (auto told = journal_->append(RecordType::length, {*options_.length}); !told) {
      return fail(std::move(told.error()));
    }
    found.length = options_.length;
  }
  DriverState state;
  state.length = found.length;
  state.committed = found.committed && believed->covers({0, *found.length});
  state.available = std::move(*believed);
  checks_ = std::make_unique<BlockChecks>(*data_, state.available, state.length, std::move(found.checksums));
  reach_.store(state.available.end_offset(), std::memory_order_relaxed);
  return state;
}

// What was lost may be written again: the journal must know that it is not there, whatever crashes meanwhile.
Result<void> EntryDriver::journal_lost(const RangeSet& said, const RangeSet& believed) {
  bool any = false;
  for (const ByteRange run : said) {
    const auto lost = believed.gaps(run);
    if (!lost) {
      return fail(lost.error().clone());
    }
    for (const ByteRange range : *lost) {
      any = true;
      if (auto told = journal_->append(RecordType::evict, {range.begin, range.end}); !told) {
        return told;
      }
    }
  }
  return any ? journal_->sync() : Result<void>();
}

Result<RangeSet> EntryDriver::not_holes(const RangeSet& said) const {
  RangeSet there;
  const std::uint64_t end = said.end_offset();
  for (std::uint64_t at = 0; at < end;) {
    const auto run = data_->next_data(at);
    if (!run) {
      return fail(run.error().clone());
    }
    if (!*run) {
      break;
    }
    const auto believed = said.covered({(*run)->begin, std::min((*run)->end, kMaxOffset)});
    if (!believed) {
      return fail(believed.error().clone());
    }
    for (const ByteRange range : *believed) {
      there.reserve(1);
      there.add_reserved(range);
    }
    at = (*run)->end;
  }
  return there;
}

// The order matters: see docs/format.md.
Result<DriverState> EntryDriver::begin_version(std::uint64_t generation) {
  const std::string beside = data_path() + ".new";
  if (auto removed = options_.files->remove(beside); !removed) {
    return fail(std::move(removed.error()));
  }
  auto data = options_.files->open(beside, OpenFile::fresh);
  if (!data) {
    return fail(std::move(data.error()));
  }
  const auto identity = (*data)->identity();
  if (!identity) {
    return fail(identity.error().clone());
  }
  if (auto locked = (*data)->try_lock(); !locked) {
    return fail(std::move(locked.error()));
  }
  if (auto renamed = options_.files->rename(beside, data_path()); !renamed) {
    return fail(std::move(renamed.error()));
  }
  BootId boot{};
  if (const auto known = options_.files->boot_id(); known) {
    boot = *known;
  } else {
    return fail(known.error().clone());
  }
  header_ = JournalHeader{generation, boot, *identity, options_.length, options_.validator, options_.key};
  auto journal = Journal::create(options_.files, journal_path(), header_);
  if (!journal) {
    return fail(std::move(journal.error()));
  }
  data_ = std::move(*data);
  journal_ = std::move(*journal);
  DriverState state;
  state.length = options_.length;
  checks_ =
      std::make_unique<BlockChecks>(*data_, state.available, state.length, std::map<std::uint64_t, std::uint32_t>());
  return state;
}

Result<std::size_t> EntryDriver::read_at(std::uint64_t offset, std::span<std::byte> out) const noexcept {
  if (auto verified = checks_->verify({offset, offset + out.size()}); !verified) {
    return fail(std::move(verified.error()));
  }
  auto count = data_->read_at(offset, out);
  if (count && *count == 0) {
    return fail(Errc::io, "the file has been cut short");
  }
  return count;
}

Result<void> EntryDriver::may_change() const noexcept {
  if (doomed_.load(std::memory_order_acquire)) {
    return fail(Errc::io, "an fsync has failed before");
  }
  if (retired_.load(std::memory_order_acquire)) {
    return fail(Errc::unsupported, "another version has taken its place");
  }
  return epoch_.check("change an entry in a forked child");
}

void EntryDriver::retire() noexcept {
  retired_.store(true, std::memory_order_release);
  if (data_ != nullptr && !epoch_.inherited()) {
    data_->unlock();
  }
}

Result<std::size_t> EntryDriver::write_at(std::uint64_t offset, std::span<const std::byte> data) noexcept {
  if (auto allowed = may_change(); !allowed) {
    return fail(std::move(allowed.error()));
  }
  auto count = data_->write_at(offset, data);
  if (!count) {
    return count;
  }
  const ByteRange written{offset, offset + *count};
  // The journal last: what it says is there stays there, whatever fails.
  if (auto noted = checks_->wrote(written); !noted) {
    return fail(std::move(noted.error()));
  }
  if (auto told = journal_->append(RecordType::range, {written.begin, written.end}); !told) {
    return fail(std::move(told.error()));
  }
  std::uint64_t reach = reach_.load(std::memory_order_relaxed);
  while (reach < written.end && !reach_.compare_exchange_weak(reach, written.end, std::memory_order_relaxed)) {
  }
  // If it cannot be rewritten it goes on growing; if it is broken the next append says so.
  static_cast<void>(journal_->compact_if_grown());
  return count;
}

// An fsync that has failed may never be believed again (rule D4): the kernel drops the bytes and reports it once.
Result<void> EntryDriver::doom(Error cause) noexcept {
  doomed_.store(true, std::memory_order_release);
  // If this cannot be written either, the boot id still limits the harm to this start of the system.
  if (journal_->append(RecordType::doomed, {})) {
    static_cast<void>(journal_->sync());
  }
  return fail(std::move(cause));
}

Result<void> EntryDriver::barrier() noexcept {
  const std::uint64_t begun = journal_->begin_barrier();
  auto synced = data_->sync();
  auto ended = journal_->end_barrier(begun, synced.has_value());
  if (!synced) {
    return doom(std::move(synced.error()));
  }
  return ended;
}

Result<void> EntryDriver::append_checksums() noexcept {
  const auto sums = checks_->take_new();
  if (!sums) {
    return fail(sums.error().clone());
  }
  for (const BlockChecks::Sum& sum : *sums) {
    if (auto told = journal_->append_checksums(sum.block, std::span(&sum.checksum, 1)); !told) {
      return told;
    }
  }
  return {};
}

Result<void> EntryDriver::sync() noexcept {
  if (auto allowed = may_change(); !allowed) {
    return allowed;
  }
  auto done = barrier();
  if (done) {
    done = append_checksums();
  }
  return done ? journal_->sync() : done;
}

Result<void> EntryDriver::commit(std::uint64_t length) noexcept {
  if (auto allowed = may_change(); !allowed) {
    return allowed;
  }
  const bool durable = options_.durability == Durability::every_commit;
  if (durable) {
    if (auto synced = barrier(); !synced) {
      return synced;
    }
  }
  if (auto told = journal_->append(RecordType::commit, {length}); !told) {
    return told;
  }
  // The last block's checksum is that of a short one, which stands only behind the commit.
  checks_->set_length(length);
  auto done = append_checksums();
  if (done && durable) {
    done = journal_->sync();
  }
  if (!done) {
    // Still writable, as far as the journal is.
    static_cast<void>(reactivate());
    return done;
  }
  // Only now, for the journal must not speak of bytes that are gone. Of those past the end it does not speak any more,
  // so if the file cannot be cut, room is lost and nothing else.
  static_cast<void>(data_->set_size(length));
  reach_.store(length, std::memory_order_relaxed);
  return {};
}

Result<void> EntryDriver::evict(ByteRange range) noexcept {
  if (!range.valid()) {
    return fail(Errc::invalid_range, "evict");
  }
  if (range.empty()) {
    return {};
  }
  if (auto allowed = may_change(); !allowed) {
    return allowed;
  }
  if (auto told = journal_->append(RecordType::evict, {range.begin, range.end}); !told) {
    return told;
  }
  if (auto noted = checks_->gave_up(range); !noted) {
    return noted;
  }
  // Else a power cut could take the record back, but not the hole.
  if (auto synced = journal_->sync(); !synced) {
    return synced;
  }
  return data_->punch(range);
}

Result<void> EntryDriver::reactivate() noexcept {
  if (auto allowed = may_change(); !allowed) {
    return allowed;
  }
  auto done = journal_->append(RecordType::reopen, {});
  if (done) {
    checks_->set_length(std::nullopt);
    // Where the commit has dropped bytes others may be written now: no crash may bring back what says that they are
    // there.
    done = journal_->sync();
  }
  return done;
}

}  // namespace strandline::store
