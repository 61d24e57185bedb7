// HTTP-date: a second, in the three forms in which HTTP tells it (RFC 9110, section 5.6.7).
// Threads: pure functions. Blocks: never. Errors: what is no date is none; a weekday that is not the date's is not
// looked at. Cost: some dozen characters. Lifetime: values.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace strandline::origin::http {

// `now`: a year of two digits that would be more than 50 years ahead of it is of the past.
[[nodiscard]] std::optional<std::chrono::sys_seconds> parse_http_date(std::string_view text,
                                                                      std::chrono::sys_seconds now);
// "Sun, 06 Nov 1994 08:49:37 GMT", the form to send; years are 0 to 9999, and others the nearest of them.
[[nodiscard]] std::string http_date(std::chrono::sys_seconds time);

}  // namespace strandline::origin::http
