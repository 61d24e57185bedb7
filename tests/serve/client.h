// Client: a connection to a server on loopback, over which a test says what it likes, byte for byte.
// Threads: a test's. Blocks: until what is read has come, or patience() has passed. Errors: a broken expectation is a
// failed REQUIRE. Cost: none worth naming. Lifetime: a test's.
#pragma once

#include <tests/resource/subjects.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace strandline::testing {

struct Response {
  int status = 0;                             // 0: the connection ended before there was one
  std::map<std::string, std::string> fields;  // names in lower case
  std::string body;
  bool whole = false;  // did all of it come?

  [[nodiscard]] std::string field(const std::string& name) const {
    const auto it = fields.find(name);
    return it != fields.end() ? it->second : "";
  }
};

class Client {
 public:
  explicit Client(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const ::sockaddr_in address = loopback(port);
    REQUIRE(::connect(socket_, reinterpret_cast<const ::sockaddr*>(&address), sizeof address) == 0);
    const ::timeval limit{static_cast<::time_t>(patience().count()), 0};
    REQUIRE(::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { ::close(socket_); }

  // Is anybody there to be connected to?
  [[nodiscard]] static bool listens(std::uint16_t port) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const ::sockaddr_in address = loopback(port);
    const bool connected = ::connect(socket, reinterpret_cast<const ::sockaddr*>(&address), sizeof address) == 0;
    ::close(socket);
    return connected;
  }

  void send(std::string_view bytes) {
    REQUIRE(::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<::ssize_t>(bytes.size()));
  }
  // A request with these lines besides Host.
  Response ask(const std::string& method, const std::string& target, const std::string& lines = "") {
    send(method + " " + target + " HTTP/1.1\r\nHost: localhost\r\n" + lines + "\r\n");
    return receive(method == "HEAD");
  }
  Response get(const std::string& target, const std::string& lines = "") { return ask("GET", target, lines); }

  // It takes little at a time from here on, so that the rest lies with the server.
  void take_little() {
    const int bytes = 128 << 10;  // below that a segment of loopback does not fit, and each takes a timer
    REQUIRE(::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) == 0);
  }
  // Bytes that have come, and that nobody has taken.
  [[nodiscard]] std::uint64_t unread() const {
    int bytes = 0;
    REQUIRE(::ioctl(socket_, FIONREAD, &bytes) == 0);
    return static_cast<std::uint64_t>(bytes);
  }
  void end_sending() { REQUIRE(::shutdown(socket_, SHUT_WR) == 0); }
  // The next response, or what comes of it.
  Response receive(bool head_only = false) {
    Response response;
    std::size_t end = std::string::npos;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!more()) {
        return response;
      }
    }
    const std::string head = buffer_.substr(0, end + 2);
    buffer_.erase(0, end + 4);
    REQUIRE(head.starts_with("HTTP/1.1 "));
    response.status = std::stoi(head.substr(9));
    for (std::size_t at = head.find("\r\n") + 2; at < head.size();) {
      const auto colon = head.find(": ", at);
      const auto line_end = head.find("\r\n", at);
      REQUIRE(colon < line_end);
      std::string name = head.substr(at, colon - at);
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
      CHECK(response.fields.emplace(name, head.substr(colon + 2, line_end - colon - 2)).second);
      at = line_end + 2;
    }
    response.whole = head_only || response.status == 304 || read_body(response);
    return response;
  }
  // Does anything of an answer come?
  [[nodiscard]] bool hears() { return !buffer_.empty() || more(); }
  // Has the server closed it, with nothing more to say?
  [[nodiscard]] bool closed() { return buffer_.empty() && !more() && buffer_.empty(); }
  // Has it ended by a reset?
  [[nodiscard]] bool was_reset() const { return was_reset_; }
  // Bytes of the answers, as they have come so far, at least one unless the connection has ended.
  [[nodiscard]] std::string take_some() {
    static_cast<void>(hears());
    return std::exchange(buffer_, {});
  }

 private:
  static ::sockaddr_in loopback(std::uint16_t port) {
    ::sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  bool more() {
    std::string some(65536, '\0');
    const auto count = ::recv(socket_, some.data(), some.size(), 0);
    was_reset_ = count < 0 && errno == ECONNRESET;
    REQUIRE((count >= 0 || was_reset_));
    buffer_.append(some, 0, static_cast<std::size_t>(std::max<::ssize_t>(count, 0)));
    return count > 0;
  }
  bool take(std::size_t count, std::string& into) {
    while (buffer_.size() < count) {
      if (!more()) {
        into += std::exchange(buffer_, {});
        return false;
      }
    }
    into += buffer_.substr(0, count);
    buffer_.erase(0, count);
    return true;
  }
  bool read_body(Response& response) {
    if (response.fields.contains("content-length")) {
      return take(std::stoull(response.field("content-length")), response.body);
    }
    if (response.field("transfer-encoding") == "chunked") {
      for (;;) {
        std::size_t end = std::string::npos;
        while ((end = buffer_.find("\r\n")) == std::string::npos) {
          if (!more()) {
            return false;
          }
        }
        const std::size_t size = std::stoull(buffer_.substr(0, end), nullptr, 16);
        buffer_.erase(0, end + 2);
        std::string line_end;
        if (!take(size, response.body) || !take(2, line_end)) {
          return false;
        }
        if (size == 0) {
          return true;
        }
      }
    }
    while (more()) {
    }
    response.body = std::exchange(buffer_, {});
    return true;
  }

  const int socket_;
  std::string buffer_;
  bool was_reset_ = false;
};

}  // namespace strandline::testing
