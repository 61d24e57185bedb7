// What strandline serve is told, on the command line or in a file.
// Threads: one. Blocks: never. Errors: none; CLI11 refuses what is out of range. Cost: none. Lifetime: the options
// outlive the app.
#pragma once

#include <strandline/serve/rules/rules.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "../fetch/cache.h"

namespace CLI {
class App;
}

namespace strandline::tool {

// Where objects are, and the name that they are served below.
struct OriginOption {
  std::optional<std::string> name = {};
  std::string url;
  // What said so, as in said_by().
  std::string name_said = "--origin";
  std::string url_said = "--origin";
};

struct ServeOptions {
  std::vector<OriginOption> origins;
  CacheOptions cache;
  std::string listen = "127.0.0.1:0";
  std::vector<std::string> host_names;
  std::optional<std::string> tls_cert, tls_key, tls_client_ca;
  std::optional<std::string> token_file;
  std::vector<std::string> cors;
  unsigned connections = 16;
  unsigned timeout = 30;
  unsigned grace = 10;
  unsigned threads = 0;
  unsigned stale_if_error = 86400;
  bool offline = false;
  std::vector<std::string> redirects_to;
  unsigned client_connections = 0;
  unsigned least_rate = 100;
  std::optional<std::string> access_log;
  bool log_queries = false;
  serve::Rules rules;  // of the file only
  // Where a file says so, by the option's name: of each of its values.
  std::map<std::string, std::vector<std::string>> places;

  std::optional<std::string> config;
  bool check = false;
  bool print_config = false;
};

void add_serve_options(CLI::App& app, ServeOptions& options);
// Of "NAME=URL" or "URL".
[[nodiscard]] OriginOption origin_of(const std::string& text);
// What the command line says, by the long names of its options.
[[nodiscard]] std::set<std::string> options_given(const CLI::App& app);
// For messages: "--cors", or "FILE:3:9: cors" for the value of that index.
[[nodiscard]] std::string said_by(const ServeOptions& options, const std::string& name, std::size_t value = 0);
// The settings, as a file names them, that differ and that a running server cannot take up.
[[nodiscard]] std::vector<std::string> new_start_wanted(const ServeOptions& running, const ServeOptions& next);
// Which option it is that must be given, and is not; empty: none.
[[nodiscard]] std::string option_missing(const ServeOptions& options);

}  // namespace strandline::tool
