// strandline serve: objects of origins over HTTP, through a cache.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <future>
#include <string>

#include "command.h"
#include "output.h"
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

int run_serve(const ServeOptions& options) {
  raise_descriptor_limit();
  // Before any thread is: none of them shall get the signal.
  std::promise<void> asked;
  const SignalWatch signals([&] { asked.set_value(); });
  auto serving = server_options(options);
  if (!serving) {
    return refused(serving.error(), kExitUsage);
  }
  const std::string address = serving->address;
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
  std::printf("listening on http://%s:%u/\n", host.c_str(), static_cast<unsigned>(server->port()));
  std::fflush(stdout);
  asked.get_future().wait();
  server->stop(std::chrono::seconds(options.grace));
  return kExitOk;
}

}  // namespace

Subcommand add_serve(CLI::App& app) {
  const auto options = std::make_shared<ServeOptions>();
  CLI::App* const serve = app.add_subcommand("serve", "Serve objects of origins over HTTP, through a cache");
  add_serve_options(*serve, *options);
  return {serve, [options] { return run_serve(*options); }};
}

}  // namespace strandline::tool
