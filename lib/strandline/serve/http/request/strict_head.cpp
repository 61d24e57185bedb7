#include "strict_head.h"

#include <strandline/base/byte_range.h>
#include <strandline/origin/http/protocol/syntax.h>

#include <algorithm>
#include <utility>

#include "authority.h"
#include "request_target.h"

namespace strandline::serve::http {
namespace {

using origin::http::same_word;

Refusal bad(std::string_view reason) {
  return {400, reason};
}

// A request line as long as the longest target makes it.
constexpr std::size_t kMaxRequestLine = kMaxTarget + 64;

// "HTTP/1.1": the digits, or nothing when it is no version (RFC 9112, section 2.3).
std::optional<std::pair<char, char>> version_of(std::string_view text) {
  const bool good = text.size() == 8 && text.starts_with("HTTP/") && origin::http::is_digit(text[5]) &&
                    text[6] == '.' && origin::http::is_digit(text[7]);
  return good ? std::optional(std::pair(text[5], text[7])) : std::nullopt;
}

bool is_visible(char c) {
  return c > 0x20 && c < 0x7f;
}

// 501 for a coding beside `chunked`, which RFC 9112, section 6.1, asks of a server that cannot decode it; 400 where the
// body's end is not told, or told twice (section 6.3).
std::optional<Refusal> check_codings(std::string_view value) {
  if (same_word(value, "chunked")) {
    return std::nullopt;
  }
  const std::size_t comma = value.rfind(',');
  const std::string_view before = value.substr(0, comma == std::string_view::npos ? 0 : comma);
  const bool framed =
      same_word(origin::http::trimmed(value.substr(before.size() + (before.empty() ? 0 : 1))), "chunked");
  if (framed && !before.empty() && origin::http::lower_case(before).find("chunked") == std::string::npos) {
    return Refusal{501, "a transfer coding other than chunked"};
  }
  return bad("a Transfer-Encoding that does not end in one chunked");
}

}  // namespace

tl::expected<std::optional<std::string_view>, Refusal> StrictHead::look(std::string_view bytes) {
  const std::string_view all = bytes.substr(0, kMaxHead);
  for (std::size_t feed = all.find('\n', seen_); feed != std::string_view::npos; feed = all.find('\n', seen_)) {
    std::string_view line = all.substr(line_, feed - line_);
    if (!line.ends_with('\r')) {
      return tl::unexpected(bad("a line that does not end in CR LF"));
    }
    line.remove_suffix(1);
    const bool first = line_ == begin_;
    line_ = seen_ = feed + 1;
    if (line.empty() && !first) {
      if (const auto refusal = check_whole()) {
        return tl::unexpected(*refusal);
      }
      return all.substr(begin_, line_ - begin_);
    }
    if (line.empty()) {
      begin_ = line_;
    } else if (const auto refusal = first ? check_request_line(line) : check_field(line)) {
      return tl::unexpected(*refusal);
    }
  }
  seen_ = all.size();
  if (line_ == begin_ && seen_ - begin_ > kMaxRequestLine) {
    return tl::unexpected(Refusal{414, "a request line of more than 8 KiB"});  // RFC 9112, section 3
  }
  if (bytes.size() >= kMaxHead) {
    return tl::unexpected(Refusal{431, "a request head of more than 16 KiB"});  // RFC 6585, section 5
  }
  return std::nullopt;
}

// RFC 9112, section 3: method SP target SP version, and nothing else.
std::optional<Refusal> StrictHead::check_request_line(std::string_view line) {
  const std::size_t target = std::min(line.find(' '), line.size() - 1) + 1;
  const std::size_t version = std::min(line.find(' ', target), line.size() - 1) + 1;
  const std::string_view method = line.substr(0, target - 1);
  const auto digits = version_of(line.substr(version));
  if (!origin::http::is_token(method) || !digits) {
    return bad("a request line that is not METHOD TARGET HTTP/1.1");
  }
  if (digits->first != '1' || digits->second > '1') {
    return Refusal{505, "a version of HTTP other than 1.0 and 1.1"};
  }
  if (method == "CONNECT") {
    return Refusal{501, "CONNECT: this is no tunnel"};
  }
  if (version - 1 - target > kMaxTarget) {
    return Refusal{414, "a request target of more than 8 KiB"};
  }
  const std::string_view text = line.substr(target, version - 1 - target);
  if (text.empty() || !std::all_of(text.begin(), text.end(), is_visible)) {
    return bad("a request target with a character that no URL has");
  }
  old_ = digits->second == '0';
  return std::nullopt;
}

// RFC 9112, section 5.
std::optional<Refusal> StrictHead::check_field(std::string_view line) {
  if (++fields_ > kMaxFields) {
    return Refusal{431, "more than 100 header fields"};
  }
  if (line.front() == ' ' || line.front() == '\t') {
    return bad("a header field continued on the next line, or white space before the first");  // 5.2 and 2.2
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) {
    return bad("a header line without a colon");
  }
  const std::string_view name = line.substr(0, colon);
  if (name.ends_with(' ') || name.ends_with('\t')) {
    return bad("white space between a header field's name and its colon");  // 5.1
  }
  if (!origin::http::is_token(name)) {
    return bad("a header field's name that is none");
  }
  const std::string_view value = line.substr(colon + 1);
  if (!origin::http::is_field_value(value)) {
    return bad("a control character in a header field");  // CR and NUL are such (RFC 9110, section 5.5)
  }
  return check_framing(name, origin::http::trimmed(value));
}

std::optional<Refusal> StrictHead::check_framing(std::string_view name, std::string_view value) {
  if (same_word(name, "Host")) {
    ++hosts_;
    return parse_authority(value) ? std::nullopt : std::optional(bad("a Host that is none"));
  }
  if (same_word(name, "Content-Length")) {
    ++lengths_;
    // Also a list of equal ones, which one might take (RFC 9112, section 6.3).
    const auto length = origin::http::parse_number(value, kMaxOffset);
    return length && *length < kMaxOffset ? std::nullopt : std::optional(bad("a Content-Length that is none"));
  }
  if (same_word(name, "Transfer-Encoding")) {
    ++codings_;
    return check_codings(value);
  }
  return std::nullopt;
}

std::optional<Refusal> StrictHead::check_whole() const {
  // RFC 9112, section 3.2.
  if (hosts_ > 1 || (hosts_ == 0 && !old_)) {
    return bad(hosts_ > 1 ? "more than one Host" : "no Host");
  }
  if (lengths_ > 1 || codings_ > 1) {
    return bad("more than one Content-Length or Transfer-Encoding");
  }
  if (lengths_ + codings_ > 1) {
    return bad("both Content-Length and Transfer-Encoding");  // section 6.1
  }
  if (codings_ != 0 && old_) {
    return bad("Transfer-Encoding in HTTP/1.0");  // section 6.1
  }
  return std::nullopt;
}

}  // namespace strandline::serve::http
