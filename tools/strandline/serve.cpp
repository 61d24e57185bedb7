// strandline serve: objects of origins over HTTP, through a cache.
#include <malloc.h>
#include <strandline/base/mutex.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <set>
#include <string>

#include "command.h"
#include "output.h"
#include "serve/config.h"
#include "serve/notify.h"
#include "serve/setup.h"

namespace strandline::tool {
namespace {

int refused(const Error& error, int exit) {
  report("serve", error);
  return exit;
}

// A descriptor for each client, and some for each object: as many as the system lets this process have.
void raise_descriptor_limit() {
  ::rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));  // then it has what it had
  }
}

// A server runs for months: what it has freed goes back to the system. By itself the allocator would keep an arena for
// each thread, with holes of half a mebibyte in it, for what it takes for large grows with what was freed before
// (mallopt(3), M_MMAP_THRESHOLD). The price is a page fault for every 4 KiB of a transfer's buffer. Before any thread
// is.
void give_memory_back() {
#ifdef __GLIBC__
  // What cannot be set stays as it was.
  static_cast<void>(::mallopt(M_ARENA_MAX, 2));
  static_cast<void>(::mallopt(M_MMAP_THRESHOLD, 128 << 10));
  static_cast<void>(::mallopt(M_TRIM_THRESHOLD, 256 << 10));
#endif
}

// What the signals ask of the one who waits.
class Asked {
 public:
  enum class What : std::uint8_t { reload, end };
  void ask(What what) {
    MutexLock lock(mutex_);
    (what == What::end ? end_ : reload_) = true;
    more_.notify_all();
  }
  [[nodiscard]] What wait() {
    MutexLock lock(mutex_);
    while (!end_ && !reload_) {
      more_.wait(mutex_);
    }
    reload_ = false;
    return end_ ? What::end : What::reload;
  }

 private:
  Mutex mutex_;  // a leaf
  CondVar more_;
  bool end_ STRANDLINE_GUARDED_BY(mutex_) = false;
  bool reload_ STRANDLINE_GUARDED_BY(mutex_) = false;
};

using Given = std::set<std::string>;

// `options`: all that is said. `running`: what the server was started with; null: it is not yet.
Result<serve::ServerOptions> all_options(const ServeOptions& told, const Given& given, ServedPlaces& places,
                                         ServeOptions& options, const ServeOptions* running = nullptr) {
  auto all = with_config(told, given);
  if (!all) {
    return fail(std::move(all.error()));
  }
  options = std::move(*all);
  if (const auto missing = option_missing(options); !missing.empty()) {
    return fail(Errc::invalid_argument, missing + " is wanted");
  }
  ServeOptions serving = options;
  serving.offline = running != nullptr ? running->offline : options.offline;  // else its origins alone would take it up
  return server_options(serving, places);
}

// The service manager, if there is one.
void tell(const std::string& state) {
  if (auto told = notify(state); !told) {
    report("serve", told.error());
  }
}

// What is wrong changes nothing.
void reload(serve::Server& server, const serve::Logging& logging, const ServeOptions& told, const Given& given,
            ServedPlaces& places, const ServeOptions& running) {
  ServeOptions options;
  auto serving = all_options(told, given, places, options, &running);
  auto done = logging.log != nullptr ? logging.log->reopen() : Result<void>();
  if (done && serving) {
    serving->logging = {logging.log, options.log_queries};
    done = server.reload(std::move(*serving));
  } else if (done) {
    done = fail(std::move(serving.error()));
  }
  if (!done) {
    report("serve", "not reloaded: " + done.error().message());
    return;
  }
  std::string names;
  for (const std::string& name : new_start_wanted(running, options)) {
    names += (names.empty() ? "" : ", ") + name;
  }
  if (!names.empty()) {
    report("serve", "changed, but needs a new start: " + names);
  }
}

int run_serve(const ServeOptions& told, const Given& given) {
  raise_descriptor_limit();
  give_memory_back();
  // Before any thread is: none of them shall get the signals.
  Asked asked;
  const auto end = [&] { asked.ask(Asked::What::end); };
  const bool has_files = told.config || told.token_file || told.access_log || told.tls_cert;
  const SignalWatch signals(end, has_files ? [&] { asked.ask(Asked::What::reload); } : std::function<void()>());
  ServedPlaces places;
  ServeOptions options;
  auto serving = all_options(told, given, places, options);
  if (!serving) {
    return refused(serving.error(), kExitUsage);
  }
  if (options.check || options.print_config) {
    std::fputs(options.print_config ? config_text(options).c_str() : "", stdout);
    return kExitOk;
  }
  serve::Logging logging{nullptr, options.log_queries};
  if (options.access_log) {
    auto log = serve::AccessLog::open(*options.access_log, [](const Error& error) { report("serve", error); });
    if (!log) {
      return refused(log.error(), kExitFailed);
    }
    logging.log = std::move(*log);
  }
  serving->logging = logging;
  const std::string address = serving->address;
  const char* const scheme = serving->tls != nullptr ? "https" : "http";
  store::StoreOptions storing;
  storing.max_bytes = options.cache.size;
  auto store = store::Store::open(*options.cache.directory, std::move(storing));
  fill::FillerOptions filling;
  filling.connections = options.connections;
  auto filler = fill::Filler::create(filling);
  if (!store || !filler) {
    return refused(!store ? store.error() : filler.error(), kExitFailed);
  }
  auto server =
      serve::Server::start(std::move(*store), std::make_shared<fill::Filler>(std::move(*filler)), std::move(*serving));
  if (!server) {
    return refused(server.error(), kExitFailed);
  }
  const std::string host = address.find(':') == std::string::npos ? address : "[" + address + "]";
  std::printf("listening on %s://%s:%u/\n", scheme, host.c_str(), static_cast<unsigned>(server->port()));
  std::fflush(stdout);
  tell("READY=1");
  while (asked.wait() == Asked::What::reload) {
    tell("RELOADING=1");
    reload(*server, logging, told, given, places, options);
    tell("READY=1");
  }
  tell("STOPPING=1");
  server->stop(std::chrono::seconds(options.grace));
  return kExitOk;
}

}  // namespace

Subcommand add_serve(CLI::App& app) {
  const auto options = std::make_shared<ServeOptions>();
  CLI::App* const serve = app.add_subcommand("serve", "Serve objects of origins over HTTP, through a cache");
  add_serve_options(*serve, *options);
  return {serve, [serve, options] { return run_serve(*options, options_given(*serve)); }};
}

}  // namespace strandline::tool
