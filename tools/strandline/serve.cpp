// strandline serve: objects of origins over HTTP, through a cache.
#include <strandline/serve/server.h>

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <future>
#include <string>
#include <tuple>
#include <vector>

#include "command.h"
#include "fetch/cache.h"
#include "network_options.h"
#include "output.h"

namespace strandline::tool {
namespace {

constexpr const char* kServeFooter =
    R"(Each --origin is a place below which objects are: http://, https://, file:// or a path. The first form serves it at
/, the second at /NAME/: with --origin films=https://example.org/v/ the path /films/a.mp4 is https://example.org/v/a.mp4.

What is asked for is fetched first, each byte once, and kept in the cache; so any part of an object is there as soon as
its own bytes are, however many read it. Only this machine is served: ADDRESS is one of loopback.

It says where it listens on standard output, and serves until SIGINT or SIGTERM; then no more is accepted, what is
being sent has --grace seconds to end, and a second signal ends it at once.

Examples:
  strandline serve --origin https://example.org/films/ --cache ~/.cache/films --cache-size 10G
  strandline serve --origin a=http://127.0.0.1:9000/ --origin b=/srv/disks --cache /var/cache/s --listen 127.0.0.1:8080)";

struct ServeOptions {
  std::vector<std::string> origins;
  CacheOptions cache;
  std::string listen = "127.0.0.1:0";
  unsigned connections = 16;
  unsigned timeout = 30;
  unsigned grace = 10;
  unsigned threads = 0;
};

int refused(const Error& error, int exit) {
  report("serve", error);
  return exit;
}

// "NAME=URL" or "URL".
Result<serve::Mount> mount_of(const std::string& text, const Places& places) {
  serve::Mount mount;
  std::string url = text;
  const auto equals = text.find('=');
  if (equals != std::string::npos && equals > 0 && text.find_first_of(":/?") > equals) {
    mount.prefix = "/" + text.substr(0, equals) + "/";
    url = text.substr(equals + 1);
    constexpr const char* kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    if (text.substr(0, equals).find_first_not_of(kPlain) != std::string::npos || mount.prefix == "/-/") {
      return fail(Errc::invalid_argument,
                  "--origin " + text.substr(0, equals) + "=...: a name has letters, digits, '.', '_' and '-' only");
    }
  }
  if (!url.ends_with('/')) {
    url += '/';
  }
  auto place = places.find(url);
  if (!place) {
    return fail(std::move(place.error()));
  }
  if (place->key.find_first_of("?#") != std::string::npos && place->path.empty()) {
    return fail(Errc::invalid_argument, "--origin " + place->url + ": a place has no query");
  }
  mount.origin = std::move(place->origin);
  mount.base = place->key;
  mount.urls = place->path.empty();
  mount.name = mount.urls ? place->url : "file://" + place->path.native();
  for (std::string* text_of : {&mount.base, &mount.name}) {
    *text_of += text_of->ends_with('/') ? "" : "/";
  }
  return mount;
}

// "127.0.0.1:8080", "[::1]:8080".
Result<std::pair<std::string, std::uint16_t>> address_of(const std::string& text) {
  const auto colon = text.rfind(':');
  std::string address = colon == std::string::npos ? text : text.substr(0, colon);
  const std::string port = colon == std::string::npos ? "" : text.substr(colon + 1);
  if (address.starts_with('[') && address.ends_with(']')) {
    address = address.substr(1, address.size() - 2);
  }
  unsigned number = 0;
  const auto read = std::from_chars(port.data(), port.data() + port.size(), number);
  if (port.empty() || read.ec != std::errc() || read.ptr != port.data() + port.size() || number > 65535) {
    return fail(Errc::invalid_argument, "--listen " + text + ": ADDRESS:PORT is wanted, such as 127.0.0.1:8080");
  }
  if (address != "::1" && address != "localhost" && !address.starts_with("127.")) {
    return fail(Errc::permission_denied,
                "--listen " + text + ": only this machine can be served: there is nothing yet that tells others apart");
  }
  return std::pair(address == "localhost" ? "127.0.0.1" : address, static_cast<std::uint16_t>(number));
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
  serve::ServerOptions serving;
  const auto listen = address_of(options.listen);
  if (!listen) {
    return refused(listen.error(), kExitUsage);
  }
  std::tie(serving.address, serving.port) = *listen;
  serving.threads = options.threads;
  const Places places{std::chrono::seconds(options.timeout)};
  for (const std::string& origin : options.origins) {
    auto mount = mount_of(origin, places);
    if (!mount) {
      return refused(mount.error(), kExitUsage);
    }
    for (const serve::Mount& other : serving.mounts) {
      if (other.prefix == mount->prefix || other.name == mount->name) {
        // The same place twice would be one entry, though each may have a user of its own.
        const std::string what = other.prefix == mount->prefix ? mount->prefix : mount->name;
        return refused(Error::make(Errc::invalid_argument, "--origin: two of them at " + what), kExitUsage);
      }
    }
    serving.mounts.push_back(std::move(*mount));
  }
  serving.objects.limits.policy = fill::Policy::window;
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
      serve::Server::start(std::move(*store), std::make_shared<fill::Filler>(std::move(*filler)), std::move(serving));
  if (!server) {
    return refused(server.error(), kExitFailed);
  }
  const std::string host = listen->first.find(':') == std::string::npos ? listen->first : "[" + listen->first + "]";
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
  serve->add_option("--origin", options->origins, "where objects are, served at / or at /NAME/; may be repeated")
      ->type_name("[NAME=]URL")
      ->required();
  serve->add_option("--listen", options->listen, "an address of this machine, and a port; 0: one that is free")
      ->type_name("ADDRESS:PORT")
      ->capture_default_str();
  add_connections_option(*serve, options->connections, "at once with each server, at the most");
  add_timeout_option(*serve, options->timeout);
  serve->add_option("--threads", options->threads, "0: as many as there are processors")
      ->check(CLI::Range(0U, 1024U))
      ->capture_default_str();
  serve->add_option("--grace", options->grace, "seconds, at the end, for what is being sent")
      ->check(CLI::Range(0U, 86400U))
      ->capture_default_str();
  add_cache_options(*serve, options->cache);
  serve->get_option("--cache")->required();
  serve->footer(kServeFooter);
  return {serve, [options] { return run_serve(*options); }};
}

}  // namespace strandline::tool
