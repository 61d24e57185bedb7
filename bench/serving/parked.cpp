// Many clients of a server, each parked on a range of its own that the origin, which is in here too, does not bring
// yet; then it does: for `tools/bench serve`.
//
// bench_parked CLIENTS BYTES STEP: prints the origin's port; /a is an object of ranges of so many bytes, so far apart.
// Lines on stdin are answered on stdout. "park PORT": connects to the server there and asks, each client for its range;
// "ok". "open": the origin brings what it is asked for; once all have been served a line of JSON. Ends with stdin.
//
// What is called a wake is the time from the origin's handing the first byte of a range to its socket to the client's
// reading of it: the way through two sockets, the server's fetching and keeping, its wait and its answer. When the
// bytes are in the server's entry nobody outside of it can see; so the wake is in there, and some more.
#include <tests/support/http/http_server.h>
#include <tests/support/http/served_object.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

namespace {

using strandline::ByteRange;
using strandline::testing::Gate;
using strandline::testing::HttpExchange;
using strandline::testing::HttpServer;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kConnecting = 512;         // at once: less than a listener's queue holds
constexpr std::size_t kPortsPerAddress = 20000;  // of 127.0.0.1, 127.0.0.2 and so on
constexpr int kSpare = 256;                      // descriptors besides the clients'

[[noreturn]] void fail(const std::string& what) {
  std::cerr << "bench_parked: " << what << "\n";
  std::exit(1);
}

int must(int result, const char* what) {
  if (result < 0) {
    fail(std::string(what) + ": " + std::strerror(errno));
  }
  return result;
}

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    fail("no number: " + std::string(text));
  }
  return value;
}

struct Shape {
  std::size_t clients;
  std::uint64_t bytes;
  std::uint64_t step;

  [[nodiscard]] std::uint64_t size() const { return clients * step; }
  [[nodiscard]] ByteRange range(std::size_t client) const { return {client * step, client * step + bytes}; }
};

// The object, which waits for its gate before each body, and notes when the first byte of each range went.
class GatedObject {
 public:
  explicit GatedObject(const Shape& shape) : shape_(shape), sent_(shape.clients) {}

  void serve(HttpExchange& exchange) {
    const auto asked = exchange.request().range();
    const ByteRange range = asked.value_or(ByteRange{0, shape_.size()}).clamped_to({0, shape_.size()});
    std::vector<std::string> lines{"Cache-Control: max-age=3600", "ETag: \"v1\"", "Accept-Ranges: bytes",
                                   "Content-Length: " + std::to_string(range.size())};
    if (asked) {
      lines.push_back("Content-Range: bytes " + std::to_string(range.begin) + "-" + std::to_string(range.end - 1) +
                      "/" + std::to_string(shape_.size()));
    }
    const int status = asked ? 206 : 200;
    if (exchange.request().method == "HEAD") {
      exchange.head(status, lines);
    } else if (exchange.head(status, lines) && exchange.wait(gate_)) {
      send(exchange, range);
    }
  }
  void open() { gate_.open(); }
  // None: never.
  [[nodiscard]] Clock::rep sent_at(std::size_t client) const { return sent_[client].load(); }
  [[nodiscard]] std::uint64_t sent_bytes() const { return bytes_.load(); }

 private:
  // Piece by piece, that the time of each is known.
  void send(HttpExchange& exchange, ByteRange range) {
    for (std::uint64_t at = range.begin; at < range.end;) {
      const std::size_t client = at / shape_.step;
      const auto bytes = strandline::testing::content(kVersion, {at, std::min(range.end, (client + 1) * shape_.step)});
      Clock::rep never = 0;
      const Clock::rep now = Clock::now().time_since_epoch().count();
      if (at == shape_.range(client).begin) {
        sent_[client].compare_exchange_strong(never, now);
      }
      if (!exchange.body(bytes)) {
        return;
      }
      bytes_ += bytes.size();
      at += bytes.size();
    }
  }

  const Shape shape_;
  Gate gate_;
  std::vector<std::atomic<Clock::rep>> sent_;
  std::atomic<std::uint64_t> bytes_{0};
};

struct Client {
  int fd = -1;
  bool connected = false;
  bool over = false;
  std::string head;  // until all of it is there
  bool in_body = false;
  std::uint64_t got = 0;
  Clock::rep first = 0;
  const char* wrong = nullptr;
};

