// Serving: what all sessions of a server share: where paths lead, who may ask, and what a client may take its time for.
// Threads: read by all; CurrentServing: thread-safe. Blocks: never. Errors: none. Throws bad_alloc. Cost: a look at
// each mount and rule. Lifetime: the server's sessions keep it.
#pragma once

#include <strandline/serve/access/access.h>
#include <strandline/serve/log/access_log.h>
#include <strandline/serve/objects/objects.h>
#include <strandline/serve/tls/tls.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace strandline::serve {

// Paths below `prefix` are objects of an origin: what follows it, behind `base`.
struct Mount {
  std::string prefix = "/";  // ends in '/'
  std::shared_ptr<origin::Origin> origin;
  std::string base;  // of the origin's keys; ends in '/'
  // The base without credentials: of the names that entries have in the store. Who has other rights there has another.
  std::string name;
  bool urls = true;  // keys are URLs, in which a path and its query stay as they were sent; else paths of files
};

struct SessionLimits {
  std::chrono::milliseconds idle{60'000};      // between two requests
  std::chrono::milliseconds head{10'000};      // from a request's first byte to its head's last
  std::chrono::milliseconds progress{60'000};  // for a client to take a byte, or an origin to bring one
  // Who takes fewer bytes per second than this, over so much time in which there were some, is let go of.
  std::uint64_t least_rate = 100;
  std::chrono::milliseconds slow_for{60'000};
  std::uint64_t at_once = 1 << 20;  // bytes for a socket, before others of its thread have their turn
  std::size_t send_buffer = 0;      // bytes of a socket's; 0: as the system has it
};

class Control;
class Traffic;
namespace http {
struct RequestTarget;
}

struct Serving {
  std::shared_ptr<Objects> objects;
  std::vector<Mount> mounts;
  SessionLimits limits;
  Access access;
  Rules rules;
  std::shared_ptr<Control> control;
  std::shared_ptr<Traffic> traffic;
  Logging logging;
  std::shared_ptr<const TlsContext> tls = nullptr;  // of new connections; none: they are plain
  std::string pseudonym = {};                       // in the Via of what comes back to us; empty: nobody knows

  // The mount with the longest prefix; none: no object has this target.
  [[nodiscard]] std::optional<Source> source_of(const http::RequestTarget& target) const;
  // What it was asked for by, but without its query, in which credentials may be; empty: nothing that is served.
  [[nodiscard]] std::string path_of(std::string_view name) const;
  // What the names of those begin with whose paths begin with this one.
  [[nodiscard]] std::vector<std::string> names_below(const http::RequestTarget& path) const;
};

// What new requests are served by. It may be replaced; those under way go on with what they have.
class CurrentServing {
 public:
  explicit CurrentServing(Serving first)
      : serving_(std::make_shared<const Serving>(std::move(first))), latest_(serving_.get()) {}

  // `held`: what the caller has from before; the common case, without a lock.
  [[nodiscard]] std::shared_ptr<const Serving> get(std::shared_ptr<const Serving> held = nullptr) const
      STRANDLINE_EXCLUDES(mutex_);
  void replace(Serving next) STRANDLINE_EXCLUDES(mutex_);

 private:
  mutable Mutex mutex_;  // a leaf
  std::shared_ptr<const Serving> serving_ STRANDLINE_GUARDED_BY(mutex_);
  std::atomic<const Serving*> latest_;  // for comparison only; changed under the lock
};

}  // namespace strandline::serve
