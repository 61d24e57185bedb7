#include "cache_status.h"

#include <strandline/origin/http/protocol/syntax.h>

#include <algorithm>
#include <array>

namespace strandline::serve::http {
namespace {

using origin::http::append_percent;

// In the order of the enum.
constexpr std::array<std::string_view, 5> kForwards = {"bypass", "uri-miss", "request", "stale", "partial"};

// RFC 8941, section 3.3.1: fifteen digits.
std::string integer(std::int64_t number) {
  constexpr std::int64_t kMost = 999'999'999'999'999;
  return std::to_string(std::clamp(number, -kMost, kMost));
}

}  // namespace

std::string CacheStatus::text() const {
  std::string text = "strandline";
  if (forward) {
    text += "; fwd=";
    text += kForwards[static_cast<std::size_t>(*forward)];
  } else {
    text += "; hit";
  }
  if (ttl) {
    text += "; ttl=" + integer(*ttl);
  }
  text += stored ? "; stored" : "";
  text += collapsed ? "; collapsed" : "";
  return text;
}

std::string via(std::string_view before, std::string_view version, std::string_view name) {
  std::string text(before);
  text += text.empty() ? "" : ", ";
  text += version;
  text += ' ';
  for (const char c : name) {  // a pseudonym is a token
    origin::http::is_token_character(c) ? text.push_back(c) : append_percent(text, c);
  }
  return text;
}

}  // namespace strandline::serve::http
