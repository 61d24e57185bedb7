#include "source.h"

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

int hex(char digit) noexcept {
  if (digit >= '0' && digit <= '9') {
    return digit - '0';
  }
  const char lower = static_cast<char>(digit | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

Result<std::string> percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex(text[i + 2]) : -1;
    if (high < 0 || low < 0 || (high == 0 && low == 0)) {
      return fail(Errc::invalid_argument, "a % that no two hex digits other than 00 follow");
    }
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

// RFC 8089: file:///path, file://localhost/path and file:/path.
Result<std::filesystem::path> path_of_file_url(const std::string& url) {
  std::string_view rest = std::string_view(url).substr(std::string_view("file:").size());
  if (rest.starts_with("//")) {
    rest.remove_prefix(2);
    const std::string_view host = rest.substr(0, rest.find('/'));
    if (!host.empty() && host != "localhost") {
      return fail(Errc::invalid_argument, url + ": a file URL names no other host; write file:///path");
    }
    rest.remove_prefix(host.size());
  }
  if (!rest.starts_with('/')) {
    return fail(Errc::invalid_argument, url + ": a file URL needs an absolute path");
  }
  auto path = percent_decoded(rest);
  if (!path) {
    return fail(Errc::invalid_argument, url + ": " + path.error().context);
  }
  return std::filesystem::path(std::move(*path));
}

// The scheme in lower case, when this reads as a URL: "name://..." or "file:/...". Anything else is a path, colons or
// not.
std::string scheme_of(const std::string& url) {
  const std::size_t colon = url.find(':');
  if (colon == std::string::npos || colon == 0) {
    return {};
  }
  std::string scheme = url.substr(0, colon);
  for (char& c : scheme) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    const bool letter = c >= 'a' && c <= 'z';
    if (!letter && !(c >= '0' && c <= '9') && c != '+' && c != '-' && c != '.') {
      return {};
    }
  }
  const std::string_view rest = std::string_view(url).substr(colon + 1);
  return rest.starts_with("//") || (scheme == "file" && rest.starts_with('/')) ? scheme : std::string();
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

std::string without_credentials(const std::string& url) {
  const std::size_t slashes = url.find("//");
  if (slashes == std::string::npos) {
    return url;
  }
  const std::size_t begin = slashes + 2;
  const std::size_t end = std::min(url.find_first_of("/?#", begin), url.size());
  const std::size_t at = std::string_view(url).substr(0, end).rfind('@');
  return at == std::string::npos || at < begin ? url : url.substr(0, begin) + url.substr(at + 1);
}

Result<std::unique_ptr<Source>> make_source(const std::string& url, const SourceOptions& options) {
  const std::string scheme = scheme_of(url);
  if (url.empty() || url.find('\0') != std::string::npos) {
    return fail(Errc::invalid_argument, "an empty URL");
  }
  if (scheme.empty()) {
    return make_file_source(url);
  }
  if (scheme == "file") {
    auto path = path_of_file_url(url);
    if (!path) {
      return fail(std::move(path.error()));
    }
    return make_file_source(std::move(*path));
  }
  if (scheme == "http" || scheme == "https") {
    return make_http_source(url, options);
  }
  return fail(Errc::unsupported, without_credentials(url) + ": scheme '" + scheme + "' is none of http, https, file");
}

}  // namespace strandline::tool
