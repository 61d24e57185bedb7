#include "progress.h"

#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cstdio>

namespace strandline::tool {

void Arrivals::on_write(ByteRange range) noexcept {
  const auto now = Clock::now();
  MutexLock lock(mutex_);
  so_far_.bytes += range.size();
  so_far_.first = so_far_.first.value_or(now);
  so_far_.last = now;
}

Arrivals::Snapshot Arrivals::snapshot() const {
  MutexLock lock(mutex_);
  return so_far_;
}

std::string map_of(const RangeSet& ranges, std::uint64_t length, std::size_t cells) {
  std::string map;
  if (length == 0) {
    return map;
  }
  // Divided before multiplied: a length near 2^63 must not overflow; the last cells take what the division loses.
  const std::uint64_t step = std::max<std::uint64_t>(1, length / std::max<std::size_t>(1, cells));
  for (std::size_t i = 0; i < cells; ++i) {
    const ByteRange cell{std::min(length, i * step), i + 1 == cells ? length : std::min(length, (i + 1) * step)};
    map += ranges.covers(cell) ? '#' : ranges.intersects(cell) ? '+' : '.';
  }
  return map;
}

std::size_t terminal_columns(int fd) {
  ::winsize size{};
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1U : 79U;
}

std::string size_text(double bytes) {
  constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", bytes, kUnits[unit]);
  return text.data();
}

std::string progress_line(const Progress& progress, Clock::time_point now, std::size_t columns) {
  std::string line = size_text(progress.bytes);
  if (progress.length) {
    line += " of " + size_text(*progress.length);
  }
  const double seconds = progress.first ? std::chrono::duration<double>(now - *progress.first).count() : 0;
  if (seconds > 0.2) {  // a rate of the first instant is noise
    const double rate = static_cast<double>(progress.arrived) / seconds;
    line += "  " + size_text(rate) + "/s";
    if (progress.length && rate > 0) {
      const double left = static_cast<double>(*progress.length - std::min(*progress.length, progress.bytes)) / rate;
      line += "  " + (left < 1e6 ? std::to_string(static_cast<long>(left + 0.5)) + "s left" : std::string("days left"));
    }
  }
  if (!progress.map.empty() && line.size() + progress.map.size() + 4 <= columns) {
    line += "  [" + progress.map + "]";
  }
  return line.substr(0, columns);
}

Ticker::Ticker(std::chrono::milliseconds period, std::function<void()> tick)
    : period_(period), tick_(std::move(tick)), thread_([this] { run(); }) {}

Ticker::~Ticker() {
  {
    MutexLock lock(mutex_);
    ended_ = true;
    ended_changed_.notify_one();
  }
  thread_.join();
}

void Ticker::run() {
  auto next = Clock::now();
  MutexLock lock(mutex_);
  for (;;) {
    next += period_;
    while (!ended_ && ended_changed_.wait_until(mutex_, next)) {
    }
    if (ended_) {
      return;
    }
    lock.unlock();
    tick_();
    lock.lock();
  }
}

}  // namespace strandline::tool
