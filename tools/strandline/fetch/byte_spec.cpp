#include "byte_spec.h"

#include <algorithm>
#include <charconv>
#include <system_error>

namespace strandline::tool {
namespace {

constexpr std::uint64_t kLastOffset = kMaxOffset - 1;  // where a byte can stand

// Digits only: from_chars alone would take a sign. What is too large for an offset is kMaxOffset.
std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size() || error == std::errc::invalid_argument || text.front() == '-') {
    return std::nullopt;
  }
  return error == std::errc() ? std::min(value, kMaxOffset) : kMaxOffset;
}

}  // namespace

Result<ByteSpec> ByteSpec::parse(std::string_view text) {
  const auto refused = [text] {
    return fail(Errc::invalid_argument, "range '" + std::string(text) + "': write A-B, A- or -N, in bytes from 0");
  };
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) {
    return refused();
  }
  const std::string_view before = text.substr(0, dash);
  const std::string_view after = text.substr(dash + 1);
  ByteSpec spec;
  if (before.empty()) {
    spec.suffix = number(after);
    if (!spec.suffix || *spec.suffix == 0) {
      return refused();
    }
    spec.suffix = std::min(*spec.suffix, kLastOffset);
    return spec;
  }
  spec.first = number(before);
  if (!spec.first || *spec.first > kLastOffset) {
    return refused();
  }
  if (!after.empty()) {
    spec.last = number(after);
    if (!spec.last || *spec.last < *spec.first) {
      return refused();
    }
    spec.last = std::min(*spec.last, kLastOffset);
  }
  return spec;
}

Result<ByteRange> ByteSpec::within(std::uint64_t length) const {
  if (suffix) {
    return ByteRange{length - std::min(length, *suffix), length};
  }
  if (!first) {
    return ByteRange{0, length};
  }
  if (*first >= length) {
    return fail(Errc::invalid_range,
                "range " + text() + " begins past the end: the content has " + std::to_string(length) + " bytes");
  }
  return ByteRange{*first, last ? std::min(length, *last + 1) : length};
}

std::string ByteSpec::text() const {
  const auto text_of = [](const std::optional<std::uint64_t>& n) { return n ? std::to_string(*n) : std::string(); };
  return text_of(first) + "-" + (suffix ? text_of(suffix) : text_of(last));
}

}  // namespace strandline::tool
