// MmapDriver: a resource in a file: written with pwrite(2), read through shared read-only mappings.
// Threads: as the Driver contract says. Blocks: on the disk. Errors: a full disk is no_space, a file cut short by
// somebody else io (no signal), a path that is no regular file invalid_argument; all with the path.
// Cost: a read is a memcpy, and when that ends in a zero byte an lseek; two descriptors while written, one when
// complete. Lifetime: a view outlives the driver. In a fork()ed child, reads work and every change is unsupported.
#pragma once

#include <strandline/driver/driver.h>
#include <strandline/drivers/fork_epoch.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace strandline {

enum class OpenMode : std::uint8_t {
  automatic,   // an existing complete file opens committed; otherwise a new one is started
  read_write,  // an existing complete file opens active, its bytes available, and grows in place
  read_only    // the file must exist; nothing is ever changed
};

namespace file {
class FileHandle;
class MappedFile;
class WriteClaim;
}  // namespace file

// A file at `path` is complete unless `path`.resume stands beside it. New content grows in `path`.part, locked
// against other writers (busy), and commit() renames it over `path`: so a crash, or a driver destroyed
// without commit(), leaves what was there. reactivate() writes `path` itself: the marker `path`.resume
// holds the committed length until commit(); whoever opens the path after a crash first cuts it back to
// that length. Remove the marker too when replacing such a file by hand.
//
// While a file is shortened by somebody else, a View may fault: see file/fault_guard.h. Reads answer io, from
// the first that meets the cut on for every byte past it, even if the file grows again.
//
// The file system must keep mappings and pwrite coherent (every local Linux file system does; some FUSE
// and network ones do not).
class MmapDriver {
 public:
  struct Options {
    std::filesystem::path path;
    OpenMode mode = OpenMode::automatic;
    std::uint64_t expected_length = 0;  // bytes; 0: unknown. An existing file of another length is `changed`
    bool durable_commit = true;         // false: no fsync; what was committed may be gone after a power cut
  };

  MmapDriver() noexcept = default;
  ~MmapDriver();
  MmapDriver(const MmapDriver&) = delete;
  MmapDriver& operator=(const MmapDriver&) = delete;

  [[nodiscard]] Result<DriverState> open(Options options) noexcept;
  [[nodiscard]] Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const noexcept;
  [[nodiscard]] Result<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> data) noexcept;
  // io for good once an fsync has failed: the kernel may have dropped the bytes and forget that it did.
  [[nodiscard]] Result<void> commit(std::uint64_t length) noexcept;
  [[nodiscard]] Result<void> reactivate() noexcept;
  [[nodiscard]] std::uint64_t storage_len() const noexcept;
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return options_.path; }

  // Once it succeeds this driver is not writable any more. New content that it was writing stays readable; content
  // that it was extending in place is cut back to what was committed (views keep their bytes).
  [[nodiscard]] Result<std::unique_ptr<MmapDriver>> rewrite() noexcept;
  [[nodiscard]] Result<DriverView> view(ByteRange range) const noexcept;
  [[nodiscard]] Result<void> sync() noexcept;

 private:
  enum class Mode : std::uint8_t {
    closed,
    committed,  // path is complete; no claim
    side,       // writing path.part; holds the claim
    in_place,   // writing path, marked; holds the claim
    retired     // a rewrite took over path.part; the bytes stay readable without a name
  };

  [[nodiscard]] Result<DriverState> open_existing();
  void start_side(std::shared_ptr<file::WriteClaim> claim, file::FileHandle side, bool keep_existing);
  [[nodiscard]] Result<DriverState> open_any();
  [[nodiscard]] Result<void> resume_in_place();
  [[nodiscard]] Result<void> give_up_in_place();
  [[nodiscard]] Result<void> commit_side(std::uint64_t length);
  [[nodiscard]] Result<void> commit_in_place(std::uint64_t length);
  [[nodiscard]] Result<void> may_change(std::string_view what) const noexcept;
  [[nodiscard]] Result<void> synced(Result<void> result) noexcept;
  [[nodiscard]] Result<std::uint64_t> known_length() const;

  Options options_;
  std::string name_;  // options_.path made absolute: a later chdir() changes nothing
  ForkEpoch epoch_;
  // Set by open(), constant from then on.
  std::shared_ptr<file::MappedFile> file_;
  // Changed by commit, reactivate and rewrite, of which the resource makes one at a time.
  std::shared_ptr<file::WriteClaim> claim_;
  bool keep_existing_ = false;  // nothing was at path when we started: do not replace what somebody puts there
  std::uint64_t committed_length_ = 0;
  // Written by those too; read by write_at and sync, which may run at the same time as a rewrite.
  std::atomic<Mode> mode_{Mode::closed};
  // Set by whoever sees an fsync fail; read by every commit and sync.
  std::atomic<bool> poisoned_{false};
};

}  // namespace strandline
