#include <strandline/drivers/file/failure.h>
#include <strandline/serve/connection/client_socket.h>
#include <strandline/serve/connection/session.h>
#include <strandline/serve/control/control.h>
#include <strandline/serve/server.h>
#include <strandline/serve/traffic/traffic.h>

#include <signal.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <set>
#include <thread>
#include <utility>

namespace strandline::serve {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using std::chrono::milliseconds;

constexpr std::uint64_t kLeastShare = 256 << 10;   // bytes, of a cap: less would be a request for each few packets
constexpr std::size_t kUsualSendBuffer = 4 << 20;  // tcp(7), tcp_wmem: it grows up to that by itself

Error system_error(const error_code& error, const std::string& what) {
  return Error::system(error.value(), "listen", what);
}

}  // namespace

class Server::State {
 public:
  State(store::Store store, std::shared_ptr<fill::Filler> filler, ServerOptions options)
      : address_(options.address),
        most_connections_(options.most_connections),
        most_per_client_(options.most_per_client),
        contexts_(contexts(options.threads)),
        serving_(serving(std::move(store), std::move(filler), std::move(options))) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { stop({}); }

  [[nodiscard]] Result<void> listen(std::uint16_t port) {
    error_code error;
    const tcp::endpoint endpoint(asio::ip::make_address(address_), port);  // may_listen() says that it is one
    const std::string where = address_ + ":" + std::to_string(port);
    const auto each = [&](auto&& step) {
      if (!error) {
        step();
      }
    };
    each([&] { acceptor_.open(endpoint.protocol(), error); });
    each([&] { acceptor_.set_option(tcp::acceptor::reuse_address(true), error); });
    each([&] { acceptor_.bind(endpoint, error); });
    each([&] { acceptor_.listen(asio::socket_base::max_listen_connections, error); });
    if (error) {
      return fail(system_error(error, where));
    }
    port_ = acceptor_.local_endpoint().port();
    return {};
  }

  void run() {
    for (const auto& context : contexts_) {
      work_.emplace_back(context->get_executor());
      threads_.emplace_back([&context = *context] {
        // sendfile(2) has no flag against it; nothing else of the process is changed by that.
        ::sigset_t pipe;
        ::sigemptyset(&pipe);
        ::sigaddset(&pipe, SIGPIPE);
        ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
        context.run();
      });
    }
    // With all of them: what they are given is waited for.
    asio::co_spawn(*contexts_.front(), accept(),
                   [accepting = std::make_shared<const Busy>(*this)](const std::exception_ptr&) {});
  }

  void reload(ServerOptions options) {
    Serving next = *serving_->get();
    next.mounts = std::move(options.mounts);
    next.access = std::move(options.access);
    next.rules = std::move(options.rules);
    next.logging = std::move(options.logging);
    next.tls = std::move(options.tls);
    next.pseudonym = std::move(options.pseudonym);
    serving_->replace(std::move(next));
    serving_->get()->objects->close_unread();
  }

