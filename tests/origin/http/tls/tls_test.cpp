// F54, F60: HTTPS: whose certificates are believed, and what of a connection that breaks off.
#include <tests/drivers/scratch.h>
#include <tests/origin/http/reads.h>
#include <tests/origin/http/tls/tls_front.h>

namespace strandline::origin {
namespace {

using testing::Certificate;
using testing::ScratchDir;
using testing::TlsFront;

const std::string kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nbytes";

std::shared_ptr<Read> read_from(const TlsFront& front, HttpOptions options) {
  const auto origin = open_origin(std::move(options));
  auto read = Read::start(*origin, {.key = front.url()});
  read->finish();
  return read;
}

TEST_CASE("F60: a certificate that nobody vouches for, or for somebody else, is refused for good") {
  const ScratchDir directory;
  const Certificate own("IP:127.0.0.1");
  const Certificate others("DNS:example.test");
  own.write(directory / "own.pem");
  others.write(directory / "others.pem");
  const TlsFront front(own, kAnswer);
  const TlsFront impostor(others, kAnswer);
  for (const auto& read : {read_from(front, {}), read_from(front, {.ca_file = directory / "others.pem"}),
                           read_from(impostor, {.ca_file = directory / "others.pem"}),
                           read_from(front, {.ca_file = directory / "missing.pem"})}) {
    CHECK(read->finish() == "permission_denied");
    CHECK_FALSE(read->failure().may_pass);
    CHECK_FALSE(read->info.has_value());
  }
  CHECK(read_from(front, {.ca_file = directory / "own.pem"})->finish() == "ok");
  CHECK(read_from(impostor, {.verify_tls = false})->finish() == "ok");
}

TEST_CASE("F60: a connection that ends in the handshake may work the next time") {
  const Certificate certificate("IP:127.0.0.1");
  const TlsFront front(certificate, kAnswer, TlsFront::How::no_handshake);
  const auto read = read_from(front, {.verify_tls = false});
  CHECK(read->finish() == "io");
  CHECK(read->failure().may_pass);
}

TEST_CASE("F54: from https to http no redirect is followed") {
  const HttpServer plain([](HttpExchange& exchange) { exchange.answer(200, "bytes"); });
  const Certificate certificate("IP:127.0.0.1");
  const TlsFront front(certificate,
                       "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + plain.url("/object") + "\r\n\r\n");
  const auto read = read_from(front, {.verify_tls = false});
  CHECK(read->finish() == "permission_denied");
  CHECK_FALSE(read->failure().may_pass);
  CHECK(plain.requests().empty());
}

TEST_CASE("F54: from http to https one is") {
  const Certificate certificate("IP:127.0.0.1");
  const TlsFront front(certificate, kAnswer);
  const HttpServer plain([&](HttpExchange& exchange) { exchange.answer(302, "", {"Location: " + front.url()}); });
  const auto origin = open_origin({.verify_tls = false});
  CHECK(Read::start(*origin, {.key = plain.url()})->finish() == "ok");
}

}  // namespace
}  // namespace strandline::origin
