#include <strandline/origin/http/protocol/http_date.h>
#include <strandline/origin/http/protocol/syntax.h>
#include <strandline/serve/objects/described.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace strandline::serve {
namespace {

// In lower case. What a gateway is not to say in its own name, for there it would be meant of this server, of all
// origins behind it and of its page: where to go instead, what browsers are to keep, send or throw away, and who may
// read it, which is for --cors to say. And what is of the content of one message, where only a part may be sent.
constexpr std::array<std::string_view, 15> kNotInOurName = {"accept-ch",
                                                            "alt-svc",
                                                            "authentication-info",
                                                            "clear-site-data",
                                                            "content-digest",
                                                            "content-md5",
                                                            "critical-ch",
                                                            "expect-ct",
                                                            "nel",
                                                            "public-key-pins",
                                                            "report-to",
                                                            "reporting-endpoints",
                                                            "service-worker-allowed",
                                                            "strict-transport-security",
                                                            "www-authenticate"};

bool is_passed_on(std::string_view lower_name) {
  return !lower_name.starts_with("access-control-") &&
         std::find(kNotInOurName.begin(), kNotInOurName.end(), lower_name) == kNotInOurName.end();
}

}  // namespace

using origin::http::http_date;
using origin::http::is_field_value;

Described::Described(const origin::ObjectInfo& info, std::chrono::sys_seconds at,
                     std::optional<std::chrono::sys_seconds> came) {
  const origin::CachingFields& said = info.caching;
  const auto parsed = [&](const std::string& text) { return origin::http::parse_http_date(text, at); };
  version = {.tag = http::entity_tag_of(info.validator),
             .last_modified = parsed(said.last_modified),
             .date = parsed(said.date)};
  version.stored = came && version.date ? version.date : came;
  date = version.date ? http_date(*version.date) : "";
  const bool typed = !info.content_type.empty() && is_field_value(info.content_type);
  content_type = typed ? info.content_type : "application/octet-stream";
  const auto field = [&](std::string_view name, std::string_view value) {
    if (!value.empty() && is_field_value(value)) {
      fields.append(name).append(": ").append(value).append("\r\n");
    }
  };
  for (std::string_view left = info.other_fields; !left.empty();) {
    const auto line = left.substr(0, left.find('\n'));
    const std::string name = origin::http::lower_case(line.substr(0, line.find(':')));
    // Content-Location goes with the ETag (RFC 9110, sections 15.3.7 and 15.4.5), and ours behind those that were on
    // the way before (7.6.3).
    if (origin::http::is_field_line(line) && is_passed_on(name)) {
      (name == "content-location" || name == "via" ? fields : others).append(line).append("\r\n");
    }
    left.remove_prefix(std::min(left.size(), line.size() + 1));
  }
  field("ETag", version.tag ? version.tag->text() : "");
  field("Last-Modified", version.last_modified ? http_date(*version.last_modified) : "");
  field("Cache-Control", said.cache_control);
  field("Expires", said.expires);
  field("Vary", said.vary);
  field("Accept-Ranges", "bytes");
  field("Via", "1.1 strandline");
}

}  // namespace strandline::serve
