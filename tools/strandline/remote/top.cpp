// strandline top: what a server that runs does, live.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "../command.h"
#include "../progress.h"
#include "../store/answer.h"
#include "remote.h"

namespace strandline::tool {
namespace {

constexpr const char* kTopFooter =
    R"(Shows who reads what, and what is there of it, drawn anew whenever it changes, ten times a second at the most, until
Ctrl-C. In a map # is there, + in part, > on its way, x evicted, and . missing. Without a terminal, or with --once, it is
printed once. --json prints each state as a line of JSON, as docs/openapi.yaml has it.

Exit codes: 0 done, 1 failed, or the server has ended, 2 wrong command line.)";

struct TopOptions {
  RemoteOptions remote;
  bool once = false;
  bool json = false;
};

std::string bytes_text(const Json& object, const char* name) {
  return size_text(object.value(name, std::uint64_t{0}));
}

std::string number_text(const Json& object, const char* name) {
  return std::to_string(object.value(name, std::uint64_t{0}));
}

std::string object_text(const Json& object) {
  const bool known = object.contains("length") && object["length"].is_number_unsigned();
  std::string line = object.value("url", "") + "  " + bytes_text(object, "present");
  line += known ? " of " + bytes_text(object, "length") : "";
  line += "  " + object.value("state", "");
  if (object.value("rate", std::uint64_t{0}) > 0) {
    line += "  " + bytes_text(object, "rate") + "/s";
  }
  return line + "  [" + object.value("strip", "") + "]";
}

std::string reader_text(const Json& reader) {
  std::string line =
      "  " + reader.value("client", "") + "  at " + bytes_text(reader, "at") + "  " + bytes_text(reader, "rate") + "/s";
  if (reader.contains("waiting") && reader["waiting"].is_array()) {
    line += "  waits since " + number_text(reader, "waited_ms") + " ms";
  }
  return line;
}

std::vector<std::string> lines_of(const Json& state, const std::string& url) {
  const Json totals = state.value("totals", Json::object());
  const Json store = state.value("store", Json::object());
  std::vector<std::string> lines;
  lines.push_back(url + "  up " + number_text(state, "uptime_s") + " s  connections " +
                  number_text(state, "connections") + "  waiting " + number_text(state, "waiters") + "  out " +
                  bytes_text(state, "rate_out") + "/s  in " + bytes_text(state, "rate_in") + "/s");
  lines.push_back("requests " + number_text(totals, "requests") + "  errors " + number_text(totals, "errors") +
                  "  hits " + bytes_text(totals, "hit_bytes") + "  misses " + bytes_text(totals, "miss_bytes") +
                  "  from origins " + bytes_text(totals, "origin_bytes") + "  store " +
                  bytes_text(store, "used_bytes"));
  for (const Json& object : state.value("objects", Json::array())) {
    lines.push_back(object_text(object));
    for (const Json& reader : object.value("readers", Json::array())) {
      lines.push_back(reader_text(reader));
    }
  }
  if (const auto more = state.value("more", std::uint64_t{0}); more > 0) {
    lines.push_back("and " + std::to_string(more) + " more");
  }
  return lines;
}

// What is no plain character could be a terminal's control.
std::string shown(std::string line, std::size_t columns) {
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  line.resize(std::min(line.size(), columns));
  return line;
}

int run_top(const TopOptions& options) {
  Answer answer("top", options.json);
  auto server = RemoteServer::of(options.remote);
  if (!server) {
    return answer.failed(server.error(), kExitUsage);
  }
  const bool once = options.once || (!options.json && !answer.terminal());
  bool seen = false;
  const auto watched = server->states(kMapCells, [&](const Json& state) {
    seen = true;
    answer.object(state);
    const auto lines = lines_of(state, server->url());
    if (answer.terminal() && !once) {
      std::string drawn = "\033[H";  // over what was there, so that nothing flickers
      for (const std::string& line : lines) {
        drawn += shown(line, terminal_columns(STDOUT_FILENO)) + "\033[K\n";
      }
      answer.line(drawn + "\033[J");
    } else {
      for (const std::string& line : lines) {
        answer.line(shown(line, line.size()));
      }
    }
    return answer.done(kExitOk) == kExitOk && !once;
  });
  if (!watched) {
    return answer.failed(watched.error());
  }
  if (!once && !answer.refused()) {
    return answer.failed(Error::make(Errc::io, server->url() + ": the server has ended"));
  }
  return answer.done(seen ? kExitOk : kExitFailed);
}

}  // namespace

Subcommand add_top(CLI::App& app) {
  const auto options = std::make_shared<TopOptions>();
  CLI::App* const top = app.add_subcommand("top", "Show what a server that runs does, live");
  top->add_flag("--once", options->once, "as it is now");
  top->add_flag("--json", options->json, "each state as a line of JSON");
  add_remote_options(*top, options->remote);
  top->footer(kTopFooter);
  return {top, [options] { return run_top(*options); }};
}

}  // namespace strandline::tool
