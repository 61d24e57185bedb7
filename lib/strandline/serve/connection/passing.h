// Passing: sends a client bytes that are for it alone: from the origin, of the version that was told, and past the
// store (RFC 9111, section 3). Asks for a piece while it sends the one before; for all at once of what has no
// validator, for nobody could tell whether two answers are of one version. Threads: the client's executor. Blocks:
// never. Errors: as Body's. Cost: a copy, and memory for two pieces of 256 KiB, or
// one while all clients together have 64 MiB; of what comes all at once, for 2 MiB that the client has not taken yet
// and what its origin sends after it was told to wait. Lifetime: an answer's.
#pragma once

#include <strandline/serve/connection/answer.h>
#include <strandline/serve/connection/client_socket.h>
#include <strandline/serve/connection/serving.h>
#include <strandline/serve/traffic/reader.h>

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace strandline::serve {

class Passing {
 public:
  Passing(ClientSocket& client, const SessionLimits& limits, const Unshared& object, Reader& reader) noexcept
      : client_(client), limits_(limits), object_(object), reader_(reader) {}

  // As Body's.
  [[nodiscard]] boost::asio::awaitable<bool> send(ByteRange range, std::string before, bool chunked);
  [[nodiscard]] bool begun() const noexcept { return begun_; }
  [[nodiscard]] std::optional<Hindrance> hindrance() noexcept { return std::exchange(hindrance_, std::nullopt); }

 private:
  class Piece;
  [[nodiscard]] std::shared_ptr<Piece> ask(ByteRange range);
  // All of a piece; `before` goes with its first bytes.
  [[nodiscard]] boost::asio::awaitable<bool> send_piece(Piece& piece, std::string& before, bool chunked);
  // Always false.
  [[nodiscard]] bool hindered(const origin::Failure& failure);

  ClientSocket& client_;
  const SessionLimits& limits_;
  const Unshared& object_;
  Reader& reader_;
  std::optional<Hindrance> hindrance_;
  bool begun_ = false;
};

}  // namespace strandline::serve
