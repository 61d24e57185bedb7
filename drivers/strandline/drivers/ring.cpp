#include <strandline/drivers/file/file_size_signal.h>
#include <strandline/drivers/ring.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace strandline {

namespace {

// Twice this must fit into a 47-bit address space.
constexpr std::uint64_t kLargestCapacity = std::uint64_t{1} << 45;

}  // namespace

// The same pages twice, one after the other: a run of up to size() bytes that begins anywhere in the first
// half is contiguous. (F. Giesen, "The Magic Ring Buffer", 2012.)
class RingDriver::Memory {
 public:
  static Result<std::shared_ptr<const Memory>> make(std::uint64_t capacity) {
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    const std::uint64_t size = (capacity + page - 1) / page * page;
    const int file = ::memfd_create("strandline-ring", MFD_CLOEXEC);
    if (file < 0) {
      return fail(Error::system(errno, "memfd_create"));
    }
    auto memory = map(file, size);
    ::close(file);  // the mappings keep it
    return memory;
  }
  ~Memory() {
    if (base_ != nullptr) {
      ::munmap(base_, 2 * size_);
    }
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  explicit Memory(std::uint64_t size) noexcept : size_(size) {}

  [[nodiscard]] std::byte* at(std::uint64_t offset) const noexcept { return base_ + offset % size_; }

 private:
  static Result<std::shared_ptr<const Memory>> map(int file, std::uint64_t size) {
    // All pages now: a page that cannot be had later would be a signal, not an error. And no more than
    // there are: asking for them would end in the kernel killing somebody.
    const auto pages = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES));
    if (size / static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) > pages) {
      return fail(Errc::no_memory, "ring: capacity of " + std::to_string(size) + " bytes");
    }
    if (const int error = allocate(file, size); error != 0) {
      const Errc code = error == EFBIG ? Errc::too_large : Errc::no_memory;
      return fail(Error{code, std::error_code(error, std::generic_category()),
                        "ring: capacity of " + std::to_string(size) + " bytes"});
    }
    auto memory = std::make_shared<Memory>(size);
    void* const base = ::mmap(nullptr, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
      return fail(Error::system(errno, "ring: mmap"));
    }
    memory->base_ = static_cast<std::byte*>(base);
    for (std::byte* half : {memory->base_, memory->base_ + size}) {
      if (::mmap(half, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) == MAP_FAILED) {
        return fail(Error::system(errno, "ring: mmap"));
      }
    }
    return memory;
  }

  // An errno value. The limit on the size of files holds for this one too.
  static int allocate(int file, std::uint64_t size) noexcept {
    file::FileSizeSignalHeld held;
    int error = 0;
    do {
      error = ::posix_fallocate(file, 0, static_cast<off_t>(size));
    } while (error == EINTR);
    if (error == EFBIG) {
      held.swallow();
    }
    return error;
  }

  std::byte* base_ = nullptr;
  const std::uint64_t size_;
};

Result<DriverState> RingDriver::open(Options options) {
  if (options.capacity == 0) {
    return fail(Errc::invalid_argument, "ring: capacity 0");
  }
  if (options.capacity > kLargestCapacity) {
    return fail(Errc::too_large, "ring: capacity " + std::to_string(options.capacity));
  }
  auto memory = Memory::make(options.capacity);
  if (!memory) {
    return fail(std::move(memory.error()));
  }
  auto epoch = ForkEpoch::arm();
  if (!epoch) {
    return fail(std::move(epoch.error()));
  }
  options_ = options;
  memory_ = std::move(*memory);
  fork_epoch_ = *epoch;
  return DriverState();
}

Result<std::size_t> RingDriver::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  const std::size_t size = std::min<std::uint64_t>(out.size(), options_.capacity);
  std::memcpy(out.data(), memory_->at(offset), size);
  return size;
}

Result<std::size_t> RingDriver::write_at(std::uint64_t offset, std::span<const std::byte> data) {
  if (auto ours = fork_epoch_.check("ring"); !ours) {
    return fail(std::move(ours.error()));
  }
  const std::size_t size = std::min<std::uint64_t>(data.size(), options_.capacity);
  std::memcpy(memory_->at(offset), data.data(), size);
  const std::uint64_t end = offset + size;
  std::uint64_t highest = end_.load(std::memory_order_relaxed);
  while (highest < end && !end_.compare_exchange_weak(highest, end, std::memory_order_relaxed)) {
  }
  return size;
}

Result<void> RingDriver::commit(std::uint64_t length) {
  auto ours = fork_epoch_.check("ring");
  if (ours) {
    end_.store(length, std::memory_order_relaxed);
  }
  return ours;
}

Result<void> RingDriver::reactivate() {
  return fork_epoch_.check("ring");
}

std::uint64_t RingDriver::storage_len() const {
  return std::min(options_.capacity, end_.load(std::memory_order_relaxed));
}

ByteRange RingDriver::valid_window(std::uint64_t end) const noexcept {
  return {end > options_.capacity ? end - options_.capacity : 0, end};
}

Result<std::unique_ptr<RingDriver>> RingDriver::rewrite() {
  if (auto ours = fork_epoch_.check("ring"); !ours) {
    return fail(std::move(ours.error()));
  }
  auto next = std::make_unique<RingDriver>();
  if (auto opened = next->open(options_); !opened) {
    return fail(std::move(opened.error()));
  }
  return next;
}

Result<DriverView> RingDriver::view(ByteRange range) const {
  if (range.size() > options_.capacity) {
    return fail(Errc::invalid_range, "ring: view wider than the ring");
  }
  return DriverView{std::span<const std::byte>(memory_->at(range.begin), range.size()), memory_};
}

}  // namespace strandline
