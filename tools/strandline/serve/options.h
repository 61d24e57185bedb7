// What strandline serve is told, on the command line or in a file.
// Threads: one. Blocks: never. Errors: none; CLI11 refuses what is out of range. Cost: none. Lifetime: the options
// outlive the app.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "../fetch/cache.h"

namespace CLI {
class App;
}

namespace strandline::tool {

struct ServeOptions {
  std::vector<std::string> origins;
  CacheOptions cache;
  std::string listen = "127.0.0.1:0";
  std::vector<std::string> host_names;
  std::optional<std::string> token_file;
  unsigned connections = 16;
  unsigned timeout = 30;
  unsigned grace = 10;
  unsigned threads = 0;
};

void add_serve_options(CLI::App& app, ServeOptions& options);

}  // namespace strandline::tool
