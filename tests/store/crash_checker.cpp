#include <tests/store/crash_checker.h>
#include <tests/store/forwarding_files.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace strandline::testing {

using store::EntryDriver;
using store::File;
using store::OpenFile;

namespace {

// Of the complete content.
std::uint64_t length_of(std::uint64_t version) {
  return 160 * 1024 - version * 1000;
}
// No byte is zero: what is lost and read back as zeros is found.
std::byte byte_of(std::uint64_t offset, std::uint64_t version, std::uint64_t times_dropped) {
  return static_cast<std::byte>(1 + (offset * 131 + (offset >> 8) * 17 + version * 59 + times_dropped * 31) % 255);
}

RangeSet copy_of(const RangeSet& set) {
  return std::move(*set.clone());
}
void add(RangeSet& set, ByteRange range) {
  static_cast<void>(set.insert(range).value());
}
std::vector<ByteRange> gaps_of(const RangeSet& set, ByteRange range) {
  return set.gaps(range).value();
}
void take(RangeSet& set, ByteRange range) {
  static_cast<void>(set.erase(range).value());
}

// A file whose writes reach the system one call late, as those of a program that buffers them do.
class BelatedFile final : public ForwardingFile {
 public:
  using ForwardingFile::ForwardingFile;
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const noexcept override {
    flush();
    return file_->read_at(offset, out);
  }
  Result<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> data) noexcept override {
    flush();
    offset_ = offset;
    pending_.assign(data.begin(), data.end());
    return data.size();
  }
  Result<std::uint64_t> size() const noexcept override { return flush(), file_->size(); }
  Result<void> set_size(std::uint64_t size) noexcept override { return flush(), file_->set_size(size); }
  Result<void> sync() noexcept override { return flush(), file_->sync(); }
  Result<void> punch(ByteRange range) noexcept override { return flush(), file_->punch(range); }
  Result<std::optional<ByteRange>> next_data(std::uint64_t from) const noexcept override {
    return flush(), file_->next_data(from);
  }
  Result<std::uint64_t> allocated() const noexcept override { return flush(), file_->allocated(); }

 private:
  void flush() const noexcept {
    const auto pending = std::exchange(pending_, {});
    if (!pending.empty()) {
      static_cast<void>(file_->write_at(offset_, pending));
    }
  }
  mutable std::vector<std::byte> pending_;
  mutable std::uint64_t offset_ = 0;
};

class BelatedFiles final : public ForwardingFiles {
 public:
  using ForwardingFiles::ForwardingFiles;
  Result<std::unique_ptr<File>> open(const std::string& path, OpenFile how) noexcept override {
    auto file = files_->open(path, how);
    if (file && path.find(".data") != std::string::npos) {
      return std::make_unique<BelatedFile>(std::move(*file));
    }
    return file;
  }
};

}  // namespace

CrashChecker::CrashChecker(std::uint64_t seed, Broken broken, std::shared_ptr<const store::SecretKey> secret)
    : seed_(seed),
      broken_(broken),
      secret_(std::move(secret)),
      random_(seed),
      files_(std::make_shared<SimulatedFiles>()) {
  files_->ignores_data_syncs = broken == Broken::barrier_without_sync;
  files_->ignores_journal_syncs = broken == Broken::hole_before_journal;
  files_->sees_no_holes = broken == Broken::hole_before_journal;
}

std::shared_ptr<store::FileSystem> CrashChecker::seen(const std::shared_ptr<SimulatedFiles>& files) const {
  return broken_ == Broken::journal_before_data ? std::shared_ptr<store::FileSystem>(new BelatedFiles(files)) : files;
}

std::uint64_t CrashChecker::end() const {
  return length_.value_or(length_of(version_));
}

std::vector<std::byte> CrashChecker::bytes_of(ByteRange range) {
  const auto& times_dropped = versions_[version_].times_dropped;
  std::vector<std::byte> bytes;
  for (std::uint64_t at = range.begin; at < range.end; ++at) {
    bytes.push_back(byte_of(at, version_, times_dropped[at]));
  }
  return bytes;
}

bool CrashChecker::wrong(const std::string& what) {
  violation_ = "seed " + std::to_string(seed_) + ", version " + std::to_string(version_) + ": " + what;
  return false;
}

