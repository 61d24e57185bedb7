#include <strandline/serve/connection/client_socket.h>

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>

namespace strandline::serve {

using boost::asio::awaitable;
using boost::asio::steady_timer;
using boost::asio::ip::tcp;
using boost::system::error_code;
using Did = TlsConnection::Did;

namespace {

constexpr std::chrono::seconds kLookForEnd{1};  // between two looks

}  // namespace

// Ends what waits for the socket when it has waited for too long. The timer is not set for each wait: when it runs out,
// it is set anew for the wait that is under way by then.
class ClientSocket::Limit : public std::enable_shared_from_this<Limit> {
 public:
  explicit Limit(tcp::socket& socket) : socket_(&socket), timer_(socket.get_executor()) {}

  void begin(Clock::time_point until) {
    until_ = until;
    ran_out_ = false;
    if (until_ < runs_out_) {
      set();
    }
  }
  void end() noexcept { until_ = kNever; }
  // Has it ended the last wait?
  [[nodiscard]] bool ran_out() const noexcept { return ran_out_; }
  // With the socket.
  void close() noexcept {
    socket_ = nullptr;
    timer_.cancel();
  }

 private:
  static constexpr auto kNever = Clock::time_point::max();

  void set() {
    timer_.expires_at(until_);
    timer_.async_wait([self = shared_from_this()](const error_code& error) {
      if (!error) {
        self->run_out();
      }
    });
    runs_out_ = until_;
  }
  // No exception of its may leave it: nobody would catch it.
  void run_out() noexcept {
    runs_out_ = kNever;
    if (socket_ == nullptr || until_ == kNever) {
      return;
    }
    try {
      if (until_ > Clock::now()) {
        set();
        return;
      }
    } catch (const std::bad_alloc&) {  // then it has waited long enough
    }
    ran_out_ = true;
    error_code ignored;
    socket_->cancel(ignored);
  }

  tcp::socket* socket_;  // null: it has ended
  steady_timer timer_;
  Clock::time_point until_ = kNever;     // of the wait under way
  Clock::time_point runs_out_ = kNever;  // the timer
  bool ran_out_ = false;
};

ClientSocket::ClientSocket(tcp::socket socket, const Patience& patience, const TlsContext* tls)
    : socket_(std::move(socket)),
      limit_(std::make_shared<Limit>(socket_)),
      patience_(patience),
      tls_(tls != nullptr ? tls->connect(socket_.native_handle()) : nullptr),
      peer_(name_of_peer()) {}

ClientSocket::~ClientSocket() {
  limit_->close();
}

awaitable<bool> ClientSocket::prepare(Clock::duration limit) {
  error_code ignored;  // what cannot be set shows when it is used
  socket_.set_option(tcp::no_delay(true), ignored);
  socket_.native_non_blocking(true, ignored);
  if (patience_.send_buffer != 0) {
    socket_.set_option(tcp::socket::send_buffer_size(static_cast<int>(patience_.send_buffer)), ignored);
  }
  set_reset_at_end(true);
  const auto until = Clock::now() + limit;
  while (tls_ != nullptr) {
    const Did did = tls_->handshake();
    if (did == Did::some) {
      break;
    }
    const Wait next = did == Did::wants_write ? Wait::wait_write : Wait::wait_read;
    if (did == Did::ended || !co_await ready(next, until - Clock::now())) {
      gone_ = true;
      co_return false;
    }
  }
  co_return true;
}

std::string ClientSocket::name_of_peer() const {
  error_code gone;
  const auto endpoint = socket_.remote_endpoint(gone);
  if (gone) {
    return {};
  }
  const std::string address = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + address + "]" : address) + ":" + std::to_string(endpoint.port());
}

awaitable<void> ClientSocket::close() {
  error_code ignored;
  if (owes_end_) {
    socket_.close(ignored);
    co_return;
  }
  if (tls_ != nullptr) {
    tls_->close();
  }
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
  std::string rest;
  auto since = Clock::now();
  std::uint64_t before = arrived();
  const auto last = since + patience_.slow_for + time_of(handed_ - before);
  while (before < handed_ ? !is_reset() : !gone_) {
    const auto end = before < handed_ ? std::min(since + patience_.silence, last) : since + std::chrono::seconds(1);
    const auto left = std::min<Clock::duration>(end - Clock::now(), kLookAgain);
    if (left <= Clock::duration::zero()) {
      break;
    }
    if (gone_) {
      // It has nothing more to say, and may still listen.
      steady_timer pause(executor(), left);
      co_await pause.async_wait(kToken);
    } else {
      const bool has_come = co_await ready(Wait::wait_read, left);
      if (!has_come && !timed_out()) {
        break;
      }
      rest.clear();
      static_cast<void>(has_come && receive(rest));
    }
    if (arrived() > before) {
      before = arrived_;
      since = Clock::now();
    }
  }
  if (arrived_ == handed_) {
    let_go();
  }
  socket_.close(ignored);
}

bool ClientSocket::receive(std::string& bytes) {
  std::array<char, 4096> some{};
  if (tls_ != nullptr) {
    std::size_t count = 0;
    const Did did = tls_->read(some, count);
    bytes.append(some.data(), count);
    // One that has to be written to before it can be read takes nothing: it is not waited for.
    gone_ = gone_ || did == Did::ended || did == Did::wants_write;
    return did == Did::some;
  }
  if (std::exchange(drained_, false)) {
    return false;
  }
  const auto count = ::recv(handle(), some.data(), some.size(), MSG_DONTWAIT);
  if (count > 0) {
    bytes.append(some.data(), static_cast<std::size_t>(count));
    drained_ = static_cast<std::size_t>(count) < some.size();
  }
  gone_ = gone_ || count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR);
  return count > 0;
}

