// Server: objects of origins over HTTP/1.1, through a store: what is there leaves at once, what is not when it arrives.
// Threads: one at a time; its own serve connections, each connection on one of them. Blocks: start(), to listen; stop()
// and the destructor, until all connections have ended. Errors: the system's, with the address. Cost: see Session.
// Lifetime: keeps the store, the filler and the origins.
#pragma once

#include <strandline/serve/connection/serving.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace strandline::serve {

struct ServerOptions {
  std::string address = "127.0.0.1";     // an IP address
  std::uint16_t port = 0;                // 0: one that is free
  unsigned threads = 0;                  // 0: as many as there are processors
  std::size_t most_connections = 16384;  // more wait to be accepted
  std::size_t most_per_client = 0;       // of one address, more are closed; 0: as many as there are
  std::vector<Mount> mounts;
  std::string pseudonym = {};  // by which requests to the mounts' origins say in Via that they are from here, if at all
  Access access = {};
  Rules rules = {};
  Logging logging = {};
  std::shared_ptr<const TlsContext> tls = nullptr;  // none: connections are plain
  SessionLimits limits = {};
  Objects::Options objects = {};
};

class Server {
 public:
  // invalid_argument: no address; permission_denied: others than this machine would be served, and nothing tells them
  // apart.
  [[nodiscard]] static Result<void> may_listen(const ServerOptions& options);
  [[nodiscard]] static Result<Server> start(store::Store store, std::shared_ptr<fill::Filler> filler,
                                            ServerOptions options) noexcept;
  Server(Server&&) noexcept;
  Server& operator=(Server&&) noexcept;
  ~Server();

  [[nodiscard]] std::uint16_t port() const noexcept;
  // At this moment.
  [[nodiscard]] std::size_t connections() const noexcept;
  // New requests have these mounts, this access and these rules.
  [[nodiscard]] Result<void> reload(ServerOptions options) noexcept;
  // No more connections, and no more requests on those that there are; what is being answered has so long to end.
  void stop(std::chrono::milliseconds grace = {}) noexcept;

 private:
  class State;
  explicit Server(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

}  // namespace strandline::serve
