#include <strandline/base/mutex.h>
#include <strandline/drivers/file/failure.h>
#include <strandline/drivers/file/file_io.h>
#include <strandline/store/io/file_system.h>

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <new>
#include <optional>

namespace strandline::store {
namespace {

class SystemFile final : public File {
 public:
  SystemFile(file::FileHandle handle, std::string path) noexcept : handle_(std::move(handle)), path_(std::move(path)) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const noexcept override {
    return file::read_some(handle_.get(), offset, out, path_);
  }
  Result<std::size_t> send_to(int socket, ByteRange range) const noexcept override {
    auto offset = static_cast<off_t>(range.begin);
    for (;;) {
      const ::ssize_t count = ::sendfile(socket, handle_.get(), &offset, range.size());
      if (count == 0 && !range.empty()) {
        return file::about(Errc::io, "the file has been cut short:", path_);
      }
      if (count >= 0) {
        return static_cast<std::size_t>(count);
      }
      if (errno != EINTR) {
        return errno == EAGAIN ? Result<std::size_t>(0) : failed("sendfile");
      }
    }
  }
  Result<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> data) noexcept override {
    return file::write_some(handle_.get(), offset, data, path_);
  }
  Result<std::uint64_t> size() const noexcept override { return file::size_of(handle_.get(), path_); }
  Result<void> set_size(std::uint64_t size) noexcept override { return file::set_size(handle_.get(), size, path_); }
  Result<void> sync() noexcept override { return file::sync_data(handle_.get(), path_); }

  Result<void> punch(ByteRange range) noexcept override {
    struct ::stat facts {};
    if (::fstat(handle_.get(), &facts) != 0) {
      return failed("fstat");
    }
    const auto block = static_cast<std::uint64_t>(facts.st_blksize > 0 ? facts.st_blksize : 4096);
    const std::uint64_t begin = (range.begin + block - 1) / block * block;
    const std::uint64_t end = range.end / block * block;
    if (begin >= end) {
      return {};
    }
    if (::fallocate(handle_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(begin),
                    static_cast<off_t>(end - begin)) != 0) {
      return failed("fallocate");
    }
    return {};
  }

  Result<std::optional<ByteRange>> next_data(std::uint64_t from) const noexcept override {
    auto begin = static_cast<off_t>(from);
    off_t end = ::lseek(handle_.get(), begin, SEEK_HOLE);  // one call, where no hole is, as who asks expects
    if (end == begin) {
      begin = ::lseek(handle_.get(), begin, SEEK_DATA);
      end = begin < 0 ? begin : ::lseek(handle_.get(), begin, SEEK_HOLE);
    }
    if (end < 0) {
      return errno == ENXIO ? Result<std::optional<ByteRange>>(std::nullopt) : failed("lseek");  // or cut meanwhile
    }
    return ByteRange{static_cast<std::uint64_t>(begin), static_cast<std::uint64_t>(end)};
  }

