#include <tests/support/http/http_server.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace strandline::testing {
namespace {

constexpr std::size_t kMaxRequest = 1 << 20;

int require(int result, const char* what) {
  if (result < 0) {
    std::perror(what);
    std::abort();
  }
  return result;
}

int bound_socket(const std::string& host, int port) {
  const int fd = require(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  const int on = 1;
  require(::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), "SO_REUSEPORT");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  require(::inet_pton(AF_INET, host.c_str(), &address.sin_addr) - 1, "inet_pton");
  address.sin_port = htons(static_cast<in_port_t>(port));
  require(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), "bind");
  return fd;
}

int port_of(int fd) {
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  require(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
  return ntohs(address.sin_port);
}

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  return text;
}

HttpRequest parse(std::string_view text) {
  HttpRequest request;
  const std::string_view line = text.substr(0, text.find("\r\n"));
  const std::size_t space = line.find(' ');
  request.method = line.substr(0, space);
  request.target = line.substr(space + 1, line.rfind(' ') - space - 1);
  for (std::size_t at = line.size() + 2; at < text.size();) {
    const std::size_t end = std::min(text.find("\r\n", at), text.size());
    const std::string_view field = text.substr(at, end - at);
    const std::size_t colon = std::min(field.find(':'), field.size());
    const std::size_t value = std::min(field.find_first_not_of(": ", colon), field.size());
    request.headers[lower_case(std::string(field.substr(0, colon)))] = field.substr(value);
    at = end + 2;
  }
  return request;
}

}  // namespace

std::string HttpRequest::header(const std::string& name) const {
  const auto it = headers.find(name);
  return it == headers.end() ? std::string() : it->second;
}

std::optional<ByteRange> HttpRequest::range() const {
  const std::string text = header("range");
  const std::string_view unit = "bytes=";
  if (!text.starts_with(unit)) {
    return std::nullopt;
  }
  ByteRange range{0, kMaxOffset};
  const char* const end = text.data() + text.size();
  const auto [dash, error] = std::from_chars(text.data() + unit.size(), end, range.begin);
  if (error != std::errc() || dash == end || *dash != '-') {
    return std::nullopt;
  }
  if (dash + 1 != end) {
    std::from_chars(dash + 1, end, range.end);
    ++range.end;
  }
  return range;
}

Gate::Gate() : fd_(require(::eventfd(0, EFD_CLOEXEC), "eventfd")) {}

Gate::~Gate() {
  ::close(fd_);
}

void Gate::open() {
  const std::lock_guard lock(mutex_);
  open_ = true;
  const std::uint64_t one = 1;
  require(static_cast<int>(::write(fd_, &one, sizeof(one))), "eventfd");
}

bool Gate::is_open() const {
  const std::lock_guard lock(mutex_);
  return open_;
}

void Gate::wait() const {
  pollfd waited{fd_, POLLIN, 0};
  while (::poll(&waited, 1, -1) != 1 || !is_open()) {
  }
}

bool HttpExchange::send(std::string_view raw) {
  while (!raw.empty() && !closed_) {
    const ssize_t sent = ::send(fd_, raw.data(), raw.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) {
      continue;
    }
    closed_ = sent <= 0;
    raw.remove_prefix(closed_ ? 0 : static_cast<std::size_t>(sent));
  }
  return !closed_;
}

bool HttpExchange::head(int status, const std::vector<std::string>& lines) {
  std::string text = "HTTP/1.1 " + std::to_string(status) + " Scripted\r\n";
  for (const std::string& line : lines) {
    text += line + "\r\n";
  }
  return send(text + "\r\n");
}

bool HttpExchange::body(std::span<const std::byte> bytes) {
  constexpr std::size_t kPiece = 1 << 16;  // so that the count is nearly right when the client goes
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min(kPiece, bytes.size()));
    if (!send({reinterpret_cast<const char*>(piece.data()), piece.size()})) {
      return false;
    }
    server_.sent_body_ += piece.size();
    bytes = bytes.subspan(piece.size());
  }
  return !closed_;
}

bool HttpExchange::answer(int status, std::string_view content, std::vector<std::string> lines) {
  lines.push_back("Content-Length: " + std::to_string(content.size()));
  return head(status, lines) && (request_.method == "HEAD" || body(content));
}

