// strandline: fetches content through a range-tracked resource, and looks after stores of it.
#include <fcntl.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>

#include "command.h"
#include "fetch/place.h"

namespace strandline::tool {
namespace {

constexpr const char* kMainFooter = R"(Exit codes:
  0    done
  1    failed: the source, the network or the storage; a line on stderr says which. verify: something bad was found
  2    the command line is wrong
  3    get: FILE exists already (see --force)
  4    get: the content has another SHA-256 than --sha256 says
  128+n  ended by signal n: 130 after Ctrl-C, 143 after SIGTERM; 141 when the reader of cat's output went away.
         serve ends with 0 then: see strandline serve --help

Examples:
  strandline get https://example.org/disk.img -o disk.img
  strandline cat https://example.org/film.mp4 --range 0-1048575 | file -
  strandline serve --origin https://example.org/films/ --cache ~/.cache/films
  strandline top
  strandline ls ~/.cache/films
  strandline get --help)";

std::string version_text() {
  const std::string http = http_version();
  return "strandline " STRANDLINE_VERSION " (" + (http.empty() ? std::string("without http") : http) + ")";
}

// With one of the standard three closed, the next file opened would take its number, and what is printed would end
// up in it. An unreadable or unwritable stand-in makes the use of it an error instead.
void hold_standard_descriptors() {
  for (const int fd : {0, 1, 2}) {
    if (::fcntl(fd, F_GETFD) < 0) {
      // The lowest free number is `fd`: those below it are open. It stays open on purpose.
      static_cast<void>(::open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY));
    }
  }
}

int run(int argc, char** argv) {
  CLI::App app("strandline: fetches content through a range-tracked resource cache, and looks after stores of it",
               "strandline");
  app.set_version_flag("--version", version_text());
  app.footer(kMainFooter);
  app.require_subcommand(1);
  const Subcommand commands[] = {add_get(app),      add_cat(app),   add_serve(app), add_purge(app),
                                 add_prefetch(app), add_top(app),   add_ls(app),    add_inspect(app),
                                 add_verify(app),   add_evict(app), add_rm(app)};
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help and --version
    return app.exit(asked);
  } catch (const CLI::ParseError& wrong) {
    report("", std::string(wrong.what()) + " (see strandline --help)");
    return kExitUsage;
  }
  const auto* const chosen =
      std::find_if(std::begin(commands), std::end(commands), [](const Subcommand& c) { return c.app->parsed(); });
  return chosen->run();
}

}  // namespace

void report(std::string_view command, std::string_view text) {
  std::string line = "strandline: ";
  if (!command.empty()) {
    line.append(command).append(": ");
  }
  line.append(text);
  // A server's words and file names may hold line breaks and terminal controls.
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  line += '\n';
  std::fputs(line.c_str(), stderr);
}

void report(std::string_view command, const Error& error) {
  report(command, error.message());
}

}  // namespace strandline::tool

int main(int argc, char** argv) {
  using namespace strandline::tool;
  hold_standard_descriptors();
  // A reader that went away is EPIPE to the one who writes, and no end to a download.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {  // std::bad_alloc, or no thread to be had
    report("", error.what());
    return kExitFailed;
  }
}
