#include "http_head.h"

#include <algorithm>
#include <charconv>

namespace strandline::origin::http {
namespace {

std::string_view trimmed(std::string_view text) {
  const std::string_view blank = " \t\r\n";
  const std::size_t first = text.find_first_not_of(blank);
  return first == std::string_view::npos ? std::string_view()
                                         : text.substr(first, text.find_last_not_of(blank) - first + 1);
}

// Takes digits off the front.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value > kMaxOffset) {
    return std::nullopt;
  }
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) {
    return false;
  }
  text.remove_prefix(prefix.size());
  return true;
}

bool take_unit(std::string_view& text) {
  const bool bytes = lower_case(text.substr(0, 6)) == "bytes ";
  text.remove_prefix(bytes ? 6 : 0);
  return bytes;
}

}  // namespace

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  }
  return lower;
}

std::optional<ContentRange> parse_content_range(std::string_view text) {
  ContentRange range;
  if (!take_unit(text)) {
    return std::nullopt;
  }
  const auto first = take_number(text);
  const auto last = first && take(text, "-") ? take_number(text) : std::nullopt;
  if (!last || !take(text, "/")) {
    return std::nullopt;
  }
  range.first = *first;
  range.last = *last;
  if (!take(text, "*")) {
    range.total = take_number(text);
    if (!range.total) {
      return std::nullopt;
    }
  }
  // A byte at kMaxOffset has no offset behind it.
  const bool consistent = *first <= *last && *last < kMaxOffset && (!range.total || *last < *range.total);
  return text.empty() && consistent ? std::optional(range) : std::nullopt;
}

std::optional<std::uint64_t> parse_unsatisfied_range(std::string_view text) {
  const auto total = take_unit(text) && take(text, "*/") ? take_number(text) : std::nullopt;
  return text.empty() ? total : std::nullopt;
}

void HttpHead::add_line(std::string_view line) {
  if ((complete || status == 0) && line.starts_with("HTTP/")) {
    *this = HttpHead();
    const std::size_t space = line.find(' ');
    if (space != std::string_view::npos) {
      std::string_view rest = line.substr(space + 1);
      const auto number = take_number(rest);
      status = number && *number <= 999 ? static_cast<int>(*number) : 0;
    }
    return;
  }
  complete = complete || trimmed(line).empty();
  const std::size_t colon = line.find(':');
  if (colon != std::string_view::npos) {
    add_field(lower_case(line.substr(0, colon)), std::string(trimmed(line.substr(colon + 1))));
  }
}

void HttpHead::add_field(const std::string& name, std::string value) {
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
    if (!value.empty() && lower_case(value) != "identity") {
      content_encoding = std::move(value);
    }
  } else if (name == "transfer-encoding") {
    transfer_coding += (transfer_coding.empty() ? "" : ", ") + lower_case(value);
  } else if (name == "content-type") {
    content_type = std::move(value);
  } else if (name == "last-modified") {
    last_modified = std::move(value);
  } else if (name == "accept-ranges") {
    accept_ranges = lower_case(value);
  } else if (name == "retry-after") {
    retry_after = std::move(value);
  }
}

// Content-Length may be repeated only with one value: "5, 5" is what some proxies make of it.
Result<std::optional<std::uint64_t>> HttpHead::body_length() const {
  if (contradictory) {
    return fail(Errc::corrupt, "the response contradicts itself: two different values of one header");
  }
  if (!transfer_coding.empty() || !content_length) {
    return std::optional<std::uint64_t>();
  }
  std::string_view text = *content_length;
  const auto length = take_number(text);
  if (!length || !text.empty()) {
    return fail(Errc::corrupt, "Content-Length '" + *content_length + "' is no length");
  }
  return length;
}

}  // namespace strandline::origin::http
