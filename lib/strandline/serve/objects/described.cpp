#include <strandline/origin/http/protocol/http_date.h>
#include <strandline/origin/http/protocol/syntax.h>
#include <strandline/serve/objects/described.h>

#include <string_view>
#include <utility>

namespace strandline::serve {

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
  field("ETag", version.tag ? version.tag->text() : "");
  field("Last-Modified", version.last_modified ? http_date(*version.last_modified) : "");
  field("Cache-Control", said.cache_control);
  field("Expires", said.expires);
  field("Vary", said.vary);
  field("Accept-Ranges", "bytes");
  field("Via", "1.1 strandline");
}

}  // namespace strandline::serve
