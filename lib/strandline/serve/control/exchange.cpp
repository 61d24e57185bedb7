#include <strandline/origin/http/protocol/syntax.h>
#include <strandline/serve/control/arguments.h>
#include <strandline/serve/control/exchange.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <charconv>
#include <utility>

namespace strandline::serve {

namespace asio = boost::asio;
using asio::awaitable;
using namespace boost::asio::experimental::awaitable_operators;

namespace {

constexpr auto kCommentEvery = std::chrono::seconds(10);  // so that both ends see that the other is there

// What a web page of another site could make a browser send is refused: it says where it comes from (Fetch Metadata,
// section 2.3; RFC 6454, section 7), and without being asked first it cannot send JSON (Fetch, section 3.3).
std::optional<http::Refusal> refusal_of_post(const RequestHead& request) {
  const std::string site = request.sec_fetch_site.value_or("none");
  const std::string host = request.host.value_or("");
  if (site != "same-origin" && site != "none") {
    return http::Refusal{403, "asked by another site"};
  }
  if (request.origin && *request.origin != "http://" + host && *request.origin != "https://" + host) {
    return http::Refusal{403, "asked by another site"};
  }
  const std::string type = request.content_type.value_or("");
  if (!origin::http::same_word(origin::http::trimmed(std::string_view(type).substr(0, type.find(';'))),
                               "application/json")) {
    return http::Refusal{415, "application/json is wanted"};
  }
  if (!request.content_length) {
    return http::Refusal{411, "a Content-Length is wanted"};
  }
  if (request.expect && request.version != "1.0" && !origin::http::same_word(*request.expect, "100-continue")) {
    return http::Refusal{417, "an expectation that is not known here"};
  }
  return std::nullopt;
}

// Nothing but the page's own files, from here: no other site's page may have it in a frame, or read it.
AnswerHead control_head(int status, bool close, std::string_view type) {
  AnswerHead head(status, close);
  head.field("Content-Type", type)
      .field("Cache-Control", "no-store")
      .field("Content-Security-Policy",
             "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
             "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
      .field("Cross-Origin-Resource-Policy", "same-origin")
      .field("Referrer-Policy", "no-referrer")
      .field("X-Content-Type-Options", "nosniff");
  return head;
}

std::string text_of(const ControlAnswer& answer, std::string_view fields, bool close, bool head_only) {
  AnswerHead head = control_head(answer.status, close, answer.type);
  head.fields(fields).field("Content-Length", std::to_string(answer.body.size()));
  if (!answer.allow.empty()) {
    head.field("Allow", answer.allow);
  }
  return head.text() + (head_only ? "" : answer.body);
}

// Wakes a session that waits for something new. Of its executor.
struct Bell {
  explicit Bell(const asio::any_io_executor& executor) : timer(executor) {}
  asio::steady_timer timer;
  bool rung = false;
};

}  // namespace

std::string control_refusal_text(std::string_view path, const http::Refusal& refusal, bool close, bool head_only) {
  return text_of(control_refusal(path, refusal.status, refusal.reason), refusal_fields(refusal), close, head_only);
}

awaitable<bool> ControlExchange::answer(const RequestHead& request, http::RequestTarget target, std::string body,
                                        bool close) {
  const bool head_only = request.method == "HEAD";
  ControlRequest asked{head_only ? "GET" : request.method, std::move(target), {}};
  const std::string path = asked.target.path;
  if (asked.method == "POST") {
    if (const auto refusal = refusal_of_post(request)) {
      co_return co_await refuse(path, *refusal);
    }
    const std::string& text = *request.content_length;  // digits: StrictHead has seen it
    std::size_t size = 0;
    const auto read_size = std::from_chars(text.data(), text.data() + text.size(), size);
    if (read_size.ec != std::errc() || size > kMaxControlBody) {
      co_return co_await refuse(path, {413, "at most 64 KiB are read"});
    }
    if (!co_await read(body, size, request.expect && request.version != "1.0")) {
      co_return co_await refuse(path, {408, "the request took too long"});
    }
    asked.body = std::move(body);
  } else if (asked.method != "GET") {
    close = true;  // what comes with it is not read
  }
  if (path == kEventsPath && asked.method == "GET") {
    const auto strip = strip_options(asked.target);
    if (!strip) {
      co_return co_await refuse(path, {400, "cells: 1 to 4096"}, head_only);
    }
    if (!head_only) {
      co_return co_await stream(strip->cells);
    }
  }
  const ControlAnswer answer = co_await ask(std::move(asked));
  if (answer.status == 503 && answer.body.empty()) {
    co_return co_await refuse(path, {503, "not now"}, head_only);  // there was no memory for words
  }
  co_return co_await client_.send(text_of(answer, "", close, head_only)) && !close;
}

awaitable<bool> ControlExchange::refuse(const std::string& path, http::Refusal refusal, bool head_only) {
  if (!client_.has_gone()) {
    co_await client_.send(control_refusal_text(path, refusal, true, head_only));
  }
  co_return false;
}

awaitable<bool> ControlExchange::read(std::string& body, std::size_t size, bool asked_for) {
  const auto until = ClientSocket::Clock::now() + serving_.limits.head;
  if (asked_for && body.size() < size) {
    std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";  // RFC 9110, section 10.1.1
    if (!co_await client_.send(std::move(go_on))) {
      co_return false;
    }
  }
  while (body.size() < size) {
    if (!client_.receive(body) && (client_.has_gone() || !co_await client_.ready(ClientSocket::Wait::wait_read,
                                                                                 until - ClientSocket::Clock::now()))) {
      co_return false;
    }
  }
  body.resize(size);  // what comes behind it is not read: the connection ends
  co_return true;
}

awaitable<ControlAnswer> ControlExchange::ask(ControlRequest request) {
  const auto answer =
      co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(std::shared_ptr<ControlAnswer>)>(
          [this, &request](auto handler) {
            const auto kept = std::make_shared<decltype(handler)>(std::move(handler));
            serving_.control->answer(
                std::move(request), [kept, work = asio::make_work_guard(client_.executor())](ControlAnswer answer) {
                  asio::post(work.get_executor(),
                             [kept, answer = std::make_shared<ControlAnswer>(std::move(answer))]() mutable {
                               std::move (*kept)(std::move(answer));
                             });
                });
          },
          asio::use_awaitable);
  co_return std::move(*answer);
}

awaitable<bool> ControlExchange::stream(std::size_t cells) {
  const auto bell = std::make_shared<Bell>(client_.executor());
  const auto listener = serving_.control->listen(cells, [bell, work = asio::make_work_guard(client_.executor())] {
    asio::post(work.get_executor(), [bell] {
      bell->rung = true;
      bell->timer.cancel();
    });
  });
  if (listener == nullptr) {
    co_return co_await refuse(std::string(kEventsPath), {503, "too many listen"});
  }
  // The end of the connection is the end of it (RFC 9112, section 6.3).
  std::string text = control_head(200, true, "text/event-stream").text();
  // So are other rules: who listens asks again, and has to be allowed to.
  while (co_await client_.send(std::move(text)) && current_.get().get() == &serving_) {
    if (const auto event = listener->take()) {
      text = *event;
      continue;
    }
    bell->timer.expires_after(kCommentEvery);
    if (!bell->rung) {
      idle_ = true;
      const auto first = co_await (bell->timer.async_wait(kToken) || client_.until_gone());
      idle_ = false;
      if (first.index() == 1) {
        break;
      }
    }
    text = std::exchange(bell->rung, false) ? "" : ": nothing has changed\n\n";
  }
  co_return false;
}

}  // namespace strandline::serve
