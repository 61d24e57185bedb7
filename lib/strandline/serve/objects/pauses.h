// Pauses: until when origins are not asked again, where they have said so (Retry-After), and what they said.
// Threads: thread-safe. Blocks: never. Errors: what there is no memory for, or is too much at once, is not remembered:
// then the origin is asked. Cost: a lookup. Lifetime: holds what it was told.
#pragma once

#include <strandline/base/mutex.h>
#include <strandline/origin/origin.h>

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>

namespace strandline::serve {

// A pause that is asked for over one object is that object's. Of two objects, and the server has answered nothing else
// between: it is the server's. So one object that is always refused shuts out no other.
class Pauses {
 public:
  using Time = std::chrono::steady_clock::time_point;
  // Whatever an origin asks for, it is asked again after this.
  static constexpr std::chrono::seconds kLongest{60};
  static constexpr std::size_t kMost = 256;  // objects, of all servers

  // What the server would say of this object now; with what is left of the pause, as it asked for it. None: who knows.
  [[nodiscard]] std::optional<origin::Failure> standing(const std::string& server, const std::string& key,
                                                        Time now) const STRANDLINE_EXCLUDES(mutex_);
  // It has said this; null: it knows the object.
  void heard(const std::string& server, const std::string& key, const origin::Failure* failure, Time now)
      STRANDLINE_EXCLUDES(mutex_);

 private:
  struct Pause {
    Time until{};        // it is heeded
    Time asked_until{};  // what was asked for
    origin::Failure said;
  };
  struct Server {
    std::map<std::string, Pause> of_objects;
    std::optional<Pause> of_all;
    bool answers = false;  // something, since the last pause it asked for
  };

  static void end_past(Server& server, Time now) noexcept;

  mutable Mutex mutex_;  // a leaf
  std::map<std::string, Server> servers_ STRANDLINE_GUARDED_BY(mutex_);
};

}  // namespace strandline::serve
