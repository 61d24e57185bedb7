#include "network_options.h"

#include <CLI/CLI.hpp>

#include "units.h"

namespace strandline::tool {
namespace {

constexpr unsigned kDay = 86400;  // seconds

}  // namespace

void add_connections_option(CLI::App& app, unsigned& connections, const std::string& what) {
  app.add_option("--connections", connections, what)->check(CLI::Range(1U, 256U))->capture_default_str();
}

void add_timeout_option(CLI::App& app, unsigned& seconds) {
  app.add_option("--timeout", seconds, "seconds, or such as 2m, to connect, and that less than 100 B/s may last")
      ->transform(in_seconds)
      ->check(CLI::Range(1U, kDay))
      ->capture_default_str();
}

void add_give_up_option(CLI::App& app, unsigned& seconds) {
  app.add_option("--give-up", seconds,
                 "seconds, or such as 2m, without a byte until it fails; what may pass is asked again")
      ->transform(in_seconds)
      ->check(CLI::Range(0U, kDay))
      ->capture_default_str();
}

}  // namespace strandline::tool
