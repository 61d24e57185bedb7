#include "http_head.h"

#include <algorithm>
#include <charconv>

namespace strandline::tool {
namespace {

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  }
  return lower;
}

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

struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::optional<std::uint64_t> total;
};

// "bytes 0-99/1000" or "bytes 0-99/*", with nothing before, between or behind (RFC 9110, 14.4).
std::optional<ContentRange> parse_content_range(std::string_view text) {
  ContentRange range;
  if (lower_case(text.substr(0, 6)) != "bytes ") {
    return std::nullopt;
  }
  text.remove_prefix(6);
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
  const bool consistent = *first <= *last && (!range.total || *last < *range.total);
  return text.empty() && consistent ? std::optional(range) : std::nullopt;
}

// Is it the range that was asked for, cut off at the end of the content at most?
bool answers(const ContentRange& range, const ByteSpec& spec) {
  if (range.total) {
    const auto wanted = spec.within(*range.total);
    return wanted && wanted->begin == range.first && wanted->end == range.last + 1;
  }
  // Without the total, a range that ends early may as well have been cut.
  return spec.first && range.first == *spec.first && (!spec.last || range.last == *spec.last);
}

// Content-Length may be repeated only with one value: "5, 5" is what some proxies make of it.
Result<std::optional<std::uint64_t>> body_length(const HttpHead& head) {
  if (head.contradictory) {
    return fail(Errc::corrupt, "the response contradicts itself: two different values of one header");
  }
  if (head.transfer_coded || !head.content_length) {
    return std::optional<std::uint64_t>();
  }
  std::string_view text = *head.content_length;
  const auto length = take_number(text);
  if (!length || !text.empty()) {
    return fail(Errc::corrupt, "Content-Length '" + *head.content_length + "' is no length");
  }
  return length;
}

Result<BodyPlan> plan_part(const HttpHead& head, const ByteSpec& spec, std::optional<std::uint64_t> body) {
  if (!head.content_range) {
    return fail(Errc::corrupt, "a 206 without Content-Range");
  }
  const auto range = parse_content_range(*head.content_range);
  if (!range || !answers(*range, spec)) {
    return fail(Errc::corrupt,
                "Content-Range '" + *head.content_range + "' is not the range " + spec.text() + " asked for");
  }
  const std::uint64_t size = range->last - range->first + 1;
  if (body && *body != size) {
    return fail(Errc::corrupt,
                "Content-Length " + std::to_string(*body) + " contradicts Content-Range '" + *head.content_range + "'");
  }
  return BodyPlan{.skip = 0, .limit = size, .size = size, .body = size, .stops_early = false};
}

// The server ignored the range (it may: RFC 9110, 14.2) and sends everything from byte 0.
Result<BodyPlan> plan_part_of_whole(const ByteSpec& spec, std::optional<std::uint64_t> body) {
  if (body) {
    const auto range = spec.within(*body);
    if (!range) {
      return fail(range.error().clone());
    }
    return BodyPlan{.skip = range->begin,
                    .limit = range->size(),
                    .size = range->size(),
                    .body = body,
                    .stops_early = range->end < *body};
  }
  if (spec.suffix) {
    return fail(Errc::unsupported, "the server ignored the range and does not say how long the content is");
  }
  const std::uint64_t limit = spec.last ? *spec.last - *spec.first + 1 : kMaxOffset;
  return BodyPlan{.skip = *spec.first, .limit = limit, .size = {}, .body = {}, .stops_early = spec.last.has_value()};
}

}  // namespace

void HttpHead::add_line(std::string_view line) {
  if (line.starts_with("HTTP/")) {
    *this = HttpHead();
    const std::size_t space = line.find(' ');
    if (space != std::string_view::npos) {
      std::string_view rest = line.substr(space + 1);
      status = static_cast<int>(take_number(rest).value_or(0));
    }
    return;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) {
    return;
  }
  const std::string name = lower_case(line.substr(0, colon));
  const std::string value(trimmed(line.substr(colon + 1)));
  const auto say_once = [this, &value](std::optional<std::string>& slot) {
    contradictory = contradictory || (slot && *slot != value);
    slot = value;
  };
  if (name == "content-length") {
    say_once(content_length);
  } else if (name == "content-range") {
    say_once(content_range);
  } else if (name == "content-encoding") {
    const std::string coding = lower_case(value);
    if (!coding.empty() && coding != "identity") {
      content_encoding = value;
    }
  } else if (name == "transfer-encoding") {
    transfer_coded = true;
  }
}

Result<BodyPlan> plan_body(const HttpHead& head, const ByteSpec& spec) {
  if (head.status == 416 && !spec.whole()) {
    return fail(Errc::invalid_range, "HTTP status 416: the server has no range " + spec.text() +
                                         (head.content_range ? "; it says '" + *head.content_range + "'" : ""));
  }
  const bool part = head.status == 206 && !spec.whole();
  if (!part && head.status != 200 && head.status != 203) {
    const Errc code = head.status == 404 || head.status == 410                         ? Errc::not_found
                      : head.status == 401 || head.status == 403 || head.status == 407 ? Errc::permission_denied
                      : head.status >= 200 && head.status < 300                        ? Errc::corrupt
                                                                                       : Errc::io;
    return fail(code, "HTTP status " + std::to_string(head.status));
  }
  if (!head.content_encoding.empty()) {
    return fail(Errc::unsupported, "Content-Encoding '" + head.content_encoding + "', though identity was asked for");
  }
  const auto body = body_length(head);
  if (!body) {
    return fail(body.error().clone());
  }
  if (part) {
    return plan_part(head, spec, *body);
  }
  if (!spec.whole()) {
    return plan_part_of_whole(spec, *body);
  }
  return BodyPlan{.skip = 0, .limit = body->value_or(kMaxOffset), .size = *body, .body = *body, .stops_early = false};
}

}  // namespace strandline::tool
