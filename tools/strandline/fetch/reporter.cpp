#include "reporter.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>

#include "../command.h"

namespace strandline::tool {
namespace {

constexpr std::chrono::milliseconds kTick{250};
constexpr std::size_t kMaxLines = 16;  // of files; more would not fit on small terminals

// A server's words and file names may hold line breaks and terminal controls.
std::string printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return text;
}

// At most so many bytes, and no part of a character. (What is no UTF-8 is cut anywhere.)
std::string cut(std::string text, std::size_t bytes) {
  constexpr std::size_t kMost = 3;  // of a character, behind its first
  const auto continues = [&](std::size_t at) { return (static_cast<unsigned char>(text[at]) & 0xc0U) == 0x80U; };
  if (text.size() > bytes) {
    std::size_t end = bytes;
    while (end > 0 && bytes - end < kMost && continues(end)) {
      --end;
    }
    text.resize(continues(end) ? bytes : end);
  }
  return text;
}

Progress progress_of(const Download& download, const Download::Snapshot& shot) {
  const auto arrived = download.arrivals().snapshot();
  return {shot.there.byte_count(), shot.length, arrived.bytes, arrived.first,
          map_of(shot.there, shot.length.value_or(0), kMapCells)};
}

}  // namespace

Reporter::Reporter(ReporterOptions options) : options_(options), start_(Clock::now()) {
  if (options_.json != nullptr || options_.lines) {
    ticker_ = std::make_unique<Ticker>(kTick, [this] { tick(); });
  }
}

Reporter::~Reporter() {
  ticker_.reset();
  MutexLock lock(mutex_);
  draw_locked({});
}

void Reporter::start(const Download& download, std::size_t number) {
  MutexLock lock(mutex_);
  running_.emplace(number, Running{&download, 0});
  say_locked({{"event", "start"}, {"url", download.request().place.url}, {"file", download.request().file.native()}});
}

void Reporter::resumed(const Download& download, std::uint64_t bytes) {
  MutexLock lock(mutex_);
  say_locked({{"event", "resumed"}, {"file", download.request().file.native()}, {"bytes", bytes}});
}

void Reporter::restarted(const Download& download, const Error& why) {
  const std::string& file = download.request().file.native();
  MutexLock lock(mutex_);
  say_locked({{"event", "restarted"}, {"file", file}, {"message", why.message()}});
  note_locked(file + ": begun anew: " + why.message());
}

void Reporter::noted(const std::string& file, std::string_view event, const std::string& text) {
  MutexLock lock(mutex_);
  say_locked({{"event", event}, {"file", file}, {"message", text}});
  if (options_.json == nullptr && !options_.quiet) {
    draw_locked({});
    report("get", text);
  }
}

void Reporter::done(const Download& download, const Streamed& out) {
  const std::string& file = download.request().file.native();
  const auto shot = download.snapshot();
  const std::uint64_t bytes = shot.length.value_or(0);
  const auto in = download.arrivals().snapshot();
  const auto now = Clock::now();
  MutexLock lock(mutex_);
  std::erase_if(running_, [&](const auto& each) { return each.second.download == &download; });
  finished_bytes_ += bytes;
  ++finished_;
  say_locked({{"event", "done"},
              {"file", file},
              {"bytes", bytes},
              {"resumed", download.found()},
              {"bytes_out", out.bytes},
              {"first_byte_in_ms", since_start(in.first)},
              {"last_byte_in_ms", since_start(in.last)},
              {"first_byte_out_ms", since_start(out.first)},
              {"last_byte_out_ms", since_start(out.last)},
              {"elapsed_ms", since_start(now)}});
  const double seconds = since_start(now) / 1000;
  std::array<char, 48> took{};
  static_cast<void>(std::snprintf(took.data(), took.size(), "%.1f s", seconds));
  note_locked(file + ": " + size_text(bytes) + " in " + took.data() + " (" +
              size_text(seconds > 0 ? static_cast<double>(in.bytes) / seconds : 0) + "/s)");
}

