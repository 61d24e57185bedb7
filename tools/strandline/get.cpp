#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "command.h"
#include "fetch/cache.h"
#include "fetch/reporter.h"
#include "fetch/sha256.h"
#include "fetch/stream.h"
#include "network_options.h"
#include "output.h"
#include "units.h"

namespace strandline::tool {
namespace {

struct GetOptions {
  std::vector<std::string> urls;
  std::string file;
  std::string folder;
  std::string sha256;
  std::uint64_t rate = 0;
  unsigned connections = 16;
  unsigned timeout = 30;
  unsigned give_up = 60;
  bool force = false;
  bool play = false;
  bool json = false;
  bool quiet = false;
  CacheOptions cache;
};

constexpr const char* kGetFooter =
    R"(FILE.part.data and FILE.part.journal receive the bytes; FILE appears when all of them are there: it is never half a
file. They stay when the download ends before that, by an error, Ctrl-C, kill -9 or a crash: the same command goes on
from there. When the server has another version by then, or does not say which it has, it begins anew; bytes of two
versions are never mixed. What is left of another URL is given up with --force only.

With -d, files are called as the URLs' paths end, percent-encoding undone; '/', control characters and a '.' at the
beginning become '_'. Two URLs that would have one name are refused.

On a terminal a line for each file shows what is there; otherwise nothing is printed but errors.

--play writes the content to standard output too, from its beginning on, as it arrives: what is waited for is asked for
first. If the stream's reader goes away, the download goes on.

--json prints one JSON object per line to standard output (with --play: to standard error). All have "file":
  {"event":"start","url":...}
  {"event":"resumed","bytes":...}                                    so much was there already
  {"event":"restarted","message":...}                                what was there is of another version
  {"event":"progress","bytes":...,"length":...,"elapsed_ms":...}     length: null while not known
  {"event":"retry","retries":...}                                    requests that failed and were made again
  {"event":"stale","message":...}                                    --cache: taken from there, without the server
  {"event":"past_cache","message":...}                               --cache: fetched, and not kept there
  {"event":"done","bytes":...,"resumed":...,"bytes_out":...,"first_byte_in_ms":...,"last_byte_in_ms":...,
   "first_byte_out_ms":...,"last_byte_out_ms":...,"elapsed_ms":...}  times since the start; out: --play only
  {"event":"failed","exit":...,"code":...,"message":...}
An event that cannot be written makes the exit code 1, whatever was fetched; when who reads them has gone away, the
downloads go on, and the exit code is theirs.

Exit codes: 0 done, 1 failed, 2 wrong command line, 3 FILE exists already, 4 the content has another SHA-256 (it is not
kept), 130 after Ctrl-C (128 + signal). Of several URLs, that of the first that failed; the others are fetched
nevertheless.)";

constexpr const char* kGetExamples =
    R"(Examples:
  strandline get https://example.org/disk.img -o disk.img
  strandline get https://example.org/a.iso https://example.org/b.iso -d Downloads --rate 5M
  strandline get https://example.org/film.mp4 -o film.mp4 --play | mpv -
  strandline get file:///srv/disk.img -o copy.img --force
  strandline get https://example.org/disk.img -o disk.img --cache images --cache-size 100G)";

// Standard output's copy of the content.
struct Play {
  Streamed out;
  std::optional<Wrote> end;    // none: there was nothing to play
  std::optional<Error> error;  // of standard output, or of reading back what had arrived

