// Passing: sends a client bytes that are for it alone: from the origin, and past the store (RFC 9111, section 3). The
// first piece is of what is there by then, and tells what the head says; the next, asked for meanwhile, of that
// version. What has no validator comes at once. Threads: the client's executor. Blocks: never. Errors: as Body's. Cost:
// a copy, and memory for two pieces of 256 KiB, or one while all clients together have 64 MiB; of what comes all at
// once, for 2 MiB that the client has not taken yet and what its origin sends after it was told to wait. Lifetime: an
// answer's.
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
  Passing(ClientSocket& client, const SessionLimits& limits, std::shared_ptr<const Unshared> object,
          Reader& reader) noexcept
      : client_(client), limits_(limits), object_(std::move(object)), reader_(reader) {}
  Passing(const Passing&) = delete;
  Passing& operator=(const Passing&) = delete;
  ~Passing();  // nothing is left running, be the session ended by an exception

  // Asks for the beginning of this part, or anew, and answers what the origin then says of the object, whatever it has
  // said before; null: as send(), false.
  [[nodiscard]] boost::asio::awaitable<std::shared_ptr<const Unshared>> ask(ByteRange part);
  // Is what was asked for the beginning of this part, and the rest to be had too?
  [[nodiscard]] bool goes_on_with(ByteRange part) const;
  // As Body's. First the part that was asked for.
  [[nodiscard]] boost::asio::awaitable<bool> send(ByteRange range, std::string before, bool chunked);
  [[nodiscard]] bool begun() const noexcept { return begun_; }
  [[nodiscard]] std::optional<Hindrance> hindrance() noexcept { return std::exchange(hindrance_, std::nullopt); }

 private:
  class Piece;
  [[nodiscard]] ByteRange piece_at(std::uint64_t at, ByteRange part) const;
  [[nodiscard]] std::shared_ptr<Piece> start(ByteRange range, bool of_any_version = false);
  // So many bytes, or all of what has no known length; `before` goes with the first.
  [[nodiscard]] boost::asio::awaitable<bool> send_piece(std::uint64_t left, std::string& before, bool chunked);
  // Always false.
  [[nodiscard]] bool hindered(const origin::Failure& failure);

  ClientSocket& client_;
  const SessionLimits& limits_;
  std::shared_ptr<const Unshared> object_;
  Reader& reader_;
  std::shared_ptr<Piece> now_, next_;
  std::optional<Hindrance> hindrance_;
  int asked_ = 0;
  bool begun_ = false;
};

}  // namespace strandline::serve
