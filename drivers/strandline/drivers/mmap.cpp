#include <strandline/drivers/file/failure.h>
#include <strandline/drivers/file/mapped_file.h>
#include <strandline/drivers/file/write_claim.h>
#include <strandline/drivers/mmap.h>

#include <fcntl.h>

#include <utility>

namespace strandline {
using file::about;
using file::contained;
using file::MappedFile;
using file::same_error;
using file::WriteClaim;

MmapDriver::~MmapDriver() {
  if (mode_ == Mode::in_place && !epoch_.inherited()) {
    // Whatever fails here leaves the marker, and with it the work to the next open().
    static_cast<void>(contained([&] { return give_up_in_place(); }));
  }
}

Result<void> MmapDriver::may_change(std::string_view what) const noexcept {
  if (mode_ == Mode::closed) {
    return about(Errc::unsupported, "not open:", name_);
  }
  if (options_.mode == OpenMode::read_only) {
    return about(Errc::unsupported, "opened read-only:", name_);
  }
  return epoch_.check(what);
}

Result<std::size_t> MmapDriver::read_at(std::uint64_t offset, std::span<std::byte> out) const noexcept {
  if (file_ == nullptr) {
    return about(Errc::unsupported, "not open:", name_);
  }
  if (Result<ByteRange> range = ByteRange::from_size(offset, out.size()); !range) {
    return same_error(range);
  }
  if (out.empty()) {
    return std::size_t{0};
  }
  return file_->read_at(offset, out);
}

Result<std::size_t> MmapDriver::write_at(std::uint64_t offset, std::span<const std::byte> data) noexcept {
  if (Result<void> allowed = may_change("write in a forked child"); !allowed) {
    return same_error(allowed);
  }
  const Mode mode = mode_;
  if (mode != Mode::side && mode != Mode::in_place) {
    return about(mode == Mode::committed ? Errc::committed : Errc::changed, "not open for writing:", name_);
  }
  if (Result<ByteRange> range = ByteRange::from_size(offset, data.size()); !range) {
    return same_error(range);
  }
  if (data.empty()) {
    return std::size_t{0};
  }
  return file_->write_at(offset, data);
}

// An fsync that failed is final: the kernel marks the lost pages clean, and the next one would succeed.
Result<void> MmapDriver::synced(Result<void> result) noexcept {
  const auto passes = [](Errc code) {
    return code == Errc::busy || code == Errc::no_memory || code == Errc::too_many_files;
  };
  if (!result && !passes(result.error().code)) {
    poisoned_ = true;
  }
  return result;
}

Result<void> MmapDriver::commit(std::uint64_t length) noexcept {
  if (Result<void> allowed = may_change("commit in a forked child"); !allowed) {
    return allowed;
  }
  if (length > kMaxOffset) {
    return about(Errc::invalid_range, "commit", name_);
  }
  if (poisoned_) {
    return about(Errc::io, "an earlier sync failed:", name_);
  }
  return contained([&]() -> Result<void> {
    const Mode mode = mode_;
    if (mode == Mode::side) {
      return commit_side(length);
    }
    if (mode == Mode::in_place) {
      return commit_in_place(length);
    }
    return about(mode == Mode::committed ? Errc::committed : Errc::changed, "not open for writing:", name_);
  });
}

Result<void> MmapDriver::commit_side(std::uint64_t length) {
  if (Result<void> cut = file_->cut(length); !cut) {
    return cut;
  }
  if (options_.durable_commit) {
    if (Result<void> flushed = synced(file_->sync()); !flushed) {
      return flushed;
    }
  }
  bool renamed = false;
  Result<void> published = claim_->publish(keep_existing_, renamed);
  if (!published) {
    return renamed ? synced(std::move(published)) : published;
  }
  committed_length_ = length;
  mode_ = Mode::committed;
  claim_.reset();
  return {};
}

Result<void> MmapDriver::commit_in_place(std::uint64_t length) {
  const Result<std::optional<file::FileFacts>> there = file::look_at(name_);
  const Result<file::FileFacts> ours = file_->facts();
  if (!there || !ours) {
    return there ? same_error(ours) : same_error(there);
  }
  if (!there->has_value() || (*there)->identity != ours->identity) {
    return about(Errc::changed, "was replaced by somebody else:", name_);
  }
  // The marker never promises more than the file holds, also between the cut and its removal.
  if (const std::optional<std::uint64_t> marked = claim_->marked(); marked && length < *marked) {
    if (Result<void> lowered = claim_->mark(length); !lowered) {
      return lowered;
    }
  }
  if (Result<void> cut = file_->cut(length); !cut) {
    return cut;
  }
  if (options_.durable_commit) {
    if (Result<void> flushed = synced(file_->sync()); !flushed) {
      return flushed;
    }
  }
  if (Result<void> done = claim_->unmark(); !done) {
    return done;
  }
  committed_length_ = length;
  mode_ = Mode::committed;
  claim_.reset();
  return {};
}

Result<void> MmapDriver::reactivate() noexcept {
  if (Result<void> allowed = may_change("reactivate in a forked child"); !allowed) {
    return allowed;
  }
  if (mode_ != Mode::committed) {
    return about(mode_ == Mode::retired ? Errc::changed : Errc::busy, "not committed:", name_);
  }
  return contained([&] { return resume_in_place(); });
}

Result<void> MmapDriver::resume_in_place() {
  Result<std::shared_ptr<WriteClaim>> claim = WriteClaim::take(name_, options_.durable_commit, epoch_);
  if (!claim) {
    return same_error(claim);
  }
  Result<file::FileHandle> handle = file::open_regular(name_, O_RDWR);
  if (!handle) {
    return same_error(handle);
  }
  const Result<file::FileFacts> there = file::facts_of(handle->get(), name_);
  const Result<file::FileFacts> ours = file_->facts();
  if (!there || !ours) {
    return there ? same_error(ours) : same_error(there);
  }
  if (there->identity != ours->identity || there->size > committed_length_) {
    return about(Errc::changed, "was changed by somebody else:", name_);
  }
  if (there->size < committed_length_) {
    return about(Errc::io, "cut short by somebody else:", name_);
  }
  Result<void> marked = (*claim)->mark(committed_length_);
  if (marked) {
    marked = file_->adopt_handle(std::move(*handle));
  }
  if (!marked) {
    static_cast<void>((*claim)->unmark());  // nothing was written: without its marker the file is as it was
    return marked;
  }
  claim_ = std::move(*claim);
  mode_ = Mode::in_place;
  return {};
}

// Back to the committed length, and complete.
Result<void> MmapDriver::give_up_in_place() {
  const std::uint64_t length = claim_->marked().value_or(committed_length_);
  Result<void> done = file_->cut(length);
  if (done && options_.durable_commit) {
    done = synced(file_->sync());
  }
  if (done) {
    done = claim_->unmark();
  }
  if (done) {
    committed_length_ = length;
    mode_ = Mode::committed;
  }
  return done;
}

Result<std::unique_ptr<MmapDriver>> MmapDriver::rewrite() noexcept {
  if (Result<void> allowed = may_change("rewrite in a forked child"); !allowed) {
    return same_error(allowed);
  }
  return contained([&]() -> Result<std::unique_ptr<MmapDriver>> {
    auto next = std::make_unique<MmapDriver>();
    next->options_ = options_;
    next->name_ = name_;
    next->epoch_ = epoch_;
    std::shared_ptr<WriteClaim> claim = claim_;
    if (claim == nullptr) {
      Result<std::shared_ptr<WriteClaim>> taken = WriteClaim::take(name_, options_.durable_commit, epoch_);
      if (!taken) {
        return same_error(taken);
      }
      claim = std::move(*taken);
    }
    // All that allocates comes first; up to the last step, a failure leaves this driver as it was.
    const bool writing_side = mode_ == Mode::side;
    Result<file::FileHandle> side = writing_side ? claim->prepare_fresh_side() : claim->side();
    if (!side) {
      return same_error(side);
    }
    next->start_side(std::move(claim), std::move(*side), writing_side && keep_existing_);
    if (writing_side) {
      if (Result<void> switched = claim_->switch_to_fresh_side(); !switched) {
        return same_error(switched);
      }
      mode_ = Mode::retired;
    } else if (mode_ == Mode::in_place) {
      if (Result<void> given_up = give_up_in_place(); !given_up) {
        return same_error(given_up);
      }
    }
    claim_.reset();
    return next;
  });
}

Result<DriverView> MmapDriver::view(ByteRange range) const noexcept {
  if (file_ == nullptr) {
    return about(Errc::unsupported, "not open:", name_);
  }
  if (!range.valid()) {
    return about(Errc::invalid_range, "view", name_);
  }
  return file_->view(range);
}

Result<void> MmapDriver::sync() noexcept {
  if (Result<void> allowed = may_change("sync in a forked child"); !allowed) {
    return allowed;
  }
  if (poisoned_) {
    return about(Errc::io, "an earlier sync failed:", name_);
  }
  return synced(file_->sync());
}

std::uint64_t MmapDriver::storage_len() const noexcept {
  if (file_ == nullptr) {
    return 0;
  }
  const Result<file::FileFacts> facts = file_->facts();
  return facts ? facts->size : 0;
}

}  // namespace strandline
