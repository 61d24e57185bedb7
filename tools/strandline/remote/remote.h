// RemoteServer: a strandline serve that runs, as the commands purge, prefetch and top ask it: what docs/openapi.yaml
// has. Threads: one at a time. Blocks: until it has answered. Errors: the network's, and the server's own, with its
// words. Cost: a connection, kept between calls. Lifetime: of the command.
#pragma once

#include <strandline/base/error.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "../store/text.h"

namespace CLI {
class App;
}

namespace strandline::tool {

struct RemoteOptions {
  std::string server = "http://127.0.0.1:8080";
  std::string token_file;
  std::string ca_file;      // PEM, instead of the system's
  std::string client_cert;  // PEM
  std::string client_key;   // PEM, without a passphrase
};
void add_remote_options(CLI::App& app, RemoteOptions& options);

class RemoteServer {
 public:
  [[nodiscard]] static Result<RemoteServer> of(const RemoteOptions& options);
  RemoteServer(RemoteServer&&) noexcept;
  RemoteServer& operator=(RemoteServer&&) = delete;
  ~RemoteServer();

  [[nodiscard]] const std::string& url() const noexcept;
  // Below "/-/api/".
  [[nodiscard]] Result<Json> get(const std::string& path);
  [[nodiscard]] Result<Json> post(const std::string& path, const Json& body);
  // The states that come, until `take` answers false, or the server ends.
  [[nodiscard]] Result<void> states(std::size_t cells, const std::function<bool(const Json&)>& take);

 private:
  class Calls;
  explicit RemoteServer(std::unique_ptr<Calls> calls) noexcept;
  std::unique_ptr<Calls> calls_;
};

}  // namespace strandline::tool
