#include <strandline/drivers/file/failure.h>
#include <strandline/drivers/file/file_io.h>
#include <strandline/drivers/file/file_size_signal.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <new>

namespace strandline::file {
namespace {

tl::unexpected<Error> failed(int errno_value, std::string_view call, const std::string& path) noexcept {
  // ELOOP is what O_NOFOLLOW says of a symlink, ENXIO what open() says of a socket or a FIFO.
  if (errno_value == ELOOP || errno_value == ENXIO) {
    Error error = Error::system(errno_value, "not a regular file:", path);
    error.code = Errc::invalid_argument;
    return tl::unexpected<Error>(std::move(error));
  }
  return tl::unexpected<Error>(Error::system(errno_value, call, path));
}

Result<FileFacts> facts_from(const struct ::stat& found, const std::string& path) noexcept {
  if (!S_ISREG(found.st_mode)) {
    return about(Errc::invalid_argument, "not a regular file:", path);
  }
  return FileFacts{{static_cast<std::uint64_t>(found.st_dev), static_cast<std::uint64_t>(found.st_ino)},
                   static_cast<std::uint64_t>(found.st_size)};
}

}  // namespace

FileHandle& FileHandle::operator=(FileHandle&& other) noexcept {
  if (this != &other) {
    FileHandle old(fd_);
    fd_ = other.release();
  }
  return *this;
}

FileHandle::~FileHandle() {
  if (fd_ >= 0) {
    ::close(fd_);  // on Linux the descriptor is gone whatever it answers; what matters was synced before
  }
}

int FileHandle::release() noexcept {
  const int fd = fd_;
  fd_ = -1;
  return fd;
}

Result<std::optional<FileFacts>> look_at(const std::string& path) noexcept {
  struct ::stat found = {};
  if (::lstat(path.c_str(), &found) != 0) {
    if (errno == ENOENT) {
      return std::optional<FileFacts>();
    }
    return failed(errno, "stat", path);
  }
  return facts_from(found, path).map([](FileFacts facts) { return std::optional<FileFacts>(facts); });
}

Result<FileFacts> facts_of(int fd, const std::string& path) noexcept {
  struct ::stat found = {};
  if (::fstat(fd, &found) != 0) {
    return failed(errno, "stat", path);
  }
  return facts_from(found, path);
}

Result<FileHandle> open_regular(const std::string& path, int flags, unsigned mode) noexcept {
  int fd = -1;
  do {
    // O_NONBLOCK: a FIFO put there since look_at() must not make us wait for its other end.
    fd = ::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) {
    if (errno == EISDIR) {
      return about(Errc::invalid_argument, "not a regular file:", path);
    }
    return failed(errno, "open", path);
  }
  FileHandle handle(fd);
  if (const Result<FileFacts> facts = facts_of(fd, path); !facts) {
    return same_error(facts);
  }
  return handle;
}

Result<FileHandle> duplicate(int fd, const std::string& path) noexcept {
  const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) {
    return failed(errno, "dup", path);
  }
  return FileHandle(copy);
}

Result<std::size_t> write_some(int fd, std::uint64_t offset, std::span<const std::byte> data,
                               const std::string& path) noexcept {
  FileSizeSignalHeld held;
  std::size_t done = 0;
  while (done < data.size()) {
    const ::ssize_t written = ::pwrite(fd, data.data() + done, data.size() - done, static_cast<::off_t>(offset + done));
    if (written > 0) {
      done += static_cast<std::size_t>(written);
      continue;
    }
    const int reason = written == 0 ? EIO : errno;
    if (reason == EINTR) {
      continue;
    }
    if (reason == EFBIG) {
      held.swallow();
    }
    if (done > 0) {
      break;  // what is in counts; the reason comes back with the next call
    }
    return failed(reason, "write", path);
  }
  return done;
}

Result<std::size_t> read_some(int fd, std::uint64_t offset, std::span<std::byte> out,
                              const std::string& path) noexcept {
  for (;;) {
    const ::ssize_t got = ::pread(fd, out.data(), out.size(), static_cast<::off_t>(offset));
    if (got >= 0) {
      return static_cast<std::size_t>(got);
    }
    if (errno != EINTR) {
      return failed(errno, "read", path);
    }
  }
}

Result<std::uint64_t> size_of(int fd, const std::string& path) noexcept {
  // A third of fstat's cost; nobody uses the file position, for all reads and writes name theirs.
  const ::off_t end = ::lseek(fd, 0, SEEK_END);
  if (end < 0) {
    return failed(errno, "seek", path);
  }
  return static_cast<std::uint64_t>(end);
}

Result<void> set_size(int fd, std::uint64_t length, const std::string& path) noexcept {
  FileSizeSignalHeld held;
  while (::ftruncate(fd, static_cast<::off_t>(length)) != 0) {
    const int reason = errno;
    if (reason == EFBIG) {
      held.swallow();
    }
    if (reason != EINTR) {
      return failed(reason, "truncate", path);
    }
  }
  return {};
}

Result<void> sync_data(int fd, const std::string& path) noexcept {
  while (::fdatasync(fd) != 0) {
    if (errno == EINVAL) {
      return {};  // a file system that has nothing to flush
    }
    if (errno != EINTR) {
      return failed(errno, "sync", path);
    }
  }
  return {};
}

Result<void> sync_directory_of(const std::string& path) noexcept {
  try {
    const std::size_t slash = path.rfind('/');
    const std::string directory = slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
    const FileHandle handle(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!handle) {
      return failed(errno, "open", directory);
    }
    while (::fsync(handle.get()) != 0) {
      if (errno == EINVAL) {
        return {};
      }
      if (errno != EINTR) {
        return failed(errno, "sync", directory);
      }
    }
    return {};
  } catch (const std::bad_alloc&) {
    return fail(Errc::no_memory, "sync");
  }
}

Result<void> remove_name(const std::string& path) noexcept {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return failed(errno, "unlink", path);
  }
  return {};
}

Result<void> rename_file(const std::string& from, const std::string& to, bool keep_existing) noexcept {
  if (keep_existing) {
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) {
      return {};
    }
    if (errno == EEXIST) {
      return about(Errc::conflict, "somebody else created", to);
    }
    if (errno != EINVAL && errno != ENOSYS) {
      return failed(errno, "rename", to);
    }
    // A file system without RENAME_NOREPLACE: look, then rename. The window is only open to programs
    // that do not take our lock.
    const Result<std::optional<FileFacts>> there = look_at(to);
    if (!there || there->has_value()) {
      return there ? fail(Errc::conflict, to) : same_error(there);
    }
  }
  if (::rename(from.c_str(), to.c_str()) != 0) {
    return failed(errno, "rename", to);
  }
  return {};
}

}  // namespace strandline::file
