// Arrivals: what has arrived in this run, as an observer hears it; progress_line(): how far it is; Ticker: calls a
// function now and then. Threads: Arrivals: thread-safe; Ticker: its function runs on a thread of its own. Blocks:
// never. Errors: none; Cost: one lock per event. Lifetime: the function outlives its ticker.
#pragma once

#include <strandline/base/mutex.h>
#include <strandline/base/range_set.h>
#include <strandline/resource/observer.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>

namespace strandline::tool {

using Clock = std::chrono::steady_clock;

class Arrivals final : public AvailabilityObserver {
 public:
  struct Snapshot {
    std::uint64_t bytes = 0;
    std::optional<Clock::time_point> first;
    std::optional<Clock::time_point> last;
  };

  void on_write(ByteRange range) noexcept override STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] Snapshot snapshot() const STRANDLINE_EXCLUDES(mutex_);

 private:
  mutable Mutex mutex_;
  Snapshot so_far_ STRANDLINE_GUARDED_BY(mutex_);
};

struct Progress {
  std::uint64_t bytes = 0;  // that are there
  std::optional<std::uint64_t> length;
  std::uint64_t arrived = 0;               // in this run
  std::optional<Clock::time_point> first;  // byte of them
  std::string map;                         // as map_of() draws it
};
constexpr std::size_t kMapCells = 32;
// "41.9 MiB of 256.0 MiB  38.0 MiB/s  6s left  [####......]", at most `columns` wide.
[[nodiscard]] std::string progress_line(const Progress& progress, Clock::time_point now, std::size_t columns);
// What of [0, length) is there, one character per cell: '#' all of it, '+' some, '.' none. Empty when the length is 0.
[[nodiscard]] std::string map_of(const RangeSet& ranges, std::uint64_t length, std::size_t cells);
// How wide the terminal is that the descriptor leads to, less one, for the last column makes some begin a new line; 79
// when it leads to none.
[[nodiscard]] std::size_t terminal_columns(int fd);
// "38.0 MiB"
[[nodiscard]] std::string size_text(double bytes);
[[nodiscard]] inline std::string size_text(std::uint64_t bytes) {
  return size_text(static_cast<double>(bytes));
}

class Ticker {
 public:
  Ticker(std::chrono::milliseconds period, std::function<void()> tick);
  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;
  ~Ticker();  // after a tick in progress; none comes after it

 private:
  void run() STRANDLINE_EXCLUDES(mutex_);

  const std::chrono::milliseconds period_;
  const std::function<void()> tick_;
  Mutex mutex_;
  CondVar ended_changed_;
  bool ended_ STRANDLINE_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace strandline::tool
