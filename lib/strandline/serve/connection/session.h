// Session: one connection of a client: requests one after the other, each answered before the next is looked at.
// Threads: all of it on its socket's executor, which has one. Blocks: never on a client or an origin; on the disk, as
// sendfile(2) does, and for a second at most on another process that evicts. Errors: none leave it: what goes wrong is
// an answer, or the connection's end. Cost: while it waits, its coroutine and a parked wait; bytes on the disk are not
// copied. Lifetime: keeps itself until the connection ends, which end() brings about.
#pragma once

#include <strandline/serve/connection/serving.h>

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>

namespace strandline::serve {

class Session {
 public:
  virtual ~Session() = default;
  // Thread-safe. At the end of the answer that is being sent; or `now`.
  virtual void end(bool now) noexcept = 0;
};

// Runs until the client goes, or does what it must not, or end(); then calls `over`, on the socket's executor.
[[nodiscard]] std::shared_ptr<Session> start_session(boost::asio::ip::tcp::socket socket,
                                                     std::shared_ptr<const CurrentServing> current,
                                                     std::function<void()> over);

}  // namespace strandline::serve
