#include <strandline/drivers/file/failure.h>
#include <strandline/drivers/file/mapped_region.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <boost/interprocess/mapped_region.hpp>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

namespace strandline::file {
namespace {

// What mapped_region asks of a "memory mappable": file_mapping would open the file a second time, by name.
class OpenFile {
 public:
  explicit OpenFile(int fd) noexcept : handle_(ipc::ipcdetail::mapping_handle_from_file_handle(fd)) {}
  [[nodiscard]] ipc::mapping_handle_t get_mapping_handle() const noexcept { return handle_; }

 private:
  ipc::mapping_handle_t handle_;
};

}  // namespace

MappedFile::MappedFile(FileHandle handle, std::string path, std::uint64_t first_region) noexcept
    : handle_(std::move(handle)),
      path_(std::move(path)),
      first_region_(page_ceil(std::clamp<std::uint64_t>(first_region, 1, kMaxOffset - kMaxOffset % page_bytes()))) {}

MappedFile::~MappedFile() = default;

ByteRange MappedFile::region_range(std::size_t index) const noexcept {
  if (index == 0) {
    return {0, first_region_};
  }
  const std::uint64_t begin = first_region_ + (index - 1) * kRegionBytes;
  return {begin, begin + kRegionBytes};
}

std::size_t MappedFile::region_index(std::uint64_t offset) const noexcept {
  if (offset < first_region_) {
    return 0;
  }
  return static_cast<std::size_t>(std::min<std::uint64_t>(kRegions, 1 + (offset - first_region_) / kRegionBytes));
}

Result<std::shared_ptr<MappedFile::Region>> MappedFile::map(ByteRange range) const noexcept {
  try {
    ipc::mapped_region memory(OpenFile(handle_.get()), ipc::read_only, static_cast<ipc::offset_t>(range.begin),
                              static_cast<std::size_t>(range.size()));
    auto region = std::make_shared<Region>(std::move(memory), range);
    if (Result<void> watched = region->watch.watch(region->memory.get_address(), region->memory.get_size()); !watched) {
      return same_error(watched);
    }
    return region;
  } catch (const ipc::interprocess_exception& error) {
    return fail(Error::system(error.get_native_error(), "map", path_));
  } catch (const std::exception&) {
    return fail(Errc::no_memory, path_);
  }
}

const MappedFile::Region* MappedFile::region_for(std::size_t index) const noexcept {
  if (index >= kRegions) {
    return nullptr;
  }
  if (const Region* region = regions_[index].load(std::memory_order_acquire)) {
    return region;
  }
  if (reach_.load(std::memory_order_relaxed) < kMapFrom || unmappable_.load(std::memory_order_relaxed)) {
    return nullptr;
  }
  MutexLock lock(mutex_);
  if (const Region* region = regions_[index].load(std::memory_order_relaxed)) {
    return region;
  }
  Result<std::shared_ptr<Region>> made = map(region_range(index));
  if (!made) {
    unmappable_.store(true, std::memory_order_relaxed);
    return nullptr;
  }
  owners_[index] = std::move(*made);
  regions_[index].store(owners_[index].get(), std::memory_order_release);
  return owners_[index].get();
}

MappedFile::Check MappedFile::start_check() const noexcept {
  // In this order: see still_reaches().
  const std::uint64_t cuts = cuts_.load(std::memory_order_seq_cst);
  return {cuts, reach_.load(std::memory_order_seq_cst)};
}

// What was copied counts only if the file still reaches past it afterwards: see read_at().
Result<void> MappedFile::still_reaches(std::uint64_t end, const Check& before) const noexcept {
  const Result<std::uint64_t> size = size_of(handle_.get(), path_);
  if (!size) {
    return same_error(size);
  }
  // Shorter than it was known to be, and no cut() of ours in between: somebody else did it.
  if (*size < before.reach && cuts_.load(std::memory_order_seq_cst) == before.cuts) {
    std::uint64_t lost = lost_from_.load(std::memory_order_relaxed);
    while (*size < lost && !lost_from_.compare_exchange_weak(lost, *size, std::memory_order_seq_cst)) {
    }
  }
  if (*size < end || lost_from_.load(std::memory_order_seq_cst) < end) {
    return about(Errc::io, "cut short by somebody else:", path_);
  }
  return {};
}

Result<std::size_t> MappedFile::read_at(std::uint64_t offset, std::span<std::byte> out) const noexcept {
  const std::size_t index = region_index(offset);
  if (const Region* const region = region_for(index)) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), region->range.end - offset));
    if (region->serves(offset + size) && !region->watch.damaged()) {
      std::memcpy(out.data(), region->at(offset), size);
      // A page that could not be read has been replaced, and the region marked, by the fault guard. A page past
      // the end of the file is such a one; but in the page of the end itself the kernel gives zeros for what lies
      // behind it, to its last byte. So if another byte is last, after the copy (which reads in any order), no
      // end was met before it.
      std::atomic_thread_fence(std::memory_order_acquire);
      const std::byte last = *static_cast<const volatile std::byte*>(region->at(offset + size - 1));
      std::atomic_thread_fence(std::memory_order_acquire);
      if (!region->watch.damaged()) {
        if (last == std::byte{0} || lost_from_.load(std::memory_order_seq_cst) < offset + size) {
          if (Result<void> reaches = still_reaches(offset + size, start_check()); !reaches) {
            return same_error(reaches);
          }
        }
        return size;
      }
    }
  }
  // In a damaged region, this tells the pages that cannot be read from those that can.
  const Check before = start_check();
  Result<std::size_t> got = read_some(handle_.get(), offset, out, path_);
  if (!got) {
    return got;
  }
  if (Result<void> reaches = still_reaches(offset + std::max<std::size_t>(*got, 1), before); !reaches) {
    return same_error(reaches);
  }
  if (*got == 0) {
    return about(Errc::io, "read past the end of", path_);
  }
  return got;
}

Result<std::size_t> MappedFile::write_at(std::uint64_t offset, std::span<const std::byte> data) noexcept {
  // A file that was cut short under us would be grown again with zeros where bytes had been: notice it first.
  const Check before = start_check();
  if (Result<void> reaches = still_reaches(std::min(offset, before.reach), before); !reaches) {
    return same_error(reaches);
  }
  const Result<std::size_t> written = write_some(handle_.get(), offset, data, path_);
  if (written) {
    const std::uint64_t end = offset + *written;
    std::uint64_t reach = reach_.load(std::memory_order_relaxed);
    while (reach < end && !reach_.compare_exchange_weak(reach, end, std::memory_order_seq_cst)) {
    }
  }
  return written;
}

Result<void> MappedFile::adopt_handle(FileHandle handle) noexcept {
  while (::dup3(handle.get(), handle_.get(), O_CLOEXEC) < 0) {
    if (errno != EINTR && errno != EBUSY) {
      return fail(Error::system(errno, "dup", path_));
    }
  }
  return {};
}

}  // namespace strandline::file
