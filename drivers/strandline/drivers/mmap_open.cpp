#include <strandline/drivers/file/failure.h>
#include <strandline/drivers/file/fault_guard.h>
#include <strandline/drivers/file/mapped_file.h>
#include <strandline/drivers/file/write_claim.h>
#include <strandline/drivers/mmap.h>

#include <fcntl.h>

#include <algorithm>
#include <utility>

namespace strandline {

using file::about;
using file::contained;
using file::MappedFile;
using file::same_error;
using file::WriteClaim;

namespace {

constexpr int kOpenAttempts = 8;  // each lost to a writer that committed between our look and our lock

}  // namespace

Result<DriverState> MmapDriver::open(Options options) noexcept {
  return contained([&]() -> Result<DriverState> {
    const std::filesystem::path::string_type& native = options.path.native();
    if (native.empty() || native.find('\0') != std::string::npos || !options.path.has_filename()) {
      return about(Errc::invalid_argument, "not a file name:", native);
    }
    if (options.expected_length > kMaxOffset) {
      return about(Errc::too_large, "expected_length for", native);
    }
    if (Result<void> armed = FaultGuard::arm(); !armed) {
      return same_error(armed);
    }
    const Result<ForkEpoch> epoch = ForkEpoch::arm();
    if (!epoch) {
      return same_error(epoch);
    }
    epoch_ = *epoch;
    name_ = std::filesystem::absolute(options.path).native();
    options_ = std::move(options);
    Result<DriverState> state = open_any();
    if (!state) {
      mode_ = Mode::closed;
      claim_.reset();
    }
    return state;
  });
}

Result<DriverState> MmapDriver::open_any() {
  for (int attempt = 0; attempt < kOpenAttempts; ++attempt) {
    const Result<std::optional<file::FileFacts>> there = file::look_at(name_);
    if (!there) {
      return same_error(there);
    }
    if (there->has_value()) {
      Result<DriverState> state = open_existing();
      if (!state && state.error().code == Errc::not_found) {
        continue;  // removed since we looked
      }
      return state;
    }
    if (options_.mode == OpenMode::read_only) {
      return about(Errc::not_found, "no such file:", name_);
    }
    Result<std::shared_ptr<WriteClaim>> claim = WriteClaim::take(name_, options_.durable_commit, epoch_);
    if (!claim) {
      return same_error(claim);
    }
    // Somebody may have committed between our look and our lock; from here on nobody can.
    const Result<std::optional<file::FileFacts>> again = file::look_at(name_);
    if (!again) {
      return same_error(again);
    }
    if (!again->has_value()) {
      Result<file::FileHandle> side = (*claim)->side();
      if (!side) {
        return same_error(side);
      }
      start_side(std::move(*claim), std::move(*side), true);
      return DriverState{};
    }
  }
  return about(Errc::busy, "appears and disappears:", name_);
}

// The committed length of the file at name_: its marker's, or its size.
Result<std::uint64_t> MmapDriver::known_length() const {
  Result<std::optional<std::uint64_t>> marked = WriteClaim::marked_length(name_);
  if (!marked) {
    return same_error(marked);
  }
  if (marked->has_value() && options_.mode != OpenMode::read_only) {
    // A crash, or a writer at work: taking the claim tells, and cuts the file back after a crash.
    const Result<std::shared_ptr<WriteClaim>> claim = WriteClaim::take(name_, options_.durable_commit, epoch_);
    if (claim) {
      marked->reset();
    } else if (claim.error().code != Errc::permission_denied) {
      return same_error(claim);
    }
  }
  const Result<file::FileFacts> facts = file_->facts();
  if (!facts) {
    return same_error(facts);
  }
  if (marked->has_value() && facts->size < **marked) {
    return about(Errc::corrupt, "shorter than its marker says:", name_);
  }
  return marked->value_or(facts->size);
}

Result<DriverState> MmapDriver::open_existing() {
  Result<file::FileHandle> handle = file::open_regular(name_, O_RDONLY);
  if (!handle) {
    return same_error(handle);
  }
  const Result<file::FileFacts> facts = file::facts_of(handle->get(), name_);
  if (!facts) {
    return same_error(facts);
  }
  file_ = std::make_shared<MappedFile>(std::move(*handle), name_, std::max(facts->size, MappedFile::kMapFrom));
  const Result<std::uint64_t> length = known_length();
  if (!length) {
    return same_error(length);
  }
  if (options_.expected_length != 0 && options_.expected_length != *length) {
    return about(Errc::changed, "not of the expected length:", name_);
  }
  file_->expect(*length);
  committed_length_ = *length;
  mode_ = Mode::committed;

  DriverState state;
  if (*length > 0) {
    if (const auto inserted = state.available.insert({0, *length}); !inserted) {
      return same_error(inserted);
    }
  }
  if (options_.mode == OpenMode::read_write) {
    if (Result<void> resumed = resume_in_place(); !resumed) {
      return same_error(resumed);
    }
    return state;
  }
  state.length = *length;
  state.committed = true;
  return state;
}

void MmapDriver::start_side(std::shared_ptr<WriteClaim> claim, file::FileHandle side, bool keep_existing) {
  file_ = std::make_shared<MappedFile>(std::move(side), name_ + ".part",
                                       std::max(MappedFile::kRegionBytes, options_.expected_length));
  claim_ = std::move(claim);
  keep_existing_ = keep_existing;
  mode_ = Mode::side;
}

}  // namespace strandline
