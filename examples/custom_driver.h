// A driver of one's own: memory in which a run of equal bytes costs eight bytes, for disk images that are mostly
// empty. It keeps the contract of <strandline/driver/driver.h>, and tests/contract/ holds it to that.
// Threads: as the contract says, with one lock. Blocks: never for long. Errors: no_space; std::bad_alloc may escape,
// and becomes no_memory. Cost: a write unpacks and packs one block. Lifetime: the resource owns it.
#pragma once

#include <strandline/driver/driver.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <vector>

namespace examples {

class RunLengthDriver {
 public:
  // Every driver names its options; Resource<RunLengthDriver>::open() takes them.
  struct Options {
    std::size_t most_runs = 1'000'000;                      // what needs more is no_space
    std::shared_ptr<std::atomic<std::size_t>> in_use = {};  // if given: told how many runs there are
  };

  // Tells what is there already. This driver always starts empty.
  strandline::Result<strandline::DriverState> open(Options options) {
    options_ = std::move(options);
    return strandline::DriverState();
  }

  // Called only for bytes that have been written, so there is nothing to check. It may answer fewer bytes than
  // asked for, but one at least: the resource asks again for the rest. This driver never crosses a block.
  strandline::Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const {
    const std::shared_lock lock(mutex_);
    const auto block = blocks_.find(offset / kBlock);
    if (block == blocks_.end()) {
      return strandline::fail(strandline::Errc::io, "run-length driver: a block is gone");  // never made-up bytes
    }
    std::size_t skip = offset % kBlock;
    std::size_t done = 0;
    for (const Run& run : block->second) {
      const std::size_t from = std::min<std::size_t>(skip, run.count);
      const std::size_t count = std::min<std::size_t>(run.count - from, out.size() - done);
      std::memset(out.data() + done, std::to_integer<int>(run.value), count);
      skip -= from;
      done += count;
    }
    return done;
  }

  // The same for writing. Nobody else writes these bytes now, but others may be writing their neighbours.
  strandline::Result<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> data) {
    const std::unique_lock lock(mutex_);
    const std::size_t at = offset % kBlock;
    const std::size_t count = std::min<std::size_t>(data.size(), kBlock - at);
    const auto old = blocks_.find(offset / kBlock);
    std::vector<std::byte> bytes = old == blocks_.end() ? std::vector<std::byte>(kBlock) : unpacked(old->second);
    std::memcpy(bytes.data() + at, data.data(), count);
    std::vector<Run> runs = packed(bytes);
    const std::size_t total = runs_ + runs.size() - (old == blocks_.end() ? 0 : old->second.size());
    if (total > options_.most_runs) {
      return strandline::fail(strandline::Errc::no_space, "run-length driver: too many runs");
    }
    blocks_[offset / kBlock] = std::move(runs);  // all that can fail has come before: an error changes nothing
    set_runs(total);
    end_ = std::max(end_, offset + count);
    return count;
  }

  // Everything below the length is there, says the resource. What is past it shall go.
  strandline::Result<void> commit(std::uint64_t length) {
    const std::unique_lock lock(mutex_);
    drop(blocks_.lower_bound((length + kBlock - 1) / kBlock), blocks_.end());
    end_ = length;
    return {};
  }
  strandline::Result<void> reactivate() { return {}; }  // it never stopped being writable

  std::uint64_t storage_len() const {
    const std::shared_lock lock(mutex_);
    return end_;
  }
  std::filesystem::path path() const { return {}; }  // it has no name

  // The rest is optional, and found by its name. With rewrite() the resource can take a new generation beside this one.
  strandline::Result<std::unique_ptr<RunLengthDriver>> rewrite() {
    auto next = std::make_unique<RunLengthDriver>();
    next->options_ = options_;
    return next;
  }
  // Nobody needs these bytes any more.
  void discard(strandline::ByteRange range) noexcept {
    const std::unique_lock lock(mutex_);
    if (range.size() >= kBlock) {
      drop(blocks_.lower_bound((range.begin + kBlock - 1) / kBlock), blocks_.lower_bound(range.end / kBlock));
    }
  }

 private:
  static constexpr std::size_t kBlock = 4096;
  struct Run {
    std::uint32_t count;
    std::byte value;
  };
  using Blocks = std::map<std::uint64_t, std::vector<Run>>;  // by offset / kBlock; the runs of one make kBlock bytes

  static std::vector<std::byte> unpacked(const std::vector<Run>& runs) {
    std::vector<std::byte> bytes;
    for (const Run& run : runs) {
      bytes.insert(bytes.end(), run.count, run.value);
    }
    return bytes;
  }
  static std::vector<Run> packed(std::span<const std::byte> bytes) {
    std::vector<Run> runs;
    for (const std::byte byte : bytes) {
      if (runs.empty() || runs.back().value != byte) {
        runs.push_back({0, byte});
      }
      ++runs.back().count;
    }
    return runs;
  }
  void drop(Blocks::iterator first, Blocks::iterator last) noexcept {
    std::size_t gone = 0;
    for (auto block = first; block != last; block = blocks_.erase(block)) {
      gone += block->second.size();
    }
    set_runs(runs_ - gone);
  }
  void set_runs(std::size_t count) noexcept {
    runs_ = count;
    if (options_.in_use) {
      *options_.in_use = count;
    }
  }

  Options options_;
  mutable std::shared_mutex mutex_;  // guards what follows
  Blocks blocks_;
  std::size_t runs_ = 0;
  std::uint64_t end_ = 0;
};

static_assert(strandline::Driver<RunLengthDriver> && strandline::HasRewrite<RunLengthDriver> &&
              strandline::HasDiscard<RunLengthDriver>);

}  // namespace examples