class Clients {
 public:
  explicit Clients(const Shape& shape)
      : shape_(shape), clients_(shape.clients), epoll_(must(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {}

  void park(std::uint16_t port) {
    std::size_t begun = 0;
    for (std::size_t asked = 0; asked < clients_.size();) {
      for (; begun < clients_.size() && begun - asked < kConnecting; ++begun) {
        connect(begun, port);
      }
      for_each_ready([&](Client& client, std::size_t i) {
        if (!client.connected) {
          ask(client, i);
          ++asked;
        } else {
          take(client, i);
        }
      });
    }
  }

  // Until all have been served, or cannot be.
  void gather() {
    while (over_ < clients_.size()) {
      for_each_ready([&](Client& client, std::size_t i) { take(client, i); });
    }
  }

  void report(const GatedObject& object, Clock::time_point opened) const {
    std::vector<double> wakes;
    std::size_t errors = 0;
    std::size_t wrong = 0;
    std::string why;
    Clock::rep last = 0;
    for (std::size_t i = 0; i < clients_.size(); ++i) {
      const Client& client = clients_[i];
      if (client.wrong != nullptr || client.got != shape_.bytes) {
        why = client.wrong != nullptr ? client.wrong : "not all of it";
        ++(client.wrong == kWrongBytes ? wrong : errors);
        continue;
      }
      wakes.push_back(static_cast<double>(client.first - object.sent_at(i)) / 1e6);
      last = std::max(last, client.first);
    }
    std::sort(wakes.begin(), wakes.end());
    const auto at = [&](std::size_t share) {
      return wakes.empty() ? 0.0 : wakes[std::min(wakes.size() - 1, wakes.size() * share / 100)];
    };
    std::cout << "{\"served\": " << wakes.size() << ", \"errors\": " << errors << ", \"wrong\": " << wrong
              << ", \"why\": \"" << why << "\", \"wake_ms\": [" << at(50) << ", " << at(99) << ", " << at(100)
              << "], \"all_ms\": " << static_cast<double>(last - opened.time_since_epoch().count()) / 1e6
              << ", \"origin_bytes\": " << object.sent_bytes() << "}" << std::endl;
  }

 private:
  static constexpr const char* kWrongBytes = "wrong bytes";

  void connect(std::size_t i, std::uint16_t port) {
    Client& client = clients_[i];
    client.fd = must(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket");
    const int on = 1;
    must(::setsockopt(client.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on), "IP_BIND_ADDRESS_NO_PORT");
    ::sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + static_cast<std::uint32_t>(i / kPortsPerAddress));
    must(::bind(client.fd, reinterpret_cast<const ::sockaddr*>(&address), sizeof address), "bind");
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(client.fd, reinterpret_cast<const ::sockaddr*>(&address), sizeof address) != 0 &&
        errno != EINPROGRESS) {
      must(-1, "connect");
    }
    ::epoll_event event{.events = EPOLLOUT, .data = {.u64 = i}};
    must(::epoll_ctl(epoll_, EPOLL_CTL_ADD, client.fd, &event), "epoll_ctl");
  }

  void ask(Client& client, std::size_t i) {
    const ByteRange range = shape_.range(i);
    const std::string text = "GET /a HTTP/1.1\r\nHost: 127.0.0.1\r\nRange: bytes=" + std::to_string(range.begin) + "-" +
                             std::to_string(range.end - 1) + "\r\n\r\n";
    client.connected = true;
    if (::send(client.fd, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<::ssize_t>(text.size())) {
      end(client, "cannot ask");
      return;
    }
    ::epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
    must(::epoll_ctl(epoll_, EPOLL_CTL_MOD, client.fd, &event), "epoll_ctl");
  }

  void take(Client& client, std::size_t i) {
    std::array<char, 65536> buffer;
    const ::ssize_t count = ::recv(client.fd, buffer.data(), buffer.size(), 0);
    if (count < 0 && errno == EAGAIN) {
      return;
    }
    if (count <= 0) {
      end(client, "ended");
      return;
    }
    std::string_view bytes(buffer.data(), static_cast<std::size_t>(count));
    if (!client.in_body) {
      client.head += bytes;
      const auto behind = client.head.find("\r\n\r\n");
      if (behind == std::string::npos) {
        return;
      }
      if (!client.head.starts_with("HTTP/1.1 206 ")) {
        end(client, "refused");
        return;
      }
      client.in_body = true;
      bytes.remove_prefix(bytes.size() - (client.head.size() - behind - 4));
    }
    if (bytes.empty()) {
      return;
    }
    if (client.got == 0) {
      client.first = Clock::now().time_since_epoch().count();
    }
    const std::uint64_t at = shape_.range(i).begin + client.got;
    const auto expected = strandline::testing::content(kVersion, {at, at + bytes.size()});
    if (std::memcmp(expected.data(), bytes.data(), bytes.size()) != 0) {
      end(client, kWrongBytes);
      return;
    }
    client.got += bytes.size();
    if (client.got >= shape_.bytes) {
      end(client, nullptr);
    }
  }

  void end(Client& client, const char* wrong) {
    ::close(client.fd);
    client.over = true;
    client.wrong = wrong;
    ++over_;
  }

  template <class Do>
  void for_each_ready(Do&& work) {
    std::array<::epoll_event, 256> events{};
    const int count = ::epoll_wait(epoll_, events.data(), events.size(), -1);
    must(count < 0 && errno == EINTR ? 0 : count, "epoll_wait");
    for (int i = 0; i < count; ++i) {
      const std::size_t index = events[static_cast<std::size_t>(i)].data.u64;
      if (!clients_[index].over) {
        work(clients_[index], index);
      }
    }
  }

  const Shape shape_;
  std::vector<Client> clients_;
  const int epoll_;
  std::size_t over_ = 0;
};

void allow_descriptors(std::size_t clients) {
  ::rlimit limit{};
  must(::getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
  const ::rlim_t needed = clients + kSpare;
  if (limit.rlim_cur < needed) {
    limit.rlim_cur = needed;
    limit.rlim_max = std::max(limit.rlim_max, needed);
    must(::setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "bench_parked CLIENTS BYTES STEP\n";
    return 2;
  }
  const Shape shape{number(argv[1]), number(argv[2]), number(argv[3])};
  if (shape.clients == 0 || shape.bytes == 0 || shape.step < shape.bytes) {
    fail("no ranges");
  }
  allow_descriptors(shape.clients);
  GatedObject object(shape);
  Clients clients(shape);
  HttpServer origin([&](HttpExchange& exchange) { object.serve(exchange); });
  std::cout << origin.port() << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    if (line.starts_with("park ")) {
      clients.park(static_cast<std::uint16_t>(number(std::string_view(line).substr(5))));
      std::cout << "ok" << std::endl;
    } else if (line == "open") {
      const auto opened = Clock::now();
      object.open();
      clients.gather();
      clients.report(object, opened);
    } else {
      std::cout << "what?" << std::endl;
    }
  }
}