  void run(Download& download, const std::stop_token& stop) {
    const auto resource = download.resource();
    if (!resource) {
      return;
    }
    auto cursor = resource->cursor(0);
    if (!cursor) {
      error = std::move(cursor.error());
      return;
    }
    const std::string& name = download.request().file.native();
    Output output(STDOUT_FILENO);
    auto wrote = stream_out(*cursor, kMaxOffset, output, stop, [&](std::uint64_t at) {
      out.bytes = at;
      out.last = Clock::now();
      out.first = out.first ? out.first : out.last;
    });
    if (wrote) {
      end = *wrote;
    } else if (wrote.error().code != Errc::failed && wrote.error().code != Errc::no_writer) {
      // Why no more bytes come is the download's to tell; that those which came cannot be read, nobody else's.
      error = std::move(wrote.error());
      if (error->context.find(name) == std::string::npos) {
        error->context = name + (error->context.empty() ? "" : ": ") + error->context;
      }
    }
  }
};

bool is_sha256(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// What the options do not say by themselves.
Result<void> check(GetOptions& options) {
  const auto wrong = [](const char* why) { return fail(Errc::invalid_argument, why); };
  if (options.file.empty() == options.folder.empty()) {
    return wrong("say where to: either -o FILE or -d DIR");
  }
  if (options.urls.size() > 1 && !options.file.empty()) {
    return wrong("several URLs need -d DIR: -o is the name of one file");
  }
  if (options.urls.size() > 1 && (options.play || !options.sha256.empty())) {
    return wrong("--play and --sha256 are for one URL");
  }
  std::transform(options.sha256.begin(), options.sha256.end(), options.sha256.begin(),
                 [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c | 0x20) : c; });
  if (!options.sha256.empty() && !is_sha256(options.sha256)) {
    return wrong("--sha256 takes 64 hexadecimal digits");
  }
  if (!options.sha256.empty() && !has_sha256()) {
    return fail(Errc::unsupported, "--sha256: this strandline was built without libcrypto");
  }
  return {};
}

// Nothing may be written over what is read, nor two downloads use one name.
Result<void> check_names(const std::vector<DownloadRequest>& requests) {
  std::map<std::string, std::string> taken;
  for (const DownloadRequest& request : requests) {
    for (const char* const ending : {"", ".part.data", ".part.journal"}) {
      const std::string name = request.file.native() + ending;
      if (const auto [it, fresh] = taken.emplace(name, request.place.url); !fresh) {
        return fail(Errc::invalid_argument, name + ": would be written for both " + it->second + " and " +
                                                request.place.url + "; get them one by one, with -o");
      }
      std::error_code none;
      if (*ending != '\0' && !request.place.path.empty() &&
          std::filesystem::equivalent(request.place.path, name, none)) {
        return fail(Errc::invalid_argument,
                    request.place.url + " is what " + request.file.native() + " is written to first");
      }
    }
  }
  return {};
}

Result<std::vector<DownloadRequest>> requests_of(const GetOptions& options, const Places& places) {
  std::vector<DownloadRequest> requests;
  for (const std::string& url : options.urls) {
    auto place = places.find(url);
    if (!place) {
      return fail(std::move(place.error()));
    }
    std::filesystem::path file = options.file;
    if (file.empty()) {
      auto name = file_name_of(*place);
      if (!name) {
        return fail(std::move(name.error()));
      }
      file = std::filesystem::path(options.folder) / *name;
    }
    requests.push_back({std::move(*place), std::move(file), options.sha256, options.force, options.play});
  }
  if (auto named = check_names(requests); !named) {
    return fail(std::move(named.error()));
  }
  return requests;
}

// How many files may be under way: each has descriptors of its own, besides its connections'.
std::size_t files_at_once(const GetOptions& options) {
  constexpr std::uint64_t kOthers = 28;  // the standard three, a store's, the origins'
  const std::uint64_t each = options.cache.directory ? 6 : 3;
  struct ::rlimit limit {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return 1;
  }
  const std::uint64_t taken = kOthers + options.connections;
  return std::clamp<std::uint64_t>((limit.rlim_cur - std::min(taken, limit.rlim_cur)) / each, 1, options.connections);
}

std::size_t servers_of(const std::vector<DownloadRequest>& requests) {
  std::set<std::string> servers;
  for (const DownloadRequest& request : requests) {
    servers.insert(request.place.origin->server(request.place.key));
  }
  return servers.size();
}

class Getting {
 public:
  Getting(const GetOptions& options, std::vector<DownloadRequest> requests, const std::stop_token& stop,
          const SignalWatch& signals, Reporter& reporter, fill::Filler& filler)
      : options_(options),
        requests_(std::move(requests)),
        stop_(stop),
        signals_(signals),
        reporter_(reporter),
        filler_(filler),
        exits_(requests_.size(), kExitOk) {}

  // Answers the exit code.
  int run(std::size_t at_once) {
    {
      std::vector<std::jthread> threads;
      while (threads.size() < std::min(at_once, requests_.size())) {
        threads.emplace_back([this] { work(); });
      }
    }
    const auto failed = std::find_if(exits_.begin(), exits_.end(), [](int exit) { return exit != kExitOk; });
    return failed != exits_.end() ? *failed : kExitOk;
  }

 private:
  void work() {
    for (std::size_t i = next_++; i < requests_.size(); i = next_++) {
      if (!stop_.stop_requested()) {
        // Its files are closed when it is over, not when all are.
        Download download(std::move(requests_[i]), reporter_);
        exits_[i] = get(download, i);
      } else {
        exits_[i] = kExitSignal + signals_.caught();
      }
    }
  }

  int get(Download& download, std::size_t number) {
    reporter_.start(download, number);
    Play play;
    std::jthread player;
    if (options_.play) {
      player = std::jthread([&] { play.run(download, stop_); });
    }
    auto got = download.run(filler_, stop_);
    if (player.joinable()) {
      player.join();
    }
    const std::string& file = download.request().file.native();
    if (!got && got.error().error.code == Errc::interrupted && signals_.caught() != 0) {
      got.error().exit = kExitSignal + signals_.caught();
    }
    if (got && play.error) {
      got = tl::unexpected(Refusal{std::move(*play.error)});
    }
    if (got && play.end == Wrote::stopped) {
      got = tl::unexpected(
          Refusal{Error::make(Errc::interrupted, file + ": complete, but its stream was stopped by a signal"),
                  kExitSignal + signals_.caught()});
    }
    if (!got) {
      reporter_.failed(file, got.error(), &download);
      return got.error().exit;
    }
    reporter_.done(download, play.out);
    return kExitOk;
  }

