#include <strandline/serve/connection/client_socket.h>

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>

namespace strandline::serve {

using boost::asio::awaitable;
using boost::asio::steady_timer;
using boost::asio::ip::tcp;
using boost::system::error_code;
using Did = TlsConnection::Did;
using namespace boost::asio::experimental::awaitable_operators;

awaitable<bool> ClientSocket::prepare(Clock::duration limit) {
  error_code ignored;  // what cannot be set shows when it is used
  socket_.set_option(tcp::no_delay(true), ignored);
  socket_.native_non_blocking(true, ignored);
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
  if (tls_ != nullptr) {
    tls_->close();
  }
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
  const auto until = Clock::now() + std::chrono::seconds(1);
  std::string rest;
  while (!gone_ && Clock::now() < until && co_await ready(Wait::wait_read, until - Clock::now())) {
    rest.clear();
    static_cast<void>(receive(rest));
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
  const auto count = ::recv(handle(), some.data(), some.size(), MSG_DONTWAIT);
  if (count > 0) {
    bytes.append(some.data(), static_cast<std::size_t>(count));
  }
  gone_ = gone_ || count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR);
  return count > 0;
}

void ClientSocket::begin_account(bool keep_head) {
  account_ = {};
  account_.begun = Clock::now();
  account_.keep_head = keep_head;
}

awaitable<bool> ClientSocket::send(std::string bytes, int flags) {
  if (account_.keep_head && account_.sent == 0) {
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
  steady_timer timer(executor(), limit);
  const auto first = co_await (socket_.async_wait(what, kToken) || timer.async_wait(kToken));
  co_return first.index() == 0 && !std::get<0>(std::get<0>(first));
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
    const Did did = error ? Did::ended : peek();
    if (did == Did::ended) {
      co_return;
    }
    if (did == Did::some) {
      steady_timer never(executor(), steady_timer::time_point::max());
      co_await never.async_wait(kToken);
      co_return;
    }
  }
}

}  // namespace strandline::serve
