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

std::optional<std::string_view> reason_not_to_store(const Answered& answered) noexcept {
  const CacheControl& response = answered.response;
  if (response.no_store) {
    return "no-store";  // 5.2.2.5
  }
  if (response.is_private) {
    return "private";  // 5.2.2.7
  }
  // 7.3 leaves this to Cache-Control; but whoever forgets that would have one user's session given to the next.
  if (answered.sets_cookie) {
    return "set-cookie";
  }
  if (lists_asterisk(answered.vary)) {
    return "vary";  // 4.1: it answers no other request
  }
  return std::nullopt;
}

}  // namespace strandline::serve::http