  const GetOptions& options_;
  std::vector<DownloadRequest> requests_;  // each its worker's, like its exit
  const std::stop_token stop_;
  const SignalWatch& signals_;
  Reporter& reporter_;
  fill::Filler& filler_;
  std::vector<int> exits_;
  std::atomic<std::size_t> next_{0};
};

int get_all(GetOptions& options, const std::stop_token& stop, const SignalWatch& signals, Reporter& reporter) {
  const auto refused = [&](Error error, int exit) {
    reporter.failed(options.file, {std::move(error), exit});
    return exit;
  };
  if (auto good = check(options); !good) {
    return refused(std::move(good.error()), kExitUsage);
  }
  const Places places{std::chrono::seconds(options.timeout)};
  auto requests = requests_of(options, places);
  if (!requests) {
    return refused(std::move(requests.error()), kExitUsage);
  }
  fill::FillerOptions filling;
  filling.connections = options.connections;
  filling.max_rate = options.rate;
  filling.retry.give_up = std::chrono::seconds(options.give_up);
  std::size_t at_once = files_at_once(options);
  if (options.cache.directory) {
    const auto cache = Cache::open(options.cache, filling);
    if (!cache) {
      const int exit = cache.error().code == Errc::invalid_argument ? kExitUsage : kExitFailed;
      return refused(cache.error().clone(), exit);
    }
    for (DownloadRequest& request : *requests) {
      auto noted = [&reporter, file = request.file.native(), url = request.place.url](Cache::Note note,
                                                                                      const Error& why) {
        reporter.noted(file, note == Cache::Note::stale ? "stale" : "past_cache", text_of(note, url, why));
      };
      request.place = cache->through(std::move(request.place), std::move(noted));
    }
    at_once = std::min(at_once, cache->reads_at_once());
    filling = cache->reading(servers_of(*requests));
  }
  auto filler = fill::Filler::create(filling);
  if (!filler) {
    return refused(std::move(filler.error()), kExitFailed);
  }
  return Getting(options, std::move(*requests), stop, signals, reporter, *filler).run(at_once);
}

int run_get(GetOptions options) {
  std::stop_source stop;
  const SignalWatch signals([&stop] { stop.request_stop(); });
  Reporter reporter({.json = !options.json  ? nullptr
                             : options.play ? stderr
                                            : stdout,
                     .quiet = options.quiet,
                     .lines = !options.quiet && !(options.json && options.play) && ::isatty(STDERR_FILENO) == 1});
  const int exit = get_all(options, stop.get_token(), signals, reporter);
  if (auto said = reporter.end(); !said) {
    report("get", "--json: not all was said: " + said.error().message());
    return exit == kExitOk ? kExitFailed : exit;
  }
  return exit;
}

}  // namespace

Subcommand add_get(CLI::App& app) {
  const auto options = std::make_shared<GetOptions>();
  CLI::App* const get = app.add_subcommand("get", "Download URLs to files, or go on with it");
  get->add_option("URL", options->urls, "http://, https://, file:// or a path")->required();
  get->add_option("-o,--output", options->file, "where to; must not exist unless --force")->type_name("FILE");
  get->add_option("-d,--directory", options->folder, "where to, under the names that the URLs have")->type_name("DIR");
  add_connections_option(*get, options->connections, "at once with one server, at the most; and files at once");
  get->add_option("--rate", options->rate, "bytes per second, of all together; 500k, 20M, 1G are 1024s; 0: no limit")
      ->transform(in_bytes)
      ->type_name("R")
      ->capture_default_str();
  get->add_option("--sha256", options->sha256, "what the content must have before it is called FILE")->type_name("HEX");
  get->add_flag("--force", options->force, "replace FILE, once the new one is complete; give up another URL's part");
  get->add_flag("--play,--tee", options->play, "write the content to standard output too, while it arrives");
  get->add_flag("--json", options->json, "report as JSON lines, for programs");
  get->add_flag("-q,--quiet", options->quiet, "nothing but errors, on a terminal too");
  add_timeout_option(*get, options->timeout);
  add_give_up_option(*get, options->give_up);
  add_cache_options(*get, options->cache);
  get->footer(std::string(kGetFooter) + "\n\n" + kCacheFooter + "\n\n" + kGetExamples);
  return {get, [options] { return run_get(*options); }};
}

}  // namespace strandline::tool
