#include <strandline/store/journal/format.h>
#include <tests/store/crash/broken_files.h>
#include <tests/store/forwarding_files.h>

namespace strandline::testing {

using store::File;
using store::OpenFile;

namespace {

// Its writes reach the system one call late, as those of a program that buffers them do.
class BelatedFile final : public ForwardingFile {
 public:
  using ForwardingFile::ForwardingFile;

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const noexcept override {
    flush();
    return ForwardingFile::read_at(offset, out);
  }
  Result<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> data) noexcept override {
    flush();
    offset_ = offset;
    pending_.assign(data.begin(), data.end());
    return data.size();
  }
  Result<std::uint64_t> size() const noexcept override { return flush(), ForwardingFile::size(); }
  Result<void> set_size(std::uint64_t size) noexcept override { return flush(), ForwardingFile::set_size(size); }
  Result<void> sync() noexcept override { return flush(), ForwardingFile::sync(); }
  Result<void> punch(ByteRange range) noexcept override { return flush(), ForwardingFile::punch(range); }
  Result<std::optional<ByteRange>> next_data(std::uint64_t from) const noexcept override {
    return flush(), ForwardingFile::next_data(from);
  }
  Result<std::uint64_t> allocated() const noexcept override { return flush(), ForwardingFile::allocated(); }

 private:
  void flush() const noexcept {
    const auto pending = std::exchange(pending_, {});
    if (!pending.empty()) {
      static_cast<void>(file_->write_at(offset_, pending));  // late: nobody is left to be told of an error
    }
  }
  mutable std::vector<std::byte> pending_;
  mutable std::uint64_t offset_ = 0;
};

class UnsyncedFile final : public ForwardingFile {
 public:
  using ForwardingFile::ForwardingFile;
  Result<void> sync() noexcept override { return {}; }
};

// A journal that is not synced for an eviction.
class CarelessJournal final : public ForwardingFile {
 public:
  using ForwardingFile::ForwardingFile;
  Result<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> data) noexcept override {
    evicts_ = data.size() > kType && data[kType] == static_cast<std::byte>(store::RecordType::evict);
    return ForwardingFile::write_at(offset, data);
  }
  Result<void> sync() noexcept override { return evicts_ ? Result<void>() : ForwardingFile::sync(); }

 private:
  static constexpr std::size_t kType = 4;  // of a record
  bool evicts_ = false;
};

class FileOfNoHoles final : public ForwardingFile {
 public:
  using ForwardingFile::ForwardingFile;
  Result<std::optional<ByteRange>> next_data(std::uint64_t from) const noexcept override {
    return size().map([from](std::uint64_t size) {
      return from < size ? std::optional(ByteRange{from, size}) : std::nullopt;
    });
  }
};

class BrokenFiles final : public ForwardingFiles {
 public:
  BrokenFiles(std::shared_ptr<FileSystem> files, Broken broken) : ForwardingFiles(std::move(files)), broken_(broken) {}

  Result<std::unique_ptr<File>> open(const std::string& path, OpenFile how) noexcept override {
    auto file = ForwardingFiles::open(path, how);
    if (!file) {
      return file;
    }
    const bool is_data = path.find(".data") != std::string::npos;
    switch (broken_) {
      case Broken::barrier_without_sync:
        return is_data ? std::make_unique<UnsyncedFile>(std::move(*file)) : std::move(*file);
      case Broken::journal_before_data:
        return is_data ? std::make_unique<BelatedFile>(std::move(*file)) : std::move(*file);
      case Broken::hole_before_journal:
        if (is_data) {
          return std::make_unique<FileOfNoHoles>(std::move(*file));
        }
        return std::make_unique<CarelessJournal>(std::move(*file));
      case Broken::nowhere:
        break;
    }
    return file;
  }

 private:
  const Broken broken_;
};

}  // namespace

const char* to_string(Broken broken) noexcept {
  switch (broken) {
    case Broken::barrier_without_sync:
      return "barrier-without-sync";
    case Broken::journal_before_data:
      return "journal-before-data";
    case Broken::hole_before_journal:
      return "hole-before-journal";
    case Broken::nowhere:
      break;
  }
  return "nowhere";
}

std::shared_ptr<store::FileSystem> broken_files(std::shared_ptr<store::FileSystem> files, Broken broken) {
  return broken == Broken::nowhere ? std::move(files) : std::make_shared<BrokenFiles>(std::move(files), broken);
}

}  // namespace strandline::testing
