#include "byte_ranges.h"

#include <strandline/origin/http/protocol/syntax.h>

#include <algorithm>
#include <utility>

namespace strandline::serve::http {
namespace {

using Kind = RequestedRanges::Kind;

// "0-99", "100-" or, the last of the content, "-100". Offsets past kMaxOffset are kMaxOffset, where nothing is.
struct RangeSpec {
  std::optional<std::uint64_t> first;
  std::optional<std::uint64_t> last;  // or how many, where there is no first
};

std::optional<RangeSpec> parse_spec(std::string_view text) {
  RangeSpec spec;
  spec.first = origin::http::take_number(text, kMaxOffset);
  if (!origin::http::take(text, "-")) {
    return std::nullopt;
  }
  spec.last = origin::http::take_number(text, kMaxOffset);
  const bool reversed = spec.first && spec.last && *spec.last < *spec.first;
  return text.empty() && (spec.first || spec.last) && !reversed ? std::optional(spec) : std::nullopt;
}

// None: another unit, malformed, or too much of it. Empty elements are none (RFC 9110, section 5.6.1.2), but count.
std::optional<std::vector<RangeSpec>> parse_specs(std::string_view field) {
  const std::size_t equals = field.find('=');
  if (field.size() > kMaxRangeField || equals == std::string_view::npos ||
      !origin::http::same_word(field.substr(0, equals), "bytes")) {
    return std::nullopt;
  }
  std::vector<RangeSpec> specs;
  std::size_t elements = 0;
  for (std::size_t begin = equals + 1; begin <= field.size(); ++elements) {
    const std::size_t end = std::min(field.find(',', begin), field.size());
    const std::string_view text = origin::http::trimmed(field.substr(begin, end - begin));
    begin = end + 1;
    const auto spec = parse_spec(text);
    if (elements == kMaxRangeSpecs || (!spec && !text.empty())) {
      return std::nullopt;
    }
    if (spec) {
      specs.push_back(*spec);
    }
  }
  return specs.empty() ? std::nullopt : std::optional(std::move(specs));
}

// The parts are disjoint and do not touch, and so they stay.
void join(std::vector<ByteRange>& parts, ByteRange range) {
  std::optional<std::size_t> place;
  std::size_t kept = 0;
  for (const ByteRange part : parts) {
    if (part.begin > range.end || range.begin > part.end) {
      parts[kept++] = part;
      continue;
    }
    range = {std::min(range.begin, part.begin), std::max(range.end, part.end)};
    if (!place) {
      place = kept++;
    }
  }
  parts.resize(kept);
  if (place) {
    parts[*place] = range;
  } else {
    parts.push_back(range);
  }
}

// The bytes that it asks for of so many; empty: it cannot be satisfied (section 14.1.2).
ByteRange resolved(const RangeSpec& spec, std::uint64_t length) {
  if (!spec.first) {
    return {length - std::min(*spec.last, length), length};
  }
  return {std::min(*spec.first, length), spec.last ? std::min(*spec.last + 1, length) : length};
}

}  // namespace

RequestedRanges requested_ranges(std::string_view field, std::optional<std::uint64_t> length) {
  const auto specs = parse_specs(field);
  if (!specs) {
    return {};
  }
  RequestedRanges requested{Kind::parts, {}};
  for (const RangeSpec& spec : *specs) {
    const bool nothing = !spec.first && *spec.last == 0;  // "-0"
    const bool bounded = spec.first && spec.last && *spec.last < kMaxOffset;
    if (!nothing && !length && !bounded) {
      return {Kind::needs_length, {}};
    }
    // The last bytes of nothing are all of it, which no Content-Range can say.
    if (!nothing && !spec.first && length == 0) {
      return {};
    }
    if (const ByteRange range = nothing ? ByteRange() : resolved(spec, length.value_or(kMaxOffset)); !range.empty()) {
      join(requested.parts, range);
    }
  }
  if (requested.parts.empty()) {
    return {Kind::unsatisfiable, {}};
  }
  return requested.parts.size() > kMaxRanges ? RequestedRanges() : requested;
}

std::string content_range(ByteRange range, std::optional<std::uint64_t> length) {
  return "bytes " + std::to_string(range.begin) + "-" + std::to_string(range.end - 1) + "/" +
         (length ? std::to_string(*length) : "*");
}

std::string unsatisfied_content_range(std::uint64_t length) {
  return "bytes */" + std::to_string(length);
}

}  // namespace strandline::serve::http
