// FileTree: the calls of a FileOrigin, made on the caller's thread: objects are the regular files of a Place.
// Threads: thread-safe. Blocks: for as long as the disk does; long calls look at their Ending between pieces. Errors:
// a Failure; nothing is thrown. Cost: see FileOrigin. Lifetime: none of its own.
#pragma once

#include <strandline/base/mutex.h>
#include <strandline/origin/file/place.h>

#include <atomic>
#include <optional>
#include <stop_token>
#include <string>

namespace strandline::origin::file {

// What may end a call before its time.
class Ending {
 public:
  explicit Ending(std::stop_token stop, const std::atomic<bool>* going = nullptr) noexcept
      : stop_(std::move(stop)), going_(going) {}
  // The failure to end with; nothing: go on.
  [[nodiscard]] std::optional<Failure> now(std::string_view key) const noexcept;
  [[nodiscard]] const std::stop_token& stop() const noexcept { return stop_; }

 private:
  std::stop_token stop_;
  const std::atomic<bool>* going_;
};

class FileTree {
 public:
  FileTree(Place place, bool durable) noexcept : place_(std::move(place)), durable_(durable) {}

  [[nodiscard]] Outcome<ObjectInfo> stat(const std::string& key) const noexcept;
  // To be read.
  [[nodiscard]] Outcome<Place::Opened> open(const std::string& key) const noexcept;
  [[nodiscard]] Outcome<ObjectInfo> write(const WriteRequest& request, const Ending& ending) noexcept;
  [[nodiscard]] Outcome<void> remove(const std::string& key, const Ending& ending) noexcept;
  [[nodiscard]] Outcome<ListPage> list(const ListRequest& request, const Ending& ending) const noexcept;

 private:
  class Temporary;
  [[nodiscard]] Outcome<void> put_in_place(const WriteRequest& request, const Place::Named& named,
                                           Temporary& temporary) noexcept STRANDLINE_EXCLUDES(changes_);

  const Place place_;
  const bool durable_;
  // Held from the comparison of an if_match to its rename. Not by readers, nor by other processes.
  Mutex changes_;
};

}  // namespace strandline::origin::file
