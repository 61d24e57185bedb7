#include "request_target.h"

#include <algorithm>
#include <utility>

#include "authority.h"
#include "uri_characters.h"

namespace strandline::serve::http {
namespace {

using origin::http::append_percent;
using origin::http::percent_byte;

tl::unexpected<Refusal> refused(std::string_view reason) {
  return tl::unexpected(Refusal{400, reason});
}

// Browsers send these as they are (url.spec.whatwg.org), though no URI has them: they are encoded here.
bool is_tolerated(char c) {
  return std::string_view("[]{}|^`").find(c) != std::string_view::npos;
}

// One spelling of a path or query; none when it has what neither can have.
template <class Allowed>
std::optional<std::string> normalised(std::string_view text, Allowed&& allowed) {
  std::string normal;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      const int byte = percent_byte(text, i);
      if (byte < 0) {
        return std::nullopt;
      }
      const char c = static_cast<char>(byte);
      is_unreserved(c) ? normal.push_back(c) : append_percent(normal, c);
      i += 2;
    } else if (allowed(text[i])) {
      normal += text[i];
    } else if (is_tolerated(text[i])) {
      append_percent(normal, text[i]);
    } else {
      return std::nullopt;
    }
  }
  return normal;
}

bool has_dot_segment(std::string_view path) {
  for (std::size_t slash = 0; slash != std::string_view::npos;) {
    const std::size_t end = path.find('/', slash + 1);
    const std::string_view segment = path.substr(slash + 1, end == std::string_view::npos ? end : end - slash - 1);
    if (segment == "." || segment == "..") {
      return true;
    }
    slash = end;
  }
  return false;
}

// An encoded slash would be a name's part to some and divide names for others; no name has a control character.
bool hides_something(std::string_view path) {
  for (std::size_t at = path.find('%'); at != std::string_view::npos; at = path.find('%', at + 1)) {
    const char byte = static_cast<char>(percent_byte(path, at));
    if (byte == '/' || origin::http::is_control(byte)) {
      return true;
    }
  }
  return false;
}

tl::expected<RequestTarget, Refusal> from_origin_form(std::string_view text) {
  const std::size_t mark = text.find('?');
  auto path = normalised(text.substr(0, mark), [](char c) { return is_path_character(c) || c == '/'; });
  if (!path) {
    return refused("a path with a character that no path has, or a bad percent-encoding");
  }
  // Clients resolve these before they ask (RFC 3986, section 5.2.4); what comes with them is an attempt.
  if (has_dot_segment(*path)) {
    return refused("a path with a segment . or ..");
  }
  if (hides_something(*path)) {
    return refused("a path with an encoded slash or control character");
  }
  RequestTarget target{std::move(*path), std::nullopt};
  if (mark != std::string_view::npos) {
    target.query =
        normalised(text.substr(mark + 1), [](char c) { return is_path_character(c) || c == '/' || c == '?'; });
    if (!target.query) {
      return refused("a query with a character that no query has, or a bad percent-encoding");
    }
  }
  return target;
}

bool same_authority(const Authority& a, const Authority& b, std::uint16_t default_port) {
  return a.host == b.host && a.port.value_or(default_port) == b.port.value_or(default_port);
}

}  // namespace

std::string RequestTarget::decoded_path() const {
  std::string bytes;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const bool encoded = path[i] == '%';
    bytes += encoded ? static_cast<char>(percent_byte(path, i)) : path[i];
    i += encoded ? 2 : 0;
  }
  return bytes;
}

tl::expected<RequestTarget, Refusal> parse_request_target(std::string_view target,
                                                          std::optional<std::string_view> host) {
  if (target.size() > kMaxTarget) {
    return tl::unexpected(Refusal{414, "a request target of more than 8 KiB"});
  }
  if (target.find('#') != std::string_view::npos) {
    return refused("a request target with a fragment");  // which is the client's own (RFC 9110, section 4.2.5)
  }
  if (target.starts_with('/')) {
    return from_origin_form(target);
  }
  const std::size_t scheme = target.find("://");
  const bool http = origin::http::same_word(target.substr(0, scheme), "http");
  if (scheme == std::string_view::npos || !(http || origin::http::same_word(target.substr(0, scheme), "https"))) {
    return refused("a request target that is neither a path nor an http URL");
  }
  const std::string_view rest = target.substr(scheme + 3);
  const std::size_t path = std::min(rest.find_first_of("/?"), rest.size());
  const auto named = parse_authority(rest.substr(0, path));
  if (!named || named->host.empty()) {  // RFC 9110, section 4.2.1
    return refused("an absolute request target without a well-formed host");
  }
  const auto told = host ? parse_authority(*host) : named;
  if (!told || !same_authority(*named, *told, http ? 80 : 443)) {
    return refused("an absolute request target that disagrees with Host");
  }
  const bool pathless = !rest.substr(path).starts_with('/');
  return from_origin_form(pathless ? "/" + std::string(rest.substr(path)) : std::string(rest.substr(path)));
}

}  // namespace strandline::serve::http
