// SimpleStorage: where the simple design keeps its bytes: one contiguous run that doubles when it is outgrown, and
// moves then; so whoever uses it needs the lock for as long as it touches the bytes.
// Threads: guarded by the resource's lock. Errors: what the system says; memory throws std::bad_alloc.
#pragma once

#include <strandline/base/error.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>

namespace strandline::bench::baseline {

class SimpleStorage {
 public:
  // A file, created or emptied, mapped shared and written through the mapping.
  [[nodiscard]] static Result<std::unique_ptr<SimpleStorage>> open_file(const std::filesystem::path& path);
  // A std::vector.
  [[nodiscard]] static std::unique_ptr<SimpleStorage> open_memory();

  virtual ~SimpleStorage() = default;

  // Room for at least so many bytes; doubles, so that appending costs O(1) a byte. Moves the bytes.
  [[nodiscard]] virtual Result<void> reserve(std::uint64_t size) = 0;
  // The content is complete: cuts the storage to this length.
  [[nodiscard]] virtual Result<void> finish(std::uint64_t length) = 0;
  // Dies with the next reserve() or finish().
  [[nodiscard]] virtual std::byte* data() noexcept = 0;
};

}  // namespace strandline::bench::baseline
