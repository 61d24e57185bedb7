#include <bench/support/scene.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <numeric>
#include <random>
#include <system_error>

namespace strandline::bench {
namespace {

constexpr std::uint64_t kSeed = 20240229;

std::filesystem::path folder_of(Medium medium) {
  struct statfs where {};
  if (medium == Medium::memory && ::statfs("/dev/shm", &where) == 0 && where.f_type == TMPFS_MAGIC) {
    return "/dev/shm";
  }
  return std::filesystem::temp_directory_path();
}

}  // namespace

std::vector<std::byte> random_bytes(std::size_t size) {
  std::vector<std::byte> bytes(size);
  std::mt19937_64 random(kSeed);
  for (std::size_t at = 0; at < size; at += sizeof(std::uint64_t)) {
    const std::uint64_t word = random();
    std::memcpy(bytes.data() + at, &word, std::min(sizeof word, size - at));
  }
  return bytes;
}

std::vector<std::uint64_t> shuffled(std::uint64_t count) {
  std::vector<std::uint64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), std::mt19937_64(kSeed));
  return order;
}

std::vector<std::uint64_t> random_offsets(std::size_t count, std::uint64_t span, std::uint64_t size) {
  std::mt19937_64 random(kSeed);
  std::uniform_int_distribution<std::uint64_t> place(0, (span - size) / 64);
  std::vector<std::uint64_t> offsets(count);
  std::generate(offsets.begin(), offsets.end(), [&] { return place(random) * 64; });
  return offsets;
}

std::string size_text(std::uint64_t bytes) {
  if (bytes >= kMiB && bytes % kMiB == 0) {
    return std::to_string(bytes / kMiB) + " MiB";
  }
  return bytes >= kKiB ? std::to_string(bytes / kKiB) + " KiB" : std::to_string(bytes) + " B";
}

ScratchFolder::ScratchFolder(Medium medium) {
  std::string name = (folder_of(medium) / "strandline-bench-XXXXXX").native();
  if (::mkdtemp(name.data()) == nullptr) {
    throw std::system_error(errno, std::system_category(), name);
  }
  path_ = name;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string ScratchFolder::file_system() const {
  struct statfs where {};
  if (::statfs(path_.c_str(), &where) != 0) {
    throw std::system_error(errno, std::system_category(), path_.native());
  }
  switch (static_cast<unsigned long>(where.f_type)) {
    case TMPFS_MAGIC:
      return "tmpfs";
    case EXT4_SUPER_MAGIC:
      return "ext4";
    case XFS_SUPER_MAGIC:
      return "xfs";
    case BTRFS_SUPER_MAGIC:
      return "btrfs";
    case OVERLAYFS_SUPER_MAGIC:
      return "overlayfs";
    default:
      return "disk";
  }
}

}  // namespace strandline::bench
