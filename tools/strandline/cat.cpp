#include <strandline/drivers/ring.h>
#include <strandline/fill/filler.h>
#include <strandline/fill/opening/stat_with_retry.h>
#include <strandline/resource/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <memory>
#include <optional>

#include "command.h"
#include "fetch/byte_spec.h"
#include "fetch/cache.h"
#include "fetch/place.h"
#include "fetch/stream.h"
#include "network_options.h"
#include "output.h"

namespace strandline::tool {
namespace {

// What is fetched ahead of the reader, and the ring that holds it: so the memory is bounded however long the content is
// and however slowly it is read. A read waits for up to 256 KiB, and the window is counted from there.
constexpr std::uint64_t kAhead = 16 * 1024 * 1024;
constexpr std::uint64_t kRing = kAhead + 1024 * 1024;

struct CatOptions {
  std::string url;
  std::optional<std::string> range;
  unsigned connections = 16;
  unsigned timeout = 30;
  unsigned give_up = 60;
  CacheOptions cache;
};

constexpr const char* kCatFooter =
    R"(Bytes are written in order as they arrive, and what is waited for is asked for first. Up to 16 MiB are fetched ahead
of the reader, over several connections, and never a byte past the range; memory stays bounded however long the
content is. Nothing is written from the wrong offset or of another version: every answer's range and validator are
checked. A connection that breaks or falls silent is replaced, until nothing has come for --give-up seconds.

Exit codes: 0 done, 1 failed, 2 wrong command line, 141 (SIGPIPE) when the reader of the output went away.)";

constexpr const char* kCatExamples =
    R"(Examples:
  strandline cat https://example.org/film.mp4 | mpv -
  strandline cat https://example.org/disk.img --range 0-511 | xxd     first 512 bytes
  strandline cat disk.img --range 4096-                               from byte 4096 on
  strandline cat file:///var/log/syslog --range=-1000                 the last 1000 bytes
  strandline cat https://example.org/film.mp4 --cache films | mpv -   once more, and it comes from films)";

// Ends as cat(1) does, so that the shell sees what it expects.
[[noreturn]] void die_of_broken_pipe() {
  std::signal(SIGPIPE, SIG_DFL);
  static_cast<void>(std::raise(SIGPIPE));
  std::_Exit(kExitSignal + SIGPIPE);  // only where SIGPIPE is blocked
}

// What of the object is wanted, and of which version, when that had to be asked.
struct Wanted {
  ByteRange range;
  Validator validator{};
};

Result<Wanted> wanted_of(const ByteSpec& spec, const Place& place, const fill::RetryOptions& retry) {
  if (!spec.suffix) {
    return Wanted{{spec.first.value_or(0), spec.last ? *spec.last + 1 : kMaxOffset}};
  }
  auto object = fill::stat_with_retry(*place.origin, place.key, retry);
  if (!object) {
    return fail(std::move(object.error().error));
  }
  if (!object->size) {
    return fail(Errc::unsupported, place.url + ": the server does not say how long the content is");
  }
  auto range = spec.within(*object->size);
  return range.map([&](ByteRange there) { return Wanted{there, std::move(object->validator)}; });
}

// Through a resource of whatever driver, which may be filled already, in part or all.
template <Driver D>
Result<Wrote> cat_through(const Resource<D>& resource, fill::Filler& filler, const Place& place, const ByteSpec& spec,
                          const Wanted& wanted) {
  const auto reader = std::make_shared<ReaderPosition>(wanted.range.begin);
  // The cursor before the first write: without one, nothing would hold the writer of a ring back.
  auto cursor = resource.cursor(wanted.range.begin);
  auto writer = resource.writer();
  if (!cursor || !writer) {
    return fail(cursor ? std::move(writer.error()) : std::move(cursor.error()));
  }
  fill::FillRequest request;
  request.origin = place.origin;
  request.key = place.key;
  request.limits.policy = fill::Policy::window;
  request.limits.window = kAhead;
  request.validator = wanted.validator;
  request.target = std::make_unique<WindowTarget<D>>(resource, std::move(*writer), reader, wanted.range.end);
  auto fill = filler.fill(std::move(request));
  if (!fill) {
    return fail(std::move(fill.error()));
  }
  Output out(STDOUT_FILENO);
  auto streamed = stream_out(*cursor, wanted.range.end, out, {},
                             [&](std::uint64_t at) { reader->store(at, std::memory_order_relaxed); });
  const bool at_end = resource.length() && cursor->position() >= *resource.length();
  const bool cut_off = !streamed && streamed.error().code != Errc::io;
  if (cut_off || (streamed && *streamed == Wrote::all && at_end)) {
    // At the end of the bytes the origin has a last word still: that the content ends there.
    if (auto filled = fill->wait(); !filled && filled.error().code != Errc::interrupted) {
      streamed = fail(std::move(filled.error()));
    }
  }
  // The fill may be held up by a full ring.
  resource.cancel();
  fill->stop();
  if (streamed && *streamed == Wrote::all && resource.length() && spec.first) {
    if (auto there = spec.within(*resource.length()); !there) {
      there.error().context = place.url + ": " + there.error().context;
      return fail(std::move(there.error()));
    }
  }
  return streamed;
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
  const Places places{std::chrono::seconds(options.timeout)};
  auto place = places.find(options.url);
  if (!place) {
    return refused(place.error(), kExitUsage);
  }
  fill::FillerOptions filling;
  filling.connections = options.connections;
  filling.retry.give_up = std::chrono::seconds(options.give_up);
  if (options.cache.directory) {
    const auto cache = Cache::open(options.cache, filling);
    if (!cache) {
      return refused(cache.error(), cache.error().code == Errc::invalid_argument ? kExitUsage : kExitFailed);
    }
    place = cache->through(std::move(*place), [url = place->url](Cache::Note note, const Error& why) {
      report("cat", text_of(note, url, why));
    });
    filling = cache->reading(1);
  }
  const auto wanted = wanted_of(spec, *place, filling.retry);
  auto filler = fill::Filler::create(filling);
  auto resource = Resource<RingDriver>::open({.capacity = kRing, .overflow = Overflow::block});
  if (!wanted || !filler || !resource) {
    return refused(!wanted ? wanted.error() : !filler ? filler.error() : resource.error(), kExitFailed);
  }
  const auto streamed = cat_through(*resource, *filler, *place, spec, *wanted);
  if (!streamed) {
    return refused(streamed.error(), kExitFailed);
  }
  if (*streamed == Wrote::reader_gone) {
    die_of_broken_pipe();
  }
  return kExitOk;
}

}  // namespace

Subcommand add_cat(CLI::App& app) {
  const auto options = std::make_shared<CatOptions>();
  CLI::App* const cat = app.add_subcommand("cat", "Write the content of a URL, or a range of it, to standard output");
  cat->add_option("URL", options->url, "http://, https://, file:// or a path")->required();
  cat->add_option("--range", options->range, "first and last byte as HTTP counts them, or A- or -N")->type_name("A-B");
  add_connections_option(*cat, options->connections, "at once with the server, at the most");
  add_timeout_option(*cat, options->timeout);
  add_give_up_option(*cat, options->give_up);
  add_cache_options(*cat, options->cache);
  cat->footer(std::string(kCatFooter) + "\n\n" + kCacheFooter + "\n\n" + kCatExamples);
  return {cat, [options] { return run_cat(*options); }};
}

}  // namespace strandline::tool
