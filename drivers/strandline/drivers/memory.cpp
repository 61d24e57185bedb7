#include <strandline/drivers/memory.h>

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>

namespace strandline {

namespace {

// The first buffer when nothing is known; outgrowing it copies this much at the most.
constexpr std::uint64_t kFirstBuffer = std::uint64_t{1} << 20;
// Address space, not memory: pages come with the first write to them. Some 2,000 such fit. More than this
// must be announced.
constexpr std::uint64_t kLargeBuffer = std::uint64_t{64} << 30;
// What a 47-bit address space could ever hold; past it there is no point in asking.
constexpr std::uint64_t kLargestBuffer = std::uint64_t{1} << 46;

std::uint64_t page_size() noexcept {
  static const auto size = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

std::uint64_t round_up(std::uint64_t size) noexcept {
  return (size + page_size() - 1) / page_size() * page_size();
}

// Into fresh pages, which are zero: those that would be so anyhow are not touched, so that holes stay holes and
// take no memory.
void copy_into_fresh(std::byte* to, const std::byte* from, std::uint64_t size) noexcept {
  static constexpr std::array<std::byte, 4096> kZeros{};
  for (std::uint64_t at = 0; at < size; at += kZeros.size()) {
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(kZeros.size(), size - at));
    if (std::memcmp(from + at, kZeros.data(), part) != 0) {
      std::memcpy(to + at, from + at, part);
    }
  }
}

}  // namespace

// Either a private mapping, or the vector that the user gave.
class MemoryDriver::Buffer : public std::enable_shared_from_this<Buffer> {
 public:
  explicit Buffer(std::vector<std::byte> initial) noexcept
      : initial_(std::move(initial)), data_(initial_.data()), size_(initial_.size()) {}
  explicit Buffer(std::uint64_t size) noexcept : size_(size), mapped_(true) {
    void* const address =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    data_ = address == MAP_FAILED ? nullptr : static_cast<std::byte*>(address);
  }
  ~Buffer() {
    if (mapped_ && data_ != nullptr) {
      ::munmap(data_, size_);
    }
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  [[nodiscard]] bool writable() const noexcept { return mapped_; }

  // Whole pages only; what shares a page with the end stays writable.
  [[nodiscard]] Result<void> protect(std::uint64_t length, int protection) const noexcept {
    const std::uint64_t whole = length / page_size() * page_size();
    if (mapped_ && whole > 0 && ::mprotect(data_, whole, protection) != 0) {
      return fail(Error::system(errno, "mprotect"));
    }
    return {};
  }
  // Gives back the pages past the length.
  void release_past(std::uint64_t length) const noexcept {
    const std::uint64_t from = round_up(length);
    if (mapped_ && from < size_) {
      ::madvise(data_ + from, size_ - from, MADV_DONTNEED);
    }
  }

 private:
  std::vector<std::byte> initial_;
  std::byte* data_ = nullptr;
  const std::uint64_t size_;
  const bool mapped_ = false;
};

MemoryDriver::~MemoryDriver() = default;

Result<DriverState> MemoryDriver::open(Options options) {
  DriverState state;
  if (!options.initial.empty()) {
    if (options.expected_length != 0 && options.expected_length != options.initial.size()) {
      return fail(Errc::invalid_argument, "expected_length differs from the initial bytes");
    }
    state.length = options.initial.size();
    state.committed = true;
    if (auto inserted = state.available.insert({0, *state.length}); !inserted) {
      return fail(std::move(inserted.error()));
    }
    used_.store(*state.length, std::memory_order_relaxed);
    buffers_.push_back(std::make_shared<Buffer>(std::move(options.initial)));
    current_.store(buffers_.back().get(), std::memory_order_release);
  } else if (options.expected_length > 0) {
    if (auto grown = grow(options.expected_length, 0); !grown) {
      return fail(std::move(grown.error()));
    }
  }
  return state;
}

Result<void> MemoryDriver::grow(std::uint64_t needed, std::uint64_t preferred) {
  const std::unique_lock lock(grow_mutex_);
  const Buffer* const old = current_.load(std::memory_order_relaxed);
  if (old != nullptr && old->writable() && old->size() >= needed) {
    return {};  // another writer has grown it
  }
  return replace(needed, preferred);
}

Result<void> MemoryDriver::replace(std::uint64_t needed, std::uint64_t preferred) {
  if (needed > kLargestBuffer) {
    return fail(Errc::too_large, "memory driver: offset " + std::to_string(needed));
  }
  const std::uint64_t least = round_up(std::max<std::uint64_t>(needed, 1));
  std::uint64_t size = std::max(least, preferred);
  auto buffer = std::make_shared<Buffer>(size);
  while (buffer->data() == nullptr && size > least) {
    size = std::max(least, round_up(size / 2));
    buffer = std::make_shared<Buffer>(size);
  }
  if (buffer->data() == nullptr) {
    return fail(Errc::no_memory, "memory driver: " + std::to_string(least) + " bytes of address space");
  }
  buffers_.reserve(buffers_.size() + 1);
  if (const Buffer* const old = current_.load(std::memory_order_relaxed)) {
    copy_into_fresh(buffer->data(), old->data(), std::min(old->size(), used_.load(std::memory_order_relaxed)));
  }
  buffers_.push_back(std::move(buffer));
  current_.store(buffers_.back().get(), std::memory_order_release);
  return {};
}

Result<std::size_t> MemoryDriver::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  const Buffer* const buffer = current_.load(std::memory_order_acquire);
  if (buffer == nullptr || offset > buffer->size() || out.size() > buffer->size() - offset) {
    return fail(Errc::io, "memory driver: read of bytes that were never written");
  }
  std::memcpy(out.data(), buffer->data() + offset, out.size());
  return out.size();
}

Result<std::size_t> MemoryDriver::write_at(std::uint64_t offset, std::span<const std::byte> data) {
  const std::uint64_t end = offset + data.size();
  for (;;) {
    {
      const std::shared_lock lock(grow_mutex_);
      const Buffer* const buffer = current_.load(std::memory_order_relaxed);
      if (buffer != nullptr && buffer->writable() && end <= buffer->size()) {
        std::memcpy(buffer->data() + offset, data.data(), data.size());
        std::uint64_t used = used_.load(std::memory_order_relaxed);
        while (used < end && !used_.compare_exchange_weak(used, end, std::memory_order_relaxed)) {
        }
        return data.size();
      }
    }
    // Small at first, if that will do; then so large that it need hardly ever grow again.
    const bool first = current_.load(std::memory_order_relaxed) == nullptr;
    if (end > kLargeBuffer) {
      // Growing to that would take more address space than can be spared, or copy what is large.
      return fail(Errc::too_large, "memory driver: offset " + std::to_string(end) + " without an expected_length");
    }
    if (auto grown = grow(end, first && end <= kFirstBuffer ? kFirstBuffer : kLargeBuffer); !grown) {
      return fail(std::move(grown.error()));
    }
  }
}

Result<void> MemoryDriver::commit(std::uint64_t length) {
  const Buffer* const buffer = current_.load(std::memory_order_acquire);
  if (buffer == nullptr) {
    return {};
  }
  if (auto sealed = buffer->protect(length, PROT_READ); !sealed) {
    return sealed;
  }
  // With a view alive (an owner besides our own list), its bytes past the length must stay, and stay as
  // they are when writing goes on.
  if (buffers_.back().use_count() == 1) {
    buffer->release_past(length);
  } else if (length < storage_len()) {
    view_past_end_ = true;
  }
  used_.store(length, std::memory_order_relaxed);
  return {};
}

Result<void> MemoryDriver::reactivate() {
  const Buffer* const buffer = current_.load(std::memory_order_acquire);
  if (buffer == nullptr) {
    return {};
  }
  if (view_past_end_) {
    const std::unique_lock lock(grow_mutex_);
    if (auto replaced = replace(storage_len(), kFirstBuffer); !replaced) {
      return replaced;
    }
    view_past_end_ = false;
    return {};
  }
  return buffer->protect(storage_len(), PROT_READ | PROT_WRITE);
}

Result<std::unique_ptr<MemoryDriver>> MemoryDriver::rewrite() {
  return std::make_unique<MemoryDriver>();
}

Result<DriverView> MemoryDriver::view(ByteRange range) const {
  const Buffer* const buffer = current_.load(std::memory_order_acquire);
  if (buffer == nullptr || range.end > buffer->size()) {
    return fail(Errc::io, "memory driver: view of bytes that were never written");
  }
  return DriverView{std::span<const std::byte>(buffer->data() + range.begin, range.size()), buffer->shared_from_this()};
}

}  // namespace strandline