bool CrashChecker::check(const DriverState& state, const Sure& sure, Crash after) {
  const Version& version = versions_[version_];
  if (state.length && *state.length != length_of(version_) && !version.lengths.contains(*state.length)) {
    return wrong("another length");
  }
  if (state.committed && (!version.sealed || !state.available.covers({0, *state.length}))) {
    return wrong("committed without having been so");
  }
  for (const ByteRange run : state.available) {
    if (!version.attempted.covers(run)) {
      return wrong(to_string(run) + " is there and was never written");
    }
    std::vector<std::byte> bytes(run.size());
    for (std::size_t have = 0; have < bytes.size();) {
      const auto count = driver_->read_at(run.begin + have, std::span(bytes).subspan(have));
      if (!count) {
        return wrong("reading " + to_string(run) + ": " + count.error().message());
      }
      have += *count;
    }
    if (bytes != bytes_of(run)) {
      return wrong(to_string(run) + " holds other bytes than were written");
    }
  }
  for (const ByteRange run : after == Crash::power ? sure.synced : sure.written) {
    if (!state.available.covers(run)) {
      return wrong(to_string(run) + (after == Crash::power ? " was synced" : " was written") + " and is lost");
    }
  }
  return true;
}

// False: a violation. The driver may also have died, which is none.
bool CrashChecker::open(const std::shared_ptr<SimulatedFiles>& files, Crash after) {
  driver_ = std::make_unique<EntryDriver>();
  EntryDriver::Options options;
  options.files = seen(files);
  options.name = "entry";
  options.key = "key";
  options.secret = secret_;
  options.validator = {store::Validator::Kind::strong, "v" + std::to_string(version_)};
  if (version_ % 2 == 0) {
    options.length = length_of(version_);
  }
  if (version_ % 3 == 0) {
    options.durability = store::Durability::every_commit;
  }
  auto state = driver_->open(std::move(options));
  if (!state) {
    driver_.reset();
    return files->dead() || wrong("open: " + state.error().message());
  }
  if (!check(*state, sure_, after)) {
    return files->dead();
  }
  available_ = std::move(state->available);
  sealed_ = state->committed;
  length_ = state->length;
  if (after != Crash::none) {
    sure_.written = copy_of(available_);
    RangeSet synced;
    for (const ByteRange run : sure_.synced) {
      add(synced, run);
    }
    // After a power cut all that is left is on the disk; after a kill it is what it was.
    sure_.synced = after == Crash::power ? copy_of(available_) : std::move(synced);
  }
  return true;
}

void CrashChecker::write() {
  const std::uint64_t begin = random_() % end();
  const ByteRange wanted{begin, std::min(begin + 1 + random_() % 40000, end())};
  for (const ByteRange gap : gaps_of(available_, wanted)) {
    if (!write_piece(gap)) {
      return;
    }
  }
}

// As the core does: again until all of it is written.
bool CrashChecker::write_piece(ByteRange range) {
  add(versions_[version_].attempted, range);
  while (!range.empty()) {
    const std::uint64_t block = range.begin / store::kChecksumBlock;
    const ByteRange beside{block * store::kChecksumBlock, (block + 1) * store::kChecksumBlock};
    const bool seals_anew = secret_ != nullptr && cut_blocks_.contains(block);
    if (seals_anew) {
      take(sure_.written, beside);
      take(sure_.synced, beside);
    }
    const auto data = bytes_of(range);
    const auto count = driver_->write_at(range.begin, data);
    if (!count) {
      return false;
    }
    add(available_, {range.begin, range.begin + *count});
    add(sure_.written, {range.begin, range.begin + *count});
    if (seals_anew) {
      const auto there = available_.covered(beside).value();
      for (const ByteRange run : there) {
        add(sure_.written, run);
      }
    }
    range.begin += *count;
  }
  return true;
}

