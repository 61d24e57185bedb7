// Script: says what the calls of a ScriptedDriver shall do, and keeps a log of them.
// Threads: thread-safe; drivers and the test share one. Blocks: Gate::wait_until_blocked(), and a driver call
// at a closed gate. Errors: the planning calls throw std::bad_alloc, nothing else. Cost: a lock per call.
// Lifetime: held by shared_ptr, in the driver's Options; outlives the drivers that follow it.
#pragma once

#include <strandline/base/byte_range.h>
#include <strandline/base/mutex.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace strandline {

// The kinds of calls; each is counted by itself, over all drivers that share the script.
enum class DriverCall { open, read, write, commit, reactivate, rewrite, view, sync, evict, discard };
inline constexpr std::size_t kDriverCalls = 10;
[[nodiscard]] std::string to_string(DriverCall call);

// One call as it came in. A commit's range is [0, length); open, reactivate, rewrite and sync have none.
struct LoggedCall {
  DriverCall call = DriverCall::open;
  ByteRange range;
  friend bool operator==(const LoggedCall&, const LoggedCall&) = default;
};
// "write [0, 4)"
[[nodiscard]] std::string to_string(const LoggedCall& logged);

// Where a call is held up until the test lets it go. The last copy to go opens it, so that a test
// that ends early leaves no thread hanging.
class Gate {
 public:
  // True once the call stands at the gate (or has passed it); false when it has not come in that time.
  [[nodiscard]] bool wait_until_blocked(std::chrono::seconds patience = std::chrono::seconds(60)) const;
  void open() const;

 private:
  friend class Script;
  struct Bar;
  class Hold;
  explicit Gate(std::shared_ptr<Bar> bar);

  std::shared_ptr<Hold> hold_;
};

// The k-th call of a kind, counted from 1 since the script was made, does what was planned for it: stands at
// its gate, then throws, then fails, then is shortened, whichever of these there are. Other calls just work.
class Script {
 public:
  Script() = default;
  Script(const Script&) = delete;
  Script& operator=(const Script&) = delete;

  // The call answers the error and changes nothing. (A discard cannot fail: it is then left undone.)
  void fail(DriverCall call, std::uint64_t k, Errc code);
  // So does every call from the k-th on, until heal(): a disk that is full, and then is not.
  void fail_from(DriverCall call, std::uint64_t k, Errc code);
  void heal(DriverCall call);
  // The read or write covers at most so many bytes. With 0 the driver breaks its contract: no progress.
  void shorten(DriverCall call, std::uint64_t k, std::size_t bytes);
  // Every read or write from now on does; nullopt ends it.
  void shorten_all(DriverCall call, std::optional<std::size_t> bytes);
  // The call throws, and changes nothing.
  void throw_at(DriverCall call, std::uint64_t k, std::exception_ptr what);
  // The call stands still, before it has any effect, until the gate is opened.
  [[nodiscard]] Gate block(DriverCall call, std::uint64_t k);

  // How many calls of the kind have come in, those at a gate included; next() is the k of the one to come.
  [[nodiscard]] std::uint64_t count(DriverCall call) const;
  [[nodiscard]] std::uint64_t next(DriverCall call) const { return count(call) + 1; }
  // All calls in the order they came in; and forgets them, so that a long program does not hoard them.
  [[nodiscard]] std::vector<LoggedCall> take_log();
  // Where the caller broke the contract of driver.h: a read of bytes that were never written, two writes over one
  // byte at a time, a write during or after commit, a call before open. Empty unless the library has a bug.
  [[nodiscard]] std::vector<std::string> breaches() const;

  // For drivers: logs and counts a call, waits at its gate, throws; answers its error, or the bytes it may
  // cover. Called without locks held.
  [[nodiscard]] Result<std::size_t> enter(DriverCall call, ByteRange range);
  void report_breach(std::string what);

 private:
  struct Plan {
    std::shared_ptr<Gate::Bar> bar;
    std::exception_ptr thrown;
    std::optional<Errc> error;
    std::optional<std::size_t> bytes;
  };
  struct Kind {
    std::uint64_t count = 0;
    std::map<std::uint64_t, Plan> plans;
    std::optional<std::uint64_t> failing_from;
    Errc failing_with = Errc::io;
    std::optional<std::size_t> shortened_to;
  };

  [[nodiscard]] Kind& kind_locked(DriverCall call) STRANDLINE_REQUIRES(mutex_) {
    return kinds_[static_cast<std::size_t>(call)];
  }

  mutable Mutex mutex_;
  std::array<Kind, kDriverCalls> kinds_ STRANDLINE_GUARDED_BY(mutex_);
  std::vector<LoggedCall> log_ STRANDLINE_GUARDED_BY(mutex_);
  std::vector<std::string> breaches_ STRANDLINE_GUARDED_BY(mutex_);
};

}  // namespace strandline
