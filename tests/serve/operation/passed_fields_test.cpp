// Which fields of an origin's answer are passed on, in which answers, and after a restart (RFC 9111, section 3.1).
#include <strandline/serve/objects/described.h>
#include <tests/serve/scene.h>

using namespace strandline;
using namespace strandline::testing;

namespace {

const std::vector<std::string> kLines = {
    "Cache-Control: max-age=1000", "Content-Disposition: attachment; filename=\"a, b.bin\"",
    "Content-Language: de",        "Content-Location: /a.de",
    "link: </b>; rel=next",        "X-Of-The-Application: 1",
    "Connection: x-hop",           "X-Hop: only to here",
    "Keep-Alive: timeout=5"};

void check_passed_on(const Response& response) {
  CHECK(response.field("content-disposition") == "attachment; filename=\"a, b.bin\"");
  CHECK(response.field("content-language") == "de");
  CHECK(response.field("content-location") == "/a.de");
  CHECK(response.field("link") == "</b>; rel=next");
  CHECK(response.field("x-of-the-application") == "1");
  CHECK_FALSE(response.fields.contains("x-hop"));
  CHECK_FALSE(response.fields.contains("keep-alive"));
}

}  // namespace

TEST_CASE("RFC 9111 3.1: what else the origin says is passed on, by whoever knows the object") {
  Scene scene;
  scene.object({.size = 1000, .lines = kLines});
  {
    auto client = scene.client();
    check_passed_on(client.get("/a", "Range: bytes=0-9\r\n"));  // opens it
    check_passed_on(client.ask("HEAD", "/a"));
    check_passed_on(client.get("/a"));
    check_passed_on(client.get("/a", "Range: bytes=0-9,500-509\r\n"));
  }
  scene.restart();
  scene.origin.on("/a", [](HttpExchange& exchange) { exchange.answer(503, "later"); });
  auto client = scene.client();
  check_passed_on(client.get("/a", "Range: bytes=0-9\r\n"));  // from the note
}

TEST_CASE("RFC 9110 15.3.7, 15.4.5: who has some of it gets what names its version, and no more") {
  Scene scene;
  scene.object({.size = 1000, .lines = kLines});
  auto client = scene.client();
  for (const auto& [lines, status] :
       {std::pair{"If-None-Match: \"v1\"\r\n", 304}, std::pair{"Range: bytes=0-9\r\nIf-Range: \"v1\"\r\n", 206},
        std::pair{"Range: bytes=1000-\r\n", 416}}) {
    const std::string request = lines;  // clang 14 captures no binding
    CAPTURE(request);
    const auto response = client.get("/a", request);
    CHECK(response.status == status);
    CHECK(response.field("etag") == "\"v1\"");
    CHECK(response.field("content-location") == "/a.de");
    CHECK_FALSE(response.fields.contains("content-disposition"));
    CHECK_FALSE(response.fields.contains("link"));
  }
  const auto other = client.get("/a", "Range: bytes=0-9\r\nIf-Range: \"v0\"\r\n");
  CHECK(other.status == 200);
  check_passed_on(other);
}

TEST_CASE("RFC 9111 3.1: what is for one client is passed on with all that is said of it, but no cookie") {
  Scene scene;
  auto lines = kLines;
  lines[0] = "Cache-Control: private";
  lines.emplace_back("Set-Cookie: name=value");
  scene.object({.size = 1000, .lines = lines});
  auto client = scene.client();
  const auto response = client.get("/a");
  check_passed_on(response);
  CHECK(response.body == text(1, {0, 1000}));
  CHECK_FALSE(response.fields.contains("set-cookie"));
}

TEST_CASE("RFC 9111 4.3.4: the origin says other things of the same version, and they take the place of the first") {
  Scene scene;
  const auto object = scene.object({.size = 1000, .lines = {"Cache-Control: no-cache", "Link: </b>", "X-A: 1"}});
  auto client = scene.client();
  CHECK(client.get("/a").field("link") == "</b>");
  object->change({.size = 1000, .lines = {"Cache-Control: no-cache", "Link: </c>"}});
  const auto response = client.get("/a");
  CHECK(response.field("link") == "</c>");
  CHECK_FALSE(response.fields.contains("x-a"));
}

TEST_CASE("described: what would be meant of this server and its page is not said in its name, nor what is no field") {
  origin::ObjectInfo info;
  info.other_fields =
      "Access-Control-Allow-Origin: *\naccess-control-expose-headers: a\nAlt-Svc: h3=\":443\"\nClear-Site-Data: \"*\"\n"
      "Strict-Transport-Security: max-age=9\nService-Worker-Allowed: /\nContent-Digest: a=:b:\nWWW-Authenticate: "
      "Basic\n"
      "Via: 1.1 proxy\nServer: a\nno field\nX-A: 1\rSet-Cookie: b\nX-B: 2";
  const serve::Described described(info, {});
  CHECK(described.others == "Server: a\r\nX-B: 2\r\n");
  CHECK(described.fields == "Via: 1.1 proxy\r\nAccept-Ranges: bytes\r\nVia: 1.1 strandline\r\n");
}
