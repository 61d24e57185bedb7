// Body: sends the bytes of an object to a client: those that are there at once, the others as they arrive.
// Threads: the client's executor. Blocks: on the disk, as sendfile(2) does, and for a second at most on another process
// that evicts. Errors: false, and the connection is to end: what has been said cannot be kept. Cost: bytes on the disk
// are not copied. Lifetime: an answer's.
#pragma once

#include <strandline/serve/connection/client_socket.h>
#include <strandline/serve/connection/serving.h>
#include <strandline/serve/traffic/reader.h>

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace strandline::serve {

// Of a client's connection: the pieces of files that it has been handed, pinned until they have arrived. sendfile(2)
// copies nothing: what lies in the socket are the file's own pages, and what is freed of a page that is larger than
// that (XFS, and ext4 since Linux 6.16) is zeroed in place, on its way to the client.
class InFlight {
 public:
  // From here on it is pinned.
  [[nodiscard]] Result<void> pin(std::shared_ptr<store::Lease> lease, ByteRange range);
  // The last one: nothing of it was handed to the client; or the last of it was, when it had been handed so much.
  void unpin_last() noexcept { unpin(pieces_.size() - 1); }
  void handed_last(std::uint64_t handed) noexcept { pieces_.back().handed = handed; }
  // So much has arrived, of all that the client was handed.
  void settle(std::uint64_t arrived) noexcept;
  [[nodiscard]] bool empty() const noexcept { return pieces_.empty(); }

 private:
  struct Piece {
    std::shared_ptr<store::Lease> lease;
    ByteRange range;
    std::uint64_t handed;  // kMaxOffset: not all of it yet
  };
  void unpin(std::size_t index) noexcept;

  std::vector<Piece> pieces_;  // a few: what a socket takes
};

class Body {
 public:
  Body(ClientSocket& client, InFlight& in_flight, const SessionLimits& limits, const Object& object,
       Reader& reader) noexcept
      : client_(client), in_flight_(in_flight), limits_(limits), object_(object), reader_(reader) {}

  // For what no origin brings: keeps these from being evicted until the answer has ended, `most` bytes of them. False:
  // not all of them is here.
  [[nodiscard]] bool hold(std::span<const ByteRange> parts, std::uint64_t most);
  // Once the first byte of the range is there, `before` and it; then the others as they come. `chunked`: as chunks, and
  // the last of them where the content ends. If nothing could be sent the client is told so.
  [[nodiscard]] boost::asio::awaitable<bool> send(ByteRange range, std::string before, bool chunked);
  // It has failed because what is missing may not come into the store, or has no room there: then, unless it had
  // begun(), the client has been told nothing.
  [[nodiscard]] bool goes_past() const noexcept { return goes_past_; }
  [[nodiscard]] bool has_no_room() const noexcept { return has_no_room_; }
  [[nodiscard]] bool begun() const noexcept { return begun_; }

 private:
  using Entry = Resource<store::EntryDriver>;
  [[nodiscard]] boost::asio::awaitable<bool> send_there(const store::Lease& lease, ByteRange there);
  // At least one byte; none: the connection is of no use any more.
  [[nodiscard]] boost::asio::awaitable<std::optional<std::size_t>> send_some(const store::Lease& lease,
                                                                             ByteRange range);
  [[nodiscard]] boost::asio::awaitable<std::optional<std::size_t>> send_copy(const store::Lease& lease,
                                                                             ByteRange range);
  // For some of the range, from its begin on, as long as the client does; nothing: it never comes, or nobody wants it.
  [[nodiscard]] boost::asio::awaitable<std::optional<WaitOutcome>> wait(ByteRange range);
  // Why what was waited for has not come.
  [[nodiscard]] Error why_not(std::optional<WaitOutcome> outcome) const;
  // Instead of the answer, if none of that has gone: always false. `why`: for the log.
  [[nodiscard]] boost::asio::awaitable<bool> refuse(int status, std::string_view reason, Error why);
  // What is here cannot be read; unless it is the client that cannot be written to.
  void cannot_send(const Error& why);
  // The end of what is there without a break.
  [[nodiscard]] std::uint64_t there_from(ByteRange range) const;
  [[nodiscard]] const Entry& resource() const { return object_.fetched.resource(); }

  ClientSocket& client_;
  InFlight& in_flight_;
  const SessionLimits& limits_;
  const Object& object_;
  Reader& reader_;
  std::optional<store::Lease> held_;
  bool begun_ = false;  // some of the answer has been sent
  bool has_no_room_ = false;
  bool goes_past_ = false;
};

}  // namespace strandline::serve
