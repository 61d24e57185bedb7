#include "cache.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <limits>

#include "../units.h"

namespace strandline::tool {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kSmallest = 4 * kMiB;  // what is on its way has room, and some of what has been

std::string cap_of(const std::string& text) {
  const std::string digits = in_bytes(text);
  if (const auto bytes = bytes_of(digits); *bytes != 0 && *bytes < kSmallest) {
    throw CLI::ValidationError("'" + text + "': a cache needs 4M at least; 0: no limit");
  }
  return digits;
}

// A part that is fetched and read at a time, and held so long: several of them must fit.
std::uint64_t step_for(std::uint64_t cap) {
  constexpr std::uint64_t kLongest = 16 * kMiB;
  return cap == 0 ? kLongest : std::clamp(cap / 64 / kMiB * kMiB, kMiB, kLongest);
}

// Two names of one file are one entry.
std::string entry_of(const Place& place) {
  if (place.path.empty()) {
    return place.url;
  }
  std::error_code error;
  const auto whole = std::filesystem::weakly_canonical(place.path, error);
  return "file://" + (error ? place.path : whole).native();
}

}  // namespace

const char* const kCacheFooter =
    R"(--cache DIR keeps what is fetched in DIR, a store (see strandline ls), which is made if it is not there. What is there
already is not fetched again: the server is asked which version it has, and sends what is missing. Any number of
commands may use one store at once; one of them fetches an object for all that read it, what is waited for first, and
when it is killed another goes on. --cache-size N gives up what was used least so that the files take no more than N
bytes; less than the object is enough to read it through. Without it the store grows as far as the disk has room.
  When the server cannot be reached, or answers 5xx or 429, an object that is in the cache as a whole is taken from
there, and a line on standard error says so. Refusals such as 404 count. When the cache cannot take what is fetched,
it is fetched all the same, and a line says why it is not kept.)";

void add_cache_options(CLI::App& app, CacheOptions& options) {
  auto* const cache = add_cache_option(app, options);
  add_cache_size_option(app, options, "--cache-size")->needs(cache);
}

CLI::Option* add_cache_option(CLI::App& app, CacheOptions& options) {
  return app
      .add_option("--cache", options.directory, "keep what is fetched in a store, and take from it what is there")
      ->type_name("DIR");
}

CLI::Option* add_cache_size_option(CLI::App& app, CacheOptions& options, const std::string& name) {
  return app.add_option(name, options.size, "bytes that the store may take on the disk, at least 4M; 0: no limit")
      ->transform(cap_of)
      ->type_name("N")
      ->capture_default_str();
}

Result<Cache> Cache::open(const CacheOptions& options, const fill::FillerOptions& filling) {
  store::StoreOptions storing;
  storing.max_bytes = options.size;
  auto store = store::Store::open(*options.directory, std::move(storing));
  if (!store) {
    return fail(std::move(store.error()));
  }
  // So that its reason is what is told: who reads through it only hears nothing, and gives up as well.
  fill::FillerOptions fetching = filling;
  fetching.retry.give_up -= std::min(fetching.retry.longest, 0.2 * fetching.retry.give_up);
  auto filler = fill::Filler::create(fetching);
  if (!filler) {
    return fail(std::move(filler.error()));
  }
  return Cache(std::move(*store), std::make_shared<fill::Filler>(std::move(*filler)), options, filling);
}

Cache::Cache(store::Store store, std::shared_ptr<fill::Filler> filler, const CacheOptions& options,
             const fill::FillerOptions& filling)
    : store_(std::move(store)),
      filler_(std::move(filler)),
      cap_(options.size),
      step_(step_for(options.size)),
      filling_(filling) {}

Place Cache::through(Place place, OnNote note) const {
  fill::CachedOriginOptions options;
  options.entry_of = [entry = entry_of(place)](const std::string&) { return entry; };
  options.step = step_;
  options.capped = cap_ != 0;
  options.note = std::move(note);
  place.origin = std::make_shared<fill::CachedOrigin>(store_, filler_, std::move(place.origin), std::move(options));
  return place;
}

std::size_t Cache::reads_at_once() const {
  return cap_ == 0 ? std::numeric_limits<std::size_t>::max() : std::max<std::uint64_t>(1, cap_ / (4 * step_));
}

fill::FillerOptions Cache::reading(std::size_t servers) const {
  fill::FillerOptions options = filling_;
  // What is slowed down comes over one connection: of several reads, all but one would hear nothing.
  options.connections = options.max_rate != 0 ? 1 : options.connections;
  options.max_rate = 0;
  // Connections are counted for each server, and the room for all. Of more servers than reads have room, no more than
  // that are read from at once, over one each.
  const std::size_t each = std::max<std::size_t>(1, reads_at_once() / std::max<std::size_t>(1, servers));
  options.connections = static_cast<unsigned>(std::min<std::size_t>(options.connections, each));
  return options;
}

std::string text_of(Cache::Note note, const std::string& url, const Error& why) {
  return note == Cache::Note::stale
             ? url + ": cannot be reached; taken from the cache, and may be out of date: " + why.message()
             : url + ": does not go through the cache: " + why.message();
}

}  // namespace strandline::tool
