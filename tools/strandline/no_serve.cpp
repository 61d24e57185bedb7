// strandline serve, in a build without the feature: says so.
#include <CLI/CLI.hpp>

#include "command.h"

namespace strandline::tool {

Subcommand add_serve(CLI::App& app) {
  CLI::App* const serve = app.add_subcommand("serve", "Not in this build: its meson option serve was off");
  serve->allow_extras();
  return {serve, [] {
            report("serve", Error::make(Errc::unsupported, "this build has no server (meson option serve)"));
            return kExitFailed;
          }};
}

}  // namespace strandline::tool
