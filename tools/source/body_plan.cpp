#include "body_plan.h"

#include <string>

namespace strandline::tool {
namespace {

using origin::http::ContentRange;
using origin::http::parse_content_range;

// Is it the range that was asked for, cut off at the end of the content at most?
bool answers(const ContentRange& range, const ByteSpec& spec) {
  if (range.total) {
    const auto wanted = spec.within(*range.total);
    return wanted && wanted->begin == range.first && wanted->end == range.last + 1;
  }
  // Without the total, a range that ends early may as well have been cut.
  return spec.first && range.first == *spec.first && (!spec.last || range.last == *spec.last);
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
  const auto body = head.body_length();
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
