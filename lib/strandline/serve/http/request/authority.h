// Authority: host and port, of a Host field or an absolute-form target (RFC 3986, section 3.2; RFC 9110, section 7.2).
// Threads: a value. Blocks: never. Errors: what is none is none: user information, an address in brackets that is not
// IPv6, a port past 65535. Cost: a string. Lifetime: owns its text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace strandline::serve::http {

struct Authority {
  std::string host;                   // in lower case; IPv6 in its brackets, as it was spelt
  std::optional<std::uint16_t> port;  // none: the scheme's
  friend bool operator==(const Authority&, const Authority&) = default;
};

// An empty Host is well-formed and names nobody (RFC 9112, section 3.2): the host is then empty.
[[nodiscard]] std::optional<Authority> parse_authority(std::string_view text);

}  // namespace strandline::serve::http
