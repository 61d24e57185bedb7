#include <strandline/drivers/file/failure.h>
#include <strandline/store/journal/journal.h>
#include <strandline/store/journal/snapshot.h>

#include <algorithm>
#include <utility>

namespace strandline::store {
namespace {

// A journal is rewritten when it has outgrown this and its last rewriting several times over: then rewriting
// costs, per record, as much as appending it did.
constexpr std::uint64_t kSmall = 1 << 20;
constexpr std::uint64_t kGrowth = 4;

}  // namespace

Journal::Journal(std::shared_ptr<FileSystem> files, std::string path) noexcept
    : files_(std::move(files)), path_(std::move(path)) {}

Result<void> Journal::replace_locked(const JournalEncoder& image, bool synced) noexcept {
  return file::contained([&]() -> Result<void> {
    mutex_.assert_held();
    const std::string beside = path_ + ".new";
    auto file = files_->open(beside, OpenFile::fresh);
    if (!file) {
      return fail(std::move(file.error()));
    }
    auto done = write_all(**file, 0, image.bytes());
    if (done && synced) {
      done = (*file)->sync();
    }
    if (done) {
      done = files_->rename(beside, path_);
    }
    if (!done) {
      static_cast<void>(files_->remove(beside));  // what is left of it harms nobody
      return done;
    }
    file_ = std::move(*file);
    size_ = size_when_rewritten_ = image.bytes().size();
    chain_ = image.chain();
    broken_ = false;
    name_synced_ = false;
    if (!synced) {
      return done;
    }
    // The name may still lead to the old file after a power cut. That one ends where this one begins, so it is
    // right as well; but what is appended from here on would be lost, synced or not.
    done = files_->sync_directory_of(path_);
    name_synced_ = done.has_value();
    found_may_be_lost_ = found_may_be_lost_ && !done;
    broken_ = !done;
    return done;
  });
}

Result<std::unique_ptr<Journal>> Journal::create(std::shared_ptr<FileSystem> files, std::string path,
                                                 const JournalHeader& header, const Cipher* cipher) noexcept {
  return file::contained([&]() -> Result<std::unique_ptr<Journal>> {
    std::unique_ptr<Journal> journal(new Journal(std::move(files), std::move(path)));
    JournalEncoder image;
    image.header(header);
    if (cipher != nullptr) {
      std::vector<std::byte> payload;
      put(payload, *cipher);
      image.record(RecordType::cipher, payload);
    }
    MutexLock lock(journal->mutex_);
    auto done = journal->replace_locked(image, header.generation > 1);
    lock.unlock();
    if (!done) {
      return fail(std::move(done.error()));
    }
    return journal;
  });
}

Result<Journal::Opened> Journal::open(std::shared_ptr<FileSystem> files, std::string path,
                                      const std::function<Result<void>(const Replay&)>& accept) noexcept {
  return file::contained([&]() -> Result<Opened> {
    std::unique_ptr<Journal> journal(new Journal(std::move(files), std::move(path)));
    MutexLock lock(journal->mutex_);
    auto file = journal->files_->open(journal->path_, OpenFile::to_write);
    if (!file) {
      return fail(std::move(file.error()));
    }
    const auto bytes = read_all(**file);
    if (!bytes) {
      return fail(bytes.error().clone());
    }
    const auto boot = journal->files_->boot_id();
    if (!boot) {
      return fail(boot.error().clone());
    }
    auto found = replay(*bytes, Trust::everything);
    if (!found) {
      return fail(std::move(found.error()));
    }
    if (accept) {
      if (auto accepted = accept(*found); !accepted) {
        return fail(std::move(accepted.error()));
      }
    }
    journal->file_ = std::move(*file);
    journal->size_ = found->valid_bytes;
    journal->size_when_rewritten_ = found->rewritten_bytes;  // many may have appended a little each
    journal->chain_ = found->chain;
    journal->found_may_be_lost_ = found->gave_up;
    Result<void> ready;
    if (found->header.boot != *boot) {
      found = replay(*bytes, Trust::barriers);
      if (!found) {
        return fail(std::move(found.error()));
      }
      found->header.boot = *boot;
      ready = journal->replace_locked(encode_snapshot(found->header, *found, found->available));
    } else if (found->torn_bytes > 0) {
      ready = journal->file_->set_size(journal->size_);
    }
    lock.unlock();
    if (!ready) {
      return fail(std::move(ready.error()));
    }
    return Opened{std::move(journal), std::move(*found)};
  });
}

template <class Encode>
Result<void> Journal::append_locked(Encode&& encode) noexcept {
  return file::contained([&]() -> Result<void> {
    mutex_.assert_held();
    if (broken_) {
      return fail(Errc::io, path_);
    }
    JournalEncoder encoded(chain_);
    encode(encoded);
    if (auto written = write_all(*file_, size_, encoded.bytes()); !written) {
      // A part of it may be there: as a torn tail it does no harm, but only if nothing is appended behind it.
      broken_ = !file_->set_size(size_);
      return written;
    }
    size_ += encoded.bytes().size();
    chain_ = encoded.chain();
    return {};
  });
}

Result<void> Journal::append(RecordType type, std::initializer_list<std::uint64_t> numbers) noexcept {
  MutexLock lock(mutex_);
  return append_locked([&](JournalEncoder& out) { out.record(type, numbers); });
}

Result<void> Journal::append_note(std::span<const std::byte> payload) noexcept {
  MutexLock lock(mutex_);
  return append_locked([&](JournalEncoder& out) { out.record(RecordType::note, payload); });
}

Result<void> Journal::append_checksums(std::optional<std::uint64_t> commit,
                                       std::span<const std::pair<std::uint64_t, std::uint32_t>> sums) noexcept {
  if (!commit && sums.empty()) {
    return {};
  }
  MutexLock lock(mutex_);
  return append_locked([&](JournalEncoder& out) {
    if (commit) {
      out.record(RecordType::commit, {*commit});
    }
    for (const auto& [block, checksum] : sums) {
      std::vector<std::byte> payload;
      put(payload, block, 8);
      put(payload, checksum, 4);
      out.record(RecordType::checksums, payload);
    }
  });
}

Result<void> Journal::append_sealed(std::span<const Piece> pieces, std::span<const ByteRange> ranges) noexcept {
  MutexLock lock(mutex_);
  return append_locked([&](JournalEncoder& out) {
    std::vector<std::byte> payload;
    for (const Piece& piece : pieces) {
      put(payload, piece);
    }
    out.record(RecordType::pieces, payload);
    for (const ByteRange range : ranges) {
      out.record(RecordType::range, {range.begin, range.end});
    }
  });
}

std::uint64_t Journal::begin_barrier() noexcept {
  MutexLock lock(mutex_);
  ++barriers_;
  return size_;
}

Result<void> Journal::end_barrier(std::uint64_t begun, bool synced) noexcept {
  MutexLock lock(mutex_);
  --barriers_;
  return synced ? append_locked([&](JournalEncoder& out) { out.record(RecordType::barrier, {begun}); })
                : Result<void>();
}

bool Journal::is_broken() const noexcept {
  MutexLock lock(mutex_);
  return broken_;
}

Result<void> Journal::sync() noexcept {
  std::shared_ptr<File> file;
  bool name_synced = false;
  {
    MutexLock lock(mutex_);
    if (broken_) {
      return fail(Errc::io, path_);
    }
    file = file_;
    name_synced = name_synced_;
  }
  auto synced = file->sync();
  bool tried = true;
  if (synced && !name_synced) {
    synced = files_->sync_directory_of(path_);
    // Without memory, or a descriptor, nothing has been asked of the disk: it can be tried again.
    tried = synced || (synced.error().code != Errc::no_memory && synced.error().code != Errc::too_many_files);
  }
  MutexLock lock(mutex_);
  name_synced_ = name_synced_ || synced.has_value();
  found_may_be_lost_ = found_may_be_lost_ && !synced;
  broken_ = broken_ || (!synced && tried);  // after a failure nobody knows what of it is on the disk, now or later
  return synced;
}

bool Journal::found_may_be_lost() const noexcept {
  MutexLock lock(mutex_);
  return found_may_be_lost_;
}

Result<void> Journal::compact_locked() noexcept {
  return file::contained([&]() -> Result<void> {
    mutex_.assert_held();
    const auto bytes = read_all(*file_);
    if (!bytes) {
      return fail(bytes.error().clone());
    }
    const auto journal = std::span(*bytes).first(std::min<std::size_t>(bytes->size(), size_));
    const auto all = replay(journal, Trust::everything);
    const auto durable = replay(journal, Trust::barriers);
    if (!all || !durable) {
      return fail((all ? durable : all).error().clone());
    }
    if (all->valid_bytes != size_) {
      return fail(Errc::corrupt, path_);  // it has changed under us
    }
    return replace_locked(encode_snapshot(all->header, *all, durable->available));
  });
}

Result<void> Journal::compact_if_grown() noexcept {
  MutexLock lock(mutex_);
  if (barriers_ > 0 || broken_ || size_ < std::max(kSmall, kGrowth * size_when_rewritten_)) {
    return {};
  }
  auto done = compact_locked();
  if (!done) {
    size_when_rewritten_ = size_;  // not again with the next append
  }
  return done;
}

Journal::Position Journal::position() const noexcept {
  MutexLock lock(mutex_);
  return {size_, chain_};
}

void Journal::retire() noexcept {
  MutexLock lock(mutex_);
  broken_ = true;
}

std::uint64_t Journal::allocated() const noexcept {
  MutexLock lock(mutex_);
  return file_->allocated().value_or(0);
}

}  // namespace strandline::store
