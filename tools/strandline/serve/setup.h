// From what strandline serve is told to what its server is made of.
// Threads: one. Blocks: on the files that are named, and to start and end origins. Errors: invalid_argument and
// permission_denied, with the option; a file's. Cost: none worth naming. Lifetime: values.
#pragma once

#include <strandline/serve/server.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "../fetch/place.h"
#include "options.h"

namespace strandline::tool {

// The places that a server's origins are in: the same ones, with their threads and connections, for as long as nothing
// is said that changes them, however often the configuration is read.
class ServedPlaces {
 public:
  // As Places' constructor; until the next call.
  [[nodiscard]] const Places& with(std::chrono::seconds timeout,
                                   const std::optional<std::vector<std::string>>& redirects_to);

 private:
  std::chrono::seconds timeout_{};
  std::optional<std::vector<std::string>> redirects_to_;
  std::optional<Places> places_;
};

[[nodiscard]] Result<serve::ServerOptions> server_options(const ServeOptions& options, ServedPlaces& places);

}  // namespace strandline::tool
