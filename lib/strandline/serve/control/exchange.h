// ControlExchange: one request under "/-/" on a client's connection, and its answer.
// Threads: the client's executor. Blocks: never. Errors: false, and the connection is to end. Cost: a body of at most
// kMaxControlBody. Lifetime: a request's.
#pragma once

#include <strandline/serve/connection/answer.h>
#include <strandline/serve/connection/client_socket.h>
#include <strandline/serve/connection/serving.h>
#include <strandline/serve/control/control.h>

namespace strandline::serve {

// The whole answer to a request that control does not see: who asks may not, or how.
[[nodiscard]] std::string control_refusal_text(std::string_view path, const http::Refusal& refusal, bool close,
                                               bool head_only);

class ControlExchange {
 public:
  // `idle`: while it is set the session may be ended at once.
  ControlExchange(ClientSocket& client, const Serving& serving, const CurrentServing& current, bool& idle) noexcept
      : client_(client), serving_(serving), current_(current), idle_(idle) {}

  // `body`: what has come behind the head.
  [[nodiscard]] boost::asio::awaitable<bool> answer(const RequestHead& request, http::RequestTarget target,
                                                    std::string body, bool close);

 private:
  [[nodiscard]] boost::asio::awaitable<bool> refuse(const std::string& path, http::Refusal refusal,
                                                    bool head_only = false);
  // The body, of that many bytes; nothing: it does not come. `asked_for`: the client waits to be told to send it.
  [[nodiscard]] boost::asio::awaitable<bool> read(std::string& body, std::size_t size, bool asked_for);
  [[nodiscard]] boost::asio::awaitable<ControlAnswer> ask(ControlRequest request);
  // States, as they come, until the client goes.
  [[nodiscard]] boost::asio::awaitable<bool> stream(std::size_t cells);

  ClientSocket& client_;
  const Serving& serving_;
  const CurrentServing& current_;
  bool& idle_;
};

}  // namespace strandline::serve
