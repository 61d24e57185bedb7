#include "http_head.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "syntax.h"

namespace strandline::origin::http {
namespace {

constexpr std::size_t kMostOthers = 8 << 10;  // bytes

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

constexpr std::string_view kBlank = " \t\r\n";  // a line comes with its end

// Takes digits off the front.
std::optional<std::uint64_t> take_offset(std::string_view& text) {
  const auto value = take_number(text, kMaxOffset + 1);
  return value && *value <= kMaxOffset ? value : std::nullopt;
}

bool take_unit(std::string_view& text) {
  const bool bytes = same_word(text.substr(0, 6), "bytes ");
  text.remove_prefix(bytes ? 6 : 0);
  return bytes;
}

}  // namespace

void EndToEndFields::add(std::string_view name, std::string_view value) {
  const std::string lower = lower_case(name);
  if (lower == "connection") {
    connection_.append(connection_.empty() ? "" : ",").append(value);
    return;
  }
  const bool is_field = is_token(name) && is_field_value(value);
  const std::size_t size = name.size() + value.size() + 3;
  if (is_field && lines_.size() + size <= kMostOthers &&
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

std::optional<ContentRange> parse_content_range(std::string_view text) {
  ContentRange range;
  if (!take_unit(text)) {
    return std::nullopt;
  }
  const auto first = take_offset(text);
  const auto last = first && take(text, "-") ? take_offset(text) : std::nullopt;
  if (!last || !take(text, "/")) {
    return std::nullopt;
  }
  range.first = *first;
  range.last = *last;
  if (!take(text, "*")) {
    range.total = take_offset(text);
    if (!range.total) {
      return std::nullopt;
    }
  }
  // A byte at kMaxOffset has no offset behind it.
  const bool consistent = *first <= *last && *last < kMaxOffset && (!range.total || *last < *range.total);
  return text.empty() && consistent ? std::optional(range) : std::nullopt;
}

std::optional<std::uint64_t> parse_unsatisfied_range(std::string_view text) {
  const auto total = take_unit(text) && take(text, "*/") ? take_offset(text) : std::nullopt;
  return text.empty() ? total : std::nullopt;
}

void HttpHead::add_line(std::string_view line) {
  if ((complete || status == 0) && line.starts_with("HTTP/")) {
    *this = HttpHead();
    const std::size_t space = line.find(' ');
    if (space != std::string_view::npos) {
      std::string_view rest = line.substr(space + 1);
      const auto number = take_offset(rest);
      status = number && *number <= 999 ? static_cast<int>(*number) : 0;
    }
    return;
  }
  if (line.starts_with(' ') || line.starts_with('\t')) {
    folded = true;  // newer versions of libcurl join such lines, and hand over none
    return;
  }
  complete = complete || trimmed(line, kBlank).empty();
  const std::size_t colon = line.find(':');
  if (colon != std::string_view::npos) {
    add_field(line.substr(0, colon), std::string(trimmed(line.substr(colon + 1), kBlank)));
  }
}

void HttpHead::add_field(std::string_view spelled, std::string value) {
  const std::string name = lower_case(spelled);
  const auto say_once = [this, &value](std::optional<std::string>& slot) {
    contradictory = contradictory || (slot && *slot != value);
    slot = std::move(value);
  };
  if (name == "content-length") {
    say_once(content_length);
  } else if (name == "content-range") {
    say_once(content_range);
  } else if (name == "etag") {
    say_once(etag);
  } else if (name == "location") {
    say_once(location);
  } else if (name == "content-encoding") {
    if (!value.empty() && !same_word(value, "identity")) {
      content_encoding = std::move(value);
    }
  } else if (name == "transfer-encoding") {
    transfer_coding += (transfer_coding.empty() ? "" : ", ") + lower_case(value);
  } else if (name == "content-type") {
    content_type = std::move(value);
  } else if (name == "accept-ranges") {
    accept_ranges = lower_case(value);
  } else if (name == "retry-after") {
    retry_after = std::move(value);
  } else if (!add_caching_field(name, value)) {
    others.add(spelled, value);
  }
}

// Several lines of one are one list (RFC 9110, section 5.3).
bool HttpHead::add_caching_field(std::string_view name, std::string_view value) {
  const std::pair<std::string_view, std::string&> fields[] = {{"cache-control", caching.cache_control},
                                                              {"expires", caching.expires},
                                                              {"date", caching.date},
                                                              {"age", caching.age},
                                                              {"last-modified", caching.last_modified},
                                                              {"vary", caching.vary}};
  for (const auto& [known, text] : fields) {
    if (name == known) {
      text.append(text.empty() ? "" : ", ").append(value);
      return true;
    }
  }
  caching.sets_cookie = caching.sets_cookie || name == "set-cookie";
  return false;
}

// Content-Length may be repeated only with one value: "5, 5" is what some proxies make of it.
Result<std::optional<std::uint64_t>> HttpHead::body_length() const {
  if (folded) {
    return fail(Errc::corrupt, "a header field goes on in the next line");
  }
  if (contradictory) {
    return fail(Errc::corrupt, "the response contradicts itself: two different values of one header");
  }
  if (!transfer_coding.empty() || !content_length) {
    return std::optional<std::uint64_t>();
  }
  std::string_view text = *content_length;
  const auto length = take_offset(text);
  if (!length || !text.empty()) {
    return fail(Errc::corrupt, "Content-Length '" + *content_length + "' is no length");
  }
  return length;
}

}  // namespace strandline::origin::http
