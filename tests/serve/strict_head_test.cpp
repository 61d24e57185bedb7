// Heads that could be read in two ways (RFC 9112, sections 2, 3, 5, 6 and 11.2), and those that could not.
#include <strandline/serve/http/request/strict_head.h>

#include <doctest/doctest.h>

#include <string>

namespace strandline::serve::http {
namespace {

using namespace std::string_literals;

// The answer to a whole head: 0 when it is not at its end.
int head_status(std::string_view bytes) {
  const auto head = StrictHead().look(bytes);
  return !head ? head.error().status : head->has_value() ? 200 : 0;
}

// Of a head with these fields besides Host.
int fields_status(const std::string& fields) {
  return head_status("GET /a HTTP/1.1\r\nHost: here\r\n" + fields + "\r\n");
}

TEST_CASE("heads as they should be") {
  for (const std::string& head :
       {"GET / HTTP/1.1\r\nHost: here\r\n\r\n"s, "GET / HTTP/1.0\r\n\r\n"s, "GET / HTTP/1.1\r\nhost:here:80\r\n\r\n"s,
        "GET / HTTP/1.1\r\nHost:\r\n\r\n"s, "HEAD http://here/ HTTP/1.1\r\nHOST: here\r\nRange: bytes=0-\r\n\r\n"s,
        "M-SEARCH * HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"s, "PUT / HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n"s,
        "PUT / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: \tChunked \r\n\r\n"s,
        "GET / HTTP/1.1\r\nHost: here\r\nX:\r\nY: a\tb \xc3\xa4 : c\r\n\r\n"s}) {
    CAPTURE(head);
    CHECK(head_status(head) == 200);
    const std::string bytes = head + "GET";
    const auto found = StrictHead().look(bytes);
    REQUIRE(found.has_value());
    CHECK(*found == head);  // and nothing of what comes behind it
  }
}

TEST_CASE("RFC 9112 2.2: empty lines before a request are none of it") {
  const std::string head = "GET / HTTP/1.1\r\nHost: here\r\n\r\n";
  const std::string bytes = "\r\n\r\n" + head;
  CHECK(*StrictHead().look(bytes) == head);
  CHECK(head_status("\r\n") == 0);
  CHECK(head_status("\n" + head) == 400);
  CHECK(head_status(" \r\n" + head) == 400);
}

TEST_CASE("a head may come byte by byte, and is refused as soon as it is wrong") {
  const std::string head = "GET / HTTP/1.1\r\nHost: here\r\nA: b\r\n\r\n";
  StrictHead patient;
  for (std::size_t size = 0; size < head.size(); ++size) {
    const auto found = patient.look(std::string_view(head).substr(0, size));
    REQUIRE(found.has_value());
    CHECK_FALSE(found->has_value());
  }
  CHECK(*patient.look(head) == head);
  CHECK(head_status("GET / HTTP/1.1\n") == 400);
  CHECK(head_status("GET / HTTP/1.1\r\nHost: here\r\nA : b\r\n") == 400);
}

TEST_CASE("F61: bare LF, bare CR, obs-fold, NUL and other controls") {
  for (const std::string& head :
       {"GET / HTTP/1.1\nHost: here\n\n"s, "GET / HTTP/1.1\r\nHost: here\n\r\n"s, "GET / HTTP/1.1\r\nHost: here\r\n\n"s,
        "GET / HTTP/1.1\rHost: here\r\r"s + "\n", "GET / HTTP/1.1\r\r\nHost: here\r\n\r\n"s}) {
    CAPTURE(head);
    CHECK(head_status(head) == 400);
  }
  for (const std::string& fields :
       {"A: b\rC: d\r\n"s, "A: b\r\r\n"s, "A: b\r\n c\r\n"s, "A: b\r\n\tc\r\n"s, "A: b\0c\r\n"s, "A: \x01\r\n"s,
        "A: \x7f\r\n"s, "A: \x1b[2J\r\n"s, "A\0: b\r\n"s, "A: b\nTransfer-Encoding: chunked\r\n"s}) {
    CAPTURE(fields);
    CHECK(fields_status(fields) == 400);
  }
  CHECK(head_status("GET / HTTP/1.1\r\n Host: here\r\n\r\n") == 400);
}

TEST_CASE("RFC 9112 5: field lines that are none") {
  for (const char* fields : {"A : b\r\n", "A\t: b\r\n", ": b\r\n", "A\r\n", "A b: c\r\n", "A(b): c\r\n",
                             "\xc3\xa4: b\r\n", "A,B: c\r\n", "\"A\": b\r\n", "[A]: b\r\n", "Host : here\r\n"}) {
    CAPTURE(fields);
    CHECK(fields_status(fields) == 400);
  }
}

TEST_CASE("F61: Host, once and well-formed (RFC 9112 3.2)") {
  for (const char* head :
       {"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: here\r\nHost: here\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: here\r\nhost: there\r\n\r\n", "GET / HTTP/1.0\r\nHost: here\r\nHost: here\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: he re\r\n\r\n", "GET / HTTP/1.1\r\nHost: user@here\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: here/a\r\n\r\n", "GET / HTTP/1.1\r\nHost: here:x\r\n\r\n"}) {
    CAPTURE(head);
    CHECK(head_status(head) == 400);
  }
}

TEST_CASE("F61: where the body ends is told once (RFC 9112 6)") {
  struct Case {
    const char* fields;
    int status;
  };
  for (const Case& c : {Case{"Content-Length: 5\r\n", 200},
                        {"Content-Length: 5\r\nContent-Length: 5\r\n", 400},
                        {"Content-Length: 5\r\ncontent-length: 6\r\n", 400},
                        {"Content-Length: 5, 5\r\n", 400},
                        {"Content-Length:\r\n", 400},
                        {"Content-Length: -5\r\n", 400},
                        {"Content-Length: +5\r\n", 400},
                        {"Content-Length: 0x5\r\n", 400},
                        {"Content-Length: 5 5\r\n", 400},
                        {"Content-Length: 9223372036854775807\r\n", 400},
                        {"Content-Length: 18446744073709551616\r\n", 400},
                        {"Content-Length: 18446744073709551621\r\n", 400},
                        {"Transfer-Encoding: chunked\r\n", 200},
                        {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400},
                        {"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400},
                        {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400},
                        {"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", 400},
                        {"Transfer-Encoding: chunked, chunked\r\n", 400},
                        {"Transfer-Encoding: gzip, chunked\r\n", 501},
                        {"Transfer-Encoding: chunked, gzip\r\n", 400},
                        {"Transfer-Encoding: gzip\r\n", 400},
                        {"Transfer-Encoding: identity\r\n", 400},
                        {"Transfer-Encoding: xchunked\r\n", 400},
                        {"Transfer-Encoding: \"chunked\"\r\n", 400},
                        {"Transfer-Encoding: chunked;a=b\r\n", 400},
                        {"Transfer-Encoding: ,chunked\r\n", 400},
                        {"Transfer-Encoding: chunked,\r\n", 400},
                        {"Transfer-Encoding:\r\n", 400},
                        {"Transfer-Encoding: \x0b"
                         "chunked\r\n",
                         400}}) {
    CAPTURE(c.fields);
    CHECK(fields_status(c.fields) == c.status);
  }
  CHECK(head_status("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n") == 400);
}

TEST_CASE("RFC 9112 3: the request line") {
  struct Case {
    const char* line;
    int status;
  };
  for (const Case& c : {Case{"GET / HTTP/1.1", 200},
                        {"GET / HTTP/1.0", 200},
                        {"GET / HTTP/0.9", 505},
                        {"GET / HTTP/1.2", 505},
                        {"GET / HTTP/2.0", 505},
                        {"PRI * HTTP/2.0", 505},
                        {"GET /", 400},
                        {"GET", 400},
                        {"GET ", 400},
                        {" ", 400},
                        {"GET  HTTP/1.1", 400},
                        {"GET / HTTP/1.1 ", 400},
                        {" GET / HTTP/1.1", 400},
                        {"GET  / HTTP/1.1", 400},
                        {"GET /  HTTP/1.1", 400},
                        {"GET\t/ HTTP/1.1", 400},
                        {"GET /a b HTTP/1.1", 400},
                        {"GET / http/1.1", 400},
                        {"GET / HTTP/11", 400},
                        {"GET / HTTP/1.10", 400},
                        {"GET / HTTP/1,1", 400},
                        {"GET / HTTP/x.1", 400},
                        {"G(T / HTTP/1.1", 400},
                        {"GET /\xc3\xa4 HTTP/1.1", 400},
                        {"GET /\x7f HTTP/1.1", 400},
                        {"GET /\x01 HTTP/1.1", 400},
                        {"HTTP/1.1 200 OK", 400},
                        {"CONNECT here:443 HTTP/1.1", 501}}) {
    CAPTURE(c.line);
    CHECK(head_status(c.line + "\r\nHost: here\r\n\r\n"s) == c.status);
  }
}

TEST_CASE("F63: a head's limits") {
  const std::string line = "GET / HTTP/1.1\r\nHost: here\r\n";
  std::string fields = line;
  for (std::size_t i = 1; i < kMaxFields; ++i) {
    fields += "A:\r\n";
  }
  CHECK(head_status(fields + "\r\n") == 200);
  CHECK(head_status(fields + "A:\r\n") == 431);

  std::string longest = line + "A: ";
  longest.append(kMaxHead - longest.size() - 4, 'a');
  CHECK(head_status(longest + "\r\n\r\n") == 200);
  CHECK(head_status(longest + "a\r\n\r\n") == 431);
  CHECK(head_status(std::string(kMaxHead - 1, 'a').insert(0, line).substr(0, kMaxHead - 1)) == 0);
  CHECK(head_status(line + std::string(1 << 20, 'a')) == 431);

  const std::string target = "/" + std::string(8 * 1024 - 1, 'a');
  CHECK(head_status("GET " + target + " HTTP/1.1\r\nHost: here\r\n\r\n") == 200);
  CHECK(head_status("GET " + target + "a HTTP/1.1\r\n") == 414);
  CHECK(head_status("GET /" + std::string(9 * 1024, 'a')) == 414);  // before its end has come
  std::string empty_lines;
  for (std::size_t i = 0; i < kMaxHead; ++i) {
    empty_lines += "\r\n";
  }
  CHECK(head_status(empty_lines) == 431);
}

}  // namespace
}  // namespace strandline::serve::http
