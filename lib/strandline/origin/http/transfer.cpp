#include "transfer.h"

#include <sys/socket.h>

#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include "protocol/address.h"

namespace strandline::origin::http {
namespace {

// For the body of a refusal or a redirect, so that its connection can be used again.
constexpr std::chrono::milliseconds kDrainTime{500};

const ByteRange kEverything{0, kMaxOffset};

Failure failure(Errc code, std::string_view what = {}) noexcept {
  return Failure{Error::make(code, what)};
}

const std::vector<std::string>* hosts_of(const HttpOptions& options) {
  return options.redirects_to ? &*options.redirects_to : nullptr;
}

constexpr std::chrono::milliseconds kFullFor{10};  // then a sink that had no room is asked again

// Servers that do not do HEAD, or not for those who may GET.
bool refuses_head(int status) noexcept {
  return status == 403 || status == 405 || status == 501;
}

}  // namespace

Transfer::Transfer(Url url, const HttpOptions& options, ReadRequest request, std::shared_ptr<Sink> sink,
                   std::stop_token stop)
    : request_(std::move(request)),
      sink_(std::move(sink)),
      stop_(std::move(stop)),
      route_(std::move(url), options.allow_private_redirects, hosts_of(options)) {}

Transfer::Transfer(Url url, const HttpOptions& options, Reply<ObjectInfo> reply, std::stop_token stop)
    : reply_(std::move(reply)),
      stop_(std::move(stop)),
      route_(std::move(url), options.allow_private_redirects, hosts_of(options)) {}

void Transfer::start(LoopState& loop) noexcept {
  loop_ = &loop;
  try {
    if (auto target = loop.targets.find(route_.first(), loop.clock.now())) {
      route_.jump(std::move(*target));
    }
  } catch (const std::bad_alloc&) {  // then the way is gone again
  }
}

bool Transfer::prepare(CURL* handle) noexcept {
  try {
    set_question();
    reception_.emplace(question_, sink_.get(), stop_, loop_->clock);
    proxied_ = peer_refused_ = connected_ = false;
    peer_private_ = true;
    stalled_ = StallWatch::Verdict::fine;
    drain_until_.reset();
    paused_until_.reset();
    pace_ = Pace(request_.max_rate, Pace::Clock::now());
    detail_[0] = '\0';
    set_options(handle);
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

void Transfer::set_question() {
  question_ = {};
  if (sink_) {
    question_.range = request_.range;
    question_.ranged = !ranges_refused_;
    question_.if_match = request_.if_match;
  } else {
    question_.head = !head_refused_;
    question_.ranged = head_refused_ && !ranges_refused_;
    question_.range = question_.ranged ? ByteRange{0, 1} : kEverything;
  }
}

LoopClock::Clock::time_point Transfer::due() const noexcept {
  if (drain_until_) {
    return *drain_until_;
  }
  // Until it is connected libcurl has the deadline.
  return connected_ && !paused_until_ ? watch_.due() : LoopClock::Clock::time_point::max();
}

bool Transfer::expired(LoopClock::Clock::time_point now) noexcept {
  if (reception_->draining()) {
    drain_until_ = drain_until_.value_or(now + std::min(kDrainTime, loop_->options.silence));
    return now >= *drain_until_;
  }
  stalled_ = connected_ && !paused_until_ ? watch_.judge(now) : StallWatch::Verdict::fine;
  return stalled_ != StallWatch::Verdict::fine;
}

Transfer::Next Transfer::ended(CURL* handle, CURLcode code) noexcept {
  try {
    return conclude(handle, code);
  } catch (const std::bad_alloc&) {
    fail(Errc::no_memory);
    return Next::done;
  }
}

Transfer::Next Transfer::conclude(CURL* handle, CURLcode code) {
  if (stop_.stop_requested()) {
    fail(Errc::interrupted);
    return Next::done;
  }
  const HttpHead& head = reception_->head();
  if (reception_->draining()) {
    if (is_redirect(head)) {
      return redirect();
    }
    if (question_.head && refuses_head(head.status)) {
      head_refused_ = true;
      return Next::again;
    }
    if (refuses_ranges_from_zero(head, question_)) {
      ranges_refused_ = true;
      return Next::again;
    }
  }
  const bool in_order = code == CURLE_OK || reception_->decided();
  outcome_ = in_order ? reception_->outcome() : Outcome<void>(tl::unexpected(of_libcurl(handle, code)));
  if (reception_->refused_by_sink()) {
    return Next::done;
  }
  if (!outcome_) {
    return fall_back();
  }
  if (route_.redirected() && !route_.remembered()) {
    loop_->targets.learn(route_.first(), route_.target(), loop_->clock.now());
  }
  return Next::done;
}

Transfer::Next Transfer::redirect() {
  const bool from_private = proxied_ ? route_.now().names_private_host() : peer_private_;
  outcome_ = route_.follow(reception_->head(), from_private);
  return outcome_ ? Next::again : fall_back();
}

// Where a redirect led a while ago may have expired: then the way is gone again, from the start.
Transfer::Next Transfer::fall_back() {
  const int status = reception_->head().status;
  const bool busy = status == 429 || status == 503;  // it is there, and more requests are what it cannot use
  if (route_.remembered() && !busy) {
    loop_->targets.forget(route_.first());
    if (!reception_->begun()) {
      route_.restart();
      return Next::again;
    }
  }
  std::string& context = outcome_.error().error.context;
  context = route_.shown() + (context.empty() ? "" : ": ") + context;
  return Next::done;
}

Failure Transfer::of_libcurl(CURL* handle, CURLcode code) const {
  const std::string detail = detail_[0] != '\0' ? detail_.data() : curl_easy_strerror(code);
  const auto passing = [](Failure of) {
    of.may_pass = true;
    return of;
  };
  if (peer_refused_) {
    return failure(Errc::permission_denied, "a public server redirects to a private address");
  }
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT: {
      const auto& options = loop_->options;
      const std::string stalled = stalled_ == StallWatch::Verdict::silent
                                      ? "no byte for " + std::to_string(options.silence.count()) + " ms"
                                  : stalled_ == StallWatch::Verdict::slow
                                      ? "less than " + std::to_string(options.low_speed) + " bytes per second"
                                      : detail;
      return passing(failure(Errc::timed_out, stalled + ", after " + reception_->progress()));
    }
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM: {
      long connect_status = 0;
      curl_easy_getinfo(handle, CURLINFO_HTTP_CONNECTCODE, &connect_status);
      if (connect_status == 407 || connect_status == 403) {
        return failure(Errc::permission_denied, detail);
      }
      return passing(failure(Errc::io, detail + ", after " + reception_->progress()));
    }
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SSL_CONNECT_ERROR:  // broken off, or a disagreement: which, it does not say
      return passing(failure(Errc::io, detail));
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CACERT_BADFILE:
      return failure(Errc::permission_denied, detail);
    case CURLE_OUT_OF_MEMORY:
      return failure(Errc::no_memory, detail + ", or a header line longer than libcurl takes");
    // No answer in HTTP: libcurl takes it for one of HTTP/0.9, or of a server that has lost its way.
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_FILESIZE_EXCEEDED:
      return failure(Errc::corrupt, detail);
    default:
      return failure(Errc::io, detail);
  }
}

void Transfer::fail(Errc code, std::string_view why) noexcept {
  try {
    outcome_ = tl::unexpected(failure(code, route_.shown() + (why.empty() ? "" : ": ") + std::string(why)));
  } catch (const std::bad_alloc&) {
    outcome_ = tl::unexpected(failure(code));
  }
}

void Transfer::answer() noexcept {
  on_stop_.reset();
  if (sink_) {
    return sink_->end(std::move(outcome_));
  }
  if (!outcome_) {
    return reply_(tl::unexpected(std::move(outcome_.error())));
  }
  reply_(reception_->take_object());
}

std::size_t Transfer::on_header(char* data, std::size_t size, std::size_t count, void* self) noexcept {
  auto& transfer = *static_cast<Transfer*>(self);
  const std::string_view line(data, size * count);
  transfer.watch_.arrived(line.size(), transfer.loop_->clock.now());
  return transfer.reception_->header(line) ? line.size() : 0;
}

std::size_t Transfer::on_body(char* data, std::size_t size, std::size_t count, void* self) noexcept {
  auto& transfer = *static_cast<Transfer*>(self);
  const auto piece = std::as_bytes(std::span(data, size * count));
  transfer.watch_.arrived(piece.size(), transfer.loop_->clock.now());
  if (!transfer.reception_->body(piece)) {
    return 0;
  }
  // Asked for here, a pause is one after this read of the socket, not in the middle of what it brought.
  const auto now = Pace::Clock::now();
  auto until = transfer.pace_.arrived(piece.size(), now);
  if (!until && !transfer.has_room()) {
    until = now + kFullFor;
  }
  if (until && curl_easy_pause(transfer.easy, CURLPAUSE_RECV) == CURLE_OK) {
    transfer.paused_until_ = until;
  }
  return piece.size();
}

bool Transfer::may_resume(Pace::Clock::time_point now) noexcept {
  if (!has_room()) {
    paused_until_ = now + kFullFor;
    return false;
  }
  return true;
}

CURLcode Transfer::resume() noexcept {
  paused_until_.reset();
  watch();
  return curl_easy_pause(easy, CURLPAUSE_CONT);
}

int Transfer::on_log(CURL*, curl_infotype type, char* data, std::size_t size, void* self) noexcept {
  if (type == CURLINFO_DATA_IN) {
    static_cast<Transfer*>(self)->reception_->received(std::as_bytes(std::span(data, size)));
  }
  return 0;
}

// A connection to another port than the URL's is one to a proxy, which looks the name up itself.
bool Transfer::may_ask(bool is_private, int port) noexcept {
  proxied_ = port != route_.now().port();
  peer_private_ = is_private;
  const bool refused = route_.guarded() && !proxied_ && is_private;
  peer_refused_ = peer_refused_ || refused;
  return !refused;
}

curl_socket_t Transfer::on_socket(void* self, curlsocktype, curl_sockaddr* address) noexcept {
  const Peer peer = peer_of(&address->addr, address->addrlen);
  if (!static_cast<Transfer*>(self)->may_ask(peer.is_private, peer.port)) {
    return CURL_SOCKET_BAD;
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

// Connected, by on_socket() or in an earlier request; nothing has been sent yet.
int Transfer::on_ready(void* self, char* ip, char*, int port, int) noexcept {
  auto& transfer = *static_cast<Transfer*>(self);
  if (!transfer.may_ask(is_private(ip).value_or(true), port)) {
    return CURL_PREREQFUNC_ABORT;
  }
  transfer.peer_refused_ = false;  // of several addresses one will do
  transfer.connected_ = true;
  transfer.watch();
  return CURL_PREREQFUNC_OK;
}

void Transfer::watch() noexcept {
  const HttpOptions& options = loop_->options;
  // What comes slowly because it was asked for slowly is not stalled.
  const std::uint64_t rate = request_.max_rate;
  const std::uint64_t low_speed = rate == 0 ? options.low_speed : std::min(options.low_speed, rate / 2);
  watch_ = StallWatch({options.silence, low_speed, options.low_speed_time}, loop_->clock.now());
}

}  // namespace strandline::origin::http
