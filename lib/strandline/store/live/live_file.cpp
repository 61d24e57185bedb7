#include <strandline/drivers/file/failure.h>
#include <strandline/drivers/file/file_io.h>
#include <strandline/store/live/live_file.h>

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <ctime>

namespace strandline::store {

constexpr std::size_t kSlots = 4096;

// What was here before stays where it is, and what is new comes behind it: processes of older versions have the file
// open at the same time, and use its first part only.
struct LiveFile::Memory {
  std::atomic<std::uint32_t> bell;
  alignas(64) std::atomic<std::uint64_t> used;
  std::array<Slot, kSlots> slots;
  DemandTable demand;
};

namespace {

// Shared memory has no constructors: what a new file holds, zeros, is their initial value.
static_assert(std::atomic<std::uint32_t>::is_always_lock_free && std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(sizeof(LiveFile::Slot) == 64 && sizeof(DemandTable) == 64 + 64 * DemandTable::kSlots);

// One lock says who uses it: shared by all that do, exclusive while one makes the count anew.
bool lock_whole(int handle, short type) noexcept {
  struct ::flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return ::fcntl(handle, F_OFD_SETLK, &lock) == 0;
}

// FNV-1a (Fowler, Noll, Vo), 64 bits: names are hashes already.
std::size_t hash_of(const std::string& name) noexcept {
  std::uint64_t hash = 14695981039346656037U;
  for (const char letter : name) {
    hash = (hash ^ static_cast<unsigned char>(letter)) * 1099511628211U;
  }
  return hash % kSlots;
}

// Not private futexes: the words are at another address in every process.
void wake_all(std::atomic<std::uint32_t>& word) noexcept {
  static_cast<void>(::syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0));
}

// The clock of both is CLOCK_MONOTONIC, and the time absolute.
timespec to_timespec(std::chrono::steady_clock::time_point when) noexcept {
  const auto since = when.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
  return {static_cast<std::time_t>(seconds.count()),
          static_cast<long>(std::chrono::nanoseconds(since - seconds).count())};
}

}  // namespace

Result<std::shared_ptr<LiveFile>> LiveFile::open(const std::string& path) noexcept {
  auto handle = file::open_regular(path, O_RDWR | O_CREAT, 0600);
  if (!handle) {
    return fail(std::move(handle.error()));
  }
  // Blocks, not only a size: a store to a hole of a full disk would be a SIGBUS.
  if (const int error = ::posix_fallocate(handle->get(), 0, sizeof(Memory)); error != 0) {
    return tl::unexpected<Error>(Error::system(error, "posix_fallocate", path));
  }
  bool alone = lock_whole(handle->get(), F_WRLCK);
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!alone && !lock_whole(handle->get(), F_RDLCK)) {
    // Another has it to itself, and counts. By then there may be nobody.
    if (std::chrono::steady_clock::now() > give_up) {
      return file::about(Errc::busy, "another process has had it to itself for long:", path);
    }
    const timespec nap{0, 2000000};
    ::nanosleep(&nap, nullptr);
    alone = lock_whole(handle->get(), F_WRLCK);
  }
  void* const memory = ::mmap(nullptr, sizeof(Memory), PROT_READ | PROT_WRITE, MAP_SHARED, handle->get(), 0);
  if (memory == MAP_FAILED) {
    return tl::unexpected<Error>(Error::system(errno, "mmap", path));
  }
  if (alone) {
    static_cast<Memory*>(memory)->demand.clear();
  }
  try {
    std::shared_ptr<LiveFile> live(new LiveFile(handle->get(), static_cast<Memory*>(memory), alone));
    static_cast<void>(handle->release());
    return live;
  } catch (const std::bad_alloc&) {
    ::munmap(memory, sizeof(Memory));
    return fail(Errc::no_memory, "live file");
  }
}

LiveFile::~LiveFile() {
  ::munmap(memory_, sizeof(Memory));
  ::close(handle_);
}

void LiveFile::share() noexcept {
  alone_ = false;
  static_cast<void>(lock_whole(handle_, F_RDLCK));
}

LiveFile::Slot& LiveFile::slot_of(const std::string& name) const noexcept {
  return memory_->slots[hash_of(name)];
}

std::atomic<std::uint64_t>& LiveFile::used() const noexcept {
  return memory_->used;
}

std::uint32_t LiveFile::bell() const noexcept {
  return memory_->bell.load(std::memory_order_acquire);
}

DemandTable& LiveFile::demand() const noexcept {
  return memory_->demand;
}

void LiveFile::ring() noexcept {
  memory_->bell.fetch_add(1, std::memory_order_release);
  wake_all(memory_->bell);
}

void LiveFile::announce(Slot& slot) noexcept {
  const bool asked = slot.changes.raise();
  const News::Wanted wanted = slot.news.raise();
  if (wanted.by_sleepers) {
    wake_all(slot.news.word());
  }
  if (asked || wanted.by_keepers) {
    ring();
  }
}

void LiveFile::sleep(std::uint32_t bell, std::chrono::steady_clock::time_point until) noexcept {
  const bool bounded = until != std::chrono::steady_clock::time_point::max();
  const timespec when = to_timespec(until);
  static_cast<void>(::syscall(SYS_futex, &memory_->bell, FUTEX_WAIT_BITSET, bell, bounded ? &when : nullptr, nullptr,
                              FUTEX_BITSET_MATCH_ANY));
}

#if defined(SYS_futex_waitv)

bool LiveFile::can_sleep_on_two() noexcept {
  // None to wait for is invalid, where the call is known.
  static const bool known = ::syscall(SYS_futex_waitv, nullptr, 0, 0, nullptr, 0) != 0 && errno == EINVAL;
  return known;
}

std::optional<bool> LiveFile::sleep(News& news, std::uint32_t count, Sync::Atomic<std::uint32_t>& word,
                                    std::uint32_t expected, Sync::time_point deadline) noexcept {
  if (deadline.time_since_epoch().count() < 0) {
    return false;  // the kernel takes no time before its clock's begin
  }
  const auto value = news.ask_to_sleep(count);
  if (!value) {
    return Sync::now() < deadline;  // there may always be news
  }
  const auto address = [](std::atomic<std::uint32_t>& of) { return reinterpret_cast<std::uintptr_t>(&of); };
  std::array<futex_waitv, 2> both{};
  both[0].val = expected;
  both[0].uaddr = address(word);
  both[0].flags = FUTEX_32 | FUTEX_PRIVATE_FLAG;
  both[1].val = *value;
  both[1].uaddr = address(news.word());
  both[1].flags = FUTEX_32;
  const bool bounded = deadline != Sync::time_point::max();
  const timespec until = bounded ? to_timespec(deadline) : timespec{};
  if (::syscall(SYS_futex_waitv, both.data(), both.size(), 0, bounded ? &until : nullptr, CLOCK_MONOTONIC) >= 0 ||
      errno == EAGAIN || errno == EINTR) {
    return true;
  }
  return errno == ETIMEDOUT ? std::optional(false) : std::nullopt;
}

#else

bool LiveFile::can_sleep_on_two() noexcept {
  return false;
}

std::optional<bool> LiveFile::sleep(News& /*news*/, std::uint32_t /*count*/, Sync::Atomic<std::uint32_t>& word,
                                    std::uint32_t expected, Sync::time_point deadline) noexcept {
  return Sync::futex_wait(word, expected, deadline);
}

#endif

}  // namespace strandline::store
