// ClientSocket: a client's connection, as the parts of a session use it: what is sent, and when it is ready or gone.
// Threads: its socket's executor. Blocks: never; awaiting does not hold the thread. Errors: what cannot be sent any
// more is false, and gone() from then on. Cost: a wait is one of the reactor's; its limit is a time that is written
// down, for a timer that runs once in a while. Lifetime: outlives what awaits it.
#pragma once

#include <strandline/base/error.h>
#include <strandline/serve/tls/tls.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace strandline::serve {

// What is awaited answers its error, and throws only when the session is to end.
inline constexpr auto kToken = boost::asio::as_tuple(boost::asio::use_awaitable);

class ClientSocket {
 public:
  using Clock = std::chrono::steady_clock;
  using Wait = boost::asio::ip::tcp::socket::wait_type;
  // Between two looks whether what was handed to it has arrived, of which nobody tells.
  static constexpr std::chrono::milliseconds kLookAgain{100};
  // Of the request that is being answered.
  struct Account {
    Clock::time_point begun{};
    std::uint64_t sent = 0;  // bytes, heads too
    std::string head;        // of the answer; where it is logged
    std::string reason;      // why there is none, or less of it than there should be; likewise
    Clock::duration waited{};
    bool waited_for_bytes = false;
    bool logged = false;

    void waited_since(Clock::time_point since) { waited += Clock::now() - since; }
    // The origin, or the store; `partly`: some of the answer has been sent.
    void failed(const Error& why, bool partly) {
      if (logged) {
        reason = (partly ? "broke off: " : "") + why.message();
      }
    }
    // Nothing has failed, so it is the client that has gone, or takes too little.
    void left() {
      if (logged && reason.empty() && sent > 0) {
        reason = "broke off: the client has gone, or takes too little";
      }
    }
  };

  struct Patience {
    Clock::duration silence{};     // with a client that takes no byte
    std::uint64_t least_rate = 0;  // bytes per second that it takes
    Clock::duration slow_for{};    // over so much time in which it could have
    std::size_t send_buffer = 0;   // how much waits for it in the system; 0: as that has it
  };

  // `tls`: null: none is spoken.
  ClientSocket(boost::asio::ip::tcp::socket socket, const Patience& patience, const TlsContext* tls);
  ClientSocket(const ClientSocket&) = delete;
  ClientSocket& operator=(const ClientSocket&) = delete;
  ~ClientSocket();

  [[nodiscard]] auto executor() { return socket_.get_executor(); }
  [[nodiscard]] int handle() { return socket_.native_handle(); }
  // False: what TLS demands has not been done within the limit.
  [[nodiscard]] boost::asio::awaitable<bool> prepare(Clock::duration limit);
  // May a file's bytes go to handle()? Else all goes by send().
  [[nodiscard]] bool takes_files() const noexcept { return tls_ == nullptr; }
  // The name of the certificate that it has shown, if it had to; none: it has shown none.
  [[nodiscard]] std::optional<std::string> user() const { return tls_ != nullptr ? tls_->user() : std::nullopt; }
  // Address and port; empty: it had gone before anybody looked.
  [[nodiscard]] const std::string& peer() const noexcept { return peer_; }
  // The end of what is sent; what still comes is read, for a moment, so that a reset does not overtake the answer
  // (RFC 9112, section 9.6), and for as long as what was sent is still arriving. A reset, if the end is owed.
  [[nodiscard]] boost::asio::awaitable<void> close();

  // Adds what has come to `bytes`. False: nothing has, at this moment.
  [[nodiscard]] bool receive(std::string& bytes);
  [[nodiscard]] boost::asio::awaitable<bool> send(std::string bytes, int flags = 0);
  // False: not within the limit, and then timed_out(); or not any more. One at a time.
  [[nodiscard]] boost::asio::awaitable<bool> ready(Wait what, Clock::duration limit);
  [[nodiscard]] bool timed_out() const noexcept;
  // False too when it takes too little, again and again (FAULTS, row 63).
  [[nodiscard]] boost::asio::awaitable<bool> writable();
  // So many bytes have been handed to it, past send().
  void sent(std::size_t count) noexcept {
    account_.sent += count;
    taken_ += count;
    handed_ += count;
  }
  // All that it has been handed, and how much of that has arrived there: the rest lies in the system, which has no copy
  // of a file's bytes, but its pages.
  [[nodiscard]] std::uint64_t handed() const noexcept { return handed_; }
  [[nodiscard]] std::uint64_t arrived() noexcept;
  // Until then, what has not arrived when the connection ends, be it with the process, never will: it is reset
  // (socket(7), SO_LINGER). Once nothing of a file is on its way.
  void let_go() noexcept { set_reset_at_end(owes_end_); }
  // Of an answer whose end is the connection's: while this is set not all of it has been sent, and the end must not
  // look as if it had (RFC 9112, section 8).
  void owes_end(bool owes) noexcept { owes_end_ = owes; }

  // A request has come.
  void begin_account(bool logged);
  [[nodiscard]] Account& account() noexcept { return account_; }

  [[nodiscard]] bool has_gone() const noexcept { return gone_; }
  // Has the connection ended, so that nothing is on its way any more?
  [[nodiscard]] bool is_reset() noexcept;
  // Ends when the client has closed the connection, or its side of it, which has_gone() says then. One that sends the
  // next request meanwhile is there.
  [[nodiscard]] boost::asio::awaitable<void> until_gone();

 private:
  class Limit;
  [[nodiscard]] std::string name_of_peer() const;
  void set_reset_at_end(bool reset) noexcept;
  // For who takes as little as may be.
  [[nodiscard]] Clock::duration time_of(std::uint64_t bytes) const noexcept;
  [[nodiscard]] TlsConnection::Did peek();
  // Has the connection, or what the client sends, come to its end, read or not?
  [[nodiscard]] bool sends_no_more() noexcept;
  // Some bytes at once; none: it can take none now, or has gone, and what it is to be waited for.
  [[nodiscard]] std::size_t send_some(std::string_view bytes, int flags, Wait& next);

  boost::asio::ip::tcp::socket socket_;
  const std::shared_ptr<Limit> limit_;  // of the wait under way
  const Patience patience_;
  const std::unique_ptr<TlsConnection> tls_;
  const std::string peer_;   // known for the log when it has gone
  Clock::duration slow_{};   // the time that it was waited for,
  std::uint64_t taken_ = 0;  // and the bytes it took, since that was judged
  std::uint64_t handed_ = 0;
  std::uint64_t arrived_ = 0;
  Account account_;
  bool drained_ = false;  // all that had come has been received; asking again would be for nothing
  bool gone_ = false;
  bool owes_end_ = false;
};

}  // namespace strandline::serve
