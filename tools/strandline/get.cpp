#include <strandline/drivers/mmap.h>
#include <strandline/resource/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "command.h"
#include "fill.h"
#include "output.h"
#include "progress.h"

namespace strandline::tool {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kChunk = 256 * 1024;
constexpr std::chrono::milliseconds kTick{250};

struct GetOptions {
  std::string url;
  std::string file;
  bool force = false;
  bool tee = false;
  bool json = false;
  unsigned timeout = 30;
};

constexpr const char* kFooter =
    R"(FILE.part receives the bytes and becomes FILE when all of them are there: FILE is never half a file.
On an error or Ctrl-C FILE.part is removed and FILE stays as it was. A Ctrl-C that comes when the last byte has
arrived, while FILE.part is synced and renamed, is too late: FILE is then complete, and the exit code is 0, or 130
where it cuts the stream of --tee short.
On a terminal a line shows what has arrived; otherwise nothing is printed but errors.

--tee writes the content to standard output as it arrives: one download, a file and a stream. If the stream's
reader goes away, the download goes on. It does not go together with replacing a FILE that exists.

--json prints one JSON object per line to standard output (with --tee: to standard error):
  {"event":"start","url":...,"file":...}
  {"event":"progress","bytes":...,"length":...,"elapsed_ms":...}     length: null while not known
  {"event":"done","bytes":...,"bytes_out":...,"first_byte_in_ms":...,"last_byte_in_ms":...,
   "first_byte_out_ms":...,"last_byte_out_ms":...,"elapsed_ms":...}  times since the start; out: --tee only
  {"event":"error","exit":...,"code":...,"message":...}

Exit codes: 0 done, 1 failed, 2 wrong command line, 3 FILE exists already, 130 after Ctrl-C (128 + signal).

Examples:
  strandline get https://example.org/disk.img -o disk.img
  strandline get https://example.org/film.mp4 -o film.mp4 --tee | mpv -
  strandline get file:///srv/disk.img -o copy.img --force)";

// What the user sees of it: a line on a terminal, JSON lines, or errors only.
class Reporter {
 public:
  Reporter(const GetOptions& options, const Arrivals& arrivals)
      : arrivals_(arrivals),
        start_(Clock::now()),
        json_(options.json ? (options.tee ? stderr : stdout) : nullptr),
        line_(json_ != stderr && ::isatty(STDERR_FILENO) == 1) {}

  void start(const std::string& url, const std::string& file) {
    say({{"event", "start"}, {"url", url}, {"file", file}});
    if (json_ != nullptr || line_) {
      ticker_.emplace(kTick, [this] { tick(); });
    }
  }
  void finish() {
    ticker_.reset();
    if (line_) {
      std::fputs("\r\x1b[K", stderr);
    }
  }
  // After finish().
  void done(const std::string& file, const Filled& in, const Filled& out) {
    const double seconds = since_start(Clock::now()) / 1000;
    say({{"event", "done"},
         {"bytes", in.bytes},
         {"bytes_out", out.bytes},
         {"first_byte_in_ms", since_start(in.first)},
         {"last_byte_in_ms", since_start(in.last)},
         {"first_byte_out_ms", since_start(out.first)},
         {"last_byte_out_ms", since_start(out.last)},
         {"elapsed_ms", since_start(Clock::now())}});
    if (line_) {
      const double bytes = static_cast<double>(in.bytes);
      std::fprintf(stderr, "%s: %s in %.1f s (%s/s)\n", file.c_str(), size_text(bytes).c_str(), seconds,
                   size_text(seconds > 0 ? bytes / seconds : 0).c_str());
    }
  }
  int failed(const Error& error, int exit_code) {
    finish();
    say({{"event", "error"},
         {"exit", exit_code},
         {"code", std::string(to_string(error.code))},
         {"message", error.message()}});
    if (json_ != stderr) {  // there the line would not be JSON
      report("get", error);
    }
    return exit_code;
  }

 private:
  [[nodiscard]] double since_start(Clock::time_point time) const {
    return std::round(std::chrono::duration<double, std::milli>(time - start_).count() * 10) / 10;
  }
  [[nodiscard]] Json since_start(const std::optional<Clock::time_point>& time) const {
    return time ? Json(since_start(*time)) : Json();
  }
  void say(const Json& event) const {
    if (json_ != nullptr) {
      // File names need not be UTF-8; JSON must be.
      const std::string line = event.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
      std::fputs(line.c_str(), json_);
      std::fflush(json_);
    }
  }
  void tick() const {
    const auto now = Clock::now();
    if (json_ != nullptr) {
      const auto shot = arrivals_.snapshot(0);
      say({{"event", "progress"},
           {"bytes", shot.bytes},
           {"length", shot.length ? Json(*shot.length) : Json()},
           {"elapsed_ms", since_start(now)}});
    }
    if (line_) {
      const std::string line = "\r" + progress_line(arrivals_, now, terminal_columns(STDERR_FILENO)) + "\x1b[K";
      std::fputs(line.c_str(), stderr);
    }
  }

  const Arrivals& arrivals_;
  const Clock::time_point start_;
  std::FILE* const json_;
  const bool line_;
  std::optional<Ticker> ticker_;
};

// The stream of --tee.
struct Tee {
  Filled out;                  // what went out, and when
  bool stopped = false;        // before the end, by a signal
  std::optional<Error> error;  // of standard output, or of reading back what had arrived

