// strandline purge: removes objects from the store of a server that runs.
#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <vector>

#include "../command.h"
#include "../store/answer.h"
#include "remote.h"

namespace strandline::tool {
namespace {

constexpr const char* kPurgeFooter =
    R"(Removes what the server has of objects, so that the next who asks gets them from their origin. What somebody reads
at this moment stays, and is an error: the others go all the same. A path of which nothing is there is no error.

On a terminal it prints how many there were. --json prints one object per PATH, or prefix:
  {"path":...,"purged":...,"in_use":...}     "path":null with --all
  {"event":"error",...}                      what the server refused

Exit codes: 0 done, 1 failed, or something is in use, 2 wrong command line.

Examples:
  strandline purge /films/a.mp4
  strandline purge --prefix /films/ --server http://127.0.0.1:9000
  strandline purge --all)";

struct PurgeOptions {
  RemoteOptions remote;
  std::vector<std::string> paths;
  std::optional<std::string> prefix;
  bool all = false;
  bool json = false;
};

int run_purge(const PurgeOptions& options) {
  Answer answer("purge", options.json);
  if ((options.paths.empty() ? 0 : 1) + (options.prefix ? 1 : 0) + (options.all ? 1 : 0) != 1) {
    return answer.failed(Error::make(Errc::invalid_argument,
                                     "PATHs, --prefix or --all are needed, one of them (see strandline purge --help)"),
                         kExitUsage);
  }
  auto server = RemoteServer::of(options.remote);
  if (!server) {
    return answer.failed(server.error(), kExitUsage);
  }
  std::vector<std::pair<Json, Json>> asked;  // the path, and what is sent
  for (const std::string& path : options.paths) {
    asked.push_back({path, {{"url", path}}});
  }
  if (options.prefix) {
    asked.push_back({*options.prefix, {{"prefix", *options.prefix}}});
  } else if (options.all) {
    asked.push_back({nullptr, {{"all", true}}});
  }
  std::uint64_t purged = 0;
  std::uint64_t in_use = 0;
  int exit = kExitOk;
  for (const auto& [path, body] : asked) {
    auto done = server->post("purge", body);
    if (!done) {
      Error& error = done.error();
      error.context.insert(0, path.is_string() ? path.get<std::string>() + ": " : "");
      exit = answer.failed(error);
      continue;
    }
    purged += done->value("purged", std::uint64_t{0});
    in_use += done->value("in_use", std::uint64_t{0});
    answer.object({{"path", path}, {"purged", (*done)["purged"]}, {"in_use", (*done)["in_use"]}});
  }
  if (answer.terminal()) {
    answer.line("purged " + std::to_string(purged) + (purged == 1 ? " object" : " objects"));
  }
  if (in_use > 0) {
    exit = answer.failed(Error::make(Errc::busy, std::to_string(in_use) + " of them in use: still there"));
  }
  return answer.done(exit);
}

}  // namespace

Subcommand add_purge(CLI::App& app) {
  const auto options = std::make_shared<PurgeOptions>();
  CLI::App* const purge = app.add_subcommand("purge", "Remove objects from the store of a server that runs");
  purge->add_option("PATH", options->paths, "of objects, as clients ask for them");
  purge->add_option("--prefix", options->prefix, "all whose path begins so")->type_name("P");
  purge->add_flag("--all", options->all, "all that is served");
  purge->add_flag("--json", options->json, "one JSON object per PATH");
  add_remote_options(*purge, options->remote);
  purge->footer(kPurgeFooter);
  return {purge, [options] { return run_purge(*options); }};
}

}  // namespace strandline::tool
