// In place of the others when libcurl is missing or the http feature is off.
#include "http_origin.h"

namespace strandline::origin {
namespace {

constexpr const char* kWithout = "this strandline was built without HTTP (meson option http, libcurl)";

}  // namespace

// Never made.
HttpOrigin::HttpOrigin(std::shared_ptr<http::TransferLoop> loop) : loop_(std::move(loop)) {}
HttpOrigin::~HttpOrigin() = default;

Result<std::unique_ptr<HttpOrigin>> HttpOrigin::open(HttpOptions) {
  return fail(Errc::unsupported, kWithout);
}

Result<void> HttpOrigin::check_url(const std::string&) noexcept {
  return fail(Errc::unsupported, kWithout);
}

std::string HttpOrigin::backend() {
  return {};
}

std::string HttpOrigin::name() const {
  return "http";
}

std::string HttpOrigin::server(const std::string&) const {
  return name();
}

void HttpOrigin::stat(std::string, Reply<ObjectInfo> reply, std::stop_token) noexcept {
  reply(tl::unexpected(Failure{Error::make(Errc::unsupported)}));
}

void HttpOrigin::read(ReadRequest, std::shared_ptr<Sink> sink, std::stop_token) noexcept {
  sink->end(tl::unexpected(Failure{Error::make(Errc::unsupported)}));
}

}  // namespace strandline::origin
