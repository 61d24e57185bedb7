#include <strandline/drivers/ring.h>
#include <strandline/resource/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "command.h"
#include "fill.h"
#include "output.h"

namespace strandline::tool {
namespace {

// A ring, not a file: what has been written to stdout is of no more use, and a ring that blocks its writer bounds
// the memory however long the content is and however slowly it is read. 8 MiB ride out a second at 64 Mbit/s.
constexpr std::uint64_t kWindow = 8 * 1024 * 1024;
constexpr std::size_t kChunk = 256 * 1024;

struct CatOptions {
  std::string url;
  std::optional<std::string> range;
  unsigned timeout = 30;
};

constexpr const char* kFooter =
    R"(Bytes are written as they arrive; memory stays bounded (8 MiB) however long the content is.
Nothing is written from the wrong offset: the server's Content-Range is checked, and when a server ignores
the range the bytes before it are skipped.

Exit codes: 0 done, 1 failed, 2 wrong command line, 141 (SIGPIPE) when the reader of the output went away.

Examples:
  strandline cat https://example.org/film.mp4 | mpv -
  strandline cat https://example.org/disk.img --range 0-511 | xxd     first 512 bytes
  strandline cat disk.img --range 4096-                               from byte 4096 on
  strandline cat file:///var/log/syslog --range=-1000                 the last 1000 bytes)";

// Ends as cat(1) does, so that the shell sees what it expects.
[[noreturn]] void die_of_broken_pipe() {
  std::signal(SIGPIPE, SIG_DFL);
  static_cast<void>(std::raise(SIGPIPE));
  std::_Exit(kExitSignal + SIGPIPE);  // only where SIGPIPE is blocked
}

Result<Wrote> stream_out(Cursor<RingDriver> cursor) {
  Output out(STDOUT_FILENO);
  std::vector<std::byte> buffer(kChunk);
  for (;;) {
    const auto count = cursor.read(buffer);
    if (!count) {
      return fail(count.error().clone());
    }
    if (*count == 0) {
      return Wrote::all;
    }
    auto wrote = out.write(std::span(buffer).first(*count), {});
    if (!wrote || *wrote != Wrote::all) {
      return wrote;
    }
  }
}

int run_cat(const CatOptions& options) {
  const auto refused = [](const Error& error, int code) {
    report("cat", error);
    return code;
  };
  ByteSpec spec;
  if (options.range) {
    auto parsed = ByteSpec::parse(*options.range);
    if (!parsed) {
      return refused(parsed.error(), kExitUsage);
    }
    spec = *parsed;
  }
  auto source = make_source(options.url, {.timeout = std::chrono::seconds(options.timeout)});
  if (!source) {
    return refused(source.error(), kExitUsage);
  }
  auto resource = Resource<RingDriver>::open({.capacity = kWindow, .overflow = Overflow::block});
  if (!resource) {
    return refused(resource.error(), kExitFailed);
  }
  // The cursor before the first write: without one, nothing would hold the writer back.
  auto cursor = resource->cursor(0);
  auto writer = resource->writer();
  if (!cursor || !writer) {
    return refused(cursor ? writer.error() : cursor.error(), kExitFailed);
  }
  Result<Filled> filled = fail(Errc::cancelled);
  std::jthread filler([&, writer = std::move(*writer)](std::stop_token stop) mutable {
    filled = fill(**source, spec, std::move(writer), std::move(stop));
  });
  const auto streamed = stream_out(std::move(*cursor));
  // At the end of the bytes the source has a last word still: that the content ends there. Where the writing
  // ended first, the filler may be held up by the ring or by the network.
  if (!streamed || *streamed != Wrote::all) {
    filler.request_stop();
    resource->cancel();
  }
  filler.join();
  if (streamed && *streamed == Wrote::reader_gone) {
    die_of_broken_pipe();
  }
  if (!filled && filled.error().code != Errc::cancelled) {
    return refused(filled.error(), kExitFailed);
  }
  return streamed ? kExitOk : refused(streamed.error(), kExitFailed);
}

}  // namespace

Subcommand add_cat(CLI::App& app) {
  const auto options = std::make_shared<CatOptions>();
  CLI::App* const cat = app.add_subcommand("cat", "Write the content of a URL, or a range of it, to standard output");
  cat->add_option("URL", options->url, "http://, https://, file:// or a path")->required();
  cat->add_option("--range", options->range, "first and last byte as HTTP counts them, or A- or -N")->type_name("A-B");
  cat->add_option("--timeout", options->timeout, "seconds to connect, and that less than 100 B/s may last")
      ->check(CLI::Range(1U, 86400U))
      ->capture_default_str();
  cat->footer(kFooter);
  return {cat, [options] { return run_cat(*options); }};
}

}  // namespace strandline::tool