bool HttpExchange::wait_until(int fd, std::optional<std::chrono::nanoseconds> time) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + time.value_or(std::chrono::nanoseconds(0));
  while (!closed_) {
    std::array<pollfd, 3> waited = {{{server_.ending_.fd_, POLLIN, 0}, {fd_, POLLRDHUP, 0}, {fd, POLLIN, 0}}};
    timespec left{};
    if (time) {
      const auto nanoseconds = std::max(deadline - Clock::now(), Clock::duration(0)).count();
      left = {nanoseconds / 1'000'000'000, nanoseconds % 1'000'000'000};
    }
    const int ready = ::ppoll(waited.data(), waited.size(), time ? &left : nullptr, nullptr);
    closed_ = ready > 0 && (waited[0].revents != 0 || waited[1].revents != 0);
    if (ready == 0 || (ready > 0 && !closed_)) {
      return true;
    }
  }
  return false;
}

bool HttpExchange::wait(const Gate& gate) {
  return wait_until(gate.fd_, std::nullopt) && gate.is_open();
}

bool HttpExchange::pause(std::chrono::nanoseconds time) {
  return wait_until(-1, time);
}

void HttpExchange::wait_for_close() {
  wait_until(-1, std::nullopt);
}

void HttpExchange::close() {
  closed_ = true;
}

void HttpExchange::reset() {
  const linger now{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  closed_ = true;
}

HttpServer::HttpServer(Script script, std::string address)
    : address_(std::move(address)), holder_(bound_socket(address_, 0)), every_(std::move(script)) {
  port_ = port_of(holder_);
  listen_again();
}

HttpServer::~HttpServer() {
  ending_.open();
  stop_listening();
  // No thread accepts any more, so the list stays as it is.
  for (Connection& connection : connections_) {
    connection.thread.join();
  }
  ::close(holder_);
}

void HttpServer::on(const std::string& path, Script script) {
  const std::lock_guard lock(mutex_);
  scripts_[path] = std::move(script);
}

std::string HttpServer::url(std::string_view path, std::string_view host) const {
  return "http://" + (host.empty() ? address_ : std::string(host)) + ":" + std::to_string(port_) + std::string(path);
}

void HttpServer::stop_listening() {
  if (listener_ < 0) {
    return;
  }
  ::shutdown(listener_, SHUT_RDWR);  // wakes accept(2)
  acceptor_.join();
  ::close(std::exchange(listener_, -1));
  const std::lock_guard lock(mutex_);
  for (const Connection& connection : connections_) {
    if (connection.fd >= 0) {
      ::shutdown(connection.fd, SHUT_RDWR);
    }
  }
}

void HttpServer::listen_again() {
  listener_ = bound_socket(address_, port_);
  require(::listen(listener_, 128), "listen");
  acceptor_ = std::thread([this, listener = listener_] { accept_all(listener); });
}

std::vector<HttpRequest> HttpServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

std::size_t HttpServer::connections() const {
  const std::lock_guard lock(mutex_);
  return accepted_;
}

void HttpServer::accept_all(int listener) {
  for (;;) {
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0 && (errno == EINTR || errno == ECONNABORTED)) {
      continue;
    }
    if (fd < 0) {
      return;
    }
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    const std::lock_guard lock(mutex_);
    Connection& connection = connections_.emplace_back(Connection{fd, {}});
    connection.thread = std::thread([this, &connection, number = accepted_++] { serve(connection, number); });
  }
}

void HttpServer::serve(Connection& connection, std::size_t number) {
  int fd = -1;
  {
    const std::lock_guard lock(mutex_);
    fd = connection.fd;
  }
  std::string buffer;
  while (answer_next(fd, number, buffer)) {
  }
  const std::lock_guard lock(mutex_);
  ::close(std::exchange(connection.fd, -1));
}

bool HttpServer::answer_next(int fd, std::size_t number, std::string& buffer) {
  std::size_t end = buffer.find("\r\n\r\n");
  while (end == std::string::npos && buffer.size() < kMaxRequest) {
    std::array<char, 4096> bytes{};
    const ssize_t got = ::recv(fd, bytes.data(), bytes.size(), 0);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      return false;
    }
    buffer.append(bytes.data(), static_cast<std::size_t>(got));
    end = buffer.find("\r\n\r\n");
  }
  if (end == std::string::npos) {
    return false;
  }
  HttpRequest request = parse(std::string_view(buffer).substr(0, end));
  request.connection = number;
  buffer.erase(0, end + 4);
  const Script script = script_for(request);
  HttpExchange exchange(*this, std::move(request), fd);
  script(exchange);
  return !exchange.closed_ && !ending_.is_open();
}

HttpServer::Script HttpServer::script_for(const HttpRequest& request) {
  const std::lock_guard lock(mutex_);
  requests_.push_back(request);
  const auto it = scripts_.find(request.target.substr(0, request.target.find('?')));
  const Script script = it != scripts_.end() ? it->second : every_;
  return script ? script : [](HttpExchange& exchange) { exchange.answer(404, "no such thing\n"); };
}

}  // namespace strandline::testing
