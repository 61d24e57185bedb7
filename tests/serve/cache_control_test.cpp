// Directives (RFC 9111, section 5.2; RFC 5861; RFC 8246), and what may be kept for others (section 3).
#include <strandline/serve/http/caching/cache_control.h>
#include <strandline/serve/http/caching/storing.h>

#include <doctest/doctest.h>

#include <random>
#include <string>

namespace strandline::serve::http {
namespace {

using std::chrono::seconds;

TEST_CASE("RFC 9111 5.2: directives by name, whatever their case and company") {
  const CacheControl none = CacheControl::parse("");
  CHECK_FALSE((none.no_cache || none.no_store || none.only_if_cached || none.is_private || none.is_public));
  CHECK_FALSE((none.must_revalidate || none.proxy_revalidate || none.immutable || none.max_age || none.s_maxage));
  CHECK_FALSE((none.min_fresh || none.max_stale || none.stale_if_error || none.stale_while_revalidate));

  CHECK(CacheControl::parse("no-cache").no_cache);
  CHECK(CacheControl::parse("NO-STORE").no_store);
  CHECK(CacheControl::parse("Only-If-Cached").only_if_cached);
  CHECK(CacheControl::parse("private").is_private);
  CHECK(CacheControl::parse("public").is_public);
  CHECK(CacheControl::parse("must-revalidate").must_revalidate);
  CHECK(CacheControl::parse("proxy-revalidate").proxy_revalidate);
  CHECK(CacheControl::parse("immutable").immutable);
  CHECK(CacheControl::parse("max-age=1").max_age == seconds(1));
  CHECK(CacheControl::parse("s-maxage=2").s_maxage == seconds(2));
  CHECK(CacheControl::parse("min-fresh=3").min_fresh == seconds(3));
  CHECK(CacheControl::parse("max-stale=4").max_stale == seconds(4));
  CHECK(CacheControl::parse("stale-if-error=5").stale_if_error == seconds(5));
  CHECK(CacheControl::parse("stale-while-revalidate=6").stale_while_revalidate == seconds(6));
}

TEST_CASE("RFC 9111 5.2: lists, quoted strings, and what is unknown") {
  for (const char* field :
       {"max-age=60, no-cache", "no-cache,max-age=60", "\tno-cache ,, max-age=60 ,", "max-age=\"60\",no-cache",
        "no-cache=\"Set-Cookie, X\", max-age=60", "community=\"UCI\", max-age=60, no-cache",
        "x, y=z, no-cache, max-age=60", "x=\"private, no-store\", max-age=60, no-cache",
        "x=\"\\\", no-store\", max-age=60, no-cache", "x=\"\\\\\", max-age=60, no-cache", "=, max-age=60, no-cache",
        "x==\"y\", max-age=60, no-cache", "no-transform, must-understand, max-age=60, no-cache",
        "x-no-store, max-age=60, no-cache", "no-stores, max-age=60, no-cache"}) {
    CAPTURE(field);
    const CacheControl control = CacheControl::parse(field);
    CHECK(control.max_age == seconds(60));
    CHECK(control.no_cache);
    CHECK_FALSE(control.no_store);
    CHECK_FALSE(control.is_private);
  }
  // 5.2.2.7: with names of fields it is taken as without.
  CHECK(CacheControl::parse("private=\"Set-Cookie\"").is_private);
  // A quote within a word is none, and hides nothing.
  CHECK(CacheControl::parse("a\"b, no-store, c\"d").no_store);
  CHECK(CacheControl::parse("a=b\", no-store, c=\"d\"").no_store);
  // Nobody knows what stands behind one that is not closed.
  for (const char* field : {"x=\"", "x=\"no-cache", "max-age=60, x=\"y\\\"", "private=\"x, max-age=60"}) {
    CAPTURE(field);
    CHECK(CacheControl::parse(field).no_store);
  }
}

TEST_CASE("RFC 9111 1.2.2 and 4.2.1: seconds, and those that are none or said twice") {
  struct Case {
    const char* argument;
    seconds max_age;
  };
  for (const Case& c : {Case{"=0", seconds(0)},
                        {"=00060", seconds(60)},
                        {"=2147483647", seconds(2147483647)},
                        {"=2147483648", kForever},
                        {"=2147483649", kForever},
                        {"=99999999999999999999999999", kForever},
                        {"", seconds(0)},
                        {"=", seconds(0)},
                        {"=\"\"", seconds(0)},
                        {"=-1", seconds(0)},
                        {"=+1", seconds(0)},
                        {"=1.5", seconds(0)},
                        {"=1e3", seconds(0)},
                        {"=60s", seconds(0)},
                        {"=60; public", seconds(0)},
                        {"=\"60\"x", seconds(0)},
                        {"=\"6\\0\"", seconds(0)},
                        {"='60'", seconds(0)},
                        {"=60, max-age=60", seconds(0)},
                        {"=60, max-age=70", seconds(0)},
                        {"=x, max-age=60", seconds(0)},
                        {"=60, MAX-AGE=x", seconds(0)},
                        {"=60, max-age=60, max-age=60", seconds(0)}}) {
    CAPTURE(c.argument);
    CHECK(CacheControl::parse("max-age" + std::string(c.argument)).max_age == c.max_age);
    CHECK(CacheControl::parse("s-maxage=60, max-age" + std::string(c.argument)).s_maxage == seconds(60));
  }
  CHECK(CacheControl::parse("s-maxage=x").s_maxage == seconds(0));
  CHECK(CacheControl::parse("stale-if-error=x").stale_if_error == seconds(0));
  CHECK(CacheControl::parse("stale-while-revalidate").stale_while_revalidate == seconds(0));
  CHECK(CacheControl::parse("min-fresh=x").min_fresh == kForever);
  CHECK(CacheControl::parse("max-stale").max_stale == kForever);  // 5.2.1.2: as stale as it may be
  CHECK(CacheControl::parse("max-stale=x").max_stale == seconds(0));
  CHECK(CacheControl::parse("max-stale, max-stale").max_stale == seconds(0));
}

TEST_CASE("any bytes are a field") {
  std::mt19937_64 random(65);
  constexpr std::string_view kBytes = "max-age=60,\"\\ no-store;\t\0\xff";
  for (int round = 0; round < 20'000; ++round) {
    std::string field;
    for (std::uint64_t i = random() % 40; i-- != 0;) {
      field += kBytes[random() % kBytes.size()];
    }
    const CacheControl control = CacheControl::parse(field);
    CHECK((!control.max_age || (*control.max_age >= seconds(0) && *control.max_age <= kForever)));
  }
}

TEST_CASE("F65, RFC 9111 3: what is not for others is not kept") {
  struct Case {
    const char* what;
    const char* response;
    bool sets_cookie;
    const char* vary;
    const char* reason;  // empty: it may be stored
  };
  for (const Case& c : {Case{"nothing said", "", false, "", ""},
                        {"public", "public, max-age=60", false, "", ""},
                        {"to be asked each time", "no-cache", false, "", ""},
                        {"3: no-store", "no-store, max-age=60", false, "", "no-store"},
                        {"no-store and public", "public, no-store", false, "", "no-store"},
                        {"5.2.2.3: must-understand", "must-understand, no-store", false, "", "no-store"},
                        {"3: private", "private, max-age=60", false, "", "private"},
                        {"5.2.2.7: a private field", "private=\"X\"", false, "", "private"},
                        {"private and public", "public, private", false, "", "private"},
                        {"Set-Cookie", "public, max-age=60", true, "", "set-cookie"},
                        {"4.1: Vary: *", "public, max-age=60", false, "*", "vary"},
                        {"4.1: among others", "public", false, "Accept-Encoding , *", "vary"},
                        {"4.1: not *", "public", false, "Accept-Encoding, Origin", ""},
                        {"4.1: not quite *", "public", false, "*x, ,", ""}}) {
    CAPTURE(c.what);
    CHECK(reason_not_to_store({CacheControl::parse(c.response), c.sets_cookie, c.vary}).value_or("") == c.reason);
  }
}

}  // namespace
}  // namespace strandline::serve::http
