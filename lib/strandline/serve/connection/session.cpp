#include <strandline/serve/connection/answer.h>
#include <strandline/serve/connection/body.h>
#include <strandline/serve/connection/finding.h>
#include <strandline/serve/connection/passing.h>
#include <strandline/serve/connection/session.h>
#include <strandline/serve/control/exchange.h>
#include <strandline/serve/http/request/strict_head.h>
#include <strandline/serve/http/request/via.h>
#include <strandline/serve/log/request_note.h>
#include <strandline/serve/traffic/sequence.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <utility>

namespace strandline::serve {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::ip::tcp;
using namespace asio::experimental::awaitable_operators;

ClientSocket::Patience patience_of(const SessionLimits& limits) {
  return {.silence = limits.progress,
          .least_rate = limits.least_rate,
          .slow_for = limits.slow_for,
          .send_buffer = limits.send_buffer};
}

class TcpSession final : public Session, public std::enable_shared_from_this<TcpSession> {
 public:
  TcpSession(const TcpSession&) = delete;
  TcpSession& operator=(const TcpSession&) = delete;
  ~TcpSession() override {
    in_flight_.settle(client_.arrived());
    if (in_flight_.empty()) {
      client_.let_go();
    }  // else what will not be pinned any more shall not arrive either
  }
  TcpSession(tcp::socket socket, std::shared_ptr<const CurrentServing> current)
      : client_(std::move(socket), patience_of(current->get()->limits), current->get()->tls.get()),
        current_(std::move(current)),
        serving_(current_->get()),
        reader_(serving_->traffic->add_reader(client_.peer())) {}

  void start(std::function<void()> over) {
    asio::co_spawn(
        client_.executor(), [self = shared_from_this()] { return self->run(); },
        asio::bind_cancellation_slot(cancel_.slot(), [self = shared_from_this(),
                                                      over = std::move(over)](const std::exception_ptr&) { over(); }));
  }

  void end(bool now) noexcept override {
    asio::post(client_.executor(), [self = shared_from_this(), now] {
      self->ending_ = true;
      // What is still on its way to one that asks nothing is seen to the client by its own coroutine, soon.
      if (now || (self->idle_ && self->in_flight_.empty())) {
        self->cancel_.emit(asio::cancellation_type::terminal);
      }
    });
  }

 private:
  using Clock = ClientSocket::Clock;
  // However the answer ends.
  struct Noted {
    TcpSession& session;
    std::string_view head;
    ~Noted() { note_request(session.serving_->logging, session.serving_->access, session.client_, head); }
  };

  // Whether it was answered or not.
  struct Leaving {
    Objects& objects;
    const Objects::Place place;
    ~Leaving() { objects.leave(place); }
  };

  awaitable<void> run() {
    idle_ = true;
    const bool prepared = co_await client_.prepare(serving_->limits.head);
    idle_ = false;
    while (prepared && !ending_) {
      const auto head = co_await read_head();
      bool goes_on = false;
      {
        const Noted noted{*this, head.value_or("")};
        goes_on = head && co_await answer(*head);
      }
      if (!goes_on) {
        break;
      }
      buffer_.erase(0, static_cast<std::size_t>(head->data() + head->size() - buffer_.data()));
      if (!buffer_.empty()) {
        co_await asio::post(client_.executor(), kToken);  // others of this thread have their turn
      }
    }
    co_await client_.close();
  }

  // The next request's, as a part of buffer_; none: there is none any more.
  awaitable<std::optional<std::string_view>> read_head() {
    http::StrictHead strict;
    auto until = Clock::now() + serving_->limits.idle;
    bool begun = false;
    client_.begin_account(false);
    for (;;) {
      if (!begun && !buffer_.empty()) {
        begun = true;
        client_.begin_account(serving_->logging.log != nullptr);
        until = Clock::now() + serving_->limits.head;
      }
      const auto head = strict.look(buffer_);
      if (!head) {
        reader_->answered(head.error().status);
        co_await client_.send(refusal_text(head.error(), true));
        co_return std::nullopt;
      }
      if (*head) {
        co_return *head;
      }
      if (client_.receive(buffer_)) {
        continue;
      }
      idle_ = !begun;
      const Clock::duration left = until - Clock::now();
      const auto limit = in_flight_.empty() ? left : std::min<Clock::duration>(left, ClientSocket::kLookAgain);
      const bool may_come = !client_.has_gone() && !(ending_ && idle_);
      const bool is_ready = may_come && co_await client_.ready(ClientSocket::Wait::wait_read, limit);
      idle_ = false;
      if (may_come && !is_ready && limit < left && client_.timed_out()) {
        in_flight_.settle(client_.arrived());
        continue;
      }
      if (!is_ready) {
        if (begun && !client_.has_gone()) {
          reader_->answered(408);
          co_await client_.send(refusal_text({408, "the request took too long"}, true));
        }
        co_return std::nullopt;
      }
    }
  }

