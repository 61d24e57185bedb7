#include "redirects.h"

#include <algorithm>
#include <utility>

namespace strandline::origin::http {
namespace {

tl::unexpected<Failure> refuse(Errc code, std::string_view what) {
  return tl::unexpected(Failure{Error::make(code, what)});
}

// Where a server sends one user is no other's business.
std::string key_of(const Url& first) {
  return first.user() + '\n' + first.password() + '\n' + first.text();
}

}  // namespace

bool is_redirect(const HttpHead& head) noexcept {
  switch (head.status) {
    case 301:
    case 302:
    case 303:
    case 307:
    case 308:
      return head.location.has_value();
    default:
      return false;
  }
}

Outcome<void> Route::follow(const HttpHead& head, bool from_private) {
  if (head.contradictory) {
    return refuse(Errc::corrupt, "a redirect to two places");
  }
  if (head.folded) {
    return refuse(Errc::corrupt, "a redirect with a header field that goes on in the next line");
  }
  auto next = now_.follow(*head.location);
  if (!next) {
    return refuse(next.error().code, "redirect: " + next.error().context);
  }
  const bool is_listed = !hosts_ || next->host() == first_.host() ||
                         std::find(hosts_->begin(), hosts_->end(), next->host()) != hosts_->end();
  if (!is_listed) {
    return refuse(Errc::permission_denied, "redirected to another host, which is not allowed: " + next->host());
  }
  if (now_.secure() && !next->secure()) {
    return refuse(Errc::permission_denied, "redirected from https to http: " + next->shown());
  }
  passed_.push_back(now_.text());
  if (std::find(passed_.begin(), passed_.end(), next->text()) != passed_.end()) {
    return refuse(Errc::io, "the redirects go in a circle: back to " + next->shown());
  }
  if (passed_.size() > kMaxRedirects) {
    return refuse(Errc::io, "more than " + std::to_string(kMaxRedirects) + " redirects");
  }
  if (next->host() != now_.host()) {
    guarded_ = !allow_private_ && !from_private;
  }
  if (guarded_ && next->names_private_host()) {
    return refuse(Errc::permission_denied, "a public server redirects to a private address: " + next->shown());
  }
  now_ = std::move(*next);
  return {};
}

void Route::jump(Target target) {
  now_ = std::move(target.url);
  guarded_ = target.guarded;
  remembered_ = true;
}

void Route::restart() {
  now_ = first_;
  passed_.clear();
  guarded_ = false;
  remembered_ = false;
}

std::string Route::shown() const {
  return first_.shown() + (redirected() ? " (redirected to " + now_.shown() + ")" : "");
}

std::optional<Route::Target> KnownTargets::find(const Url& first, Clock::time_point now) {
  const auto it = known_.find(key_of(first));
  if (it == known_.end()) {
    return std::nullopt;
  }
  if (it->second.until <= now) {
    known_.erase(it);
    return std::nullopt;
  }
  return it->second.target;
}

void KnownTargets::learn(const Url& first, Route::Target target, Clock::time_point now) {
  std::string key = key_of(first);
  if (known_.size() >= kMost && !known_.contains(key)) {
    known_.erase(std::min_element(known_.begin(), known_.end(), [](const auto& one, const auto& other) {
      return one.second.until < other.second.until;
    }));
  }
  known_.insert_or_assign(std::move(key), Known{std::move(target), now + kLifetime});
}

void KnownTargets::forget(const Url& first) {
  known_.erase(key_of(first));
}

}  // namespace strandline::origin::http
