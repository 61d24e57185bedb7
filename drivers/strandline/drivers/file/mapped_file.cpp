#include <strandline/drivers/file/failure.h>
#include <strandline/drivers/file/fault_guard.h>
#include <strandline/drivers/file/mapped_file.h>

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

namespace ipc = boost::interprocess;

// What mapped_region asks of a "memory mappable": file_mapping would open the file a second time, by name.
class OpenFile {
 public:
  explicit OpenFile(int fd) noexcept : handle_(ipc::ipcdetail::mapping_handle_from_file_handle(fd)) {}
  [[nodiscard]] ipc::mapping_handle_t get_mapping_handle() const noexcept { return handle_; }

 private:
  ipc::mapping_handle_t handle_;
};

std::uint64_t page_bytes() noexcept {
  static const std::uint64_t bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}
std::uint64_t page_floor(std::uint64_t offset) noexcept {
  return offset - offset % page_bytes();
}
// Callers stay below 2^63, so this cannot wrap.
std::uint64_t page_ceil(std::uint64_t offset) noexcept {
  return page_floor(offset + page_bytes() - 1);
}

// Anonymous memory that is given away to a fixed address, or unmapped.
class PrivateCopy {
 public:
  explicit PrivateCopy(std::size_t size) noexcept
      : at_(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)), size_(size) {}
  ~PrivateCopy() {
    if (at_ != MAP_FAILED) {
      ::munmap(at_, size_);
    }
  }
  PrivateCopy(const PrivateCopy&) = delete;
  PrivateCopy& operator=(const PrivateCopy&) = delete;

  [[nodiscard]] void* get() const noexcept { return at_ == MAP_FAILED ? nullptr : at_; }
  // The pages appear at `target` in one step: a reader there sees the old mapping or the copy.
  [[nodiscard]] bool move_over(void* target) noexcept {
    if (::mprotect(at_, size_, PROT_READ) != 0 ||
        ::mremap(at_, size_, size_, MREMAP_MAYMOVE | MREMAP_FIXED, target) == MAP_FAILED) {
      return false;
    }
    at_ = MAP_FAILED;
    return true;
  }

 private:
  void* at_;
  std::size_t size_;
};

// Copies the range of a mapped file, but not its holes: the copy's pages are zero already, and a hole that is read
// through a mapping may become memory. False when some page cannot be read.
bool copy_data(int fd, std::byte* to, const std::byte* from, ByteRange range) noexcept {
  for (std::uint64_t at = range.begin; at < range.end;) {
    ByteRange data{at, range.end};
    if (const ::off_t begin = ::lseek(fd, static_cast<::off_t>(at), SEEK_DATA); begin >= 0) {
      const ::off_t end = ::lseek(fd, begin, SEEK_HOLE);
      data = ByteRange{static_cast<std::uint64_t>(begin), end > begin ? static_cast<std::uint64_t>(end) : range.end}
                 .clamped_to(range);
    } else if (errno == ENXIO) {
      return true;  // nothing but a hole is left
    }
    const auto size = static_cast<std::size_t>(data.size());
    if (size > 0 &&
        !FaultGuard::guarded_copy(to + (data.begin - range.begin), from + (data.begin - range.begin), size)) {
      return false;
    }
    at = std::max(at + 1, data.end);
  }
  return true;
}

}  // namespace

struct MappedFile::Region {
  Region(ipc::mapped_region mapping, ByteRange where) noexcept : memory(std::move(mapping)), range(where) {}

  [[nodiscard]] const std::byte* at(std::uint64_t offset) const noexcept {
    return static_cast<const std::byte*>(memory.get_address()) + (offset - range.begin);
  }
  // Do the bytes before `end` still come from the file (and not from a copy kept for views)?
  [[nodiscard]] bool serves(std::uint64_t end) const noexcept {
    return end <= detached_from.load(std::memory_order_acquire);
  }

  const ipc::mapped_region memory;
  const ByteRange range;  // of the file
  // From here on the pages are a private copy. Lowered by cut() before pages are moved, read by every read.
  std::atomic<std::uint64_t> detached_from{std::numeric_limits<std::uint64_t>::max()};
  MappedWatch watch;  // destroyed before `memory` unmaps
};

struct MappedFile::Check {
  std::uint64_t cuts;
  std::uint64_t reach;
};

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

