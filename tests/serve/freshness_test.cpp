// How long what is stored may be served (RFC 9111, sections 4.2 and 5.2; RFC 5861; RFC 8246).
#include <strandline/serve/http/caching/freshness.h>

#include <doctest/doctest.h>

#include <string>

namespace strandline::serve::http {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using Time = Freshness::Time;

constexpr Time kCame{seconds(784'111'777)};  // when an answer came
constexpr const char* kDate = "Sun, 06 Nov 1994 08:49:37 GMT";
constexpr const char* kMinuteLater = "Sun, 06 Nov 1994 08:50:37 GMT";
constexpr const char* kMinuteBefore = "Sun, 06 Nov 1994 08:48:37 GMT";
constexpr const char* kHourBefore = "Sun, 06 Nov 1994 07:49:37 GMT";
constexpr const char* kYearBefore = "Sat, 06 Nov 1993 08:49:37 GMT";

Freshness of(const AnswerFields& answer) {
  return Freshness::of(answer, kCame, kCame);
}

Freshness of(std::string_view cache_control) {
  return of(AnswerFields{.cache_control = cache_control});
}

TEST_CASE("RFC 9111 4.2.1: the lifetime that the answer tells") {
  struct Case {
    AnswerFields answer;
    seconds lifetime;
  };
  int row = 0;
  for (const Case& c : std::initializer_list<Case>{
           {{}, seconds(0)},
           {{.cache_control = "max-age=60"}, seconds(60)},
           {{.cache_control = "s-maxage=30"}, seconds(30)},
           {{.cache_control = "max-age=60, s-maxage=30"}, seconds(30)},
           {{.cache_control = "max-age=60, s-maxage=0"}, seconds(0)},
           {{.cache_control = "max-age=60, s-maxage=x"}, seconds(0)},
           {{.cache_control = "max-age=60, max-age=60"}, seconds(0)},
           {{.cache_control = "max-age=99999999999"}, kForever},
           {{.expires = kMinuteLater, .date = kDate}, seconds(60)},
           {{.expires = kMinuteLater}, seconds(60)},  // without a Date: since it came
           {{.expires = kMinuteLater, .date = kMinuteBefore}, seconds(120)},
           {{.expires = kMinuteLater, .date = "today"}, seconds(60)},
           {{.expires = " Sunday, 06-Nov-94 08:50:37 GMT ", .date = kDate}, seconds(60)},
           {{.expires = kMinuteBefore, .date = kDate}, seconds(0)},
           {{.expires = kDate, .date = kDate}, seconds(0)},
           // 5.3: what is no date is past, also beside a Last-Modified
           {{.expires = "0", .date = kDate, .last_modified = kYearBefore}, seconds(0)},
           {{.expires = "-1", .date = kDate}, seconds(0)},
           {{.expires = "Sun, 06 Nov 1994 08:50:37 GMT, Sun, 06 Nov 1994 08:50:37 GMT", .date = kDate}, seconds(0)},
           {{.expires = "Fri, 31 Dec 9999 23:59:59 GMT", .date = kDate}, kForever},
           // 5.3: Cache-Control comes before Expires
           {{.cache_control = "max-age=5", .expires = kMinuteLater, .date = kDate}, seconds(5)},
           {{.cache_control = "max-age=x", .expires = kMinuteLater, .date = kDate}, seconds(0)},
           {{.cache_control = "public", .expires = kMinuteLater, .date = kDate}, seconds(60)}}) {
    CAPTURE(++row);
    CHECK(of(c.answer).lifetime() == c.lifetime);
  }
}

TEST_CASE("RFC 9111 4.2.2: a tenth of its age, a day at the most, where nothing is told") {
  CHECK(of({.date = kDate, .last_modified = kHourBefore}).lifetime() == seconds(360));
  CHECK(of({.last_modified = kHourBefore}).lifetime() == seconds(360));
  CHECK(of({.cache_control = "public", .date = kDate, .last_modified = kHourBefore}).lifetime() == seconds(360));
  CHECK(of({.date = kDate, .last_modified = kYearBefore}).lifetime() == hours(24));
  CHECK(of({.date = kDate, .last_modified = kMinuteLater}).lifetime() == seconds(0));
  CHECK(of({.date = kDate, .last_modified = "then"}).lifetime() == seconds(0));
  CHECK(of({.cache_control = "max-age=0", .date = kDate, .last_modified = kYearBefore}).lifetime() == seconds(0));
}

TEST_CASE("RFC 9111 4.2.3: the age of an answer") {
  struct Case {
    const char* what;
    AnswerFields answer;
    int delay;     // between question and answer
    int resident;  // since the answer
    seconds age;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"new", {.date = kDate}, 0, 0, seconds(0)},
           {"without a date", {}, 0, 0, seconds(0)},
           {"kept", {.date = kDate}, 0, 100, seconds(100)},
           {"slow to come", {.date = kDate}, 7, 100, seconds(107)},
           {"by its date", {.date = kMinuteBefore}, 0, 100, seconds(160)},
           {"from the future", {.date = kMinuteLater}, 0, 100, seconds(100)},
           {"from a cache", {.date = kDate, .age = "50"}, 7, 100, seconds(157)},
           {"date and Age", {.date = kMinuteBefore, .age = "50"}, 7, 100, seconds(160)},
           {"Age and date", {.date = kMinuteBefore, .age = "55"}, 7, 100, seconds(162)},
           {"5.1: of a list the first", {.date = kDate, .age = "50, 99"}, 0, 0, seconds(50)},
           {"5.1: no number", {.date = kDate, .age = "a while"}, 0, 0, seconds(0)},
           {"5.1: below 0", {.date = kDate, .age = "-5"}, 0, 0, seconds(0)},
           {"5.1: empty", {.date = kDate, .age = ""}, 0, 0, seconds(0)},
           {"1.2.2: too large", {.date = kDate, .age = "99999999999999999999"}, 7, 100, kForever},
           {"F41: a clock that was set back", {.date = kDate, .age = "50"}, 0, -1'000'000'000, seconds(50)},
           {"F41: set back while it was asked", {.date = kDate}, -1'000'000'000, 5, seconds(5)},
           {"F41: set forward", {.date = kDate}, 0, 1'000'000'000, seconds(1'000'000'000)}}) {
    CAPTURE(c.what);
    const Freshness stored = Freshness::of(c.answer, kCame - seconds(c.delay), kCame);
    CHECK(stored.age(kCame + seconds(c.resident)) == c.age);
    CHECK(stored.age_text(kCame + seconds(c.resident)) == std::to_string(c.age.count()));
  }
}

