// ScriptedDriver: keeps its bytes in memory and does as a Script tells it, for tests of what is above a driver.
// Threads: as driver.h says. Blocks: at the script's gates. Errors: the script's; io for a read of bytes that
// were never written; throws when the script says so, and std::bad_alloc. Cost: a lock and a copy per call.
// Lifetime: the script, and views, outlive it. WindowedScriptedDriver is the same with a window.
#pragma once

#include <strandline/driver/driver.h>
#include <strandline/testing/script.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace strandline {

// Any offset up to 2^63 - 1: the bytes live in blocks that come with the first write to them.
class ScriptedStorage {
 public:
  struct Options {
    std::shared_ptr<Script> script = {};                           // null: nothing is planned
    std::map<std::uint64_t, std::vector<std::byte>> content = {};  // bytes found at open, by offset
    bool committed = false;                                        // the content is found complete
    std::optional<DriverState> state = {};    // what open() answers, true or not; else what follows from the above
    std::uint64_t capacity = 4096;            // of the window, if there is one
    Overflow overflow = Overflow::overwrite;  // of the window, if there is one
  };

  ScriptedStorage() = default;
  ScriptedStorage(const ScriptedStorage&) = delete;
  ScriptedStorage& operator=(const ScriptedStorage&) = delete;

  [[nodiscard]] Result<DriverState> open(Options options);
  [[nodiscard]] Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const;
  [[nodiscard]] Result<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> data);
  [[nodiscard]] Result<void> commit(std::uint64_t length);
  [[nodiscard]] Result<void> reactivate();
  [[nodiscard]] std::uint64_t storage_len() const;
  [[nodiscard]] std::filesystem::path path() const { return {}; }

  // In place within one block; a copy where the range crosses into the next.
  [[nodiscard]] Result<DriverView> view(ByteRange range) const;
  [[nodiscard]] Result<void> sync();
  // The bytes are no longer readable; what views show stays.
  [[nodiscard]] Result<void> evict(ByteRange range);
  // The bytes are no longer readable; memory that only they used is given back.
  void discard(ByteRange range) noexcept;

 protected:
  ~ScriptedStorage() = default;
  // The next generation's driver follows the same script.
  [[nodiscard]] Result<void> begin_rewrite(ScriptedStorage& next);

  // Set by open() or begin_rewrite(), before any other call.
  std::shared_ptr<Script> script_;
  std::uint64_t capacity_ = 0;
  Overflow overflow_ = Overflow::overwrite;

 private:
  enum class Phase { fresh, writable, committing, committed };
  using Block = std::array<std::byte, 4096>;

  void expect(bool kept, const char* contract) const;
  void expect_open() const STRANDLINE_EXCLUDES(mutex_);
  void put_locked(std::uint64_t offset, std::span<const std::byte> data) STRANDLINE_REQUIRES(mutex_);
  void take_locked(std::uint64_t offset, std::span<std::byte> out) const STRANDLINE_REQUIRES(mutex_);

  mutable Mutex mutex_;
  Phase phase_ STRANDLINE_GUARDED_BY(mutex_) = Phase::fresh;
  std::map<std::uint64_t, std::shared_ptr<Block>> blocks_ STRANDLINE_GUARDED_BY(mutex_);  // by offset / block size
  // The contract asks no driver to keep these; this one does, to catch who breaks it.
  RangeSet written_ STRANDLINE_GUARDED_BY(mutex_);
  bool evicted_ STRANDLINE_GUARDED_BY(mutex_) = false;                            // some bytes, some time
  std::map<std::uint64_t, std::uint64_t> writing_ STRANDLINE_GUARDED_BY(mutex_);  // begin -> end, in flight
};

class ScriptedDriver final : public ScriptedStorage {
 public:
  ScriptedDriver() = default;
  [[nodiscard]] Result<std::unique_ptr<ScriptedDriver>> rewrite();
};

class WindowedScriptedDriver final : public ScriptedStorage {
 public:
  WindowedScriptedDriver() = default;
  [[nodiscard]] Result<std::unique_ptr<WindowedScriptedDriver>> rewrite();
  [[nodiscard]] ByteRange valid_window(std::uint64_t end) const noexcept {
    return {end > capacity_ ? end - capacity_ : 0, end};
  }
  [[nodiscard]] Overflow overflow() const noexcept { return overflow_; }
};

static_assert(Driver<ScriptedDriver> && HasRewrite<ScriptedDriver> && HasView<ScriptedDriver> &&
              HasSync<ScriptedDriver> && HasEvict<ScriptedDriver> && HasDiscard<ScriptedDriver> &&
              !HasWindow<ScriptedDriver>);
static_assert(Driver<WindowedScriptedDriver> && HasRewrite<WindowedScriptedDriver> &&
              HasWindow<WindowedScriptedDriver> && HasView<WindowedScriptedDriver>);

}  // namespace strandline