Result<std::shared_ptr<MappedFile::Region>> MappedFile::pinned_locked(ByteRange range) const {
  const std::size_t index = region_index(range.begin);
  if (index < kRegions && range.end <= region_range(index).end) {
    if (owners_[index] == nullptr) {
      if (Result<std::shared_ptr<Region>> made = map(region_range(index))) {
        owners_[index] = std::move(*made);
        regions_[index].store(owners_[index].get(), std::memory_order_release);
      }
    }
    if (owners_[index] != nullptr && owners_[index]->serves(range.end)) {
      return owners_[index];
    }
  }
  std::erase_if(dedicated_, [](const std::weak_ptr<Region>& one) { return one.expired(); });
  dedicated_.reserve(dedicated_.size() + 1);
  Result<std::shared_ptr<Region>> made = map({page_floor(range.begin), page_ceil(range.end)});
  if (made) {
    dedicated_.push_back(*made);
  }
  return made;
}

Result<DriverView> MappedFile::view(ByteRange range) const noexcept {
  if (range.empty()) {
    return DriverView{};
  }
  const Check before = start_check();
  try {
    MutexLock lock(mutex_);  // against cut(), which must know of every view it has to keep
    Result<std::shared_ptr<Region>> region = pinned_locked(range);
    if (!region) {
      return same_error(region);
    }
    if ((*region)->watch.damaged()) {
      return about(Errc::io, "a mapped page could not be read:", path_);
    }
    if (Result<void> reaches = still_reaches(range.end, before); !reaches) {
      return same_error(reaches);
    }
    const std::byte* const bytes = (*region)->at(range.begin);
    return DriverView{{bytes, static_cast<std::size_t>(range.size())}, std::move(*region)};
  } catch (const std::bad_alloc&) {
    return fail(Errc::no_memory, path_);
  }
}

Result<void> MappedFile::keep_viewed_locked(std::uint64_t length, std::uint64_t size) {
  const auto keep = [&](Region& region) -> Result<void> {
    const std::uint64_t from = std::max(page_floor(length), region.range.begin);
    const std::uint64_t to = std::min({page_ceil(size), region.range.end, region.detached_from.load()});
    if (from >= to) {
      return {};
    }
    PrivateCopy copy(static_cast<std::size_t>(to - from));
    if (copy.get() == nullptr) {
      return fail(Errc::no_memory, path_);
    }
    std::byte* const target = const_cast<std::byte*>(region.at(from));
    // A page that cannot be read is lost already: then the views keep the fault they have.
    if (copy_data(handle_.get(), static_cast<std::byte*>(copy.get()), target, {from, to})) {
      const std::uint64_t before = region.detached_from.exchange(from, std::memory_order_acq_rel);
      if (!copy.move_over(target)) {
        region.detached_from.store(before, std::memory_order_release);
        return fail(Errc::no_memory, path_);
      }
    }
    return {};
  };
  for (const std::shared_ptr<Region>& owner : owners_) {
    // Nobody can start a view while we hold the lock; one that ends meanwhile costs a copy too many.
    if (owner.use_count() > 1) {
      if (Result<void> kept = keep(*owner); !kept) {
        return kept;
      }
    }
  }
  for (const std::weak_ptr<Region>& one : dedicated_) {
    if (const std::shared_ptr<Region> region = one.lock()) {
      if (Result<void> kept = keep(*region); !kept) {
        return kept;
      }
    }
  }
  return {};
}

Result<void> MappedFile::cut(std::uint64_t length) noexcept {
  const Check before = start_check();
  if (Result<void> reaches = still_reaches(length, before); !reaches) {
    return reaches;
  }
  Result<std::uint64_t> size = size_of(handle_.get(), path_);
  if (!size) {
    return same_error(size);
  }
  if (*size == length) {
    return {};
  }
  try {
    MutexLock lock(mutex_);
    if (Result<void> kept = keep_viewed_locked(length, *size); !kept) {
      return kept;
    }
    // Before the file shrinks, and in this order: a check that saw the old reach_ sees cuts_ move.
    reach_.store(std::min(length, before.reach), std::memory_order_seq_cst);
    cuts_.fetch_add(1, std::memory_order_seq_cst);
    return set_size(handle_.get(), length, path_);
  } catch (const std::bad_alloc&) {
    return fail(Errc::no_memory, path_);
  }
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
