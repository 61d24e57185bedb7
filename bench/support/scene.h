// What the benchmarks set up before they measure: bytes, orders, folders, and resources with a writer.
// Everything throws when it cannot: a benchmark without its scene measures nothing.
#pragma once

#include <bench/measure.h>
#include <strandline/drivers/memory.h>
#include <strandline/drivers/mmap.h>
#include <strandline/resource/resource.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace strandline::bench {

inline constexpr std::uint64_t kKiB = 1024;
inline constexpr std::uint64_t kMiB = 1024 * kKiB;
inline constexpr std::uint64_t kGiB = 1024 * kMiB;
inline constexpr std::uint64_t kFar = std::uint64_t{1} << 40;  // where no write ever comes

// The same in every run.
[[nodiscard]] std::vector<std::byte> random_bytes(std::size_t size);
// 0 to count - 1 in random order.
[[nodiscard]] std::vector<std::uint64_t> shuffled(std::uint64_t count);
// Offsets of pieces of `size` bytes in [0, span), at multiples of 64.
[[nodiscard]] std::vector<std::uint64_t> random_offsets(std::size_t count, std::uint64_t span, std::uint64_t size);

// "4 KiB"
[[nodiscard]] std::string size_text(std::uint64_t bytes);

enum class Medium : std::uint8_t {
  memory,  // a tmpfs, where there is one: the disk's own work stays out of the figures
  disk     // the file system of TMPDIR
};

// A folder of its own, removed with all in it.
class ScratchFolder {
 public:
  explicit ScratchFolder(Medium medium);
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  [[nodiscard]] std::filesystem::path operator/(const char* name) const { return path_ / name; }
  // "tmpfs", "ext4": which it is, for the row's case.
  [[nodiscard]] std::string file_system() const;

 private:
  std::filesystem::path path_;
};

// A resource and its writer, which steps back in peace at the end.
template <Driver D>
struct Filled {
  explicit Filled(typename D::Options options)
      : resource(must(Resource<D>::open(std::move(options)))), writer(must(resource.writer())) {}
  ~Filled() { static_cast<void>(writer.abandon(Abandon::stop)); }
  Filled(const Filled&) = delete;
  Filled& operator=(const Filled&) = delete;

  // Random bytes over [begin, end), in pieces of 1 MiB.
  void fill(ByteRange range) {
    const auto bytes = random_bytes(kMiB);
    for (std::uint64_t at = range.begin; at < range.end;) {
      const std::size_t size = std::min<std::uint64_t>(bytes.size(), range.end - at);
      must(writer.write_at(at, std::span(bytes).first(size)));
      at += size;
    }
  }

  Resource<D> resource;
  Writer<D> writer;
};

struct InMemory : Filled<MemoryDriver> {
  InMemory() : Filled(MemoryDriver::Options{}) {}
  [[nodiscard]] static std::string name() { return "memory"; }
};

// The folder must outlive it, and the one before it must be gone: they share a path.
struct InFile : Filled<MmapDriver> {
  explicit InFile(const std::filesystem::path& path)
      : Filled(MmapDriver::Options{path, OpenMode::automatic, 0, false}), part_(path) {
    part_ += ".part";
  }
  ~InFile() {
    std::error_code ignored;
    std::filesystem::remove(part_, ignored);
  }
  [[nodiscard]] static std::string name() { return "mmap"; }

 private:
  std::filesystem::path part_;
};

}  // namespace strandline::bench
