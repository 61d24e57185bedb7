#include "end_to_end.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "syntax.h"

namespace strandline::origin::http {
namespace {

constexpr std::size_t kMost = 8 << 10;  // bytes

// In lower case. Of the connection: RFC 9110, sections 7.6.1 and 11.7; RFC 9111, section 3.1; RFC 9112, C.2.2. And who
// is asked for a cookie is who sent the request, which is us.
constexpr std::array<std::string_view, 10> kNotFurther = {"keep-alive",
                                                          "proxy-authenticate",
                                                          "proxy-authentication-info",
                                                          "proxy-authorization",
                                                          "proxy-connection",
                                                          "set-cookie",
                                                          "set-cookie2",
                                                          "te",
                                                          "trailer",
                                                          "upgrade"};

}  // namespace

void EndToEndFields::add(std::string_view name, std::string_view value) {
  const std::string lower = lower_case(name);
  if (lower == "connection") {
    connection_.append(connection_.empty() ? "" : ",").append(value);
    return;
  }
  const bool is_field = is_token(name) && is_field_value(value);
  const std::size_t size = name.size() + value.size() + 3;
  if (is_field && lines_.size() + size <= kMost &&
      std::find(kNotFurther.begin(), kNotFurther.end(), lower) == kNotFurther.end()) {
    lines_.append(name).append(": ").append(value).append("\n");
  }
}

std::string EndToEndFields::text() const {
  if (connection_.empty()) {
    return lines_;
  }
  std::string text;
  for (std::string_view left = lines_; !left.empty();) {
    const auto line = left.substr(0, left.find('\n') + 1);
    if (!has_member(connection_, line.substr(0, line.find(':')))) {
      text.append(line);
    }
    left.remove_prefix(line.size());
  }
  return text;
}

}  // namespace strandline::origin::http
