// F68: who is answered: whose names a request is sent to, and with which token.
#include <strandline/serve/access/access.h>
#include <tests/resource/subjects.h>

using namespace strandline;
using namespace strandline::testing;
using serve::Access;
using serve::parse_tokens;

namespace {

constexpr const char* kSecret = "0123456789abcdef";

int status_of(const Access& access, const Access::Request& request) {
  const auto refusal = access.refusal(request);
  return refusal ? refusal->status : 200;
}

}  // namespace

TEST_CASE("F68: a file of tokens") {
  const auto tokens =
      required(parse_tokens("# who may\n\nann 0123456789abcdef\r\n bob\tfedcba9876543210== /a/ /b%7e", "t"));
  REQUIRE(tokens.size() == 2);
  CHECK(tokens[0].name == "ann");
  CHECK(tokens[0].secret == kSecret);
  CHECK(tokens[0].prefixes.empty());
  CHECK(tokens[1].secret == "fedcba9876543210==");
  CHECK(tokens[1].prefixes == std::vector<std::string>{"/a/", "/b~"});
}

TEST_CASE("F68: a file of tokens that is none, and no secret in what is said of it") {
  const std::pair<const char*, const char*> cases[] = {
      {"", "t: there is no token"},
      {"# ann 0123456789abcdef", "t: there is no token"},
      {"ann", "t:1: NAME TOKEN"},
      {"\nann 0123456789abcde", "t:2: a token has 16"},
      {"ann 0123456789abcde=f", "t:1: a token has 16"},
      {"ann ================", "t:1: a token has 16"},
      {"a,b 0123456789abcdef", "t:1: a name"},
      {"ann 0123456789abcdef a/", "t:1: a prefix"},
      {"ann 0123456789abcdef /../", "t:1: a prefix"},
      {"ann 0123456789abcdef /a?b", "t:1: a prefix"},
      {"ann 0123456789abcdef\nann fedcba9876543210", "t:2: this name, or this token"},
      {"ann 0123456789abcdef\nbob 0123456789abcdef", "t:2: this name, or this token"}};
  for (const auto& one : cases) {
    const std::string text = one.first;
    CAPTURE(text);
    const auto tokens = parse_tokens(text, "t");
    REQUIRE_FALSE(tokens);
    CHECK(tokens.error().context.starts_with(one.second));
    CHECK(tokens.error().context.find("0123456789") == std::string::npos);
  }
}

TEST_CASE("F68: a token is all of it, and of the scheme Bearer") {
  Access access;
  access.tokens = required(parse_tokens("ann 0123456789abcdef\nbob fedcba9876543210", "t"));
  const std::pair<std::optional<std::string_view>, int> cases[] = {{std::nullopt, 401},
                                                                   {"", 401},
                                                                   {"Bearer", 401},
                                                                   {"Bearer 0123456789abcdef", 200},
                                                                   {"bEARER  0123456789abcdef", 200},
                                                                   {"Bearer fedcba9876543210", 200},
                                                                   {"Bearer 0123456789abcde", 401},
                                                                   {"Bearer 0123456789abcdefg", 401},
                                                                   {"Bearer 0123456789abcdeF", 401},
                                                                   {"Bearer 0123456789abcdef, Bearer x", 401},
                                                                   {"Basic 0123456789abcdef", 401},
                                                                   {"Basic YW5uOjAxMjM0NTY3ODlhYmNkZWY=", 200},
                                                                   {"Basic OjAxMjM0NTY3ODlhYmNkZWY=", 200},
                                                                   {"Basic YW55Ym9keTpmZWRjYmE5ODc2NTQzMjEw", 200},
                                                                   {"Basic MDEyMzQ1Njc4OWFiY2RlZg==", 401},
                                                                   {"Basic YW5uOjAxMjM0NTY3ODlhYmNkZQ==", 401},
                                                                   {"Basic MDEyMzQ1Njc4OWFiY2RlZjp4", 401},
                                                                   {"Basic ", 401},
                                                                   {"Basic :", 401},
                                                                   {"0123456789abcdef", 401}};
  for (const auto& one : cases) {
    CAPTURE(std::string(one.first.value_or("none")));
    CHECK(status_of(access, {{}, one.first, "/a", {}}) == one.second);
  }
  CHECK(access.user({{}, "Bearer fedcba9876543210", "/a", {}}) == "bob");
  CHECK(access.user({{}, "basic eDpmZWRjYmE5ODc2NTQzMjEw", "/a", {}}) == "bob");
  CHECK(access.user({{}, "Bearer x", "/a", {}}).empty());
  CHECK(access.user({{}, {}, "/a", "cay"}) == "cay");
  CHECK(Access().user({{}, "Bearer fedcba9876543210", "/a", {}}).empty());
}

TEST_CASE("F68: a token is for what lies below its prefixes") {
  Access access;
  access.tokens = required(parse_tokens("ann 0123456789abcdef /a /b/", "t"));
  const std::pair<std::string_view, int> cases[] = {{"/a", 200},   {"/a/b", 200}, {"/ab", 403}, {"/b/", 200},
                                                    {"/b/c", 200}, {"/b", 403},   {"/", 403},   {"/-/", 403}};
  for (const auto& one : cases) {
    CAPTURE(std::string(one.first));
    CHECK(status_of(access, {{}, "Bearer 0123456789abcdef", one.first, {}}) == one.second);
  }
}

TEST_CASE("F68: names, before and once clients are told apart") {
  const Access alone;
  Access told;
  told.certificates = true;
  told.hosts = {"films.example"};
  struct Case {
    const char* host;
    int alone, told;
  };
  const Case cases[] = {{"", 200, 200},
                        {"localhost:80", 200, 200},
                        {"127.0.0.1:8080", 200, 200},
                        {"[::1]:1", 200, 200},
                        {"10.0.0.1", 421, 200},
                        {"[2001:db8::1]:443", 421, 200},
                        {"FILMS.example:8443", 421, 200},
                        {"a.films.example", 421, 421},
                        {"films.example.", 421, 421},
                        {"127.evil.example", 421, 421},
                        {"a@b", 421, 421}};
  for (const Case& one : cases) {
    CAPTURE(one.host);
    CHECK(status_of(alone, {one.host, {}, "/a", {}}) == one.alone);
    CHECK(status_of(told, {one.host, {}, "/a", "ann"}) == one.told);
  }
}

TEST_CASE("F68: a connection from before certificates were demanded is not served any more") {
  Access access;
  access.certificates = true;
  CHECK(status_of(access, {{}, {}, "/a", {}}) == 403);
  CHECK(status_of(access, {{}, {}, "/a", ""}) == 200);
}
