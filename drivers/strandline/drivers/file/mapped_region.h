// MappedFile's regions, and what pages are: for its two sources. Not installed.
// Threads: as MappedFile says. Blocks: never. Errors: none. Cost: none. Lifetime: a region's mapping is the region's.
#pragma once

#include <strandline/drivers/file/fault_guard.h>
#include <strandline/drivers/file/mapped_file.h>

#include <unistd.h>

#include <atomic>
#include <boost/interprocess/mapped_region.hpp>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>

namespace strandline::file {

namespace ipc = boost::interprocess;

[[nodiscard]] inline std::uint64_t page_bytes() noexcept {
  static const std::uint64_t bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}
[[nodiscard]] inline std::uint64_t page_floor(std::uint64_t offset) noexcept {
  return offset - offset % page_bytes();
}
// Callers stay below 2^63, so this cannot wrap.
[[nodiscard]] inline std::uint64_t page_ceil(std::uint64_t offset) noexcept {
  return page_floor(offset + page_bytes() - 1);
}

struct MappedFile::Region : std::enable_shared_from_this<MappedFile::Region> {
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

}  // namespace strandline::file
