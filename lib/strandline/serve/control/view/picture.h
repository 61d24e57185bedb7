// Picture: the server's objects, who reads them, and how fast bytes go, at one moment after the other; as JSON.
// Threads: one. Blocks: as the store's list() and peek() do, for what is not open. Errors: what cannot be looked at is
// left out. Throws bad_alloc. Cost: a look at each open object, and at the ranges of those that change. Lifetime: its
// owner's.
#pragma once

#include <strandline/serve/connection/serving.h>
#include <strandline/serve/control/view/parts.h>
#include <strandline/serve/control/view/rate.h>

#include <array>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace strandline::serve {

// What of an object is drawn.
struct StripOptions {
  std::size_t cells = 64;
  std::uint64_t from = 0;
  std::uint64_t to = kMaxOffset;
};

// At one moment.
struct ObjectState {
  std::string name;
  std::string path;
  std::string type;
  std::optional<std::uint64_t> length;
  Validator validator;
  std::string_view state;  // arriving, whole, partial, failed, replaced
  std::string error;
  double rate = 0;  // bytes per second, from the origin
  RangeSet present;
  std::vector<ByteRange> arriving;
};

// '.' missing, '#' present, '+' in part, '>' arriving, 'x' evicted, '?' where no length is known.
[[nodiscard]] std::string strip_of(const ObjectState& object, const RangeSet& evicted, const StripOptions& options);
[[nodiscard]] std::string id_text(std::uint64_t id);

[[nodiscard]] inline std::shared_ptr<const Serving> current_of(const std::weak_ptr<const CurrentServing>& serving) {
  const auto held = serving.lock();
  return held != nullptr ? held->get() : nullptr;
}

class Picture {
 public:
  using Clock = std::chrono::steady_clock;

  Picture(ServerParts parts, std::weak_ptr<const CurrentServing> serving);
  Picture(const Picture&) = delete;
  Picture& operator=(const Picture&) = delete;
  ~Picture();

  // As it is now: what the others tell.
  void look(Clock::time_point now);
  [[nodiscard]] nlohmann::json state(std::size_t cells) const;
  // Those that are open, then others of the store's, by their paths.
  [[nodiscard]] nlohmann::json objects(const http::RequestTarget& below, std::size_t cells);
  // Null: there is none. What is neither open nor has been told() is looked for among the first ten thousand of the
  // store's entries: whoever asks for others holds up all who ask.
  [[nodiscard]] nlohmann::json object(std::uint64_t id, const StripOptions& options);
  // Of one of which there is nothing yet.
  [[nodiscard]] nlohmann::json unknown(const std::string& name, const StripOptions& options) const;
  // Somebody has its id now, and may ask for it.
  void told(const std::string& name);

 private:
  // What is remembered of an object.
  struct Seen {
    ObjectState now;
    std::vector<ReaderState> readers;
    RangeSet ever;              // present at some time
    RangeSet evicted;           // of that: not present now
    std::uint64_t written = 0;  // bytes, when last looked at
    Clock::time_point changed;
    bool looked_at = false;  // in this turn
  };
  struct Pace {
    Rate rate;
    bool looked_at = false;
  };
  void look_at(const Objects::Listed& listed, bool evicted, Clock::time_point now);
  void look_at_readers(Clock::time_point now);
  [[nodiscard]] ObjectState state_of(const Objects::Listed& listed) const;
  [[nodiscard]] std::optional<ObjectState> state_in_store(const std::string& name);
  [[nodiscard]] nlohmann::json json_of(const ObjectState& object, const RangeSet& evicted,
                                       const std::vector<ReaderState>& readers, const StripOptions& options) const;
  [[nodiscard]] std::string path_of(const std::string& name) const;
  // Empty: nobody knows.
  [[nodiscard]] std::string name_of(std::uint64_t id);
  // Null: the server is ending.
  [[nodiscard]] std::shared_ptr<const Serving> current() const { return current_of(serving_); }

  ServerParts parts_;
  const std::weak_ptr<const CurrentServing> serving_;
  const Clock::time_point began_ = Clock::now();
  Clock::time_point now_ = began_;
  std::map<std::uint64_t, Seen> seen_;                                 // by object_id()
  std::unordered_map<std::uint64_t, std::string> told_, told_before_;  // names by object_id(), the latest and others
  std::map<std::uint64_t, Pace> readers_;
  Rate in_;
  Rate out_;
  TrafficTotals totals_;
  fill::FillerStats fetched_;
  store::StoreStats stored_;
  Clock::time_point stored_at_ = Clock::time_point::min();
  std::size_t connections_ = 0;
  std::size_t waiters_ = 0;
  bool first_look_ = true;
};

}  // namespace strandline::serve
