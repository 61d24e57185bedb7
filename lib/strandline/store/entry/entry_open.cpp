// EntryDriver: what is found, and what of it is believed; and how a version begins.
#include <strandline/drivers/file/failure.h>
#include <strandline/store/checksums/block_checks.h>
#include <strandline/store/entry/entry_driver.h>
#include <strandline/store/inspection.h>
#include <strandline/store/sealing/sealed_data.h>

#include <algorithm>
#include <chrono>
#include <new>
#include <thread>
#include <utility>

namespace strandline::store {
namespace {

Error about(Error error, const std::string& path) {
  error.context = path + (error.context.empty() ? "" : ": " + error.context);
  return error;
}

}  // namespace

Result<DriverState> EntryDriver::open(Options options) noexcept {
  return file::contained([&]() -> Result<DriverState> {
    options_ = std::move(options);
    if (options_.files == nullptr || options_.name.empty() || options_.key.size() > kMaxKey ||
        options_.validator.value.size() > kMaxValidator || options_.length.value_or(0) > kMaxOffset) {
      return fail(Errc::invalid_argument, "an entry's options");
    }
    if (options_.secret != nullptr && !Sealer::supported()) {
      return fail(Errc::unsupported, "this build has no encryption");
    }
    auto epoch = ForkEpoch::arm();
    if (!epoch) {
      return fail(std::move(epoch.error()));
    }
    epoch_ = *epoch;
    // Before anything is judged: what cannot be told apart from another start of the system cannot be believed.
    auto boot = options_.files->boot_id();
    if (!boot) {
      Errc& code = boot.error().code;
      code = code == Errc::no_memory || code == Errc::too_many_files ? code : Errc::unsupported;
      return fail(std::move(boot.error()));
    }
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    for (;;) {
      if (options_.must_exist) {
        // Looking must not make files.
        if (auto there = options_.files->open(journal_path(), OpenFile::to_read); !there) {
          return fail(std::move(there.error()));
        }
      }
      auto data = claim();
      if (data) {
        return open_as_writer(std::move(*data));
      }
      if (data.error().code != Errc::busy || !options_.may_follow) {
        return fail(std::move(data.error()));
      }
      auto found = open_as_reader(*boot);
      // While its writer is opening it, or begins a version, there may be nothing yet that can be followed.
      if (found || found.error().code != Errc::not_found || std::chrono::steady_clock::now() > patience) {
        return found ? std::move(found)
                     : fail(found.error().code == Errc::not_found ? std::move(data.error()) : std::move(found.error()));
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  });
}

Result<DriverState> EntryDriver::open_as_writer(std::unique_ptr<File> data) {
  auto state = [&]() -> Result<DriverState> {
    {
      MutexLock lock(account_mutex_);
      accounted_ = data->allocated().value_or(0);
    }
    const auto there = options_.files->open(journal_path(), OpenFile::to_read);
    if (!there) {
      if (there.error().code != Errc::not_found || options_.must_exist) {
        return fail(there.error().clone());
      }
      return begin_version(1);
    }
    {
      MutexLock lock(account_mutex_);
      accounted_ += (*there)->allocated().value_or(0);
    }
    auto found = Journal::open(options_.files, journal_path(), [this](const Replay& said) { return unseal(said); });
    if (found) {
      return open_found(std::move(*found), std::move(data));
    }
    // A header that is no header says nothing of the bytes beside it.
    if (found.error().code == Errc::corrupt) {
      return begin_version(1);
    }
    return fail(found.error().code == Errc::unsupported ? about(std::move(found.error()), journal_path())
                                                        : std::move(found.error()));
  }();
  if (state) {
    position_ = journal_->position();
    drops_followed_.store(options_.signals.drops(), std::memory_order_relaxed);
    role_epoch_.store(1, std::memory_order_release);
    alone_epoch_.store(1, std::memory_order_release);
    settle(0);
    options_.signals.changed();
  }
  return state;
}

// not_found: there is nothing yet that can be followed.
Result<DriverState> EntryDriver::open_as_reader(const BootId& boot) {
  // Before the journal is read: what is destroyed after that shows.
  const std::uint32_t drops = options_.signals.drops();
  auto data = options_.files->open(data_path(), OpenFile::to_write);
  const auto journal = data ? options_.files->open(journal_path(), OpenFile::to_read) : fail(data.error().clone());
  if (!journal) {
    return fail(journal.error().clone());
  }
  const auto bytes = read_all(**journal);
  const auto identity = (*data)->identity();
  if (!bytes || !identity) {
    return fail((bytes ? identity.error() : bytes.error()).clone());
  }
  auto found = replay(*bytes, Trust::everything);
  if (!found) {
    return fail(found.error().code == Errc::corrupt ? Error::make(Errc::not_found, journal_path())
                                                    : std::move(found.error()));
  }
  if (found->header.boot != boot || found->header.data != *identity || found->doomed) {
    return fail(Errc::not_found, journal_path());
  }
  if (auto allowed = unseal(*found); !allowed) {
    return fail(std::move(allowed.error()));
  }
  if (is_other_version(*found)) {
    return fail(Errc::busy, "another version is being written");
  }
  data_ = std::move(*data);
  header_ = found->header;
  position_ = {found->valid_bytes, found->chain};
  drops_followed_.store(drops, std::memory_order_relaxed);
  if (const auto lost = take_out_holes(found->available); !lost) {
    return fail(lost.error().clone());
  }
  return state_of(*found);
}

bool EntryDriver::is_other_version(const Replay& found) const noexcept {
  return (options_.validator.kind != Validator::Kind::none && options_.validator != found.header.validator) ||
         (options_.length && found.length && *options_.length != *found.length) ||
         (options_.secret != nullptr && !found.cipher);
}

Result<DriverState> EntryDriver::state_of(Replay& found) {
  DriverState state;
  state.length = found.length;
  state.blocks = std::move(found.available);
  state.committed = found.committed && state.blocks.covers({0, *found.length});
  checks_ = std::make_unique<BlockChecks>(*data_, state.blocks, state.length, std::move(found.checksums),
                                          sealed_ != nullptr ? BlockChecks::Of::nothing : BlockChecks::Of::blocks);
  if (sealed_ != nullptr && !sealed_->table().reset(std::move(found.pieces), state.blocks)) {
    throw std::bad_alloc();
  }
  reach_.store(state.blocks.end_offset(), std::memory_order_relaxed);
  auto note = note_of(found.note);
  if (!note) {
    return fail(std::move(note.error()));
  }
  MutexLock lock(note_mutex_);
  note_ = std::move(*note);
  return state;
}

Result<bool> EntryDriver::leads_here(const File& data) const {
  const auto named = options_.files->open(data_path(), OpenFile::to_read);
  if (!named && named.error().code != Errc::not_found) {
    return fail(named.error().clone());
  }
  const auto mine = data.identity();
  const auto its = named ? (*named)->identity() : Result<DataIdentity>(DataIdentity{});
  if (!mine || !its) {
    return fail((mine ? its : mine).error().clone());
  }
  return *mine == *its;
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
    const auto here = leads_here(**data);
    if (!here) {
      return fail(here.error().clone());
    }
    if (*here) {
      return data;
    }
    // It was replaced in between: whoever did so may be through by now.
  }
}

Result<DriverState> EntryDriver::open_found(Journal::Opened opened, std::unique_ptr<File> data) {
  Replay& found = opened.found;
  const std::uint64_t next = found.header.generation + 1;
  const auto identity = data->identity();
  if (!identity) {
    return fail(identity.error().clone());
  }
  if (is_other_version(found) || found.doomed || *identity != found.header.data) {
    return begin_version(next);
  }
  data_ = std::move(data);
  journal_ = std::move(opened.journal);
  header_ = found.header;
  torn_bytes_ = found.torn_bytes;
  const auto lost = take_out_holes(found.available);
  if (!lost) {
    return fail(lost.error().clone());
  }
  if (auto told = journal_lost(*lost); !told) {
    return fail(std::move(told.error()));
  }
  if (options_.length && !found.length) {
    if (found.available.end_offset() > *options_.length) {
      return begin_version(next);
    }
    if (auto told = journal_->append(RecordType::length, {*options_.length}); !told) {
      return fail(std::move(told.error()));
    }
    found.length = options_.length;
  }
  return state_of(found);
}

// What was lost may be written again: the journal must know that it is not there, whatever crashes meanwhile.
Result<void> EntryDriver::journal_lost(std::span<const ByteRange> lost) {
  for (const ByteRange range : lost) {
    if (auto told = journal_->append(RecordType::evict, {range.begin, range.end}); !told) {
      return told;
    }
  }
  return lost.empty() ? Result<void>() : sync_journal();
}

// The order matters: see docs/format.md.
Result<DriverState> EntryDriver::begin_version(std::uint64_t generation) {
  if (options_.must_exist) {
    return fail(Errc::not_found, journal_path());
  }
  sealed_.reset();
  if (options_.secret != nullptr) {
    auto sealer = Sealer::begin(*options_.secret, options_.key, generation);
    if (!sealer) {
      return fail(std::move(sealer.error()));
    }
    sealed_ = std::make_unique<SealedData>(std::move(*sealer));
  }
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
  if (options_.before_version) {
    options_.before_version();
  }
  header_ = JournalHeader{generation, boot, *identity, options_.length, options_.validator, options_.key};
  auto journal =
      Journal::create(options_.files, journal_path(), header_, sealed_ != nullptr ? &sealed_->cipher() : nullptr);
  if (!journal) {
    return fail(std::move(journal.error()));
  }
  data_ = std::move(*data);
  journal_ = std::move(*journal);
  DriverState state;
  state.length = options_.length;
  checks_ = std::make_unique<BlockChecks>(*data_, state.blocks, state.length, ChecksumMap(),
                                          sealed_ != nullptr ? BlockChecks::Of::nothing : BlockChecks::Of::blocks);
  return state;
}

Result<std::vector<ByteRange>> EntryDriver::take_out_holes(BlockMap& said) const {
  return store::take_out_holes(*data_, said);
}

}  // namespace strandline::store
