#include <strandline/serve/access/cors.h>

#include <algorithm>

namespace strandline::serve {

bool Cors::is_origin(std::string_view text) noexcept {
  if (text == "*") {
    return true;
  }
  const auto scheme = text.find("://");
  const auto is_host = [](char c) { return c > ' ' && c < 0x7f && c != '/' && c != ',' && c != '*'; };
  return (text.starts_with("https://") || text.starts_with("http://")) && scheme + 3 < text.size() &&
         std::all_of(text.begin() + static_cast<std::ptrdiff_t>(scheme) + 3, text.end(), is_host);
}

std::string Cors::fields(const std::optional<std::string>& origin) const {
  const auto is_named = [&](std::string_view name) {
    return std::find(origins.begin(), origins.end(), name) != origins.end();
  };
  const bool all = is_named("*");
  if (!origin || (!all && !is_named(*origin))) {
    return origins.empty() || all ? "" : "Vary: Origin\r\n";  // what is kept of it is not for all
  }
  return "Access-Control-Allow-Origin: " + (all ? "*" : *origin + "\r\nVary: Origin") +
         "\r\nAccess-Control-Expose-Headers: Accept-Ranges, Age, Cache-Status, Content-Length, Content-Range, Date, "
         "ETag, Via\r\n";
}

std::string Cors::preflight(const std::optional<std::string>& origin) const {
  const std::string granted = fields(origin);
  if (!granted.starts_with("Access")) {
    return "";
  }
  return "HTTP/1.1 204 No Content\r\n" + granted +
         "Access-Control-Allow-Methods: GET, HEAD\r\n"
         "Access-Control-Allow-Headers: Authorization, Cache-Control, If-Match, If-Modified-Since, If-None-Match, "
         "If-Range, If-Unmodified-Since, Range\r\n"
         "Access-Control-Max-Age: 86400\r\n\r\n";
}

}  // namespace strandline::serve
