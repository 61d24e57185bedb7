#include "conditions.h"

#include <strandline/origin/http/protocol/http_date.h>
#include <strandline/origin/http/protocol/syntax.h>

namespace strandline::serve::http {
namespace {

using std::chrono::sys_seconds;
using Comparison = bool (*)(const EntityTag&, const EntityTag&) noexcept;

// "*" is any version, and there is one.
bool names(std::string_view list, const Version& version, Comparison equal) {
  return origin::http::trimmed(list) == "*" || (version.tag && lists_tag(list, *version.tag, equal));
}

// Was it changed after that? None: the field says no date, or nobody knows.
std::optional<bool> modified_after(std::string_view field, const Version& version, sys_seconds now) {
  const auto date = origin::http::parse_http_date(origin::http::trimmed(field), now);
  return date && version.last_modified ? std::optional(*version.last_modified > *date) : std::nullopt;
}

// Section 13.1.3. Where nobody says when what is stored was changed, it was before that was told (RFC 9111, section
// 4.3.2).
bool is_not_modified(std::string_view field, const Version& version, sys_seconds now) {
  Version dated{.last_modified = version.last_modified ? version.last_modified : version.stored};
  return !modified_after(field, dated, now).value_or(true);
}

// Section 13.1.5. A date tells versions apart only where the origin's clock had gone on since (8.8.2.2).
bool is_still(std::string_view if_range, const Version& version, sys_seconds now) {
  const std::string_view text = origin::http::trimmed(if_range);
  if (const auto tag = parse_entity_tag(text)) {
    return version.tag && strongly_equal(*tag, *version.tag);
  }
  const auto date = origin::http::parse_http_date(text, now);
  return date && version.last_modified == date && version.date && *version.date - *date >= std::chrono::seconds(1);
}

}  // namespace

Selection select(const ConditionalFields& fields, const Version& version, sys_seconds now) {
  if (fields.if_match) {  // 13.1.1
    if (!names(*fields.if_match, version, strongly_equal)) {
      return Selection::precondition_failed;
    }
  } else if (fields.if_unmodified_since && modified_after(*fields.if_unmodified_since, version, now).value_or(false)) {
    return Selection::precondition_failed;  // 13.1.4
  }
  if (fields.if_none_match) {  // 13.1.2
    if (names(*fields.if_none_match, version, weakly_equal)) {
      return Selection::not_modified;
    }
  } else if (fields.if_modified_since && is_not_modified(*fields.if_modified_since, version, now)) {
    return Selection::not_modified;
  }
  const bool parts = fields.ranged && (!fields.if_range || is_still(*fields.if_range, version, now));
  return parts ? Selection::parts : Selection::whole;
}

}  // namespace strandline::serve::http
