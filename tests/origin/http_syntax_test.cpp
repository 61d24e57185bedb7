// What HTTP's texts are made of, in both directions: dates, numbers, percent-encoding.
#include <strandline/origin/http/protocol/http_date.h>
#include <strandline/origin/http/protocol/syntax.h>

#include <doctest/doctest.h>

#include <limits>

namespace strandline::origin::http {
namespace {

using std::chrono::sys_days;
using std::chrono::sys_seconds;

constexpr sys_seconds kExample{std::chrono::seconds(784'111'777)};  // RFC 9110's: 6 November 1994, 08:49:37
constexpr sys_seconds kNow = sys_days(std::chrono::year(2026) / 7 / 1);

TEST_CASE("RFC 9110 5.6.7: a date in its three forms") {
  struct Case {
    const char* text;
    sys_seconds time;
  };
  const auto at = [](int year, unsigned month, unsigned day) {
    return sys_seconds(sys_days(std::chrono::year(year) / static_cast<int>(month) / static_cast<int>(day)));
  };
  for (const Case& c : {Case{"Sun, 06 Nov 1994 08:49:37 GMT", kExample},
                        {"Sunday, 06-Nov-94 08:49:37 GMT", kExample},
                        {"Sun Nov  6 08:49:37 1994", kExample},
                        {"Sun Nov 06 08:49:37 1994", kExample},
                        {"Mon, 06 Nov 1994 08:49:37 GMT", kExample},  // a wrong weekday
                        {"Thu, 29 Feb 2024 00:00:00 GMT", at(2024, 2, 29)},
                        {"Sat, 31 Dec 2016 23:59:60 GMT", at(2017, 1, 1)},  // a leap second
                        {"Sat, 01 Jan 0000 00:00:00 GMT", at(0, 1, 1)},
                        {"Thu, 01 Jan 1970 00:00:00 GMT", at(1970, 1, 1)},
                        // Two digits: 50 years ahead is still ahead, more is past.
                        {"Thursday, 01-Jan-26 00:00:00 GMT", at(2026, 1, 1)},
                        {"Wednesday, 01-Jan-76 00:00:00 GMT", at(2076, 1, 1)},
                        {"Friday, 31-Dec-76 00:00:00 GMT", at(1976, 12, 31)},
                        {"Friday, 31-Dec-99 00:00:00 GMT", at(1999, 12, 31)}}) {
    CAPTURE(c.text);
    CHECK(parse_http_date(c.text, kNow) == c.time);
  }
}

TEST_CASE("RFC 9110 5.6.7: what is no date") {
  for (const char* text : {"",
                           "0",
                           "-1",
                           "now",
                           "Sun",
                           "Sun, ",
                           "Sun, 06 Nov 1994 08:49:37",
                           "Sun, 06 Nov 1994 08:49:37 UTC",
                           "Sun, 06 Nov 1994 08:49:37 GMT ",
                           " Sun, 06 Nov 1994 08:49:37 GMT",
                           "sun, 06 Nov 1994 08:49:37 GMT",
                           "Sun, 06 nov 1994 08:49:37 GMT",
                           "Sun, 6 Nov 1994 08:49:37 GMT",
                           "Sun,06 Nov 1994 08:49:37 GMT",
                           "Sun, 06-Nov-1994 08:49:37 GMT",
                           "Sunday, 06-Nov-1994 08:49:37 GMT",
                           "Sunday, 06 Nov 94 08:49:37 GMT",
                           "Sun, 00 Nov 1994 08:49:37 GMT",
                           "Sun, 31 Nov 1994 08:49:37 GMT",
                           "Thu, 29 Feb 2023 08:49:37 GMT",
                           "Sun, 06 Nov 1994 24:49:37 GMT",
                           "Sun, 06 Nov 1994 08:60:37 GMT",
                           "Sun, 06 Nov 1994 08:49:61 GMT",
                           "Sun, 06 Nov 1994 8:49:37 GMT",
                           "Sun, 06 Nov 1994 -8:49:37 GMT",
                           "Sun, 06 Nov 99999 08:49:37 GMT",
                           "Sun Nov 6 08:49:37 1994",
                           "Sun Nov  6 08:49:37 94",
                           "Sunday, 29-Feb-23 08:49:37 CET",
                           "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_http_date(text, kNow).has_value());
  }
  CHECK_FALSE(parse_http_date(std::string_view("Sun, 06 Nov 1994 08:49:37 GMT\0", 30), kNow).has_value());
}

TEST_CASE("RFC 9110 5.6.7: dates are sent in the first form, and read back") {
  CHECK(http_date(kExample) == "Sun, 06 Nov 1994 08:49:37 GMT");
  CHECK(http_date(sys_seconds()) == "Thu, 01 Jan 1970 00:00:00 GMT");
  CHECK(http_date(sys_seconds(std::chrono::seconds(-1))) == "Wed, 31 Dec 1969 23:59:59 GMT");
  CHECK(http_date(sys_days(std::chrono::year(20000) / 1 / 1)) == "Fri, 31 Dec 9999 23:59:59 GMT");
  for (std::int64_t second = -60'000'000'000; second < 250'000'000'000; second += 1'234'567'891) {
    const sys_seconds time{std::chrono::seconds(second)};
    CHECK(parse_http_date(http_date(time), kNow) == time);
  }
}

TEST_CASE("numbers of any length, and what is none") {
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  struct Case {
    const char* text;
    std::optional<std::uint64_t> number;
  };
  for (const Case& c : {Case{"0", 0},
                        {"007", 7},
                        {"9223372036854775806", kMost - 1},
                        {"9223372036854775807", kMost},
                        {"9223372036854775808", kMost},
                        {"18446744073709551616", kMost},
                        {"99999999999999999999999999999999999999", kMost},
                        {"", {}},
                        {"-1", {}},
                        {"+1", {}},
                        {" 1", {}},
                        {"1 ", {}},
                        {"1.0", {}},
                        {"0x1", {}}}) {
    CAPTURE(c.text);
    CHECK(parse_number(c.text, kMost) == c.number);
  }
  CHECK(parse_number("18446744073709551615", std::numeric_limits<std::uint64_t>::max()) ==
        std::numeric_limits<std::uint64_t>::max());
  CHECK(parse_number("18446744073709551616", std::numeric_limits<std::uint64_t>::max()) ==
        std::numeric_limits<std::uint64_t>::max());
  CHECK(parse_number("9", 5) == 5u);
}

TEST_CASE("RFC 3986 2.1: percent-encoding") {
  CHECK(percent_byte("%41", 0) == 0x41);
  CHECK(percent_byte("a%fF", 1) == 0xff);
  CHECK(percent_byte("%00", 0) == 0);
  for (const char* text : {"%", "%4", "%4g", "%g4", "%-1", "% 1"}) {
    CAPTURE(text);
    CHECK(percent_byte(text, 0) == -1);
  }
  std::string text;
  append_percent(text, '\n');
  append_percent(text, '\xfe');
  CHECK(text == "%0A%FE");
}

}  // namespace
}  // namespace strandline::origin::http