  // False when the connection ends behind it.
  awaitable<bool> answer(std::string_view head) {
    serving_ = current_->get(std::move(serving_));
    reader_->asks();
    const RequestHead request = RequestHead::parse(head);
    const bool head_only = request.method == "HEAD";
    const auto target = http::parse_request_target(request.target, request.host);
    const bool is_control = target && target->path.starts_with(kControlPrefix);
    control_ = is_control ? target->path : "";
    cors_ = is_control ? "" : serving_->access.cors.fields(request.origin);
    const bool is_preflight = request.method == "OPTIONS" && !is_control && target && !request.close;
    if (std::string allowed = is_preflight ? serving_->access.cors.preflight(request.origin) : ""; !allowed.empty()) {
      reader_->answered(204);
      co_return co_await client_.send(std::move(allowed)) && !ending_;
    }
    // Which of those that are known it wants, control says.
    if (const auto refusal = refusal_of_method(request.method); refusal && !(is_control && refusal->status == 405)) {
      co_return co_await refuse(*refusal, true, false);  // what comes with it is not read
    }
    if (!target) {
      co_return co_await refuse(target.error(), true, head_only);
    }
    const bool close = request.close || ending_;
    if (request.via && !serving_->pseudonym.empty() && http::has_passed(*request.via, serving_->pseudonym)) {
      co_return co_await refuse({508, "an origin of this server is this server"}, close, head_only);
    }
    if (const auto refusal =
            serving_->access.refusal({request.host, request.authorization, target->path, client_.user()})) {
      co_return co_await refuse(*refusal, close, head_only);
    }
    if (is_control) {
      ControlExchange exchange(client_, *serving_, *current_, idle_);
      std::string body = behind(head);
      co_return co_await exchange.answer(request, *target, std::move(body), close);
    }
    using Remedy = Hindrance::Remedy;
    bool past_the_store = false;
    bool needs_content = false;
    for (int again = 0;;) {
      auto source = serving_->source_of(*target);
      if (!source) {
        co_return co_await refuse({404, "nothing is served there"}, close, head_only);
      }
      const auto since = Clock::now();
      auto found = co_await find(std::move(*source), request, past_the_store, needs_content);
      client_.account().waited_since(since);
      if (!found) {
        co_return false;
      }
      if (!*found) {
        co_return co_await refuse(hindrance_of(found->error(), found->error().status), close, head_only);
      }
      Objects::Open& open = **found;
      Selected selected = select_answer(request, open);
      // A condition does not hold, or the end is wanted, of what only a HEAD has told of.
      if (!head_only && !needs_content && selected.status != 304 && selected.status != 412 && open.object &&
          is_doubted(*open.object)) {
        needs_content = true;
        continue;
      }
      Sent sent = co_await send(request, open, selected);
      const bool is_hindered = sent.hindrance && !client_.has_gone();
      const Remedy remedy = is_hindered ? sent.hindrance->remedy : Remedy::none;
      if (remedy == Remedy::no_room) {
        serving_->objects->has_no_room();
      }
      if (is_hindered && !sent.begun) {
        const bool goes_past = remedy == Remedy::no_room || remedy == Remedy::for_one;
        if ((goes_past && !std::exchange(past_the_store, true)) ||
            (remedy == Remedy::ask_again && again++ < kMostAgain)) {
          continue;
        }
        co_return co_await refuse(std::move(*sent.hindrance), close, head_only);
      }
      if (is_hindered) {
        client_.account().failed(sent.hindrance->why, true);
        reader_->breaks_off();
      } else if (!sent.all) {
        client_.account().left();
      }
      if (client_.account().sent > 0) {  // else it has gone before there was an answer
        reader_->answered(selected.status);
      }
      co_return sent.all && !selected.close && !ending_;
    }
  }

  [[nodiscard]] std::string behind(std::string_view head) const {
    return buffer_.substr(static_cast<std::size_t>(head.data() + head.size() - buffer_.data()));
  }

  awaitable<bool> refuse(http::Refusal refusal, bool close, bool head_only, std::string fields = {}) {
    if (control_.empty()) {
      reader_->answered(refusal.status);
    }
    std::string text = control_.empty() ? with_fields(refusal_text(refusal, close, head_only), cors_ + fields)
                                        : control_refusal_text(control_, refusal, close, head_only);
    co_return co_await client_.send(std::move(text)) && !close;
  }

  awaitable<bool> refuse(Hindrance hindrance, bool close, bool head_only) {
    client_.account().failed(hindrance.why, false);
    co_return co_await refuse(hindrance.refusal, close, head_only, std::move(hindrance.fields));
  }