  [[nodiscard]] const std::string& address() const noexcept { return address_; }
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] std::size_t connections() noexcept {
    MutexLock lock(mutex_);
    return sessions_.size();
  }

  void stop(milliseconds grace) noexcept {
    if (threads_.empty()) {
      return;
    }
    asio::post(*contexts_.front(), [this] {
      error_code ignored;
      acceptor_.close(ignored);
      room_.cancel();
    });
    end_all(Ending::soon);
    const auto until = Sync::now() + grace;
    {
      MutexLock lock(mutex_);
      while (!is_over_locked() && fewer_.wait_until(mutex_, until)) {
      }
    }
    end_all(Ending::now);
    serving_->get()->objects->stop();
    {
      MutexLock lock(mutex_);
      while (!is_over_locked()) {
        fewer_.wait(mutex_);
      }
    }
    serving_->get()->control->stop();
    work_.clear();
    for (std::thread& thread : threads_) {
      thread.join();
    }
    threads_.clear();
  }

 private:
  enum class Ending : std::uint8_t { no, soon, now };
  // What a stop waits for besides sessions: that no more is accepted, and who is on the way to the thread that serves.
  class Busy {
   public:
    explicit Busy(State& state) noexcept : state_(state) {
      MutexLock lock(state_.mutex_);
      ++state_.busy_;
    }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;
    ~Busy() {
      MutexLock lock(state_.mutex_);
      --state_.busy_;
      state_.fewer_.notify_all();
    }

   private:
    State& state_;
  };

  static std::vector<std::unique_ptr<asio::io_context>> contexts(unsigned count) {
    std::vector<std::unique_ptr<asio::io_context>> made;
    const unsigned processors = std::max(1U, std::thread::hardware_concurrency());
    while (made.size() < (count != 0 ? count : processors)) {
      made.push_back(std::make_unique<asio::io_context>(1));
    }
    return made;
  }

  // What is read ahead, and what is on its way to a client, stays in the store meanwhile: sixteen of either shall not
  // push out what others read.
  static void fit(ServerOptions& options, store::Store& store) {
    const auto stats = store.stats();
    const std::uint64_t cap = stats ? stats->max_bytes : 0;
    options.objects.limits.waits_for_room = true;
    if (cap == 0) {
      return;
    }
    const std::uint64_t share = std::max(cap / 16, kLeastShare);
    options.objects.most_ahead = std::min(options.objects.most_ahead, share);
    options.limits.at_once = std::min(options.limits.at_once, share / 4);
    if (share / 2 < kUsualSendBuffer) {
      options.limits.send_buffer = share / 2;
    }
  }

  static std::shared_ptr<CurrentServing> serving(store::Store store, std::shared_ptr<fill::Filler> filler,
                                                 ServerOptions options) {
    fit(options, store);
    const auto traffic = std::make_shared<Traffic>();
    const auto objects = std::make_shared<Objects>(store, filler, options.objects);
    const auto control = std::make_shared<Control>(ServerParts{std::move(store), std::move(filler), objects, traffic});
    auto made = std::make_shared<CurrentServing>(Serving{.objects = objects,
                                                         .mounts = std::move(options.mounts),
                                                         .limits = options.limits,
                                                         .access = std::move(options.access),
                                                         .rules = std::move(options.rules),
                                                         .control = control,
                                                         .traffic = traffic,
                                                         .logging = std::move(options.logging),
                                                         .tls = std::move(options.tls),
                                                         .pseudonym = std::move(options.pseudonym)});
    control->serves(made);
    return made;
  }

  asio::awaitable<void> accept() {
    for (std::size_t turn = 0; acceptor_.is_open(); ++turn) {
      while (connections() >= most_connections_ && acceptor_.is_open()) {
        room_.expires_after(milliseconds(50));
        co_await room_.async_wait(kToken);
      }
      auto& context = *contexts_[turn % contexts_.size()];
      auto accepted = co_await acceptor_.async_accept(context, kToken);
      const error_code error = std::get<0>(accepted);
      auto& socket = std::get<1>(accepted);
      const auto begun = error ? Result<void>(fail(Errc::io)) : file::contained([&]() -> Result<void> {
        // On the thread that serves it from here on.
        const auto coming = std::make_shared<const Busy>(*this);
        asio::post(context, [this, coming, socket = std::make_shared<tcp::socket>(std::move(socket))] {
          // Without memory the client sees its connection end.
          static_cast<void>(file::contained([&]() -> Result<void> {
            begin(std::move(*socket));
            return {};
          }));
        });
        return {};
      });
      if (!begun && acceptor_.is_open()) {
        room_.expires_after(milliseconds(50));  // no descriptor is left, or no memory: others will end
        co_await room_.async_wait(kToken);
      }
    }
  }

  // One of its connections, until nobody holds it any more; null: it has enough.
  std::shared_ptr<const asio::ip::address> admit(const tcp::socket& socket) {
    error_code gone;
    const auto address = socket.remote_endpoint(gone).address();
    auto made = std::make_unique<const asio::ip::address>(address);
    MutexLock lock(mutex_);
    std::size_t& count = clients_[address];
    if (most_per_client_ != 0 && count >= most_per_client_) {
      return nullptr;
    }
    ++count;
    return {made.release(), [this](const asio::ip::address* of) {
              const std::unique_ptr<const asio::ip::address> gone_from(of);
              MutexLock leaving(mutex_);
              const auto found = clients_.find(*of);
              if (--found->second == 0) {
                clients_.erase(found);
              }
            }};
  }

  void begin(tcp::socket socket) {
    auto admitted = admit(socket);
    if (admitted == nullptr) {
      return;
    }
    const auto place = std::make_shared<std::shared_ptr<Session>>();
    auto session = start_session(std::move(socket), serving_, [this, place, admitted = std::move(admitted)]() mutable {
      admitted.reset();
      MutexLock lock(mutex_);
      sessions_.erase(*place);
      place->reset();
      fewer_.notify_all();
    });
    *place = session;
    MutexLock lock(mutex_);
    sessions_.insert(session);
    if (ending_ != Ending::no) {
      session->end(ending_ == Ending::now);
    }
  }

  // Those that there are, and all that still begin.
  void end_all(Ending how) noexcept {
    MutexLock lock(mutex_);
    ending_ = how;
    for (const auto& session : sessions_) {
      session->end(how == Ending::now);
    }
  }
  [[nodiscard]] bool is_over_locked() const STRANDLINE_REQUIRES(mutex_) { return busy_ == 0 && sessions_.empty(); }

  const std::string address_;
  const std::size_t most_connections_;
  const std::size_t most_per_client_;
  const std::vector<std::unique_ptr<asio::io_context>> contexts_;
  const std::shared_ptr<CurrentServing> serving_;
  tcp::acceptor acceptor_{*contexts_.front()};
  asio::steady_timer room_{*contexts_.front()};
  std::uint16_t port_ = 0;
  Mutex mutex_;  // a leaf
  CondVar fewer_;
  Ending ending_ STRANDLINE_GUARDED_BY(mutex_) = Ending::no;
  std::size_t busy_ STRANDLINE_GUARDED_BY(mutex_) = 0;
  std::set<std::shared_ptr<Session>> sessions_ STRANDLINE_GUARDED_BY(mutex_);
  std::map<asio::ip::address, std::size_t> clients_ STRANDLINE_GUARDED_BY(mutex_);  // connections of each
  std::vector<asio::executor_work_guard<asio::io_context::executor_type>> work_;
  std::vector<std::thread> threads_;
};

