// FileSystem and File: what the store asks of a disk, so that one that loses power can stand in for it.
// Threads: any, any calls at once; of one File, no two writes of the same bytes. Blocks: for as long as the disk does.
// Errors: the system's word, with the path. Cost: a virtual call besides the system's. Lifetime: a File may outlive the
// FileSystem.
#pragma once

#include <strandline/base/byte_range.h>
#include <strandline/store/io/identity.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace strandline::store {

class File {
 public:
  virtual ~File() = default;

  // Some bytes from `offset` on, 0 at the end of the file. Holes read as zeros.
  [[nodiscard]] virtual Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const noexcept = 0;
  // The same into a socket, without a copy where the system can; 0: the socket, which does not block, takes none now.
  // io where the file ends. unsupported where bytes are not in a file of the system's.
  [[nodiscard]] virtual Result<std::size_t> send_to(int /*socket*/, ByteRange /*range*/) const noexcept {
    return fail(Errc::unsupported, "send");
  }
  // As many bytes from the front as fit, at least one.
  [[nodiscard]] virtual Result<std::size_t> write_at(std::uint64_t offset,
                                                     std::span<const std::byte> data) noexcept = 0;
  [[nodiscard]] virtual Result<std::uint64_t> size() const noexcept = 0;
  [[nodiscard]] virtual Result<void> set_size(std::uint64_t size) noexcept = 0;
  // What has been written, and the size, survive a power cut once this returns. After an error nothing is known of
  // what had been written before, and a later success says nothing about it.
  [[nodiscard]] virtual Result<void> sync() noexcept = 0;
  // Makes the whole blocks inside the range a hole; bytes at its ragged ends stay.
  [[nodiscard]] virtual Result<void> punch(ByteRange range) noexcept = 0;
  // The first run that is no hole from `from` on.
  [[nodiscard]] virtual Result<std::optional<ByteRange>> next_data(std::uint64_t from) const noexcept = 0;
  [[nodiscard]] virtual Result<DataIdentity> identity() const noexcept = 0;
  // Bytes that it takes on the disk.
  [[nodiscard]] virtual Result<std::uint64_t> allocated() const noexcept = 0;
  struct Facts {
    std::uint64_t size;
    bool has_name;  // one that still leads to it
  };
  [[nodiscard]] virtual Result<Facts> facts() const noexcept = 0;

  // Locks, for who asks: this process by other Files, and any other process. They end with unlock(), with the File, or
  // with the process. Each is busy when another has what contradicts it.
  // The write lock: who changes the file has it.
  [[nodiscard]] Result<void> try_lock() noexcept { return try_hold(kWriteLock, Hold::exclusive); }
  void unlock() noexcept { let_go(kWriteLock); }
  // On bytes, which need not be there. A File's own holds never contradict each other: the last one counts.
  enum class Hold : std::uint8_t { shared, exclusive };
  [[nodiscard]] virtual Result<void> try_hold(ByteRange range, Hold how) noexcept = 0;
  virtual void let_go(ByteRange range) noexcept = 0;
  // What another holds, in whatever way, that meets the range: one such hold, or nothing.
  [[nodiscard]] virtual Result<std::optional<ByteRange>> held_elsewhere(ByteRange range) const noexcept = 0;

  // No content reaches here: a write that did would be past what any file system holds.
  static constexpr ByteRange kWriteLock{kMaxOffset - 1, kMaxOffset};
  // For longer than a change: says who is bringing the content.
  static constexpr ByteRange kWriterRole{kMaxOffset - 2, kMaxOffset - 1};
};

enum class OpenFile : std::uint8_t {
  to_read,   // it must exist
  to_write,  // it must exist
  made,      // to write; made, empty, if there is none
  fresh      // emptied if it exists
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // not_found when there is none; invalid_argument when it is no regular file (no symlink is followed).
  [[nodiscard]] virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenFile how) noexcept = 0;
  // Replaces `to`.
  [[nodiscard]] virtual Result<void> rename(const std::string& from, const std::string& to) noexcept = 0;
  // No error when there is none.
  [[nodiscard]] virtual Result<void> remove(const std::string& path) noexcept = 0;
  // No error when it is there already.
  [[nodiscard]] virtual Result<void> make_directory(const std::string& path) noexcept = 0;
  // Of what is in a directory, in no order.
  [[nodiscard]] virtual Result<std::vector<std::string>> names_in(const std::string& path) const noexcept = 0;
  // Makes what has been renamed, created and removed beside `path` survive a power cut.
  [[nodiscard]] virtual Result<void> sync_directory_of(const std::string& path) noexcept = 0;
  [[nodiscard]] virtual Result<BootId> boot_id() const noexcept = 0;
};

// All of [offset, offset + data.size()); an error when a part could not be written.
[[nodiscard]] Result<void> write_all(File& file, std::uint64_t offset, std::span<const std::byte> data) noexcept;
// All bytes of the file.
[[nodiscard]] Result<std::vector<std::byte>> read_all(const File& file) noexcept;

// The system's own.
[[nodiscard]] std::shared_ptr<FileSystem> system_files();

}  // namespace strandline::store
