#include "http_origin.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "protocol/syntax.h"
#include "transfer_loop.h"

namespace strandline::origin {
namespace {

using http::Transfer;
using http::Url;

// Those that this origin sends itself, or that say how the message is framed.
constexpr std::array<std::string_view, 11> kOwnHeaders = {
    "accept-encoding",     "range",      "if-match", "if-none-match",     "if-range",       "if-modified-since",
    "if-unmodified-since", "connection", "expect",   "transfer-encoding", "content-length",
};

Result<void> check(const HttpOptions& options) {
  for (const auto& [name, value] : options.headers) {
    const std::string lower = http::lower_case(name);
    if (!http::is_token(name) || !http::is_field_value(value)) {
      return fail(Errc::invalid_argument, "header '" + name + "': not what HTTP allows");
    }
    if (std::find(kOwnHeaders.begin(), kOwnHeaders.end(), lower) != kOwnHeaders.end()) {
      return fail(Errc::invalid_argument, "header '" + name + "' is the origin's own to send");
    }
  }
  if (!http::is_field_value(options.user_agent) || !http::is_field_value(options.via)) {
    return fail(Errc::invalid_argument, "a user agent or a Via with control characters");
  }
  for (const auto time : {options.connect_timeout, options.silence, options.low_speed_time}) {
    if (time <= std::chrono::milliseconds(0) || time > std::chrono::hours(24)) {
      return fail(Errc::invalid_argument, "a time limit that is not between 1 ms and 24 h");
    }
  }
  if (!options.base.empty()) {
    auto base = Url::parse(options.base);
    if (!base) {
      return fail(std::move(base.error()));
    }
  }
  return {};
}

// What a key leads to.
Result<Url> locate(const HttpOptions& options, const std::string& key) {
  if (options.base.empty()) {
    return Url::parse(key);
  }
  auto base = Url::parse(options.base);
  return base ? base->below(key) : std::move(base);
}

template <class T>
tl::unexpected<Failure> refuse(const Result<T>& result) {
  return tl::unexpected(Failure{result.error().clone()});
}

}  // namespace

HttpOrigin::HttpOrigin(std::shared_ptr<http::TransferLoop> loop) : loop_(std::move(loop)) {}

HttpOrigin::~HttpOrigin() {
  loop_->close();
}

Result<std::unique_ptr<HttpOrigin>> HttpOrigin::open(HttpOptions options) {
  try {
    if (auto good = check(options); !good) {
      return fail(std::move(good.error()));
    }
    if (options.user_agent.empty()) {
      options.user_agent = "strandline/" STRANDLINE_VERSION;
    }
    auto loop = http::TransferLoop::start(std::move(options));
    if (!loop) {
      return fail(std::move(loop.error()));
    }
    return std::unique_ptr<HttpOrigin>(new HttpOrigin(std::move(*loop)));
  } catch (const std::bad_alloc&) {
    return fail(Errc::no_memory);
  }
}

Result<void> HttpOrigin::check_url(const std::string& url) noexcept {
  try {
    return Url::parse(url).map([](const Url&) {});
  } catch (const std::bad_alloc&) {
    return fail(Errc::no_memory);
  }
}

std::string HttpOrigin::backend() {
  return std::string("libcurl/") + curl_version_info(CURLVERSION_NOW)->version;
}

std::string HttpOrigin::name() const {
  const std::string& base = loop_->options().base;
  const auto url = base.empty() ? Result<Url>(fail(Errc::unsupported)) : Url::parse(base);
  return url ? url->shown() : std::string("http");
}

std::string HttpOrigin::server(const std::string& key) const {
  const auto url = locate(loop_->options(), key);
  return url ? (url->secure() ? "https://" : "http://") + url->host() + ":" + std::to_string(url->port()) : name();
}

void HttpOrigin::stat(std::string key, Reply<ObjectInfo> reply, std::stop_token stop) noexcept {
  std::unique_ptr<Transfer> transfer;
  Failure failure;
  try {
    auto url = locate(loop_->options(), key);
    if (url) {
      // Both arguments are moved from only once there is memory for all of it.
      transfer = std::make_unique<Transfer>(std::move(*url), loop_->options(), reply, std::move(stop));
    } else {
      failure.error = std::move(url.error());
    }
  } catch (const std::bad_alloc&) {
    failure.error = Error::make(Errc::no_memory);
  }
  if (!transfer) {
    return reply(tl::unexpected(std::move(failure)));
  }
  loop_->submit(std::move(transfer));
}

void HttpOrigin::read(ReadRequest request, std::shared_ptr<Sink> sink, std::stop_token stop) noexcept {
  std::unique_ptr<Transfer> transfer;
  Failure failure;
  try {
    auto url = locate(loop_->options(), request.key);
    if (!request.range.valid() || request.range.empty()) {
      failure.error = Error::make(Errc::invalid_range, "a read of " + to_string(request.range));
    } else if (!url) {
      failure.error = std::move(url.error());
    } else {
      transfer =
          std::make_unique<Transfer>(std::move(*url), loop_->options(), std::move(request), sink, std::move(stop));
    }
  } catch (const std::bad_alloc&) {
    failure.error = Error::make(Errc::no_memory);
  }
  if (!transfer) {
    return sink->end(tl::unexpected(std::move(failure)));
  }
  loop_->submit(std::move(transfer));
}

}  // namespace strandline::origin
