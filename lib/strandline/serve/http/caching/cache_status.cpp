#include "cache_status.h"

#include <strandline/origin/http/protocol/syntax.h>

#include <algorithm>
#include <array>

namespace strandline::serve::http {
namespace {

using origin::http::append_percent;

// Of RFC 9211, section 2.2, in the order of the enum.
constexpr std::array<std::string_view, 8> kForwards = {"bypass", "method",  "uri-miss", "vary-miss",
                                                       "miss",   "request", "stale",    "partial"};

// RFC 8941, section 3.3.4.
bool is_structured_token(std::string_view text) {
  return !text.empty() && (origin::http::is_letter(text.front()) || text.front() == '*') &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return origin::http::is_token_character(c) || c == ':' || c == '/'; });
}

// RFC 8941, section 4.1.6. A string has ASCII in it only; other bytes are percent-encoded.
std::string sf_string(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (origin::http::is_control(c) || static_cast<unsigned char>(c) > 0x7f) {
      append_percent(quoted, c);
      continue;
    }
    if (c == '"' || c == '\\') {
      quoted += '\\';
    }
    quoted += c;
  }
  return quoted + '"';
}

std::string token_or_string(std::string_view text) {
  return is_structured_token(text) ? std::string(text) : sf_string(text);
}

// RFC 8941, section 3.3.1: fifteen digits.
std::string integer(std::int64_t number) {
  constexpr std::int64_t kMost = 999'999'999'999'999;
  return std::to_string(std::clamp(number, -kMost, kMost));
}

}  // namespace

std::string CacheStatus::text() const {
  std::string text = token_or_string(cache);
  if (forward) {
    text += "; fwd=";
    text += kForwards[static_cast<std::size_t>(*forward)];
  } else {
    text += "; hit";
  }
  if (forward_status) {
    text += "; fwd-status=" + integer(*forward_status);
  }
  if (ttl) {
    text += "; ttl=" + integer(*ttl);
  }
  text += stored ? "; stored" : "";
  text += collapsed ? "; collapsed" : "";
  if (key) {
    text += "; key=" + sf_string(*key);
  }
  if (detail) {
    text += "; detail=" + token_or_string(*detail);
  }
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
