// HttpServer: an HTTP/1.1 server on loopback that does what a test tells it to, right or wrong, and remembers.
// Threads: thread-safe; scripts run on a thread per connection. Blocks: a script may; the destructor ends them all and
// waits. Errors: what a test cannot go on without aborts it. Cost: a thread per connection. Lifetime: scripts may use
// what outlives the server.
#pragma once

#include <strandline/base/byte_range.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace strandline::testing {

class HttpServer;

struct HttpRequest {
  std::string method;
  std::string target;                          // as it came: "/a?b"
  std::map<std::string, std::string> headers;  // names in lower case; the last of several
  std::size_t connection = 0;                  // the how manieth of the server's, from 0

  [[nodiscard]] std::string header(const std::string& name) const;  // empty: there is none
  // Of "bytes=a-b" as [a, b + 1), of "bytes=a-" up to kMaxOffset.
  [[nodiscard]] std::optional<ByteRange> range() const;
};

// Once opened it stays open. What was done before open() is seen after wait() and is_open(), and the gate may go then.
class Gate {
 public:
  Gate();
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  void open();
  [[nodiscard]] bool is_open() const;
  void wait() const;

 private:
  friend class HttpExchange;
  const int fd_;  // an eventfd, for poll(2)
  mutable std::mutex mutex_;
  bool open_ = false;
};

// One request and what is sent in answer. What sends or waits answers false when the client, or the server, is gone:
// then the script should return. After a script that was followed to its end the connection serves the next request.
class HttpExchange {
 public:
  [[nodiscard]] const HttpRequest& request() const { return request_; }

  // Bytes as they are.
  bool send(std::string_view raw);
  // "HTTP/1.1 206", these lines, and the empty one. {"Content-Length: 5", "ETag: \"x\""}
  bool head(int status, const std::vector<std::string>& lines = {});
  // Counted as sent_body().
  bool body(std::span<const std::byte> bytes);
  bool body(std::string_view bytes) { return body(std::as_bytes(std::span(bytes))); }
  // The whole answer, with its Content-Length; no body to a HEAD.
  bool answer(int status, std::string_view body = {}, std::vector<std::string> lines = {});

  bool wait(const Gate& gate);
  // For so long; false when the server ends meanwhile. To play a slow network, not to wait for things.
  bool pause(std::chrono::nanoseconds time);
  // Until the client closes the connection, or the server ends.
  void wait_for_close();
  // With a FIN: the rest of the script sends nothing any more.
  void close();
  // With a RST.
  void reset();

 private:
  friend class HttpServer;
  HttpExchange(HttpServer& server, HttpRequest request, int fd)
      : server_(server), request_(std::move(request)), fd_(fd) {}
  // One of the two, or nothing in time: false when the client or the server is gone.
  bool wait_until(int fd, std::optional<std::chrono::nanoseconds> time);

  HttpServer& server_;
  const HttpRequest request_;
  const int fd_;
  bool closed_ = false;
};

class HttpServer {
 public:
  using Script = std::function<void(HttpExchange&)>;

  // With this script for every path that has none of its own. Every 127.x.x.x is a host of its own.
  explicit HttpServer(Script script = {}, std::string address = "127.0.0.1");
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // For the path of a target, without its query. What has no script is a 404.
  void on(const std::string& path, Script script);
  // `host`: another name for it, or "user:password@127.0.0.1"; empty: the address.
  [[nodiscard]] std::string url(std::string_view path = "/", std::string_view host = {}) const;
  [[nodiscard]] int port() const { return port_; }

  // From now on connections are refused, and those there are ended, until listen_again().
  void stop_listening();
  void listen_again();

  [[nodiscard]] std::vector<HttpRequest> requests() const;
  [[nodiscard]] std::size_t connections() const;  // accepted so far
  [[nodiscard]] std::uint64_t sent_body() const { return sent_body_.load(); }

 private:
  friend class HttpExchange;
  struct Connection {
    int fd;
    std::thread thread;
  };
  void accept_all(int listener);
  void serve(Connection& connection, std::size_t number);
  bool answer_next(int fd, std::size_t number, std::string& buffer);
  [[nodiscard]] Script script_for(const HttpRequest& request);

  const std::string address_;
  int port_ = 0;
  int holder_ = -1;  // bound, not listening: the port stays ours
  Gate ending_;
  std::atomic<std::uint64_t> sent_body_{0};

  mutable std::mutex mutex_;
  std::map<std::string, Script> scripts_;
  Script every_;
  std::vector<HttpRequest> requests_;
  std::list<Connection> connections_;  // ended ones too: their threads are joined at the end
  std::size_t accepted_ = 0;

  int listener_ = -1;
  std::thread acceptor_;
};

}  // namespace strandline::testing
