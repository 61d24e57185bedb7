// Via: who has passed a request on (RFC 9110, section 7.6.3); one that has been here before goes round.
// Threads: pure functions. Blocks: never. Errors: none; what is no Via has nobody in it. Throws bad_alloc. Cost:
// linear. Lifetime: values.
#pragma once

#include <string>
#include <string_view>

namespace strandline::serve::http {

// A name that no other server has: "strandline-" and 64 random bits.
[[nodiscard]] std::string new_pseudonym();
// Has a server of this name passed it on? `via`: the field's value, its lines joined by commas; a pseudonym is not
// empty.
[[nodiscard]] bool has_passed(std::string_view via, std::string_view pseudonym) noexcept;

}  // namespace strandline::serve::http