  Result<DataIdentity> identity() const noexcept override {
    struct ::statx facts {};
    if (::statx(handle_.get(), "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &facts) != 0) {
      return failed("statx");
    }
    DataIdentity identity{facts.stx_ino, 0};
    if ((facts.stx_mask & STATX_BTIME) != 0) {
      identity.born = static_cast<std::uint64_t>(facts.stx_btime.tv_sec) * 1000000000 + facts.stx_btime.tv_nsec;
    }
    return identity;
  }

  Result<std::uint64_t> allocated() const noexcept override {
    struct ::stat facts {};
    if (::fstat(handle_.get(), &facts) != 0) {
      return failed("fstat");
    }
    return static_cast<std::uint64_t>(facts.st_blocks) * 512;
  }
  Result<Facts> facts() const noexcept override {
    struct ::stat facts {};
    if (::fstat(handle_.get(), &facts) != 0) {
      return failed("fstat");
    }
    return Facts{static_cast<std::uint64_t>(facts.st_size), facts.st_nlink > 0};
  }

  // Locks of the open file, not of the process as fcntl(2)'s older ones are: so they also hold within the process, and
  // a close elsewhere does not lose them.
  Result<void> try_hold(ByteRange range, Hold how) noexcept override {
    struct ::flock lock = lock_of(range, how == Hold::shared ? F_RDLCK : F_WRLCK);
    if (::fcntl(handle_.get(), F_OFD_SETLK, &lock) == 0) {
      return {};
    }
    return errno == EAGAIN || errno == EACCES ? file::about(Errc::busy, "in use:", path_) : failed("fcntl");
  }
  void let_go(ByteRange range) noexcept override {
    struct ::flock lock = lock_of(range, F_UNLCK);
    static_cast<void>(::fcntl(handle_.get(), F_OFD_SETLK, &lock));
  }
  Result<std::optional<ByteRange>> held_elsewhere(ByteRange range) const noexcept override {
    struct ::flock lock = lock_of(range, F_WRLCK);
    if (::fcntl(handle_.get(), F_OFD_GETLK, &lock) != 0) {
      return failed("fcntl");
    }
    if (lock.l_type == F_UNLCK) {
      return std::nullopt;
    }
    const auto begin = static_cast<std::uint64_t>(lock.l_start);
    return ByteRange{begin, lock.l_len == 0 ? kMaxOffset : begin + static_cast<std::uint64_t>(lock.l_len)};
  }

 private:
  [[nodiscard]] tl::unexpected<Error> failed(std::string_view call) const noexcept {
    return tl::unexpected<Error>(Error::system(errno, call, path_));
  }
  [[nodiscard]] static struct ::flock lock_of(ByteRange range, short type) noexcept {
    struct ::flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = static_cast<off_t>(range.begin);
    lock.l_len = static_cast<off_t>(range.size());
    return lock;
  }

  const file::FileHandle handle_;
  const std::string path_;
};

class SystemFiles final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenFile how) noexcept override {
    const int flags = how == OpenFile::to_read ? O_RDONLY : how == OpenFile::to_write ? O_RDWR : O_RDWR | O_CREAT;
    auto handle = file::open_regular(path, flags, 0600);
    if (!handle) {
      return fail(std::move(handle.error()));
    }
    // Not O_TRUNC: it is known to be a regular file only now.
    if (how == OpenFile::fresh) {
      if (auto emptied = file::set_size(handle->get(), 0, path); !emptied) {
        return fail(std::move(emptied.error()));
      }
    }
    return file::contained(
        [&]() -> Result<std::unique_ptr<File>> { return std::make_unique<SystemFile>(std::move(*handle), path); });
  }
  Result<void> rename(const std::string& from, const std::string& to) noexcept override {
    return file::rename_file(from, to, false);
  }
  Result<void> remove(const std::string& path) noexcept override {
    auto removed = file::remove_name(path);
    return !removed && removed.error().code == Errc::not_found ? Result<void>() : removed;
  }
  Result<void> make_directory(const std::string& path) noexcept override {
    if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) {
      return {};
    }
    return tl::unexpected<Error>(Error::system(errno, "mkdir", path));
  }
  Result<std::vector<std::string>> names_in(const std::string& path) const noexcept override {
    return file::contained([&]() -> Result<std::vector<std::string>> {
      std::vector<std::string> names;
      std::error_code error;
      for (std::filesystem::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
        names.push_back(it->path().filename().native());
      }
      if (error) {
        return tl::unexpected<Error>(Error::system(error.value(), "readdir", path));
      }
      return names;
    });
  }
  Result<void> sync_directory_of(const std::string& path) noexcept override { return file::sync_directory_of(path); }

  // The same for as long as the process runs.
  Result<BootId> boot_id() const noexcept override {
    {
      MutexLock lock(mutex_);
      if (boot_id_) {
        return *boot_id_;
      }
    }
    auto read = read_boot_id();
    if (read) {
      MutexLock lock(mutex_);
      boot_id_ = *read;
    }
    return read;
  }

 private:
  static Result<BootId> read_boot_id() noexcept {
    return file::contained([]() -> Result<BootId> {
      const std::string path = "/proc/sys/kernel/random/boot_id";
      auto handle = file::open_regular(path, O_RDONLY);
      if (!handle) {
        return fail(std::move(handle.error()));
      }
      std::array<std::byte, 36> text;  // 8-4-4-4-12 hexadecimal digits
      const auto count = file::read_some(handle->get(), 0, text, path);
      if (!count) {
        return fail(count.error().clone());
      }
      BootId id{};
      std::size_t digits = 0;
      for (std::size_t i = 0; i < *count && digits < 2 * id.size(); ++i) {
        const char letter = static_cast<char>(text[i]);
        const bool decimal = letter >= '0' && letter <= '9';
        if (decimal || (letter >= 'a' && letter <= 'f')) {
          const int value = decimal ? letter - '0' : letter - 'a' + 10;
          id[digits / 2] = id[digits / 2] << 4 | static_cast<std::byte>(value);
          ++digits;
        }
      }
      if (digits != 2 * id.size()) {
        return file::about(Errc::unsupported, "no boot id in", path);
      }
      return id;
    });
  }

  mutable Mutex mutex_;  // a leaf
  mutable std::optional<BootId> boot_id_ STRANDLINE_GUARDED_BY(mutex_);
};

}  // namespace

Result<void> write_all(File& file, std::uint64_t offset, std::span<const std::byte> data) noexcept {
  while (!data.empty()) {
    const auto count = file.write_at(offset, data);
    if (!count) {
      return fail(count.error().clone());
    }
    offset += *count;
    data = data.subspan(*count);
  }
  return {};
}

Result<std::vector<std::byte>> read_all(const File& file) noexcept {
  const auto size = file.size();
  if (!size) {
    return fail(size.error().clone());
  }
  try {
    std::vector<std::byte> bytes(*size);
    std::size_t have = 0;
    while (have < bytes.size()) {
      const auto count = file.read_at(have, std::span(bytes).subspan(have));
      if (!count) {
        return fail(count.error().clone());
      }
      if (*count == 0) {
        break;  // it has been cut meanwhile
      }
      have += *count;
    }
    bytes.resize(have);
    return bytes;
  } catch (const std::bad_alloc&) {
    return fail(Errc::no_memory, "a file to be read whole");
  }
}

std::shared_ptr<FileSystem> system_files() {
  static const auto files = std::make_shared<SystemFiles>();
  return files;
}

}  // namespace strandline::store