  void run(Cursor<MmapDriver> cursor, const std::stop_token& stop) {
    Output output(STDOUT_FILENO);
    std::vector<std::byte> buffer(kChunk);
    for (;;) {
      const auto count = cursor.read(buffer, {.stop = stop, .deadline = {}, .until = WaitFor::any});
      if (!count) {
        // Why no more bytes come is the filler's to tell; that those which came cannot be read, nobody else's.
        const Errc code = count.error().code;
        stopped = code == Errc::interrupted;
        if (!stopped && code != Errc::failed && code != Errc::cancelled) {
          error = count.error().clone();
        }
        return;
      }
      if (*count == 0) {
        return;
      }
      auto wrote = output.write(std::span(buffer).first(*count), stop);
      if (!wrote) {
        error = std::move(wrote.error());
      }
      if (!wrote || *wrote != Wrote::all) {
        stopped = wrote && *wrote == Wrote::stopped;
        return;
      }
      out.bytes += *count;
      out.last = Clock::now();
      out.first = out.first ? out.first : out.last;
    }
  }
};

// Would opening FILE empty the very file that is to be read?
bool reads_its_own_part(const Source& source, const std::string& file) {
  std::error_code none;
  const auto path = source.local_path();
  return !path.empty() && std::filesystem::equivalent(path, file + ".part", none);
}

int run_get(const GetOptions& options) {
  std::stop_source stop;
  const auto arrivals = std::make_shared<Arrivals>();
  const SignalWatch signals([&stop] { stop.request_stop(); });
  Reporter reporter(options, *arrivals);

  auto source = make_source(options.url, {.timeout = std::chrono::seconds(options.timeout)});
  if (!source) {
    return reporter.failed(source.error(), kExitUsage);
  }
  if (reads_its_own_part(**source, options.file)) {
    return reporter.failed(
        Error::make(Errc::invalid_argument, options.url + " is what " + options.file + " is written to first"),
        kExitUsage);
  }
  // Without the stop: the source and the tee have it. A resource cancelled while its commit runs would call
  // `cancelled` what the driver has finished.
  auto resource = Resource<MmapDriver>::open({.path = options.file}, {.stop = {}, .observers = {arrivals}});
  if (!resource) {
    return reporter.failed(resource.error(), kExitFailed);
  }
  const bool exists = resource->status().state == State::committed;
  if (exists && (!options.force || options.tee)) {
    const char* const advice = options.force
                                   ? "its readers keep the old content until the new is complete, so --tee cannot "
                                     "follow it; remove it first"
                                   : "--force replaces it";
    return reporter.failed(Error::make(Errc::committed, options.file + " exists already; " + advice), kExitExists);
  }
  auto cursor = resource->cursor(0);
  auto writer = exists ? resource->reactivate(Reactivate::rewrite) : resource->writer();
  if (!cursor || !writer) {
    return reporter.failed(cursor ? writer.error() : cursor.error(), kExitFailed);
  }

  reporter.start((*source)->name(), options.file);
  Result<Filled> filled = fail(Errc::cancelled);
  std::jthread filler([&, writer = std::move(*writer)]() mutable {
    filled = fill(**source, ByteSpec(), std::move(writer), stop.get_token(),
                  [&arrivals](std::uint64_t length) { arrivals->set_length(length); });
  });
  Tee tee;
  if (options.tee) {
    tee.run(std::move(*cursor), stop.get_token());
  }
  filler.join();
  reporter.finish();

  // A signal that came after the last byte stopped nothing: FILE is complete, and so is a stream that has them all.
  const bool cut = filled ? tee.stopped && tee.out.bytes < filled->bytes : filled.error().code == Errc::cancelled;
  if (cut && signals.caught() != 0) {
    const char* const what =
        filled ? ": complete, but its stream was stopped by a signal" : ": stopped by a signal, not kept";
    return reporter.failed(Error::make(Errc::interrupted, options.file + what), kExitSignal + signals.caught());
  }
  if (!filled) {
    return reporter.failed(filled.error(), kExitFailed);
  }
  if (tee.error) {
    return reporter.failed(*tee.error, kExitFailed);
  }
  reporter.done(options.file, *filled, tee.out);
  return kExitOk;
}

}  // namespace

Subcommand add_get(CLI::App& app) {
  const auto options = std::make_shared<GetOptions>();
  CLI::App* const get = app.add_subcommand("get", "Download a URL to a file");
  get->add_option("URL", options->url, "http://, https://, file:// or a path")->required();
  get->add_option("-o,--output", options->file, "where to; must not exist unless --force")
      ->required()
      ->type_name("FILE");
  get->add_flag("--force", options->force, "replace FILE; its readers keep the old content until the new is complete");
  get->add_flag("--tee", options->tee, "write the content to standard output too, while it arrives");
  get->add_flag("--json", options->json, "report as JSON lines, for programs");
  get->add_option("--timeout", options->timeout, "seconds to connect, and that less than 100 B/s may last")
      ->check(CLI::Range(1U, 86400U))
      ->capture_default_str();
  get->footer(kFooter);
  return {get, [options] { return run_get(*options); }};
}

}  // namespace strandline::tool
