// strandline purge, prefetch and top, in a build without HTTP: say so.
#include <CLI/CLI.hpp>

#include "../command.h"

namespace strandline::tool {
namespace {

Subcommand add_missing(CLI::App& app, const std::string& name) {
  CLI::App* const missing = app.add_subcommand(name, "Not in this build: its meson options http and serve were not on");
  missing->allow_extras();
  return {missing, [name] {
            report(name, Error::make(Errc::unsupported, "this build asks no servers (meson options http and serve)"));
            return kExitFailed;
          }};
}

}  // namespace

Subcommand add_purge(CLI::App& app) {
  return add_missing(app, "purge");
}
Subcommand add_prefetch(CLI::App& app) {
  return add_missing(app, "prefetch");
}
Subcommand add_top(CLI::App& app) {
  return add_missing(app, "top");
}

}  // namespace strandline::tool
