// RingDriver: a window of the last `capacity` bytes, in memory that is mapped twice, so that it is one span.
// Threads, Blocks: as driver.h says. Errors: no_memory, invalid_argument, on opening; then none. Cost: a copy.
// Lifetime: views keep the memory. A forked child shares it: there, writing is unsupported.
#pragma once

#include <strandline/driver/driver.h>
#include <strandline/drivers/fork_epoch.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace strandline {

class RingDriver {
 public:
  struct Options {
    std::uint64_t capacity = 0;  // bytes, any number but 0; rounded up to pages inside only
    Overflow overflow = Overflow::overwrite;
  };

  [[nodiscard]] Result<DriverState> open(Options options);
  [[nodiscard]] Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const;
  [[nodiscard]] Result<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> data);
  [[nodiscard]] Result<void> commit(std::uint64_t length);
  [[nodiscard]] Result<void> reactivate();
  [[nodiscard]] std::uint64_t storage_len() const;
  [[nodiscard]] std::filesystem::path path() const { return {}; }

  [[nodiscard]] ByteRange valid_window(std::uint64_t end) const noexcept;
  [[nodiscard]] Overflow overflow() const noexcept { return options_.overflow; }
  [[nodiscard]] Result<std::unique_ptr<RingDriver>> rewrite();
  [[nodiscard]] Result<DriverView> view(ByteRange range) const;

 private:
  class Memory;

  Options options_;
  std::shared_ptr<const Memory> memory_;
  ForkEpoch fork_epoch_;
  std::atomic<std::uint64_t> end_{0};  // of the highest write: a statistic
};

}  // namespace strandline
