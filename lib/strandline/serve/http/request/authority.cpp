#include "authority.h"

#include <arpa/inet.h>

#include <strandline/origin/http/protocol/syntax.h>

#include "uri_characters.h"

namespace strandline::serve::http {
namespace {

// "[::1]", of which the closing bracket is the last character. Zones and addresses of the future are not taken.
bool is_bracketed_ip6(std::string_view host) {
  if (host.size() < 4 || host.size() > INET6_ADDRSTRLEN || host.back() != ']') {
    return false;
  }
  in6_addr address{};
  const std::string text(host.substr(1, host.size() - 2));
  return text.find('\0') == std::string::npos && ::inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

bool is_registered_name(std::string_view host) {
  for (std::size_t i = 0; i < host.size(); ++i) {
    if (host[i] == '%') {
      if (origin::http::percent_byte(host, i) < 0) {
        return false;
      }
      i += 2;
    } else if (!is_unreserved(host[i]) && !is_sub_delimiter(host[i])) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::optional<Authority> parse_authority(std::string_view text) {
  const bool bracketed = text.starts_with('[');
  const std::size_t colon = text.find(':', bracketed ? text.find(']') : 0);
  const std::string_view host = text.substr(0, colon);
  if (bracketed ? !is_bracketed_ip6(host) : !is_registered_name(host)) {
    return std::nullopt;
  }
  Authority authority{origin::http::lower_case(host), std::nullopt};
  if (colon == std::string_view::npos) {
    return authority;
  }
  // "host:" is well-formed too, and means the scheme's port (RFC 3986, section 3.2.3).
  const std::string_view port = text.substr(colon + 1);
  const auto number = origin::http::parse_number(port, 65536);
  if (host.empty() || (!port.empty() && (!number || *number > 65535))) {
    return std::nullopt;
  }
  if (number) {
    authority.port = static_cast<std::uint16_t>(*number);
  }
  return authority;
}

}  // namespace strandline::serve::http