void ClientSocket::begin_account(bool logged) {
  account_ = {};
  account_.begun = Clock::now();
  account_.logged = logged;
}

awaitable<bool> ClientSocket::send(std::string bytes, int flags) {
  if (account_.logged && (account_.sent == 0 || account_.head.starts_with("HTTP/1.1 100 "))) {
    account_.head = bytes.substr(0, bytes.find("\r\n\r\n") + 2);
  }
  for (std::size_t at = 0; at < bytes.size();) {
    Wait next = Wait::wait_write;
    const std::size_t count = send_some(std::string_view(bytes).substr(at), flags, next);
    at += count;
    sent(count);
    if (gone_) {
      co_return false;
    }
    if (count == 0 && !(next == Wait::wait_write ? co_await writable() : co_await ready(next, patience_.silence))) {
      co_return false;
    }
  }
  co_return true;
}

std::size_t ClientSocket::send_some(std::string_view bytes, int flags, Wait& next) {
  if (tls_ != nullptr) {
    std::size_t count = 0;
    const Did did = tls_->write(bytes, count);
    next = did == Did::wants_read ? Wait::wait_read : Wait::wait_write;
    gone_ = gone_ || did == Did::ended;
    return count;
  }
  const auto count = ::send(handle(), bytes.data(), bytes.size(), flags | MSG_NOSIGNAL | MSG_DONTWAIT);
  gone_ = gone_ || (count < 0 && errno != EAGAIN && errno != EINTR);
  return static_cast<std::size_t>(std::max<::ssize_t>(count, 0));
}

awaitable<bool> ClientSocket::ready(Wait what, Clock::duration limit) {
  limit_->begin(Clock::now() + limit);
  const auto [error] = co_await socket_.async_wait(what, kToken);
  limit_->end();
  drained_ = drained_ && what != Wait::wait_read;
  co_return !error;
}

bool ClientSocket::timed_out() const noexcept {
  return limit_->ran_out();
}

std::uint64_t ClientSocket::arrived() noexcept {
  int left = 0;  // tcp(7): what has not been acknowledged
  if (tls_ != nullptr) {
    arrived_ = handed_;  // copies of it lie in the system
  } else if (::ioctl(handle(), SIOCOUTQ, &left) == 0) {
    arrived_ = std::max(arrived_, handed_ - std::min(handed_, static_cast<std::uint64_t>(std::max(left, 0))));
  }
  return arrived_;
}

ClientSocket::Clock::duration ClientSocket::time_of(std::uint64_t bytes) const noexcept {
  constexpr std::uint64_t kLongest = 1'000'000;
  const std::uint64_t seconds = bytes / std::max<std::uint64_t>(1, patience_.least_rate);
  return std::chrono::seconds(std::min(seconds, kLongest));
}

bool ClientSocket::is_reset() noexcept {
  ::tcp_info info{};
  ::socklen_t size = sizeof info;
  return ::getsockopt(handle(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0 || info.tcpi_state == TCP_CLOSE;
}

// Not by asio's option, which the socket's destructor takes back.
void ClientSocket::set_reset_at_end(bool reset) noexcept {
  const ::linger at_once{.l_onoff = reset ? 1 : 0, .l_linger = 0};
  static_cast<void>(::setsockopt(handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
}

awaitable<bool> ClientSocket::writable() {
  const auto since = Clock::now();
  if (!co_await ready(Wait::wait_write, patience_.silence)) {
    co_return false;
  }
  slow_ += Clock::now() - since;
  if (slow_ < patience_.slow_for) {
    co_return true;
  }
  const double least = static_cast<double>(patience_.least_rate) * std::chrono::duration<double>(slow_).count();
  const bool enough = static_cast<double>(taken_) >= least;
  slow_ = {};
  taken_ = 0;
  co_return enough;
}

TlsConnection::Did ClientSocket::peek() {
  if (tls_ != nullptr) {
    return tls_->peek();
  }
  char next = 0;
  const auto count = ::recv(handle(), &next, 1, MSG_PEEK | MSG_DONTWAIT);
  const bool none_yet = count < 0 && (errno == EAGAIN || errno == EINTR);
  return count > 0 ? Did::some : none_yet ? Did::wants_read : Did::ended;
}

awaitable<void> ClientSocket::until_gone() {
  for (;;) {
    const auto [error] = co_await socket_.async_wait(Wait::wait_read, kToken);
    if (error) {
      co_return;  // nobody wants to know any more
    }
    const Did did = peek();
    gone_ = did == Did::ended;
    if (gone_) {
      co_return;
    }
    if (did == Did::some) {
      break;
    }
  }
  // What has come, and is not to be read yet, hides the end behind it from whoever waits for more.
  steady_timer look(executor());
  while (!sends_no_more()) {
    look.expires_after(kLookForEnd);
    const auto [error] = co_await look.async_wait(kToken);
    if (error) {
      co_return;
    }
  }
  gone_ = true;
}

bool ClientSocket::sends_no_more() noexcept {
  ::pollfd socket{handle(), POLLRDHUP, 0};
  return ::poll(&socket, 1, 0) > 0;
}

}  // namespace strandline::serve
