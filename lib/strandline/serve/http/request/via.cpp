#include "via.h"

#include <strandline/origin/http/protocol/syntax.h>

#include <algorithm>
#include <cstdint>
#include <random>

namespace strandline::serve::http {

using origin::http::trimmed;

std::string new_pseudonym() {
  std::random_device random;
  std::string name = "strandline-";
  for (int i = 0; i < 4; ++i) {
    const auto bits = static_cast<std::uint16_t>(random());
    for (int shift = 12; shift >= 0; shift -= 4) {
      name += "0123456789abcdef"[bits >> shift & 15];
    }
  }
  return name;
}

bool has_passed(std::string_view via, std::string_view pseudonym) noexcept {
  for (bool more = true; more;) {
    const auto comma = via.find(',');
    const auto hop = trimmed(via.substr(0, comma));  // "1.1 name", and perhaps a comment
    const auto blank = std::min(hop.find_first_of(" \t"), hop.size());
    const auto by = trimmed(hop.substr(blank));
    if (by.substr(0, by.find_first_of(" \t(")) == pseudonym) {
      return true;
    }
    more = comma != std::string_view::npos;
    via = more ? via.substr(comma + 1) : std::string_view();
  }
  return false;
}

}  // namespace strandline::serve::http