void CrashChecker::evict() {
  const std::uint64_t begin = random_() % kRoom;
  const ByteRange range{begin, std::min(begin + 1 + random_() % 60000, kRoom)};
  // Whatever becomes of the call.
  take(available_, range);
  take(sure_.written, range);
  take(sure_.synced, range);
  const auto block_of = [](std::uint64_t at) { return at / store::kChecksumBlock; };
  cut_blocks_.erase(cut_blocks_.lower_bound(block_of(range.begin)), cut_blocks_.upper_bound(block_of(range.end - 1)));
  cut_blocks_.insert({block_of(range.begin), block_of(range.end - 1)});
  static_cast<void>(driver_->evict(range));
}

void CrashChecker::commit() {
  const ByteRange whole{0, end()};
  for (const ByteRange gap : gaps_of(available_, whole)) {
    if (!write_piece(gap)) {
      return;
    }
  }
  versions_[version_].sealed = true;
  if (driver_->commit(whole.end)) {
    sealed_ = true;
    length_ = whole.end;
    if (version_ % 3 == 0) {
      sure_.synced = copy_of(available_);
    }
  }
}

// Only while the length is unknown: the core refuses another.
void CrashChecker::commit_below_and_reopen() {
  const std::uint64_t prefix = available_.covered_prefix({0, kRoom});
  if (length_ || prefix == 0) {
    return;
  }
  Version& version = versions_[version_];
  const std::uint64_t length = 1 + random_() % prefix;
  const ByteRange dropped{length, kRoom};
  // Whatever becomes of the calls.
  take(available_, dropped);
  take(sure_.written, dropped);
  take(sure_.synced, dropped);
  version.sealed = true;
  version.lengths.insert(length);
  cut_blocks_.insert(length / store::kChecksumBlock);
  if (!driver_->commit(length) || !driver_->reactivate()) {
    return;
  }
  take(version.attempted, dropped);
  for (std::uint64_t at = length; at < kRoom; ++at) {
    ++version.times_dropped[at];
  }
}

void CrashChecker::work() {
  while (!files_->dead() && violation_.empty()) {
    switch (random_() % 16) {
      case 0: {
        auto before = copy_of(available_);
        if (driver_->sync()) {
          sure_.synced = std::move(before);
        }
        break;
      }
      case 1:
      case 2:
        evict();
        break;
      case 3:
        if (!sealed_) {
          random_() % 2 == 0 ? commit() : commit_below_and_reopen();
        }
        break;
      case 4:
        driver_.reset();
        if (random_() % 4 == 0) {
          // Another version, or back to one that was: nothing is sure of it.
          version_ = random_() % 3 == 0 && version_ > 1 ? version_ - 1 : version_ + 1;
          sure_ = Sure{};
          cut_blocks_.clear();
        }
        if (!open(files_, Crash::none)) {
          return;
        }
        break;
      default:
        if (!sealed_) {
          write();
        }
    }
    if (driver_ == nullptr) {
      return;
    }
  }
}

bool CrashChecker::run(unsigned crashes, unsigned states) {
  for (unsigned crash = 0; crash < crashes; ++crash) {
    files_->die_within(1 + random_() % 80);
    if (!open(files_, crash == 0 ? Crash::none : Crash::kill)) {
      return false;
    }
    if (driver_ != nullptr) {
      work();
    }
    driver_.reset();
    if (!violation_.empty()) {
      return false;
    }
    const auto died = files_;
    const Sure sure{copy_of(sure_.written), copy_of(sure_.synced)};
    for (unsigned state = 0; state < states; ++state) {
      ++states_;
      files_ = died->clone();
      sure_ = Sure{copy_of(sure.written), copy_of(sure.synced)};
      Crash how = random_() % 4 == 0 ? Crash::kill : Crash::power;
      const auto strike = [&] { how == Crash::kill ? files_->restart() : files_->lose_power(random_); };
      strike();
      // Recovering may be cut short as well, in the same way or by the power.
      for (unsigned again = static_cast<unsigned>(random_() % 3); again > 0; --again) {
        files_->die_within(1 + random_() % 12);
        if (!open(files_, how)) {
          return false;
        }
        driver_.reset();
        if (!files_->dead()) {
          break;
        }
        if (random_() % 2 == 0) {
          how = Crash::power;
        }
        strike();
      }
      files_->die_within(0);
      if (!open(files_, how)) {
        return false;
      }
      driver_.reset();
    }
  }
  return true;
}

}  // namespace strandline::testing
