#include "storing.h"

#include <strandline/origin/http/protocol/syntax.h>

#include <algorithm>

namespace strandline::serve::http {
namespace {

bool lists_asterisk(std::string_view vary) {
  for (std::size_t begin = 0; begin < vary.size();) {
    const std::size_t end = std::min(vary.find(',', begin), vary.size());
    if (origin::http::trimmed(vary.substr(begin, end - begin)) == "*") {
      return true;
    }
    begin = end + 1;
  }
  return false;
}

}  // namespace

std::optional<std::string_view> reason_not_to_store(const Exchange& exchange) noexcept {
  const CacheControl& response = exchange.response;
  // Those that carry the content. All three may be kept without being told for how long (RFC 9110, section 15.1).
  if (exchange.status != 200 && exchange.status != 203 && exchange.status != 206) {
    return "status";
  }
  if (exchange.request.no_store) {
    return "request-no-store";  // 5.2.1.5
  }
  if (response.no_store) {
    return "no-store";  // 5.2.2.5
  }
  if (response.is_private) {
    return "private";  // 5.2.2.7
  }
  // 3.5: unless the answer says that it is for others too.
  if (exchange.authorized && !response.is_public && !response.s_maxage && !response.must_revalidate) {
    return "authorization";
  }
  // 7.3 leaves this to Cache-Control; but whoever forgets that would have one user's session given to the next.
  if (exchange.sets_cookie) {
    return "set-cookie";
  }
  if (lists_asterisk(exchange.vary)) {
    return "vary";  // 4.1: it answers no other request
  }
  return std::nullopt;
}

}  // namespace strandline::serve::http
