// Said: what an origin has said of an object, and when; and as the note that the store keeps with it, so that a later
// process knows it too.
// Threads: values and pure functions. Blocks: never. Errors: what is no note of this kind, or not quite, is none; the
// format is in docs/serve.md. Throws bad_alloc. Cost: linear. Lifetime: values.
#pragma once

#include <strandline/origin/origin.h>
#include <strandline/serve/http/caching/freshness.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace strandline::serve {

struct Said {
  origin::ObjectInfo info;
  http::Freshness::Time asked{}, answered{};  // by the wall clock
};

// As the origin has it; no rule counts.
[[nodiscard]] http::Freshness freshness_of(const Said& said);
// None: no note can have it in it. Size and validator are the entry's, and whose cookie it sets is nobody's business.
[[nodiscard]] std::optional<std::string> note_of(const Said& said);
[[nodiscard]] std::optional<Said> said_in(std::span<const std::byte> note);
// In place of a note, where what is here may not be served any more: said_in() of it is none.
inline constexpr std::string_view kTakenBack = "strandline serve 1\ntaken back\n";
// When the first is what the note says: is the second worth another? Not when all it changes is that the object is
// fresh for longer, or another of those fields that nobody here goes by, such as a request's number, and the first is
// no minute old: a note that says less is safe.
[[nodiscard]] bool is_news(const Said& noted, const Said& said);

}  // namespace strandline::serve
