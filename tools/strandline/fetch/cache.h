// Cache: the store that --cache names, and how the commands read through it.
// Threads: one; notes come on any. Blocks: open(), on the disk. Errors: invalid_argument, and the store's. Cost: a
// filler's thread and a store's. Lifetime: what goes through it keeps what it needs.
#pragma once

#include <strandline/fill/cached_origin.h>

#include "place.h"

#include <optional>
#include <string>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace strandline::tool {

struct CacheOptions {
  std::optional<std::string> directory = {};
  std::uint64_t size = 0;  // bytes on the disk; 0: no cap
};
void add_cache_options(CLI::App& app, CacheOptions& options);
// The two of them.
CLI::Option* add_cache_option(CLI::App& app, CacheOptions& options);
CLI::Option* add_cache_size_option(CLI::App& app, CacheOptions& options, const std::string& name);
// For the footers of --help.
extern const char* const kCacheFooter;

class Cache {
 public:
  // The one that the options name. `filling`: how it fetches what it lacks.
  [[nodiscard]] static Result<Cache> open(const CacheOptions& options, const fill::FillerOptions& filling);

  using Note = fill::CachedOriginOptions::Note;
  using OnNote = std::function<void(Note, const Error&)>;
  // The same object, through the cache.
  [[nodiscard]] Place through(Place place, OnNote note) const;
  // What is being read is held: so many objects at once, at the most, have room.
  [[nodiscard]] std::size_t reads_at_once() const;
  // How those who read through it, no more than that, from so many servers, are to ask: as far as it has room.
  [[nodiscard]] fill::FillerOptions reading(std::size_t servers) const;

 private:
  Cache(store::Store store, std::shared_ptr<fill::Filler> filler, const CacheOptions& options,
        const fill::FillerOptions& filling);

  store::Store store_;
  std::shared_ptr<fill::Filler> filler_;
  std::uint64_t cap_;   // bytes; 0: none
  std::uint64_t step_;  // of a read
  fill::FillerOptions filling_;
};

// What the user is told.
[[nodiscard]] std::string text_of(Cache::Note note, const std::string& url, const Error& why);

}  // namespace strandline::tool
