// From what strandline serve is told to what its server is made of.
// Threads: one. Blocks: on the files that are named, and to start origins. Errors: invalid_argument and
// permission_denied, with the option; a file's. Cost: none worth naming. Lifetime: values.
#pragma once

#include <strandline/serve/server.h>

#include "options.h"

namespace strandline::tool {

[[nodiscard]] Result<serve::ServerOptions> server_options(const ServeOptions& options);

}  // namespace strandline::tool
