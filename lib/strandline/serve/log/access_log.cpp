#include <strandline/drivers/file/failure.h>
#include <strandline/serve/log/access_log.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <ctime>
#include <utility>

namespace strandline::serve {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPatience{1000};  // at the end, with a reader that takes nothing

Result<int> open_file(const std::string& path) {
  // A FIFO that nobody reads is an error, and not waited for.
  constexpr int kFlags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK;
  const int fd = path == "-" ? STDOUT_FILENO : ::open(path.c_str(), kFlags, 0640);
  return fd >= 0 ? Result<int>(fd) : fail(Error::system(errno, "access log", path));
}

void close_file(int fd) {
  if (fd > STDERR_FILENO) {
    ::close(fd);
  }
}

void add_text(std::string& line, const char* name, std::string_view text) {
  line.append(",\"").append(name).append("\":\"");
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      line.append({'\\', c});
    } else if (byte < 0x20 || byte >= 0x7f) {  // none of which is known to be UTF-8
      std::array<char, 7> code{};
      std::snprintf(code.data(), code.size(), "\\u%04x", byte);
      line += code.data();
    } else {
      line += c;
    }
  }
  line += '"';
}

void add_number(std::string& line, const char* name, std::uint64_t number) {
  line.append(",\"").append(name).append("\":").append(std::to_string(number));
}

void add_milliseconds(std::string& line, const char* name, std::chrono::microseconds time) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3f", static_cast<double>(time.count()) / 1000);
  line.append(",\"").append(name).append("\":").append(text.data());
}

bool push(std::vector<LogEntry>& queue, LogEntry entry) noexcept {
  const auto pushed = file::contained([&]() -> Result<void> {
    queue.push_back(std::move(entry));
    return {};
  });
  return pushed.has_value();
}

// RFC 3339, with milliseconds.
std::string begin_line(std::chrono::system_clock::time_point time) {
  const auto ms = std::chrono::duration_cast<milliseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = ms / 1000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::array<char, 8> rest{};
  std::snprintf(rest.data(), rest.size(), ".%03dZ", static_cast<int>(ms % 1000));
  return "{\"time\":\"" + std::string(text.data()) + rest.data() + "\"";
}

}  // namespace

std::string log_line(const LogEntry& entry) {
  std::string line = begin_line(entry.time);
  add_text(line, "client", entry.client);
  const std::pair<const char*, const std::string&> texts[] = {
      {"user", entry.user},   {"method", entry.method}, {"path", entry.path},    {"query", entry.query},
      {"range", entry.range}, {"cache", entry.cache},   {"reason", entry.reason}};
  for (const auto& [name, text] : texts) {
    if (!text.empty()) {
      add_text(line, name, text);
    }
  }
  add_number(line, "status", static_cast<std::uint64_t>(entry.status));
  add_number(line, "sent", entry.sent);
  line.append(",\"hit\":").append(entry.cache.starts_with("hit") && !entry.waited ? "true" : "false");
  add_milliseconds(line, "wait_ms", entry.wait);
  add_milliseconds(line, "total_ms", entry.total);
  return line + "}\n";
}

Result<std::unique_ptr<AccessLog>> AccessLog::open(std::string path, Problem problem, std::size_t most_queued) {
  const auto fd = open_file(path);
  if (!fd) {
    return fail(fd.error().clone());
  }
  return std::unique_ptr<AccessLog>(new AccessLog(std::move(path), *fd, std::move(problem), most_queued));
}

AccessLog::AccessLog(std::string path, int fd, Problem problem, std::size_t most_queued)
    : path_(std::move(path)), problem_(std::move(problem)), most_queued_(most_queued), fd_(fd), thread_([this] {
        run();
      }) {}

AccessLog::~AccessLog() {
  {
    MutexLock lock(mutex_);
    ending_ = true;
    more_.notify_all();
  }
  thread_.join();
  close_file(fd_);
  MutexLock lock(mutex_);
  close_file(next_fd_);
}

void AccessLog::write(LogEntry entry) noexcept {
  MutexLock lock(mutex_);
  const bool kept = queue_.size() < most_queued_ && push(queue_, std::move(entry));
  lost_ += kept ? 0 : 1;
  more_.notify_all();
}

Result<void> AccessLog::reopen() noexcept {
  auto fd = file::contained([&] { return open_file(path_); });
  if (!fd) {
    return fail(std::move(fd.error()));
  }
  MutexLock lock(mutex_);
  close_file(std::exchange(next_fd_, *fd));
  more_.notify_all();
  return {};
}

void AccessLog::run() noexcept {
  std::vector<LogEntry> entries;
  std::uint64_t lost = 0;
  for (bool ending = false; !ending;) {
    entries.clear();
    {
      MutexLock lock(mutex_);
      while (queue_.empty() && next_fd_ < 0 && !ending_) {
        more_.wait(mutex_);
      }
      ending = ending_;
      entries.swap(queue_);
      lost += std::exchange(lost_, 0);
      if (next_fd_ >= 0) {
        close_file(std::exchange(fd_, std::exchange(next_fd_, -1)));
      }
    }
    const auto written = file::contained([&]() -> Result<void> {
      std::string text = failing_ ? "\n" : "";  // behind half a line
      if (lost > 0) {
        text += begin_line(std::chrono::system_clock::now());
        add_number(text, "lost", lost);
        text += "}\n";
      }
      for (const LogEntry& entry : entries) {
        text += log_line(entry);
      }
      return put(text);
    });
    if (!written && !failing_) {
      problem_(written.error());
    }
    failing_ = !written;
    lost = written ? 0 : lost + entries.size();
  }
}

Result<void> AccessLog::put(std::string_view text) {
  struct ::stat info {};
  const bool is_file = ::fstat(fd_, &info) == 0 && S_ISREG(info.st_mode);
  auto until = std::chrono::steady_clock::time_point::max();
  while (!text.empty()) {
    ::pollfd room{fd_, POLLOUT, 0};
    const int ready = is_file ? 1 : ::poll(&room, 1, 100);
    if (ready == 0) {
      const auto now = std::chrono::steady_clock::now();
      MutexLock lock(mutex_);
      until = ending_ ? std::min(until, now + kPatience) : until;
      if (now >= until) {
        return fail(Errc::timed_out, "access log " + path_ + ": nobody reads it");
      }
      continue;
    }
    // A pipe with room takes as much at once, and does not block.
    const auto count =
        ready < 0 ? -1
                  : ::write(fd_, text.data(), is_file ? text.size() : std::min<std::size_t>(text.size(), PIPE_BUF));
    if (count < 0 && errno != EINTR && errno != EAGAIN) {
      return fail(Error::system(errno, "access log", path_));
    }
    text.remove_prefix(static_cast<std::size_t>(std::max<::ssize_t>(count, 0)));
  }
  return {};
}

}  // namespace strandline::serve
