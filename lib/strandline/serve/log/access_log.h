// AccessLog: a line of JSON for each request, written by a thread of its own.
// Threads: thread-safe. Blocks: never but its end, until what is there is written, or for a second with a reader that
// takes nothing. Errors: open()'s, the system's; later ones are told once, and what could not be written is counted in
// the log as soon as it can be. Cost: write(): a lock and the entry's strings; what does not fit in the queue is
// counted and dropped. Lifetime: the descriptor is its own, but for standard output's.
#pragma once

#include <strandline/base/error.h>
#include <strandline/base/mutex.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace strandline::serve {

struct LogEntry {
  std::chrono::system_clock::time_point time{};  // when the head had come
  std::string client;                            // address and port
  std::string user;                              // of the token or certificate; empty: nobody was told apart
  std::string method, path;                      // empty: what came was no request
  std::string query;                             // only where it is asked for: credentials hide there
  std::string range;                             // as it was asked
  int status = 0;                                // 0: the client had gone before there was an answer
  std::uint64_t sent = 0;                        // bytes, heads too
  std::string cache;                             // what Cache-Status said of the answer (RFC 9211)
  std::string reason;                            // why the origin, or the store, failed; without_secrets()
  bool waited = false;                           // for an origin
  std::chrono::microseconds wait{};
  std::chrono::microseconds total{};
};
// With the line's end.
[[nodiscard]] std::string log_line(const LogEntry& entry);

class AccessLog {
 public:
  using Problem = std::function<void(const Error&)>;
  static constexpr std::size_t kMostQueued = 8192;  // entries

  // "-": standard output. `problem` is called on the log's thread.
  [[nodiscard]] static Result<std::unique_ptr<AccessLog>> open(std::string path, Problem problem,
                                                               std::size_t most_queued = kMostQueued);
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;
  ~AccessLog();

  void write(LogEntry entry) noexcept STRANDLINE_EXCLUDES(mutex_);
  // The file may have been moved away: it is made anew. On an error it goes on with the one it has.
  [[nodiscard]] Result<void> reopen() noexcept STRANDLINE_EXCLUDES(mutex_);

 private:
  AccessLog(std::string path, int fd, Problem problem, std::size_t most_queued);
  void run() noexcept STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] Result<void> put(std::string_view text) STRANDLINE_EXCLUDES(mutex_);

  const std::string path_;
  const Problem problem_;
  const std::size_t most_queued_;
  bool failing_ = false;  // the thread's
  int fd_;                // the thread's
  Mutex mutex_;           // a leaf
  CondVar more_;
  std::vector<LogEntry> queue_ STRANDLINE_GUARDED_BY(mutex_);
  std::uint64_t lost_ STRANDLINE_GUARDED_BY(mutex_) = 0;
  int next_fd_ STRANDLINE_GUARDED_BY(mutex_) = -1;  // a file opened anew
  bool ending_ STRANDLINE_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // the last to be made
};

// What there is of the log in a server.
struct Logging {
  std::shared_ptr<AccessLog> log = nullptr;  // none: nothing is taken down
  bool queries = false;                      // a request's query too
};

}  // namespace strandline::serve
