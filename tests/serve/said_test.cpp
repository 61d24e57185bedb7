// What an origin has said, as a note, and back: nothing else is taken for one.
#include <strandline/serve/objects/notes/said.h>
#include <strandline/store/lease.h>
#include <tests/resource/subjects.h>

using namespace strandline;
using namespace strandline::serve;
using namespace strandline::testing;
using std::chrono::seconds;

namespace {

http::Freshness::Time at(std::int64_t time) {
  return http::Freshness::Time(seconds(time));
}

Said some() {
  Said said{{}, at(1'700'000'000), at(1'700'000'001)};
  said.info.content_type = "video/mp4";
  said.info.accepts_ranges = true;
  said.info.caching.cache_control = "max-age=60, stale-if-error=600";
  said.info.caching.date = "Tue, 14 Nov 2023 22:13:20 GMT";
  said.info.caching.age = "10";
  said.info.caching.last_modified = "Tue, 15 Nov 1994 12:45:26 GMT";
  return said;
}

constexpr std::string_view kNote =
    "strandline serve 1\nasked: 1700000000\nanswered: 1700000001\nranges: 1\ncontent-type: video/mp4\n"
    "cache-control: max-age=60, stale-if-error=600\ndate: Tue, 14 Nov 2023 22:13:20 GMT\nage: 10\n"
    "last-modified: Tue, 15 Nov 1994 12:45:26 GMT\n";

std::optional<Said> read(std::string_view note) {
  return said_in(std::as_bytes(std::span(note)));
}

}  // namespace

TEST_CASE("note: what docs/serve.md shows, in both directions") {
  CHECK(note_of(some()) == kNote);
  const auto said = read(kNote);
  REQUIRE(said);
  CHECK(note_of(*said) == kNote);
  CHECK(said->asked == at(1'700'000'000));
  CHECK(said->answered == at(1'700'000'001));
  CHECK(said->info.accepts_ranges);
  CHECK(said->info.content_type == "video/mp4");
  CHECK(said->info.caching.expires.empty());
  // An hour later, by the clock.
  CHECK(freshness_of(*said).age(at(1'700'003'601)) == seconds(3611));
  CHECK(freshness_of(*said).lifetime() == seconds(60));
}

TEST_CASE("F65: who is asked for which cookie, and of which version it was, stands in no note") {
  Said said = some();
  said.info.caching.sets_cookie = true;
  said.info.validator = {Validator::Kind::strong, "\"v1\""};
  said.info.size = 100;
  CHECK(note_of(said) == kNote);
}

TEST_CASE("F33: whatever is not exactly such a note is none") {
  const std::string whole(kNote);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto said = read(whole.substr(0, size));
    // Lines may be missing at the end, for they may be left out; but not half of one.
    CHECK((!said || (whole[size - 1] == '\n' && size > whole.find("ranges"))));
  }
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const char other : {'\0', '\n', '\r', '0', 'x', '\x7f'}) {
      std::string changed = whole;
      changed[i] = other;
      const auto said = read(changed);
      CHECK((!said || note_of(*said) == changed));
    }
  }
  const std::pair<std::string, std::string> cases[] = {{"serve 1", "serve 2"},
                                                       {"asked: 17", "asked: 017"},
                                                       {"asked: 17", "asked: -17"},
                                                       {"asked: 1700000000", "asked: 99999999999999999999"},
                                                       {"ranges: 1", "ranges: 2"},
                                                       {"ranges: 1\n", ""},
                                                       {"age: 10", "age: "},
                                                       {"age: 10\n", "age: 10\nage: 10\n"},
                                                       {"age: 10\n", "set-cookie: a\n"},
                                                       {"age: 10", "age: 10\r"}};
  for (const auto& one : cases) {
    CAPTURE(one.second);
    std::string changed = whole;
    changed.replace(changed.find(one.first), one.first.size(), one.second);
    CHECK_FALSE(read(changed));
  }
  CHECK_FALSE(read(whole + "\n"));
  CHECK_FALSE(read(whole + "vary: a"));
  CHECK(read(whole + "vary: a\n"));
}

TEST_CASE("note: what cannot stand in one is not noted at all") {
  Said said = some();
  said.info.caching.vary = std::string(store::kMaxNote - kNote.size() - 7, 'x');
  CHECK(required(note_of(said) ? Result<std::size_t>(note_of(said)->size()) : fail(Errc::too_large)) ==
        store::kMaxNote);
  said.info.caching.vary += "x";
  CHECK_FALSE(note_of(said));
  said.info.caching.vary = "a\nage: 0";
  CHECK_FALSE(note_of(said));
  said.info.caching.vary = "";
  said.asked = at(-1);
  CHECK_FALSE(note_of(said));
}

TEST_CASE("note: the fields that nobody here goes by come last, in their order") {
  Said said = some();
  said.info.other_fields = "Link: </a>; rel=next\nX-B: \nLink: </c>\n";
  const std::string whole = std::string(kNote) + "field: Link: </a>; rel=next\nfield: X-B: \nfield: Link: </c>\n";
  CHECK(note_of(said) == whole);
  const auto again = read(whole);
  REQUIRE(again);
  CHECK(again->info.other_fields == said.info.other_fields);
  for (const char* wrong :
       {"field: a\n", "field: a b: c\n", "field: : c\n", "field: \n", "field: a: b", "fields: a: b\n"}) {
    CAPTURE(wrong);
    CHECK_FALSE(read(whole + wrong));
  }
  CHECK_FALSE(read("field: a: b\n" + whole));
  for (const char* wrong : {"X-A: 1", "X-A: 1\n\n", "X-A: 1\rX-B: 2\n", "X A: 1\n", "\n"}) {
    CAPTURE(wrong);
    said.info.other_fields = wrong;
    CHECK_FALSE(note_of(said));
  }
}

TEST_CASE("note: what is news") {
  const Said before = some();
  const auto after = [&](
                         std::int64_t later, const std::function<void(Said&)>& change = [](Said&) {}) {
    Said said = before;
    said.asked += seconds(later);
    said.answered += seconds(later);
    said.info.caching.date = "";
    change(said);
    return is_news(before, said);
  };
  CHECK_FALSE(after(0));
  CHECK_FALSE(after(59));
  CHECK(after(60));
  CHECK(after(-1));  // a clock that was wrong
  CHECK_FALSE(after(30, [](Said& said) { said.info.caching.age = "0"; }));
  CHECK_FALSE(after(30, [](Said& said) { said.info.other_fields = "X-Request-Id: 2\n"; }));
  CHECK(after(10, [](Said& said) { said.info.caching.age = "30"; }));  // fresh for less long
  CHECK(after(1, [](Said& said) { said.info.caching.cache_control = "no-cache"; }));
  CHECK(after(1, [](Said& said) { said.info.content_type = "text/html"; }));
  CHECK(after(1, [](Said& said) { said.info.caching.last_modified = ""; }));
  CHECK(after(1, [](Said& said) { said.info.caching.vary = "Accept"; }));
}