void Reporter::failed(const std::string& file, const Refusal& why, const Download* download) {
  MutexLock lock(mutex_);
  std::erase_if(running_, [&](const auto& each) { return each.second.download == download; });
  say_locked({{"event", "failed"},
              {"file", file},
              {"exit", why.exit},
              {"code", std::string(to_string(why.error.code))},
              {"message", why.error.message()}});
  if (options_.json != stderr) {  // there the line would not be JSON
    draw_locked({});
    report("get", why.error);
  }
}

double Reporter::since_start(Clock::time_point time) const {
  return std::round(std::chrono::duration<double, std::milli>(time - start_).count() * 10) / 10;
}

Reporter::Json Reporter::since_start(const std::optional<Clock::time_point>& time) const {
  return time ? Json(since_start(*time)) : Json();
}

Result<void> Reporter::end() {
  MutexLock lock(mutex_);
  if (json_errno_ == 0 || json_errno_ == EPIPE) {
    return {};
  }
  return fail(Error::system(json_errno_, "write", options_.json == stderr ? "standard error" : "standard output"));
}

// After a line that was lost, none: the stream would have a hole in its midst.
void Reporter::say_locked(const Json& event) {
  if (options_.json != nullptr && json_errno_ == 0) {
    // File names need not be UTF-8; JSON must be.
    const std::string line = event.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    if (std::fputs(line.c_str(), options_.json) < 0 || std::fflush(options_.json) != 0) {
      json_errno_ = errno;
    }
  }
}

// A line that stays, above those that are drawn anew.
void Reporter::note_locked(const std::string& text) {
  if (options_.lines) {
    draw_locked({});
    std::fputs((printable(text) + "\n").c_str(), stderr);
  }
}

// Over what was drawn before.
void Reporter::draw_locked(const std::vector<std::string>& lines) {
  if (!options_.lines || (lines.empty() && drawn_ == 0)) {
    return;
  }
  std::string text = "\r";
  if (drawn_ > 1) {
    text += "\x1b[" + std::to_string(drawn_ - 1) + "A";
  }
  for (std::size_t i = 0; i < lines.size(); ++i) {
    text += (i > 0 ? "\n" : "") + lines[i] + "\x1b[K";
  }
  if (lines.size() < drawn_) {
    text += lines.empty() ? "\x1b[J" : "\n\x1b[J\x1b[A";
  }
  drawn_ = lines.size();
  std::fputs(text.c_str(), stderr);
}

void Reporter::tick() {
  const auto now = Clock::now();
  const std::size_t columns = terminal_columns(STDERR_FILENO);
  std::vector<std::string> lines;
  MutexLock lock(mutex_);
  Progress total{finished_bytes_, finished_bytes_, 0, start_, {}};
  for (auto& [number, running] : running_) {
    auto& [download, retries] = running;
    const std::string& file = download->request().file.native();
    const auto shot = download->snapshot();
    const Progress progress = progress_of(*download, shot);
    total.bytes += progress.bytes;
    total.arrived += progress.arrived;
    total.length = total.length && progress.length ? std::optional(*total.length + *progress.length) : std::nullopt;
    if (shot.retries > retries) {
      say_locked({{"event", "retry"}, {"file", file}, {"retries", shot.retries}});
    }
    retries = shot.retries;
    say_locked({{"event", "progress"},
                {"file", file},
                {"bytes", progress.bytes},
                {"length", progress.length ? Json(*progress.length) : Json()},
                {"elapsed_ms", since_start(now)}});
    if (lines.size() < kMaxLines) {
      lines.push_back(progress_line(progress, now, columns));
      if (running_.size() + finished_ > 1) {
        const std::string name = cut(printable(download->request().file.filename().native()), columns / 4) + "  ";
        lines.back() = name + progress_line(progress, now, columns - std::min(columns, name.size()));
      }
    }
  }
  if (running_.size() + finished_ > 1) {
    lines.push_back(progress_line(total, now, columns));
    const std::string rest = "  " + std::to_string(running_.size()) + " under way";
    lines.back() += lines.back().size() + rest.size() <= columns ? rest : "";
  }
  draw_locked(lines);
}

}  // namespace strandline::tool
