// What the server answers under "/-/", and to whom.
#include <strandline/serve/connection/answer.h>
#include <tests/serve/scene.h>

#include <sstream>

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

TEST_CASE("control: who asks by a method that is not allowed is told which are") {
  Scene scene;
  const struct {
    const char* target;
    const char* allowed;
    const char* methods;
  } cases[] = {{"/-/api/purge", "POST", "GET HEAD PUT DELETE OPTIONS PATCH TRACE"},
               {"/-/api/prefetch", "POST", "GET PUT"},
               {"/-/api/objects", "GET, HEAD", "PUT OPTIONS"},
               {"/-/api/events", "GET, HEAD", "PUT OPTIONS"},
               {"/-/api/openapi.yaml", "GET, HEAD", "DELETE"},
               {"/-/healthz", "GET, HEAD", "PUT"},
               {"/a", "GET, HEAD", "PUT OPTIONS POST"}};
  for (const auto& one : cases) {
    std::istringstream methods(one.methods);
    for (std::string method; methods >> method;) {
      CAPTURE(method);
      CAPTURE(one.target);
      auto client = scene.client();
      const auto refused = client.ask(method, one.target, "Content-Length: 2\r\n");
      CHECK(refused.status == 405);
      CHECK(refused.field("allow") == one.allowed);
      CHECK(refused.field("connection") == "close");
    }
  }
  CHECK(scene.client().ask("PUT", "/-/api/none").status == 404);
}

TEST_CASE("control: what it refuses below /-/api/ is JSON, with the fields of its other answers") {
  Scene scene;
  const std::string json = "Content-Type: application/json\r\n";
  const auto check = [&](const std::string& request, const std::string& status_line) {
    CAPTURE(request.substr(0, 300));
    auto client = scene.client();
    client.send(request);
    std::string head;
    while (head.find("\r\n\r\n{\"error\":\"") == std::string::npos) {
      const std::string more = client.take_some();
      REQUIRE_FALSE(more.empty());
      head += more;
    }
    CHECK(head.starts_with(status_line + "\r\n"));
    CHECK(head.find("\r\nContent-Type: application/json\r\n") != std::string::npos);
    CHECK(head.find("\r\nCache-Control: no-store\r\n") != std::string::npos);
    CHECK(head.find("\r\nCross-Origin-Resource-Policy: same-origin\r\n") != std::string::npos);
    return head;
  };
  const std::string target = "/-/api/purge";
  check(post_of(target, "{}", json + "Origin: null\r\n"), "HTTP/1.1 403 Forbidden");
  check(post_of(target, "{}", ""), "HTTP/1.1 415 Unsupported Media Type");
  check(post_of(target, std::string(65537, 'x'), json), "HTTP/1.1 413 Content Too Large");
  check("POST " + target + " HTTP/1.1\r\nHost: localhost\r\n" + json + "\r\n", "HTTP/1.1 411 Length Required");
  check(post_of("/-/api/none", "{}", json), "HTTP/1.1 404 Not Found");
  check(post_of(target, "{}", json), "HTTP/1.1 400 Bad Request");
  check("PUT " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 405 Method Not Allowed");
  check("GET /-/api/objects HTTP/1.1\r\nHost: evil.example\r\n\r\n", "HTTP/1.1 421 Misdirected Request");
  serve::ServerOptions options;
  options.access.tokens = required(serve::parse_tokens("ann 0123456789abcdef", "t"));
  REQUIRE(scene.server->reload(options));
  const auto asked = check("GET /-/api/objects HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 401 Unauthorized");
  CHECK(asked.find("\r\nWWW-Authenticate: Bearer ") != std::string::npos);
  auto client = scene.client();
  const auto page = client.get("/-/");
  CHECK(page.status == 401);
  CHECK(page.field("content-type") == "text/plain; charset=utf-8");
  CHECK(page.field("cache-control") == "no-store");
}

TEST_CASE("control: every status that is sent has its phrase") {
  for (const int status : {200, 202, 206, 304, 400, 401, 403, 404, 405, 408, 411, 412, 413,
                           414, 415, 416, 417, 421, 431, 500, 501, 502, 503, 504, 505}) {
    const std::string head = serve::AnswerHead(status, false).text();
    CAPTURE(head);
    CHECK(head.find("\r\n") > std::string("HTTP/1.1 200 ").size());
  }
}

TEST_CASE("RFC 9110 10.1.1: who waits to be told to send a body is told to, or what is wrong") {
  Scene scene;
  const std::string head =
      "POST /-/api/purge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 13\r\n";
  auto client = scene.client();
  client.send(head + "Expect: 100-continue\r\n\r\n");
  CHECK(client.take_some() == "HTTP/1.1 100 Continue\r\n\r\n");
  client.send(R"({"all": true})");
  CHECK(client.receive().status == 200);
  auto other = scene.client();
  other.send(head + "Expect: 100-continue\r\n\r\n" + R"({"all": true})");
  CHECK(other.receive().status == 200);  // it has not waited
  auto unknown = scene.client();
  unknown.send(head + "Expect: a miracle\r\n\r\n");
  CHECK(unknown.receive().status == 417);
}

TEST_CASE("control: what is refused below /-/ is no traffic either") {
  Scene scene;
  CHECK(scene.client().ask("FOO", "/-/healthz").status == 501);
  auto client = scene.client();
  client.send("GET /-/healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n");
  CHECK(client.receive().status == 421);
  const std::string counted = scene.client().get("/-/metrics").body;
  CHECK(counted.find("strandline_requests_total{status=\"421\"}") == std::string::npos);
  CHECK(counted.find("strandline_requests_total{status=\"501\"}") == std::string::npos);
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
