// --config, in a build without toml++: says so.
#include "config.h"

namespace strandline::tool {

Result<ServeOptions> with_config(const ServeOptions& options, const std::set<std::string>&) {
  if (options.config) {
    return fail(Errc::unsupported, "--config: this build reads no TOML (meson option config)");
  }
  return options;
}

}  // namespace strandline::tool
