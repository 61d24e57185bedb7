// judge(): may the answer to this question be used, as which bytes of which version, or what does its refusal mean?
// Threads: functions of values. Blocks: never. Errors: corrupt for whatever contradicts the question or itself: nothing
// an origin says is believed, so that bytes are never placed where they were not proven to belong; the refusals that
// HTTP has, as Failures. Throws bad_alloc. Cost: small strings. Lifetime: values.
#pragma once

#include <strandline/origin/origin.h>

#include "http_head.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace strandline::origin::http {

struct Question {
  bool head = false;     // the method: HEAD, or GET
  bool ranged = true;    // with a Range header
  ByteRange range{};     // as in ReadRequest
  Validator if_match{};  // likewise

  // "bytes=0-99" or, up to the end, "bytes=100-"
  [[nodiscard]] std::string range_text() const;
  // The entity tag that an If-Match may carry: strong ones only (RFC 9110, 13.1.1).
  [[nodiscard]] std::optional<std::string> if_match_text() const;
};

struct Answer {
  ObjectInfo object;
  std::uint64_t offset = 0;             // in the object, of the body's first byte
  std::optional<std::uint64_t> length;  // of the body, when it is announced
  // The body ends before the range does, and not because the object is known to end there.
  bool stops_short = false;
};

[[nodiscard]] Outcome<Answer> judge(const HttpHead& head, const Question& question);

// A 416 that is a valid one but does not tell how long the object is: some servers have no ranges of an empty one.
[[nodiscard]] bool refuses_ranges_from_zero(const HttpHead& head, const Question& question);

// Strong: the ETag. Weak: the weak ETag, if there is one, Last-Modified and the size: `W/"x";Sat, ... GMT;1000`.
[[nodiscard]] Validator validator_of(const HttpHead& head, std::optional<std::uint64_t> size);
// Is what was found what is wanted? A size that one of the two does not tell is not compared, and an answer that has
// nothing to compare with a weak validator passes.
[[nodiscard]] bool agree(const Validator& wanted, const Validator& found);

// Of Retry-After: seconds or a date; none when it is neither. `now` is what the date is compared with.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_retry_after(const std::string& text,
                                                                         std::chrono::system_clock::time_point now);

}  // namespace strandline::origin::http