Result<void> Server::may_listen(const ServerOptions& options) {
  error_code error;
  const auto ip = asio::ip::make_address(options.address, error);
  if (error) {
    return fail(Errc::invalid_argument, "no IP address: " + options.address);
  }
  if (!ip.is_loopback() && !options.access.tells_clients_apart()) {
    return fail(Errc::permission_denied,
                "only this machine is served, until tokens or certificates tell clients apart");
  }
  return {};
}

Result<Server> Server::start(store::Store store, std::shared_ptr<fill::Filler> filler, ServerOptions options) noexcept {
  return file::contained([&]() -> Result<Server> {
    if (auto may = may_listen(options); !may) {
      return fail(std::move(may.error()));
    }
    const std::uint16_t port = options.port;
    auto state = std::make_unique<State>(std::move(store), std::move(filler), std::move(options));
    if (auto listening = state->listen(port); !listening) {
      return fail(std::move(listening.error()));
    }
    state->run();
    return Server(std::move(state));
  });
}

Server::Server(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
Server::Server(Server&&) noexcept = default;
Server& Server::operator=(Server&&) noexcept = default;
Server::~Server() = default;

std::uint16_t Server::port() const noexcept {
  return state_->port();
}
std::size_t Server::connections() const noexcept {
  return state_->connections();
}
Result<void> Server::reload(ServerOptions options) noexcept {
  return file::contained([&]() -> Result<void> {
    options.address = state_->address();  // it listens there, whatever is said now
    auto may = may_listen(options);
    if (may) {
      state_->reload(std::move(options));
    }
    return may;
  });
}
void Server::stop(milliseconds grace) noexcept {
  state_->stop(grace);
}

}  // namespace strandline::serve
