#include "options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>

#include "../network_options.h"
#include "../units.h"

namespace strandline::tool {
namespace {

constexpr const char* kServeFooter =
    R"(Each --origin is a place below which objects are: http://, https://, file:// or a path. The first form serves it at
/, the second at /NAME/: with --origin films=https://example.org/v/ the path /films/a.mp4 is https://example.org/v/a.mp4.
A NAME has letters, digits, '.', '_' and '-'; a path with a '=' in it begins with / or ./.

What is asked for is fetched first, each byte once, and kept in the cache; so any part of an object is there as soon as
its own bytes are, however many read it. Only this machine is served, until clients are told apart by tokens: a line of
the file for each, NAME TOKEN [PATH...], and who has none is a 401.

It says where it listens on standard output, and serves until SIGINT or SIGTERM; then no more is accepted, what is
being sent has --grace seconds to end, and a second signal ends it at once. SIGHUP reads files again;
without any it ends it as well.

Times are seconds, or have a unit: 90, 90s, 15m, 12h, 7d. Sizes are bytes, or have one: 1048576, 500k, 20M, 10G.

Exit codes:
  0      ended by SIGINT or SIGTERM, of which other commands make 130 and 143; or only checked
  1      failed: the cache, the access log, or the address that it listens at cannot be had
  2      an option is wrong, or a setting of the file: that is named with its file, line and column
  128+n  ended at once by the second signal n

Examples:
  strandline serve --origin https://example.org/films/ --cache ~/.cache/films --cache-size 10G
  strandline serve --origin a=http://127.0.0.1:9000/ --origin b=/srv/disks --cache /var/cache/s --listen 127.0.0.1:8080
  strandline serve --origin /srv/disks --cache /var/cache/s --listen 0.0.0.0:8080 --token-file /etc/strandline/tokens)";

}  // namespace

void add_serve_options(CLI::App& app, ServeOptions& options) {
  const auto take_origins = [&options](const std::vector<std::string>& texts) {
    options.origins.clear();
    std::transform(texts.begin(), texts.end(), std::back_inserter(options.origins), origin_of);
  };
  app.add_option_function<std::vector<std::string>>("--origin", take_origins,
                                                    "where objects are, served at / or at /NAME/; may be repeated")
      ->type_name("[NAME=]URL");
  app.add_option("--listen", options.listen, "an address of this machine, and a port; 0: one that is free")
      ->type_name("ADDRESS:PORT")
      ->capture_default_str();
  app.add_option("--host-name", options.host_names, "a name that clients call the server by; may be repeated")
      ->type_name("NAME");
  app.add_option("--token-file", options.token_file,
                 "demand one of these tokens (Authorization: Bearer, or Basic's password)")
      ->type_name("FILE");
  app.add_option("--cors", options.cors, "a site whose pages may read it, as https://HOST; *: all; may be repeated")
      ->type_name("ORIGIN");
  app.add_option("--tls-cert", options.tls_cert, "speak TLS, with this certificate (PEM)")->type_name("FILE");
  app.add_option("--tls-key", options.tls_key, "its key (PEM)")->type_name("FILE");
  app.add_option("--tls-client-ca", options.tls_client_ca, "clients show a certificate that one of these has signed")
      ->type_name("FILE");
  add_connections_option(app, options.connections, "at once with each server, at the most");
  add_timeout_option(app, options.timeout);
  app.add_option("--threads", options.threads, "0: as many as there are processors")
      ->check(CLI::Range(0U, 1024U))
      ->capture_default_str();
  app.add_option("--grace", options.grace, "seconds, at the end, for what is being sent")
      ->transform(in_seconds)
      ->check(CLI::Range(0U, 86400U))
      ->capture_default_str();
  add_cache_option(app, options.cache);
  auto* const size = add_cache_size_option(app, options.cache, "--cache-size");
  add_cache_size_option(app, options.cache, "--max-size")->excludes(size)->description("the same as --cache-size");
  app.add_option("--stale-if-error", options.stale_if_error,
                 "seconds that what is stale stands in for an origin that fails")
      ->transform(in_seconds)
      ->check(CLI::Range(0U, 1U << 31))
      ->capture_default_str();
  app.add_flag("--offline", options.offline, "ask no origin: what is here is served, however stale");
  app.add_option("--allow-redirects-to", options.redirects_to,
                 "another host that origins may redirect to; may be repeated; *: any")
      ->type_name("HOST");
  app.add_option("--client-connections", options.client_connections, "of one address at once, at the most; 0: no limit")
      ->capture_default_str();
  app.add_option("--least-rate", options.least_rate,
                 "let go of clients that take fewer bytes per second, over a minute in which there are some")
      ->transform(in_bytes)
      ->type_name("R")
      ->capture_default_str();
  app.add_option("--access-log", options.access_log, "a line of JSON for each request; -: on standard output")
      ->type_name("FILE");
  app.add_flag("--log-queries", options.log_queries, "what stands behind a '?' too: credentials may be there");
  app.add_option("--config", options.config, "settings and rules (docs/serving/operation.md); SIGHUP reads them again")
      ->type_name("FILE");
  app.add_flag("--check", options.check, "only check the settings");
  app.add_flag("--print-config", options.print_config, "only print the settings, as a configuration file");
  app.footer(kServeFooter);
}

OriginOption origin_of(const std::string& text) {
  const auto equals = text.find('=');
  const std::string before = text.substr(0, equals);
  const bool is_place = equals == std::string::npos || before.find(":/") != std::string::npos ||
                        before.starts_with('/') || before.starts_with("./") || before.starts_with("../");
  return is_place ? OriginOption{{}, text} : OriginOption{before, text.substr(equals + 1)};
}

std::set<std::string> options_given(const CLI::App& app) {
  std::set<std::string> given;
  for (const CLI::Option* const option : app.get_options()) {
    if (option->count() > 0) {
      given.insert(option->get_lnames().begin(), option->get_lnames().end());
    }
  }
  for (const char* const name : {"cache-size", "max-size"}) {  // the same
    if (given.contains(name)) {
      given.insert({"cache-size", "max-size"});
    }
  }
  return given;
}

std::string said_by(const ServeOptions& options, const std::string& name, std::size_t value) {
  const auto places = options.places.find(name);
  return places != options.places.end() && value < places->second.size() ? places->second[value] : "--" + name;
}

std::vector<std::string> new_start_wanted(const ServeOptions& running, const ServeOptions& next) {
  std::vector<std::string> names;
  const auto compare = [&names](const char* name, const auto& one, const auto& other) {
    if (!(one == other)) {
      names.emplace_back(name);
    }
  };
  compare("listen", running.listen, next.listen);
  compare("cache", running.cache.directory, next.cache.directory);
  compare("cache_size", running.cache.size, next.cache.size);
  compare("connections", running.connections, next.connections);
  compare("threads", running.threads, next.threads);
  compare("grace", running.grace, next.grace);
  compare("stale_if_error", running.stale_if_error, next.stale_if_error);
  compare("offline", running.offline, next.offline);
  compare("client_connections", running.client_connections, next.client_connections);
  compare("least_rate", running.least_rate, next.least_rate);
  compare("access_log", running.access_log, next.access_log);
  return names;
}

std::string option_missing(const ServeOptions& options) {
  return options.origins.empty() ? "--origin" : options.cache.directory ? "" : "--cache";
}

}  // namespace strandline::tool
