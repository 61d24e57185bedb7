#include <strandline/async/asio.h>
#include <strandline/serve/connection/answer.h>
#include <strandline/serve/connection/session.h>
#include <strandline/serve/http/request/strict_head.h>

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <charconv>
#include <utility>

namespace strandline::serve {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::ip::tcp;
using boost::system::error_code;
using std::chrono::milliseconds;
using namespace asio::experimental::awaitable_operators;

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);

class TcpSession final : public Session, public std::enable_shared_from_this<TcpSession> {
 public:
  TcpSession(tcp::socket socket, std::shared_ptr<const Serving> serving)
      : socket_(std::move(socket)), serving_(std::move(serving)) {}

  void start(std::function<void()> over) {
    asio::co_spawn(
        socket_.get_executor(), [self = shared_from_this()] { return self->run(); },
        asio::bind_cancellation_slot(cancel_.slot(), [self = shared_from_this(),
                                                      over = std::move(over)](const std::exception_ptr&) { over(); }));
  }

  void end(bool now) noexcept override {
    asio::post(socket_.get_executor(), [self = shared_from_this(), now] {
      self->ending_ = true;
      if (now || self->idle_) {
        self->cancel_.emit(asio::cancellation_type::terminal);
      }
    });
  }

 private:
  using Clock = std::chrono::steady_clock;

  awaitable<void> run() {
    error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    socket_.native_non_blocking(true, ignored);
    while (!ending_) {
      const auto head = co_await read_head();
      if (!head || !co_await answer(*head)) {
        break;
      }
      buffer_.erase(0, static_cast<std::size_t>(head->data() + head->size() - buffer_.data()));
    }
    // What the client still sends is read, for a moment, so that a reset does not overtake the answer (RFC 9112, 9.6).
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    const auto until = Clock::now() + milliseconds(1000);
    while (!ended_ && Clock::now() < until && co_await ready(tcp::socket::wait_read, until - Clock::now())) {
      std::array<char, 4096> rest{};
      if (::recv(socket_.native_handle(), rest.data(), rest.size(), MSG_DONTWAIT) <= 0) {
        break;
      }
    }
    socket_.close(ignored);
  }

