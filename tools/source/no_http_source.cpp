// In place of http_source.cpp when libcurl is missing or the http feature is off.
#include "source.h"

namespace strandline::tool {

Result<std::unique_ptr<Source>> make_http_source(const std::string& url, const SourceOptions&) {
  return fail(Errc::unsupported,
              without_credentials(url) + ": this strandline was built without HTTP (meson option http, libcurl)");
}

std::string http_version() {
  return {};
}

}  // namespace strandline::tool