TEST_CASE("RFC 9111 4.2, 4.2.4 and 5.2: whether it may be served before the origin is asked") {
  struct Case {
    const char* stored;
    int age;
    const char* request;
    Reuse reuse;
  };
  for (const Case& c : {Case{"max-age=60", 0, "", Reuse::fresh},
                        {"max-age=60", 59, "", Reuse::fresh},
                        {"max-age=60", 60, "", Reuse::validated},
                        {"max-age=60", 61, "", Reuse::validated},
                        {"", 0, "", Reuse::validated},
                        // 5.2.2.4, 5.2.1.4: no-cache
                        {"no-cache, max-age=60", 0, "", Reuse::validated},
                        {"no-cache=\"X\", max-age=60", 0, "", Reuse::validated},
                        {"no-cache, max-age=60", 0, "max-stale", Reuse::validated},
                        {"max-age=60", 0, "no-cache", Reuse::validated},
                        // 5.2.1.1: max-age
                        {"max-age=60", 10, "max-age=10", Reuse::fresh},
                        {"max-age=60", 11, "max-age=10", Reuse::validated},
                        {"max-age=60", 1, "max-age=0", Reuse::validated},
                        {"max-age=60", 1, "max-age=x", Reuse::validated},
                        {"max-age=60", 11, "max-age=10, max-stale", Reuse::validated},
                        // 5.2.1.3: min-fresh
                        {"max-age=60", 40, "min-fresh=20", Reuse::fresh},
                        {"max-age=60", 41, "min-fresh=20", Reuse::validated},
                        {"max-age=60", 0, "min-fresh=x", Reuse::validated},
                        {"max-age=60", 61, "min-fresh=0, max-stale", Reuse::validated},
                        // 5.2.1.2: max-stale
                        {"max-age=60", 70, "max-stale=10", Reuse::stale},
                        {"max-age=60", 71, "max-stale=10", Reuse::validated},
                        {"max-age=60", 60, "max-stale=0", Reuse::stale},
                        {"max-age=60", 1'000'000, "max-stale", Reuse::stale},
                        {"max-age=60", 61, "max-stale=x", Reuse::validated},
                        {"max-age=60", 70, "max-age=80, max-stale=10", Reuse::stale},
                        // 5.2.2.2, 5.2.2.8, 5.2.2.10: never stale
                        {"max-age=60, must-revalidate", 61, "max-stale", Reuse::validated},
                        {"max-age=60, proxy-revalidate", 61, "max-stale", Reuse::validated},
                        {"s-maxage=60", 61, "max-stale", Reuse::validated},
                        {"max-age=60, must-revalidate", 59, "", Reuse::fresh},
                        // RFC 5861, 3: stale-while-revalidate
                        {"max-age=60, stale-while-revalidate=30", 59, "", Reuse::fresh},
                        {"max-age=60, stale-while-revalidate=30", 60, "", Reuse::while_validating},
                        {"max-age=60, stale-while-revalidate=30", 90, "", Reuse::while_validating},
                        {"max-age=60, stale-while-revalidate=30", 91, "", Reuse::validated},
                        {"max-age=60, stale-while-revalidate=x", 61, "", Reuse::validated},
                        {"max-age=60, stale-while-revalidate=30", 91, "max-stale=40", Reuse::stale},
                        {"max-age=60, stale-while-revalidate=30", 61, "max-age=1000", Reuse::validated},
                        {"max-age=60, stale-while-revalidate=30", 61, "no-cache", Reuse::validated},
                        {"max-age=60, stale-while-revalidate=30, must-revalidate", 61, "", Reuse::validated},
                        {"s-maxage=60, stale-while-revalidate=30", 61, "", Reuse::validated},
                        // RFC 8246: immutable, while it is fresh
                        {"max-age=60, immutable", 30, "max-age=0", Reuse::fresh},
                        {"max-age=60, immutable", 30, "min-fresh=40", Reuse::fresh},
                        {"max-age=60, immutable", 30, "no-cache", Reuse::validated},
                        {"max-age=60, immutable", 60, "", Reuse::validated},
                        {"immutable", 0, "", Reuse::validated}}) {
    CAPTURE(c.stored);
    CAPTURE(c.age);
    CAPTURE(c.request);
    CHECK(reuse(of(c.stored), CacheControl::parse(c.request), kCame + seconds(c.age)) == c.reuse);
  }
}

