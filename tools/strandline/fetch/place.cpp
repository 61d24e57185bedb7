#include "place.h"

#include <strandline/origin/http/http_origin.h>
#include <strandline/origin/http/protocol/syntax.h>

#include <algorithm>
#include <utility>

namespace strandline::tool {
namespace {

bool is_http(std::string_view url) {
  const std::size_t colon = url.find("://");
  std::string scheme(url.substr(0, colon == std::string_view::npos ? 0 : colon));
  std::transform(scheme.begin(), scheme.end(), scheme.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  return scheme == "http" || scheme == "https";
}

// What is no encoding stays as it is: it is only a name.
std::string percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int byte = text[i] == '%' ? origin::http::percent_byte(text, i) : -1;
    decoded += byte < 0 ? text[i] : static_cast<char>(byte);
    i += byte < 0 ? 0 : 2;
  }
  return decoded;
}

}  // namespace

Places::Places(std::chrono::seconds timeout, std::optional<std::vector<std::string>> redirects_to, std::string via) {
  origins_.add({"http", "https"},
               [timeout, redirects_to = std::move(redirects_to),
                via = std::move(via)]() -> Result<std::shared_ptr<origin::Origin>> {
                 origin::HttpOptions options;
                 options.redirects_to = redirects_to;
                 options.via = via;
                 options.connect_timeout = options.silence = options.low_speed_time = timeout;
                 return origin::HttpOrigin::open(std::move(options));
               });
}

Result<Place> Places::find(const std::string& url) const {
  auto found = origins_.find(url);
  if (!found) {
    if (found.error().code == Errc::unsupported && is_http(url)) {
      found.error().context = origin::without_credentials(url) + ": " + found.error().context;
    }
    return fail(std::move(found.error()));
  }
  if (is_http(url)) {
    if (auto good = origin::HttpOrigin::check_url(url); !good) {
      // What is no URL may have a password anywhere before an '@'.
      good.error().context = (url.find('@') == std::string::npos ? url + ": " : "") + good.error().context;
      return fail(std::move(good.error()));
    }
  }
  Place place{std::move(found->origin), std::move(found->key), origin::without_credentials(url), {}};
  if (!is_http(url)) {
    place.path = place.key;
  }
  return place;
}

Result<std::string> file_name_of(const Place& place) {
  std::string name;
  if (place.path.empty()) {
    const std::string& url = place.url;
    const std::size_t end = std::min(url.find_first_of("?#"), url.size());
    const std::size_t host = url.find("://") + 3;
    const std::size_t slash = url.rfind('/', end - 1);
    name = slash == std::string::npos || slash < host ? std::string()
                                                      : percent_decoded(url.substr(slash + 1, end - slash - 1));
  } else {
    name = place.path.filename().native();
  }
  if (name.empty()) {
    return fail(Errc::invalid_argument, place.url + ": names no file; say how it is to be called, with -o");
  }
  std::replace_if(
      name.begin(), name.end(),
      [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte < 0x20 || byte == 0x7f || c == '/';
      },
      '_');
  if (name.front() == '.') {
    name.front() = '_';
  }
  return name;
}

std::string http_version() {
  return origin::HttpOrigin::backend();
}

}  // namespace strandline::tool
