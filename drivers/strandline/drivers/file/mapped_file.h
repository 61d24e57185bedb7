// MappedFile: one open file, written with pwrite(2) and read through shared read-only mappings that never move.
// Threads: every call may run at once with every other, except that no write runs during cut() or
// adopt_handle(). Blocks: on the disk. Errors: io for bytes the file lost, never made-up ones. Cost: a read is a
// fault-guarded memcpy and one fstat, without a lock. Lifetime: a view's owner outlives the file object.
#pragma once

#include <strandline/base/byte_range.h>
#include <strandline/base/mutex.h>
#include <strandline/driver/driver.h>
#include <strandline/drivers/file/file_io.h>

#include <array>
#include <atomic>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace strandline::file {

// The file is cut into regions: region 0 of `first_region` bytes, then regions of kRegionBytes. A region is
// mapped at its full size when first read, past the end of the file on purpose, so that a growing file
// never needs another mapping. Past the last region, and when mapping fails, reads go through pread(2).
// Invariant: a published region stays mapped, at its address, until the object goes.
class MappedFile {
 public:
  static constexpr std::size_t kRegions = 64;
  static constexpr std::uint64_t kRegionBytes = std::uint64_t{4} << 30;
  static constexpr std::uint64_t kMapFrom = std::uint64_t{64} << 10;  // below it a pread is cheaper than a mapping

  // `path` is for error messages.
  MappedFile(FileHandle handle, std::string path, std::uint64_t first_region) noexcept;
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  [[nodiscard]] Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const noexcept;
  [[nodiscard]] Result<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> data) noexcept;
  [[nodiscard]] Result<DriverView> view(ByteRange range) const noexcept;

  // The file is known to hold `length` bytes. Before the first read only.
  void expect(std::uint64_t length) noexcept { reach_.store(length, std::memory_order_relaxed); }

  // Shortens the file to `length`. Bytes past it that somebody views are first copied to private memory under the
  // same addresses. io when the file is shorter than `length` already. On an error nothing viewed has changed.
  [[nodiscard]] Result<void> cut(std::uint64_t length) noexcept;

  // Goes on with another descriptor of the same file (opened for writing). Reads in flight see one or the other.
  [[nodiscard]] Result<void> adopt_handle(FileHandle handle) noexcept;

  [[nodiscard]] Result<void> sync() noexcept { return sync_data(handle_.get(), path_); }
  [[nodiscard]] Result<FileFacts> facts() const noexcept { return facts_of(handle_.get(), path_); }
  [[nodiscard]] int descriptor() const noexcept { return handle_.get(); }

 private:
  struct Region;
  struct Check;

  [[nodiscard]] ByteRange region_range(std::size_t index) const noexcept;
  [[nodiscard]] std::size_t region_index(std::uint64_t offset) const noexcept;
  [[nodiscard]] Result<std::shared_ptr<Region>> map(ByteRange range) const noexcept;
  [[nodiscard]] const Region* region_for(std::size_t index) const noexcept;
  [[nodiscard]] std::optional<DriverView> view_mapped(ByteRange range) const noexcept;
  [[nodiscard]] Result<std::shared_ptr<Region>> pinned_locked(ByteRange range) const STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] Result<void> keep_viewed_locked(std::uint64_t length, std::uint64_t size) STRANDLINE_REQUIRES(mutex_);

  [[nodiscard]] Check start_check() const noexcept;
  [[nodiscard]] Result<void> still_reaches(std::uint64_t end, const Check& before) const noexcept;

  FileHandle handle_;  // the number never changes after construction, so that readers need no lock for it
  std::string path_;
  std::uint64_t first_region_;

  // Set once each, under mutex_, after owners_[i]; read by every read. Release publishes the mapping.
  mutable std::array<std::atomic<const Region*>, kRegions> regions_{};
  // Set when a mapping failed: reads then use pread and do not try again each time.
  mutable std::atomic<bool> unmappable_{false};
  // The end of the last byte written or found: the file must reach it. Raised by writes after their pwrite,
  // lowered by cut() before its ftruncate; read by every read and write to tell a loss from a cut of ours.
  std::atomic<std::uint64_t> reach_{0};
  // Raised by cut() between lowering reach_ and its ftruncate; a check that sees it move draws no conclusion.
  std::atomic<std::uint64_t> cuts_{0};
  // Set by cut() while it looks for views and shrinks the file; read by every view, after it has taken its region.
  std::atomic<bool> cutting_{false};
  // Where the file was seen to end when it should have reached further: from there on it is lost for good, even if
  // it grows again (with zeros). Lowered by whoever notices, read by every read.
  mutable std::atomic<std::uint64_t> lost_from_{std::numeric_limits<std::uint64_t>::max()};

  mutable Mutex mutex_;  // a leaf: held for mapping, pinning and cutting, never for a read or a write
  mutable std::array<std::shared_ptr<Region>, kRegions> owners_ STRANDLINE_GUARDED_BY(mutex_);
  // Mappings made for one view that crosses regions or lies past them.
  mutable std::vector<std::weak_ptr<Region>> dedicated_ STRANDLINE_GUARDED_BY(mutex_);
};

}  // namespace strandline::file