TEST_CASE("RFC 5861 4: what is stale may be served when the origin fails") {
  struct Case {
    const char* stored;
    int age;
    const char* request;
    int allowed;
    bool reusable;
  };
  for (const Case& c : {Case{"max-age=60", 61, "", 0, false},
                        {"max-age=60, stale-if-error=30", 90, "", 0, true},
                        {"max-age=60, stale-if-error=30", 91, "", 0, false},
                        {"max-age=60, stale-if-error=x", 61, "", 0, false},
                        {"max-age=60", 90, "stale-if-error=30", 0, true},
                        {"max-age=60", 91, "stale-if-error=30", 0, false},
                        {"max-age=60, stale-if-error=10", 90, "stale-if-error=30", 0, true},
                        {"max-age=60", 90, "", 30, true},
                        {"max-age=60", 91, "", 30, false},
                        {"max-age=60, stale-if-error=30", 90, "", 10, true},
                        // Fresh, though the client wanted it validated.
                        {"max-age=60", 59, "max-age=0", 0, true},
                        // 4.2.4: forbidden, whoever allows it
                        {"max-age=60, no-cache, stale-if-error=30", 30, "", 30, false},
                        {"max-age=60, stale-if-error=30", 30, "no-cache", 30, false},
                        {"max-age=60, must-revalidate, stale-if-error=30", 61, "stale-if-error=30", 30, false},
                        {"max-age=60, proxy-revalidate, stale-if-error=30", 61, "", 30, false},
                        {"s-maxage=60, stale-if-error=30", 61, "", 30, false}}) {
    CAPTURE(c.stored);
    CAPTURE(c.age);
    CAPTURE(c.request);
    CHECK(reusable_on_error(of(c.stored), CacheControl::parse(c.request), kCame + seconds(c.age), seconds(c.allowed)) ==
          c.reusable);
  }
}

}  // namespace
}  // namespace strandline::serve::http