  static constexpr int kMostAgain = 2;  // to ask of an object that changes again and again
  struct Sent {
    bool all = false;
    bool begun = false;
    std::optional<Hindrance> hindrance{};  // none, where not all was sent: the client has gone, or takes too little
  };
  awaitable<Sent> send(const RequestHead& request, Objects::Open& open, Selected& selected) {
    Sent sent;
    if (open.object == nullptr) {
      Passing passing(client_, serving_->limits, open.unshared, *reader_);
      if (co_await take_head_of_body(request, open, selected, passing)) {
        co_await send(passing, selected, sent);
      } else {
        sent.hindrance = passing.hindrance();
      }
      co_return sent;
    }
    Body body(client_, in_flight_, serving_->limits, *open.object, *reader_);
    if (serving_->objects->stands_alone(open)) {
      // Nothing is begun that would break off, nor fetched ahead.
      if (!body.hold(selected.parts, serving_->objects->most_ahead())) {
        sent.hindrance = not_here(open);
        co_return sent;
      }
    } else if (selected.parts.size() == 1) {
      sequence_.read(*open.object, selected.parts.front());
    }
    co_await send(body, selected, sent);
    co_return sent;
  }

  // The head is to be of the very answer whose body is sent. False: there is none.
  static awaitable<bool> take_head_of_body(const RequestHead& request, Objects::Open& open, Selected& selected,
                                           Passing& passing) {
    for (bool fits = selected.parts.empty(); !fits;) {
      open.unshared = co_await passing.ask(selected.parts.front());
      if (open.unshared == nullptr) {
        co_return false;
      }
      selected = select_answer(request, open);
      fits = selected.parts.empty() || passing.goes_on_with(selected.parts.front());
    }
    co_return true;
  }

  static Hindrance not_here(const Objects::Open& open) {
    constexpr http::Refusal kUnasked{504, "not all of it is here, and no origin is asked"};
    return open.failure ? hindrance_of(*open.failure, open.status)
                        : Hindrance{Error::make(Errc::not_available, kUnasked.reason), kUnasked};
  }

  awaitable<void> send(auto& body, Selected& selected, Sent& sent) {
    const bool ends_with_connection =
        !selected.chunked && !selected.parts.empty() && selected.parts.back().end == kMaxOffset;
    client_.owes_end(ends_with_connection);
    sent.all = co_await send_parts(body, selected);
    sent.begun = body.begun();
    client_.owes_end(ends_with_connection && sent.begun && !sent.all);
    sent.hindrance = body.hindrance();
  }

  awaitable<bool> send_parts(auto& body, Selected& selected) {
    std::string before = with_fields(std::move(selected.head), cors_);
    for (std::size_t i = 0; i < selected.parts.size(); ++i) {
      if (i < selected.part_heads.size()) {
        before += selected.part_heads[i];
      }
      if (!co_await body.send(selected.parts[i], std::move(before), selected.chunked)) {
        co_return false;
      }
      before.clear();
    }
    before += selected.tail;
    co_return before.empty() || co_await client_.send(std::move(before));
  }

  // None: the client has gone meanwhile.
  awaitable<std::optional<Objects::Found>> find(Source source, const RequestHead& request, bool past_the_store,
                                                bool needs_content) {
    const bool ignored = source.rule && source.rule->ignore_client_cache_control;
    auto wanted = http::CacheControl::parse(ignored ? "" : request.cache_control.value_or(""));
    wanted.no_store = wanted.no_store || past_the_store;
    const auto finding = std::make_shared<Finding>(client_.executor());
    Objects& objects = *serving_->objects;
    const Leaving leaving{objects, objects.find(
                                       std::move(source), wanted,
                                       [&] {
                                         const ByteRange first = first_read(request);
                                         return first.empty() && needs_content ? ByteRange{0, 1} : first;
                                       },
                                       [finding](Objects::Found found) { finding->tell(std::move(found)); })};
    auto found = finding->take();
    if (!found) {
      co_await (finding->told() || client_.until_gone());
      found = client_.has_gone() ? std::optional<Objects::Found>() : finding->take();
    }
    co_return found;
  }

  InFlight in_flight_;  // longer than the connection
  ClientSocket client_;
  asio::cancellation_signal cancel_;
  const std::shared_ptr<const CurrentServing> current_;
  std::shared_ptr<const Serving> serving_;  // for the request under way
  const std::shared_ptr<Reader> reader_;
  std::string buffer_;  // what has come, from the request that is being answered on
  Sequence sequence_;
  std::string cors_;     // fields of the answer
  std::string control_;  // the path, where control is asked
  bool idle_ = false;    // nothing of a request has come
  bool ending_ = false;  // after this answer
};

}  // namespace

std::shared_ptr<Session> start_session(tcp::socket socket, std::shared_ptr<const CurrentServing> current,
                                       std::function<void()> over) {
  auto session = std::make_shared<TcpSession>(std::move(socket), std::move(current));
  session->start(std::move(over));
  return session;
}

}  // namespace strandline::serve
