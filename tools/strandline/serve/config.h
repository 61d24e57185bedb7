// The configuration file of strandline serve: TOML, with the names of the options, and rules for paths.
// Threads: one. Blocks: on the file. Errors: invalid_argument with file, line and column; the file's; unsupported, in a
// build without toml++. Cost: the file's size. Lifetime: values.
#pragma once

#include <set>
#include <string>

#include "options.h"

namespace strandline::tool {

// `options`, and what the file that they name says of the others: what is `given` on the command line stays.
[[nodiscard]] Result<ServeOptions> with_config(const ServeOptions& options, const std::set<std::string>& given);
// All of it, as such a file: without passwords.
[[nodiscard]] std::string config_text(const ServeOptions& options);

}  // namespace strandline::tool
