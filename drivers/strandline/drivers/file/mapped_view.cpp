// MappedFile: views, and the cut that has to leave them their bytes.
#include <strandline/drivers/file/failure.h>
#include <strandline/drivers/file/mapped_region.h>

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

namespace strandline::file {
namespace {

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

// Without the lock: either we see that a cut is under way, or it sees that we have the region.
std::optional<DriverView> MappedFile::view_mapped(ByteRange range) const noexcept {
  const std::size_t index = region_index(range.begin);
  const Region* const found = index < kRegions ? regions_[index].load(std::memory_order_acquire) : nullptr;
  if (found == nullptr || range.end > found->range.end) {
    return std::nullopt;
  }
  auto region = found->shared_from_this();
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (cutting_.load(std::memory_order_seq_cst) || !region->serves(range.end)) {
    return std::nullopt;
  }
  // As in read_at(): a byte that is not zero tells that the file reaches so far.
  const std::byte last = *static_cast<const volatile std::byte*>(region->at(range.end - 1));
  std::atomic_thread_fence(std::memory_order_acquire);
  if (region->watch.damaged() || last == std::byte{0} || lost_from_.load(std::memory_order_seq_cst) < range.end) {
    return std::nullopt;
  }
  const std::byte* const bytes = region->at(range.begin);
  return DriverView{{bytes, static_cast<std::size_t>(range.size())}, std::move(region)};
}

Result<DriverView> MappedFile::view(ByteRange range) const noexcept {
  if (range.empty()) {
    return DriverView{};
  }
  if (auto quick = view_mapped(range)) {
    return std::move(*quick);
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
    // Nobody can start a view while we hold the lock and cutting_ is set; one that ends meanwhile costs a copy too
    // many.
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
    cutting_.store(true, std::memory_order_seq_cst);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    Result<void> done = keep_viewed_locked(length, *size);
    if (done) {
      // Before the file shrinks, and in this order: a check that saw the old reach_ sees cuts_ move.
      reach_.store(std::min(length, before.reach), std::memory_order_seq_cst);
      cuts_.fetch_add(1, std::memory_order_seq_cst);
      done = set_size(handle_.get(), length, path_);
    }
    cutting_.store(false, std::memory_order_seq_cst);
    return done;
  } catch (const std::bad_alloc&) {
    return fail(Errc::no_memory, path_);
  }
}

}  // namespace strandline::file
