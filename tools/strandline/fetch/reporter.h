// Reporter: what the user sees of downloads: lines on a terminal, drawn anew while it goes on; JSON lines; or errors
// only.
// Threads: thread-safe. Blocks: while the terminal or the pipe takes it. Errors: end(): whether
// JSON lines were lost; what cannot be drawn is not.
// Cost: four looks a second at each download. Lifetime: a download lives from start()
// until done() or failed() has returned.
#pragma once

#include <nlohmann/json.hpp>

#include "download.h"

#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace strandline::tool {

struct ReporterOptions {
  std::FILE* json = nullptr;  // where to; null: none
  bool quiet = false;         // nothing but errors
  bool lines = false;         // on standard error
};

// What a stream of the content had.
struct Streamed {
  std::uint64_t bytes = 0;
  std::optional<Clock::time_point> first;
  std::optional<Clock::time_point> last;
};

class Reporter final : public Download::Events {
 public:
  explicit Reporter(ReporterOptions options);
  Reporter(const Reporter&) = delete;
  Reporter& operator=(const Reporter&) = delete;
  ~Reporter() override;

  // Shown from now on, until done() or failed(), above those with a higher number.
  void start(const Download& download, std::size_t number) STRANDLINE_EXCLUDES(mutex_);
  void resumed(const Download& download, std::uint64_t bytes) override STRANDLINE_EXCLUDES(mutex_);
  void restarted(const Download& download, const Error& why) override STRANDLINE_EXCLUDES(mutex_);
  // What the user should know of a download that goes on.
  void noted(const std::string& file, std::string_view event, const std::string& text) STRANDLINE_EXCLUDES(mutex_);
  void done(const Download& download, const Streamed& out) STRANDLINE_EXCLUDES(mutex_);
  void failed(const std::string& file, const Refusal& why, const Download* download = nullptr)
      STRANDLINE_EXCLUDES(mutex_);
  // Why not all JSON lines could be written. A reader that went away has had what it wanted: no error.
  [[nodiscard]] Result<void> end() STRANDLINE_EXCLUDES(mutex_);

 private:
  using Json = nlohmann::ordered_json;
  void say_locked(const Json& event) STRANDLINE_REQUIRES(mutex_);
  void note_locked(const std::string& text) STRANDLINE_REQUIRES(mutex_);
  void draw_locked(const std::vector<std::string>& lines) STRANDLINE_REQUIRES(mutex_);
  void tick() STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] double since_start(Clock::time_point time) const;
  [[nodiscard]] Json since_start(const std::optional<Clock::time_point>& time) const;

  const ReporterOptions options_;
  const Clock::time_point start_;
  Mutex mutex_;  // held while something is printed, so that lines stay whole
  struct Running {
    const Download* download;
    std::uint64_t retries;  // as was said
  };
  std::map<std::size_t, Running> running_ STRANDLINE_GUARDED_BY(mutex_);  // by number
  std::size_t drawn_ STRANDLINE_GUARDED_BY(mutex_) = 0;  // lines on the screen, that the next ones go over
  std::uint64_t finished_bytes_ STRANDLINE_GUARDED_BY(mutex_) = 0;
  std::size_t finished_ STRANDLINE_GUARDED_BY(mutex_) = 0;
  int json_errno_ STRANDLINE_GUARDED_BY(mutex_) = 0;  // of the first line that was lost
  std::unique_ptr<Ticker> ticker_;
};

}  // namespace strandline::tool