  // The next request's, as a part of buffer_; none: there is none any more.
  awaitable<std::optional<std::string_view>> read_head() {
    http::StrictHead strict;
    auto until = Clock::now() + serving_->limits.idle;
    bool begun = false;
    for (;;) {
      if (!begun && !buffer_.empty()) {
        begun = true;
        until = Clock::now() + serving_->limits.head;
      }
      const auto head = strict.look(buffer_);
      if (!head) {
        co_await send(refusal_text(head.error(), true));
        co_return std::nullopt;
      }
      if (*head) {
        co_return *head;
      }
      std::array<char, 4096> some{};
      const auto count = ::recv(socket_.native_handle(), some.data(), some.size(), MSG_DONTWAIT);
      if (count > 0) {
        buffer_.append(some.data(), static_cast<std::size_t>(count));
        continue;
      }
      if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
        ended_ = true;
        co_return std::nullopt;
      }
      idle_ = !begun;
      const bool is_ready = !(ending_ && idle_) && co_await ready(tcp::socket::wait_read, until - Clock::now());
      idle_ = false;
      if (!is_ready) {
        if (begun) {
          co_await send(refusal_text({408, "the request took too long"}, true));
        }
        co_return std::nullopt;
      }
    }
  }

  // False when the connection ends behind it.
  awaitable<bool> answer(std::string_view head) {
    const RequestHead request = RequestHead::parse(head);
    const bool head_only = request.method == "HEAD";
    const bool close = request.close || ending_;
    if (!head_only && request.method != "GET") {
      // What comes with it is not read.
      co_await send(refusal_text({405, "only GET and HEAD"}, true));
      co_return false;
    }
    const auto target = http::parse_request_target(request.target, request.host);
    if (!target) {
      co_await send(refusal_text(target.error(), true, head_only));
      co_return false;
    }
    // Else a web page could read it all, under a name that it makes lead here (DNS rebinding).
    if (!is_this_machine(request.host.value_or("localhost"))) {
      co_return co_await send(refusal_text({421, "only this machine's own names are served"}, close, head_only)) &&
          !close;
    }
    auto source = serving_->source_of(*target);
    if (!source) {
      co_return co_await send(refusal_text({404, "nothing is served there"}, close, head_only)) && !close;
    }
    const auto found = co_await find(std::move(*source), request);
    if (!*found) {
      co_return co_await send(refusal_text(refusal_of(found->error()), close, head_only)) && !close;
    }
    const Objects::Open open = std::move(**found);
    const Selected selected = select_answer(request, open);
    co_return co_await send_selected(*open.object, selected) && !selected.close && !ending_;
  }

  awaitable<bool> send_selected(const Object& object, const Selected& selected) {
    std::string before = selected.head;
    answering_ = false;
    for (std::size_t i = 0; i < selected.parts.size(); ++i) {
      if (i < selected.part_heads.size()) {
        before += selected.part_heads[i];
      }
      if (!co_await send_range(object, selected.parts[i], std::move(before), selected.chunked)) {
        co_return false;
      }
      before.clear();
    }
    before += selected.tail;
    co_return before.empty() || co_await send(std::move(before));
  }

  // What is pinned while it is sent.
  class Pinned {
   public:
    Pinned(store::Lease& lease, ByteRange range) : lease_(lease), range_(range), held_(lease.pin(range).has_value()) {}
    Pinned(const Pinned&) = delete;
    Pinned& operator=(const Pinned&) = delete;
    ~Pinned() {
      if (held_) {
        lease_.unpin(range_);
      }
    }
    explicit operator bool() const noexcept { return held_; }

   private:
    store::Lease& lease_;
    const ByteRange range_;
    const bool held_;
  };

  // Once the first of its bytes is there, `before` and they; then the others as they come. False when the client cannot
  // have all of it.
  awaitable<bool> send_range(const Object& object, ByteRange range, std::string before, bool chunked) {
    const auto& resource = object.fetched.resource();
    store::Lease lease = object.fetched.lease();
    std::optional<Cursor<store::EntryDriver>> cursor;  // what is read on is fetched ahead of it
    if (range.size() > serving_->limits.at_once) {
      auto made = resource.cursor(range.begin);
      if (!made) {
        co_return false;
      }
      cursor.emplace(std::move(*made));
    }
    for (std::uint64_t at = range.begin; at < range.end;) {
      const ByteRange next{at, std::min(range.end, at + serving_->limits.at_once)};
      std::uint64_t there = at;
      {
        const Pinned pinned(lease, next);  // first: what is there then stays
        there = pinned ? there_from(resource, next) : at;
        if (there > at) {
          if (chunked) {
            before += chunk_head(there - at);
          }
          answering_ = true;
          if ((!before.empty() && !co_await send(std::exchange(before, {}), MSG_MORE)) ||
              !co_await send_there(lease, {at, there}, range.end)) {
            co_return false;
          }
          before = chunked ? "\r\n" : "";
        }
      }
      if (there > at) {
        at = there;
        if (cursor) {
          static_cast<void>(cursor->seek(at));  // behind bytes that are there
        }
        co_await asio::post(socket_.get_executor(), kToken);  // others of this thread have their turn
        continue;
      }
      const auto outcome = co_await wait(resource, next);
      if (outcome == WaitOutcome::eof) {
        break;
      }
      if (outcome != WaitOutcome::ready) {
        if (!answering_ && !ended_) {
          const bool late = outcome == WaitOutcome::timed_out;
          co_await send(refusal_text({late ? 504 : 502, "the origin does not bring it"}, true));
        }
        co_return false;
      }
    }
    const auto length = resource.length();
    if (!chunked && range.end != kMaxOffset && (!length || *length < range.end)) {
      co_return false;  // less than was said
    }
    if (chunked) {
      before += "0\r\n\r\n";
    }
    co_return before.empty() || co_await send(std::move(before));
  }

  // The last byte of an answer goes when all before it has been judged: else a client could take for whole what is not.
  awaitable<bool> send_there(const store::Lease& lease, ByteRange there, std::uint64_t end) {
    while (!there.empty()) {
      const bool last = there.end == end && there.size() == 1;
      const ByteRange part{there.begin, there.end == end && !last ? there.end - 1 : there.end};
      const auto count = last ? co_await send_copy(lease, part) : co_await send_some(lease, part);
      if (!count) {
        co_return false;
      }
      there.begin += *count;
    }
    co_return true;
  }

  // The end of what is there without a break.
  static std::uint64_t there_from(const Resource<store::EntryDriver>& resource, ByteRange range) {
    const auto gap = resource.next_gap(range.begin, range.end);
    const std::uint64_t end = gap ? gap->begin : range.end;
    return std::max(range.begin, std::min(end, resource.length().value_or(end)));
  }

  static std::string chunk_head(std::uint64_t size) {
    std::array<char, 20> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), size, 16).ptr;
    return std::string(digits.data(), end) + "\r\n";
  }

  // At least one byte; none: the connection is of no use any more.
  awaitable<std::optional<std::size_t>> send_some(const store::Lease& lease, ByteRange range) {
    for (;;) {
      auto count = lease.send_to(socket_.native_handle(), range);
      if (!count && (count.error().code == Errc::unsupported || count.error().code == Errc::corrupt)) {
        co_return co_await send_copy(lease, range);  // which can decrypt, and tells whether it is corrupt
      }
      if (!count) {
        co_return std::nullopt;
      }
      if (*count > 0) {
        co_return *count;
      }
      if (!co_await ready(tcp::socket::wait_write, serving_->limits.progress)) {
        co_return std::nullopt;
      }
    }
  }

  awaitable<std::optional<std::size_t>> send_copy(const store::Lease& lease, ByteRange range) {
    std::string bytes(std::min<std::uint64_t>(range.size(), 65536), '\0');
    const auto count = lease.resource().read_at(range.begin, std::as_writable_bytes(std::span(bytes)));
    if (!count || *count == 0) {
      co_return std::nullopt;
    }
    bytes.resize(*count);
    co_return co_await send(std::move(bytes)) ? std::optional(*count) : std::nullopt;
  }

  awaitable<bool> send(std::string bytes, int flags = 0) {
    for (std::size_t at = 0; at < bytes.size();) {
      const auto count =
          ::send(socket_.native_handle(), bytes.data() + at, bytes.size() - at, flags | MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count < 0 && errno != EAGAIN && errno != EINTR) {
        ended_ = true;
        co_return false;
      }
      at += static_cast<std::size_t>(std::max<::ssize_t>(count, 0));
      if (count < 0 && !co_await ready(tcp::socket::wait_write, serving_->limits.progress)) {
        co_return false;
      }
    }
    co_return true;
  }

  // For some of the range, from its begin on, as long as the client does; nothing: it never comes, or nobody wants it.
  awaitable<std::optional<WaitOutcome>> wait(const Resource<store::EntryDriver>& resource, ByteRange range) {
    WaitOptions options;
    options.deadline = Clock::now() + serving_->limits.progress;
    options.until = WaitFor::any;
    const auto first = co_await (async_wait(resource, range, options, kToken) || gone());
    if (first.index() == 1) {
      ended_ = true;
      co_return std::nullopt;
    }
    const auto& [error, outcome] = std::get<0>(first);
    co_return !error ? std::optional(outcome) : std::nullopt;
  }

  // Ends when the client has closed the connection. One that sends the next request meanwhile is there.
  awaitable<void> gone() {
    for (;;) {
      const auto [error] = co_await socket_.async_wait(tcp::socket::wait_read, kToken);
      char next = 0;
      const auto count = error ? 0 : ::recv(socket_.native_handle(), &next, 1, MSG_PEEK | MSG_DONTWAIT);
      if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
        co_return;
      }
      if (count > 0) {
        asio::steady_timer never(socket_.get_executor(), asio::steady_timer::time_point::max());
        co_await never.async_wait(kToken);
        co_return;
      }
    }
  }

  // False: not within the limit, or the session is to end.
  awaitable<bool> ready(tcp::socket::wait_type what, Clock::duration limit) {
    asio::steady_timer timer(socket_.get_executor(), limit);
    const auto first = co_await (socket_.async_wait(what, kToken) || timer.async_wait(kToken));
    co_return first.index() == 0 && !std::get<0>(std::get<0>(first));
  }

  awaitable<std::shared_ptr<Objects::Found>> find(Source source, const RequestHead& request) {
    const auto wanted = http::CacheControl::parse(request.cache_control.value_or(""));
    co_return co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(std::shared_ptr<Objects::Found>)>(
        [this, &source, &wanted](auto handler) {
          const auto kept = std::make_shared<decltype(handler)>(std::move(handler));
          serving_->objects->find(std::move(source), wanted,
                                  [kept, work = asio::make_work_guard(socket_.get_executor())](Objects::Found found) {
                                    asio::post(
                                        work.get_executor(),
                                        [kept, answer = std::make_shared<Objects::Found>(std::move(found))]() mutable {
                                          std::move (*kept)(std::move(answer));
                                        });
                                  });
        },
        asio::use_awaitable);
  }

  tcp::socket socket_;
  asio::cancellation_signal cancel_;
  const std::shared_ptr<const Serving> serving_;
  std::string buffer_;      // what has come, from the request that is being answered on
  bool idle_ = false;       // nothing of a request has come
  bool ending_ = false;     // after this answer
  bool answering_ = false;  // some of an answer has been sent
  bool ended_ = false;      // the client has gone
};

}  // namespace

std::shared_ptr<Session> start_session(tcp::socket socket, std::shared_ptr<const Serving> serving,
                                       std::function<void()> over) {
  auto session = std::make_shared<TcpSession>(std::move(socket), std::move(serving));
  session->start(std::move(over));
  return session;
}

}  // namespace strandline::serve
