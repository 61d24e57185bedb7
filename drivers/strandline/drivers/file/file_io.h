// File calls of the mmap driver: Result instead of errno, no signal, no symlink followed, every error names its path.
// Threads: as the system calls. Blocks: for as long as the disk does. Errors: Error::system with "call path".
// Cost: the system calls; a write costs two more to hold SIGXFSZ back. Lifetime: a FileHandle closes on
// destruction.
#pragma once

#include <strandline/base/byte_range.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace strandline::file {

class FileHandle {
 public:
  FileHandle() noexcept = default;
  explicit FileHandle(int fd) noexcept : fd_(fd) {}
  FileHandle(FileHandle&& other) noexcept : fd_(other.release()) {}
  FileHandle& operator=(FileHandle&& other) noexcept;
  ~FileHandle();

  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }
  [[nodiscard]] int release() noexcept;

 private:
  int fd_ = -1;
};

// What identifies a file, whatever it is called.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

struct FileFacts {
  FileIdentity identity;
  std::uint64_t size = 0;
};

// The facts of a regular file; nothing when there is no such name; invalid_argument for a symlink,
// FIFO, device, socket or directory.
[[nodiscard]] Result<std::optional<FileFacts>> look_at(const std::string& path) noexcept;
[[nodiscard]] Result<FileFacts> facts_of(int fd, const std::string& path) noexcept;

// open(2) for a regular file with O_CLOEXEC and O_NOFOLLOW; never waits on a FIFO.
[[nodiscard]] Result<FileHandle> open_regular(const std::string& path, int flags, unsigned mode = 0666) noexcept;
[[nodiscard]] Result<FileHandle> duplicate(int fd, const std::string& path) noexcept;

// At least one byte of `data`, as many as fit; an error only when none was written.
[[nodiscard]] Result<std::size_t> write_some(int fd, std::uint64_t offset, std::span<const std::byte> data,
                                             const std::string& path) noexcept;
// Some bytes from offset on; 0 at the end of the file.
[[nodiscard]] Result<std::size_t> read_some(int fd, std::uint64_t offset, std::span<std::byte> out,
                                            const std::string& path) noexcept;
[[nodiscard]] Result<std::uint64_t> size_of(int fd, const std::string& path) noexcept;
[[nodiscard]] Result<void> set_size(int fd, std::uint64_t length, const std::string& path) noexcept;
[[nodiscard]] Result<void> sync_data(int fd, const std::string& path) noexcept;
// Makes a rename, creation or removal in the directory that holds `path` survive a power cut.
[[nodiscard]] Result<void> sync_directory_of(const std::string& path) noexcept;
[[nodiscard]] Result<void> remove_name(const std::string& path) noexcept;
// Renames; with keep_existing, conflict when `to` exists.
[[nodiscard]] Result<void> rename_file(const std::string& from, const std::string& to, bool keep_existing) noexcept;

}  // namespace strandline::file
