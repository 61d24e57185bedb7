// Conditional requests (RFC 9110, section 13), and the entity tags they compare (section 8.8.3).
#include <strandline/serve/http/selection/conditions.h>

#include <doctest/doctest.h>

#include <string>

namespace strandline::serve::http {
namespace {

using std::chrono::sys_seconds;
using Fields = ConditionalFields;
using S = Selection;

constexpr sys_seconds kModified{std::chrono::seconds(784'111'777)};
constexpr const char* kThen = "Sun, 06 Nov 1994 08:49:37 GMT";  // kModified
constexpr const char* kBefore = "Sun, 06 Nov 1994 08:49:36 GMT";
constexpr const char* kAfter = "Sun, 06 Nov 1994 08:49:38 GMT";
constexpr sys_seconds kToday = std::chrono::sys_days(std::chrono::year(2026) / 7 / 1);

const Version kStrong{EntityTag{"\"a\"", false}, kModified, kToday};
const Version kWeak{EntityTag{"\"a\"", true}, kModified, kToday};
const Version kDated{std::nullopt, kModified, kToday};
const Version kUnknown{};

struct ConditionCase {
  Fields fields;
  Version version;
  S selection;
};

void check(std::initializer_list<ConditionCase> cases) {
  int row = 0;
  for (const ConditionCase& c : cases) {
    CAPTURE(++row);
    CHECK(select(c.fields, c.version, kToday) == c.selection);
  }
}

TEST_CASE("RFC 9110 13.1.1: If-Match compares strongly") {
  check({
      {{.if_match = "\"a\""}, kStrong, S::whole},
      {{.if_match = "\"b\""}, kStrong, S::precondition_failed},
      {{.if_match = "\"b\", \"a\""}, kStrong, S::whole},
      {{.if_match = " ,\"b\" ,, \"a\",\t"}, kStrong, S::whole},
      {{.if_match = "*"}, kStrong, S::whole},
      {{.if_match = " * "}, kUnknown, S::whole},
      {{.if_match = "W/\"a\""}, kStrong, S::precondition_failed},
      {{.if_match = "\"a\""}, kWeak, S::precondition_failed},
      {{.if_match = "W/\"a\""}, kWeak, S::precondition_failed},
      {{.if_match = "\"a\""}, kDated, S::precondition_failed},
      {{.if_match = "\"A\""}, kStrong, S::precondition_failed},
      {{.if_match = ""}, kStrong, S::precondition_failed},
      {{.if_match = "a"}, kStrong, S::precondition_failed},
      {{.if_match = "\"a"}, kStrong, S::precondition_failed},
      {{.if_match = "\"a\" \"a\""}, kStrong, S::precondition_failed},
      {{.if_match = "\"a\", *"}, kStrong, S::precondition_failed},
  });
}

TEST_CASE("RFC 9110 13.1.2: If-None-Match compares weakly") {
  check({
      {{.if_none_match = "\"a\""}, kStrong, S::not_modified},
      {{.if_none_match = "W/\"a\""}, kStrong, S::not_modified},
      {{.if_none_match = "\"a\""}, kWeak, S::not_modified},
      {{.if_none_match = "W/\"a\""}, kWeak, S::not_modified},
      {{.if_none_match = "\"b\""}, kStrong, S::whole},
      {{.if_none_match = "\"b\",W/\"c\",\"a\""}, kStrong, S::not_modified},
      {{.if_none_match = "*"}, kStrong, S::not_modified},
      {{.if_none_match = "*"}, kUnknown, S::not_modified},
      {{.if_none_match = "\"a\""}, kUnknown, S::whole},
      {{.if_none_match = ""}, kStrong, S::whole},
      {{.if_none_match = "a"}, kStrong, S::whole},
      {{.if_none_match = "w/\"a\""}, kStrong, S::whole},
      {{.if_none_match = "\"a\";"}, kStrong, S::whole},
      {{.if_none_match = "\"a\", b"}, kStrong, S::whole},
      {{.if_none_match = "\"b\", \"a"}, kStrong, S::whole},
      {{.if_none_match = "\"x, \"a\""}, kStrong, S::whole},
      {{.if_none_match = "\"x,\"a\""}, kStrong, S::whole},
  });
}

TEST_CASE("RFC 9110 13.1.3: If-Modified-Since") {
  check({
      {{.if_modified_since = kThen}, kStrong, S::not_modified},
      {{.if_modified_since = kAfter}, kStrong, S::not_modified},
      {{.if_modified_since = kBefore}, kStrong, S::whole},
      {{.if_modified_since = "Sunday, 06-Nov-94 08:49:37 GMT"}, kStrong, S::not_modified},
      {{.if_modified_since = " Sun Nov  6 08:49:37 1994 "}, kStrong, S::not_modified},
      {{.if_modified_since = "yesterday"}, kStrong, S::whole},
      {{.if_modified_since = ""}, kStrong, S::whole},
      {{.if_modified_since = kThen}, kUnknown, S::whole},
      // Not looked at beside If-None-Match.
      {{.if_none_match = "\"b\"", .if_modified_since = kThen}, kStrong, S::whole},
      {{.if_none_match = "\"a\"", .if_modified_since = kBefore}, kStrong, S::not_modified},
      {{.if_none_match = "nonsense", .if_modified_since = kThen}, kStrong, S::whole},
  });
}

TEST_CASE("RFC 9111 4.3.2: If-Modified-Since of what is stored, where nobody says when it was changed") {
  const Version stored{.tag = EntityTag{"\"a\"", false}, .stored = kModified};
  const Version both{.last_modified = kModified, .date = kToday, .stored = kToday};
  check({
      {{.if_modified_since = kThen}, stored, S::not_modified},
      {{.if_modified_since = kAfter}, stored, S::not_modified},
      {{.if_modified_since = kBefore}, stored, S::whole},
      {{.if_modified_since = "yesterday"}, stored, S::whole},
      {{.if_none_match = "\"b\"", .if_modified_since = kThen}, stored, S::whole},
      // Whoever says it is believed.
      {{.if_modified_since = kThen}, both, S::not_modified},
      {{.if_modified_since = kBefore}, both, S::whole},
      // The others are not for caches to guess about.
      {{.if_unmodified_since = kBefore}, stored, S::whole},
      {{.if_range = kThen, .ranged = true}, stored, S::whole},
  });
}

TEST_CASE("RFC 9110 13.1.4: If-Unmodified-Since") {
  check({
      {{.if_unmodified_since = kThen}, kStrong, S::whole},
      {{.if_unmodified_since = kAfter}, kStrong, S::whole},
      {{.if_unmodified_since = kBefore}, kStrong, S::precondition_failed},
      {{.if_unmodified_since = "yesterday"}, kStrong, S::whole},
      {{.if_unmodified_since = kBefore}, kUnknown, S::whole},
      // Not looked at beside If-Match.
      {{.if_match = "\"a\"", .if_unmodified_since = kBefore}, kStrong, S::whole},
      {{.if_match = "\"b\"", .if_unmodified_since = kAfter}, kStrong, S::precondition_failed},
  });
}

TEST_CASE("RFC 9110 13.1.5: If-Range compares strongly, and dates exactly") {
  const Version fast{std::nullopt, kModified, kModified};  // sent within the second of the change
  const Version slow{std::nullopt, kModified, kModified + std::chrono::seconds(1)};
  const Version early{std::nullopt, kModified, kModified - std::chrono::seconds(5)};
  const Version undated{std::nullopt, kModified, std::nullopt};
  check({
      {{.ranged = true}, kStrong, S::parts},
      {{.ranged = true}, kUnknown, S::parts},
      {{.if_range = "\"a\"", .ranged = true}, kStrong, S::parts},
      {{.if_range = " \"a\" ", .ranged = true}, kStrong, S::parts},
      {{.if_range = "\"b\"", .ranged = true}, kStrong, S::whole},
      {{.if_range = "W/\"a\"", .ranged = true}, kStrong, S::whole},
      {{.if_range = "\"a\"", .ranged = true}, kWeak, S::whole},
      {{.if_range = "W/\"a\"", .ranged = true}, kWeak, S::whole},
      {{.if_range = "\"a\"", .ranged = true}, kUnknown, S::whole},
      {{.if_range = "\"a\", \"b\"", .ranged = true}, kStrong, S::whole},
      {{.if_range = "*", .ranged = true}, kStrong, S::whole},
      {{.if_range = "", .ranged = true}, kStrong, S::whole},
      {{.if_range = "a", .ranged = true}, kStrong, S::whole},
      {{.if_range = kThen, .ranged = true}, kStrong, S::parts},
      {{.if_range = kAfter, .ranged = true}, kStrong, S::whole},
      {{.if_range = kBefore, .ranged = true}, kStrong, S::whole},
      {{.if_range = kThen, .ranged = true}, kUnknown, S::whole},
      {{.if_range = kThen, .ranged = true}, slow, S::parts},
      {{.if_range = kThen, .ranged = true}, fast, S::whole},
      {{.if_range = kThen, .ranged = true}, early, S::whole},
      {{.if_range = kThen, .ranged = true}, undated, S::whole},
      // Without a Range it is nothing.
      {{.if_range = "\"a\""}, kStrong, S::whole},
      {{.if_range = "\"b\""}, kStrong, S::whole},
  });
}

TEST_CASE("RFC 9110 13.2.2: the order") {
  check({
      {{}, kStrong, S::whole},
      // If-Match, then If-None-Match, then Range.
      {{.if_match = "\"b\"", .if_none_match = "\"a\"", .ranged = true}, kStrong, S::precondition_failed},
      {{.if_match = "\"a\"", .if_none_match = "\"a\"", .ranged = true}, kStrong, S::not_modified},
      {{.if_match = "\"a\"", .if_none_match = "\"b\"", .ranged = true}, kStrong, S::parts},
      {{.if_match = "\"a\"", .if_modified_since = kThen, .ranged = true}, kStrong, S::not_modified},
      {{.if_unmodified_since = kBefore, .if_none_match = "\"a\""}, kStrong, S::precondition_failed},
      {{.if_unmodified_since = kThen, .if_none_match = "\"a\""}, kStrong, S::not_modified},
      {{.if_unmodified_since = kThen, .if_modified_since = kThen}, kStrong, S::not_modified},
      {{.if_unmodified_since = kThen, .if_modified_since = kBefore, .ranged = true}, kStrong, S::parts},
      {{.if_none_match = "\"a\"", .if_range = "\"b\"", .ranged = true}, kStrong, S::not_modified},
      {{.if_none_match = "\"b\"", .if_range = "\"a\"", .ranged = true}, kStrong, S::parts},
      {{.if_match = "\"a\"", .if_range = "\"b\"", .ranged = true}, kStrong, S::whole},
      {{.if_match = "\"a\"",
        .if_unmodified_since = kBefore,
        .if_none_match = "\"b\"",
        .if_modified_since = kAfter,
        .if_range = "\"a\"",
        .ranged = true},
       kStrong,
       S::parts},
  });
}

TEST_CASE("RFC 9110 8.8.3: entity tags") {
  for (const char* text : {"\"\"", "\"a\"", "W/\"\"", "W/\"a,b;c\"", "\"!#~\xff\\\"", "\"W/\""}) {
    CAPTURE(text);
    const auto tag = parse_entity_tag(text);
    REQUIRE(tag.has_value());
    CHECK(tag->text() == text);
    CHECK(tag->weak == std::string_view(text).starts_with("W/"));
  }
  for (const char* text : {"", "\"", "a", "W/", "W/a", "w/\"a\"", "W\"a\"", "W/ \"a\"", "\"a\"b", " \"a\"", "\"a\" ",
                           "\"a b\"", "\"a\tb\"", "\"\x01\"", "\"\x7f\"", "'a'", "\"a\"\"", "\"a\",\"b\""}) {
    CAPTURE(text);
    CHECK_FALSE(parse_entity_tag(text).has_value());
  }
  CHECK_FALSE(parse_entity_tag(std::string_view("\"\0\"", 3)).has_value());
}

TEST_CASE("RFC 9110 8.8.3.2: strong and weak comparison") {
  struct Row {
    const char *a, *b;
    bool strong, weak;
  };
  for (const Row& row : {Row{"W/\"1\"", "W/\"1\"", false, true}, Row{"W/\"1\"", "W/\"2\"", false, false},
                         Row{"W/\"1\"", "\"1\"", false, true}, Row{"\"1\"", "\"1\"", true, true}}) {
    const auto a = parse_entity_tag(row.a), b = parse_entity_tag(row.b);
    CHECK(strongly_equal(*a, *b) == row.strong);
    CHECK(weakly_equal(*a, *b) == row.weak);
    CHECK(weakly_equal(*b, *a) == row.weak);
  }
}

TEST_CASE("what clients are told of a validator") {
  using Which = Validator::Kind;
  struct Row {
    Which kind;
    const char* value;
    const char* tag;  // empty: none
  };
  for (const Row& row : {Row{Which::none, "", ""},
                         {Which::none, "\"a\"", ""},
                         {Which::strong, "", ""},
                         {Which::strong, "\"a\"", "\"a\""},
                         {Which::strong, "\"\"", "\"\""},
                         {Which::strong, "7", "\"7\""},  // a MemoryOrigin's
                         {Which::strong, "\"a", ""},
                         {Which::strong, "\"a\"b", ""},
                         {Which::strong, "W/\"a\"", ""},
                         {Which::strong, "a b", ""},
                         {Which::strong, "a\r\nb", ""},
                         {Which::weak, "W/\"a\";Sun, 06 Nov 1994 08:49:37 GMT;1000", "W/\"a\""},
                         {Which::weak, "W/\"a;b\";;", "W/\"a;b\""},
                         {Which::weak, "Sun, 06 Nov 1994 08:49:37 GMT;1000", ""},
                         {Which::weak, "1000-784111777000000000-12", "W/\"1000-784111777000000000-12\""},  // a file's
                         {Which::weak, "\"a\"", ""},
                         {Which::weak, "W/\"a\"b", ""}}) {
    CAPTURE(row.value);
    const auto tag = entity_tag_of({row.kind, row.value});
    CHECK((tag ? tag->text() : "") == row.tag);
  }
}

}  // namespace
}  // namespace strandline::serve::http
