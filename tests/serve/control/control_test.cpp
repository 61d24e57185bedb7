// What the server answers under "/-/", and to whom.
#include <tests/serve/scene.h>

using namespace strandline;
using namespace strandline::testing;

namespace {

std::string post_of(const std::string& target, const std::string& body, const std::string& lines) {
  return "POST " + target + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         lines + "\r\n" + body;
}

}  // namespace

TEST_CASE("control: the page, its policy, and how the server is") {
  Scene scene;
  auto client = scene.client();
  const auto page = client.get("/-/");
  CHECK(page.status == 200);
  CHECK(page.field("content-type") == "text/html; charset=utf-8");
  CHECK(page.body.starts_with("<!doctype html>"));
  CHECK(page.field("content-security-policy").starts_with("default-src 'none'; script-src 'self';"));
  CHECK(page.field("x-content-type-options") == "nosniff");
  CHECK(page.field("access-control-allow-origin").empty());
  CHECK(client.get("/-/index.html").body == page.body);
  CHECK(client.ask("HEAD", "/-/").field("content-length") == std::to_string(page.body.size()));
  CHECK(client.get("/-/healthz").body == "ok\n");
  CHECK(client.get("/%2D/healthz").body == "ok\n");
  CHECK(scene.origin.requests().empty());
}

TEST_CASE("control: it is never an origin's path") {
  Scene scene;
  scene.origin.on("/-/a", [](HttpExchange& exchange) { exchange.answer(200, "no"); });
  auto client = scene.client();
  CHECK(client.get("/-/a").status == 404);
  CHECK(scene.origin.requests().empty());
}

TEST_CASE("F68: pages of other sites change nothing, and what is not JSON does not either") {
  Scene scene;
  const std::string json = "Content-Type: application/json\r\n";
  const std::string big(65537, 'x');
  const struct {
    std::string request;
    int status;
  } cases[] = {{post_of("/-/healthz", "{}", json), 405},  // asked by nobody's page
               {post_of("/-/healthz", "{}", json + "Origin: http://localhost\r\nSec-Fetch-Site: same-origin\r\n"), 405},
               {post_of("/-/healthz", "{}", json + "Origin: http://evil.example\r\n"), 403},
               {post_of("/-/healthz", "{}", json + "Origin: http://localhost:1\r\n"), 403},
               {post_of("/-/healthz", "{}", json + "Origin: null\r\n"), 403},
               {post_of("/-/healthz", "{}", json + "Sec-Fetch-Site: cross-site\r\n"), 403},
               {post_of("/-/healthz", "{}", json + "Sec-Fetch-Site: same-site\r\n"), 403},
               {post_of("/-/healthz", "{}", "Content-Type: text/plain\r\n"), 415},
               {post_of("/-/healthz", "{}", ""), 415},
               {post_of("/-/healthz", big, json), 413},
               {"POST /-/healthz HTTP/1.1\r\nHost: localhost\r\n" + json + "\r\n", 411},
               {"POST /-/healthz HTTP/1.1\r\nHost: localhost\r\n" + json + "Transfer-Encoding: chunked\r\n\r\n", 411},
               {"PUT /-/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 405},
               {"POST /a HTTP/1.1\r\nHost: localhost\r\n" + json + "Content-Length: 0\r\n\r\n", 405},
               {"POST /-/healthz HTTP/1.1\r\nHost: evil.example\r\n" + json + "Content-Length: 0\r\n\r\n", 421}};
  for (const auto& one : cases) {
    CAPTURE(one.request.substr(0, 300));
    auto client = scene.client();
    client.send(one.request);
    CHECK(client.receive().status == one.status);
  }
}

TEST_CASE("F63: a body that does not come is not waited for") {
  serve::ServerOptions options;
  options.limits.head = std::chrono::milliseconds(20);
  Scene scene(options);
  auto client = scene.client();
  client.send(
      "POST /-/healthz HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{");
  CHECK(client.receive().status == 408);
  CHECK(client.closed());
}
