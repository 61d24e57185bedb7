// What whoever runs the server says of the objects below a path.
#include <strandline/serve/rules/rules.h>
#include <tests/resource/subjects.h>

using namespace strandline;
using namespace strandline::testing;
using serve::PathPattern;
using serve::http::CacheControl;
using serve::http::Freshness;
using serve::http::FreshnessRule;
using std::chrono::seconds;

namespace {

const Freshness::Time kNow{seconds(1'700'000'000)};

Freshness said(std::string_view control, std::optional<std::string_view> age = {}) {
  return Freshness::of({.cache_control = control, .age = age}, kNow, kNow);
}

}  // namespace

TEST_CASE("rules: which paths a pattern is for") {
  struct Case {
    const char* pattern;
    const char* path;
    bool fits;
  };
  const Case cases[] = {{"/", "/a/b", true},
                        {"/a", "/a", true},
                        {"/a", "/a/b", true},
                        {"/a", "/ab", false},
                        {"/a/", "/a", false},
                        {"/a/", "/a/", true},
                        {"/*.mp4", "/a.mp4", true},
                        {"/*.mp4", "/a/b.mp4", false},
                        {"/*.mp4", "/.mp4", true},
                        {"/*.mp4", "/a.mp4x", false},
                        {"/**.mp4", "/a/b.mp4", true},
                        {"/**/b", "/a/c/b", true},
                        {"/**/b", "/b", false},
                        {"/a/**", "/a/", true},
                        {"/a/**", "/a", false},
                        {"/a?c", "/abc", true},
                        {"/a?c", "/a/c", false},
                        {"/a?c", "/ac", false},
                        {"/*/*", "/a/b", true},
                        {"/*/*", "/a/b/c", false},
                        {"/*", "/", true},
                        {"/*b*", "/abab", true},
                        {"/a b*", "/a b/", false},
                        {"/?", "/\xc3", true}};
  for (const Case& one : cases) {
    CAPTURE(one.pattern);
    CAPTURE(one.path);
    CHECK(required(PathPattern::parse(one.pattern)).matches(one.path) == one.fits);
  }
  CHECK_FALSE(PathPattern::parse(""));
  CHECK_FALSE(PathPattern::parse("a/"));
  CHECK_FALSE(PathPattern::parse("/" + std::string(PathPattern::kLongest, 'a')));
}

TEST_CASE("rules: a pattern that has many ways to fit takes no longer for it") {
  std::string pattern = "/";
  for (int i = 0; i < 100; ++i) {
    pattern += "*a";
  }
  CHECK_FALSE(required(PathPattern::parse(pattern)).matches("/" + std::string(8000, 'a') + "b"));
  CHECK(required(PathPattern::parse(pattern)).matches("/" + std::string(8000, 'a')));
}

TEST_CASE("rules: the first whose path fits") {
  const auto rule = [](const char* path) {
    return std::make_shared<const serve::Rule>(serve::Rule{.path = required(PathPattern::parse(path))});
  };
  const serve::Rules rules{rule("/a/*.ts"), rule("/a/"), rule("/a/b")};
  CHECK(serve::rule_for(rules, "/a/b") == rules[1]);
  CHECK(serve::rule_for(rules, "/a/b.ts") == rules[0]);
  CHECK(serve::rule_for(rules, "/b") == nullptr);
}

TEST_CASE("rules: fresh for as long as the rule says, from when it came, but never shared when it is private") {
  const FreshnessRule rule{.fresh_for = seconds(100)};
  for (const char* control : {"", "no-cache", "max-age=0", "s-maxage=10", "max-age=1000"}) {
    CAPTURE(control);
    const auto ruled = said(control, "5000").under(rule);
    CHECK(reuse(ruled, CacheControl(), kNow + seconds(99)) == serve::http::Reuse::fresh);
    CHECK(reuse(ruled, CacheControl(), kNow + seconds(100)) == serve::http::Reuse::validated);
    CHECK(ruled.age(kNow) == seconds(5000));
  }
  CHECK(said("private").under(rule).control().is_private);
  CHECK(said("no-store").under(rule).control().no_store);
  CHECK(said("max-age=9, must-revalidate").under(rule).never_stale());
}

TEST_CASE("rules: what is stale, while it is validated and when its origin fails") {
  const FreshnessRule rule{.stale_while_revalidate = seconds(10), .stale_if_error = seconds(20)};
  const auto ruled = said("max-age=0, stale-while-revalidate=1000, stale-if-error=1000").under(rule);
  CHECK(reuse(ruled, CacheControl(), kNow + seconds(10)) == serve::http::Reuse::while_validating);
  CHECK(reuse(ruled, CacheControl(), kNow + seconds(11)) == serve::http::Reuse::validated);
  CHECK(reusable_on_error(ruled, CacheControl(), kNow + seconds(20), seconds(5000)));
  CHECK_FALSE(reusable_on_error(ruled, CacheControl(), kNow + seconds(21), seconds(5000)));
  CHECK_FALSE(reusable_on_error(said("max-age=0, must-revalidate").under(rule), CacheControl(), kNow, seconds(5000)));
  CHECK(said("").under({.no_store = true}).control().no_store);
  CHECK(reuse(said("max-age=5").under({}), CacheControl(), kNow) == serve::http::Reuse::fresh);
}
