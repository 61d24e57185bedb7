// F46 to F48, F51 to F53: answers that are not what was asked for. Nothing of an object reaches the sink that was not
// proven to belong where it is put.
#include <tests/origin/http/reads.h>

namespace strandline::origin {
namespace {

constexpr std::uint64_t kSize = 100'000;

std::string text(ByteRange range, std::uint64_t version = 1) {
  const Bytes bytes = content(version, range);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Says this, then sends those bytes of the object.
HttpServer::Script says(int status, std::vector<std::string> lines, ByteRange body) {
  return [=](HttpExchange& exchange) {
    exchange.head(status, lines);
    exchange.body(text(body));
    exchange.close();
  };
}

const ReadRequest kPart{.key = {}, .range = {1'000, 2'000}};

TEST_CASE("F46: a 200 to a range request is the whole, from 0") {
  const auto whole = says(200, {"Content-Length: 100000", "ETag: \"1\""}, {0, kSize});
  auto read = read_from(whole, kPart);
  CHECK(read->finish() == "ok");
  CHECK(read->first == 0);
  CHECK(read->got.size() == 2'000);  // not past the range's end
  CHECK(read->is_of(1));
  CHECK_FALSE(read->info->accepts_ranges);
  CHECK(read->info->size == kSize);

  read = read_from(says(200, {}, {0, kSize}), kPart);  // of unknown length
  CHECK(read->finish() == "ok");
  CHECK(read->got.size() == 2'000);
  CHECK(read->is_of(1));
  CHECK_FALSE(read->info->size.has_value());

  read = read_from(whole, {.key = {}, .range = {50'000, kMaxOffset}});
  CHECK(read->finish() == "ok");
  CHECK(read->got.size() == kSize);
  CHECK(read->is_of(1));
}

TEST_CASE("F46: a 200 that ends before the range begins") {
  auto read = read_from(says(200, {"Content-Length: 100000"}, {0, kSize}), {.key = {}, .range = {kSize, kSize + 1}});
  CHECK(read->finish() == "invalid_range");
  CHECK(read->failure().size == kSize);
  CHECK_FALSE(read->info.has_value());
  read = read_from(says(200, {}, {0, 500}), kPart);
  CHECK(read->finish() == "invalid_range");
  CHECK(read->failure().size == 500);
}

TEST_CASE("F46: an object is whole whether its length is announced, chunked or ends with the connection") {
  const auto chunked = [](HttpExchange& exchange) {
    exchange.head(200, {"Transfer-Encoding: chunked", "Content-Length: 7"});  // which then means nothing
    for (std::uint64_t at = 0; at < kSize; at += 4'096) {
      const std::string piece = text({at, std::min(at + 4'096, kSize)});
      char size[16];
      std::snprintf(size, sizeof(size), "%zx\r\n", piece.size());
      exchange.send(size);
      exchange.body(piece);
      exchange.send("\r\n");
    }
    exchange.send("0\r\nContent-Length: 9\r\n\r\n");
  };
  for (const HttpServer::Script& script :
       {HttpServer::Script(chunked), says(200, {}, {0, kSize}), says(203, {"Content-Length: 100000"}, {0, kSize})}) {
    const auto read = read_from(script);
    CHECK(read->finish() == "ok");
    CHECK(read->got.size() == kSize);
    CHECK(read->is_of(1));
  }
}

TEST_CASE("F47: a 206 that is not of the range asked for is refused before a byte") {
  for (const std::string line : {
           "",                                       // missing
           "Content-Range: bytes 1001-1999/100000",  // begins elsewhere
           "Content-Range: bytes 999-1999/100000",
           "Content-Range: bytes 0-999/100000",
           "Content-Range: bytes 1000-2000/100000",  // longer
           "Content-Range: bytes 1000-1999/1999",    // past its own end
           "Content-Range: bytes 1999-1000/100000",
           "Content-Range: 1000-1999/100000",  // unit-less
           "Content-Range: items 1000-1999/100000",
           "Content-Range: bytes=1000-1999/100000",
           "Content-Range: bytes 1000-1999",
           "Content-Range: bytes 1000-1999/",
           "Content-Range: bytes 1000-1999/x",
           "Content-Range: bytes 1000-1999/100000 ",  // fine: blanks around it are nobody's
           "Content-Range: bytes 1000-1999/100000, bytes 3000-3999/100000",
           "Content-Range: bytes -1000-1999/100000",
           "Content-Range: bytes 1000-18446744073709551615/*",
           "Content-Range: bytes */100000",
       }) {
    CAPTURE(line);
    const auto read =
        read_from(says(206, {line.empty() ? "X: y" : line, "Content-Length: 1000"}, {1'000, 2'000}), kPart);
    if (line.ends_with(' ')) {
      CHECK(read->finish() == "ok");
      continue;
    }
    CHECK(read->finish() == "corrupt");
    CHECK_FALSE(read->failure().may_pass);
    CHECK_FALSE(read->info.has_value());
    CHECK(read->got.empty());
  }
}

TEST_CASE("F47: lengths that contradict each other") {
  const std::string range = "Content-Range: bytes 1000-1999/100000";
  for (const std::vector<std::string>& lines : {
           std::vector<std::string>{range, "Content-Length: 999"},
           {range, "Content-Length: 1001"},
           {range, "Content-Length: 1000", "Content-Length: 1001"},
           {range, "Content-Range: bytes 1000-1998/100000"},
           {range, "ETag: \"1\"", "ETag: \"2\""},
           {range, "Content-Length: 5x"},
           {range, "Content-Length: -1"},
           {range, "Content-Length: 99999999999999999999"},
       }) {
    CAPTURE(lines.back());
    const auto read = read_from(says(206, lines, {1'000, 2'000}), kPart);
    CHECK(read->finish() == "corrupt");
    CHECK(read->got.empty());
  }
}

TEST_CASE("RFC 9112 5.2: a field that goes on in the next line is not read by half") {
  // What joins the lines, as newer versions of libcurl do, is told all of it.
  for (const std::string& fold :
       {std::string("\r\n private"), std::string("\r\n\tprivate"), std::string("\r\n \r\n private")}) {
    const auto read = read_from(
        says(206, {"Content-Range: bytes 1000-1999/100000", "Cache-Control: max-age=100," + fold}, {1'000, 2'000}),
        kPart);
    const bool joined = read->finish() == "ok";
    if (joined) {
      CHECK(read->info->caching.cache_control.find("private") != std::string::npos);
    } else {
      CHECK(read->finish() == "corrupt");
      CHECK(read->got.empty());
    }
  }
}

TEST_CASE("F47: a part that is shorter than asked is taken, and more is to be asked for") {
  auto read =
      read_from(says(206, {"Content-Range: bytes 1000-1499/100000", "Content-Length: 500"}, {1'000, 1'500}), kPart);
  CHECK(read->finish() == "io");
  CHECK(read->failure().may_pass);
  CHECK(read->got.size() == 500);
  CHECK(read->is_of(1));
  // Is that where the object ends? It does not say.
  read = read_from(says(206, {"Content-Range: bytes 1000-1499/*"}, {1'000, 1'500}), kPart);
  CHECK(read->finish() == "io");
  CHECK(read->failure().may_pass);
  CHECK(read->is_of(1));
  // It does.
  read = read_from(says(206, {"Content-Range: bytes 1000-1499/1500"}, {1'000, 1'500}), kPart);
  CHECK(read->finish() == "ok");
  CHECK(read->info->size == 1'500);
  CHECK(read->got.size() == 500);
  read = read_from(says(206, {"Content-Range: bytes 1000-1999/*"}, {1'000, 2'000}), kPart);
  CHECK(read->finish() == "ok");
  CHECK_FALSE(read->info->size.has_value());
}

TEST_CASE("F48: a body that is too short is told, after what came") {
  const std::vector<std::string> part = {"Content-Range: bytes 1000-1999/100000"};
  const std::vector<std::string> sized = {"Content-Range: bytes 1000-1999/100000", "Content-Length: 1000"};
  for (const auto& lines : {part, sized}) {
    for (const std::uint64_t sent : {0u, 1u, 999u}) {
      const auto read = read_from(says(206, lines, {1'000, 1'000 + sent}), kPart);
      CHECK(read->finish() == "io");
      CHECK(read->failure().may_pass);
      CHECK(read->info.has_value());
      CHECK(read->got.size() == sent);
      CHECK(read->is_of(1));
      CHECK(read->message().find(std::to_string(sent) + " of 1000") != std::string::npos);
    }
  }
}

TEST_CASE("F48: a body of known length ends there, whether or not its connection does") {
  const auto read = read_from(
      [](HttpExchange& exchange) {
        exchange.head(206, {"Content-Range: bytes 1000-1999/100000"});
        exchange.body(text({1'000, 2'000}));
        exchange.wait_for_close();
      },
      kPart);
  CHECK(read->finish() == "ok");
  CHECK(read->is_of(1));
}

TEST_CASE("F48: a body that is too long is corrupt, and not delivered past its end") {
  const std::string range = "Content-Range: bytes 1000-1999/100000";
  for (const std::vector<std::string>& lines : {std::vector<std::string>{range}, {range, "Content-Length: 1000"}}) {
    // In one piece, so that libcurl sees the excess.
    const auto read = read_from(
        [&](HttpExchange& exchange) {
          std::string all = "HTTP/1.1 206 X\r\n";
          for (const std::string& line : lines) {
            all += line + "\r\n";
          }
          exchange.send(all + "\r\n" + text({1'000, 2'001}));
          exchange.close();
        },
        kPart);
    CHECK(read->finish() == "corrupt");
    CHECK(read->got.size() <= 1'000);
    CHECK(read->is_of(1));
  }
}

TEST_CASE("F48: a chunk that is cut, and one that is none") {
  for (const auto& one : {std::pair("1000\r\nonly this", "io"), {"zz\r\nwhat?\r\n0\r\n\r\n", "io"}, {"", "io"}}) {
    CAPTURE(one.first);
    const auto read = read_from([chunk = one.first](HttpExchange& exchange) {
      exchange.head(200, {"Transfer-Encoding: chunked"});
      exchange.send(chunk);
      exchange.close();
    });
    CHECK(read->finish() == one.second);
    CHECK(read->got.size() == (std::string(one.first).ends_with("this") ? 9 : 0));
  }
}

TEST_CASE("F48: a connection that ends before, in and behind the header") {
  for (const std::string sent : {"", "HTTP/1.1 206 X", "HTTP/1.1 206 X\r\nContent-Ra"}) {
    CAPTURE(sent);
    const auto read = read_from([sent](HttpExchange& exchange) {
      exchange.send(sent);
      exchange.close();
    });
    CHECK(read->finish() == "io");
    CHECK(read->failure().may_pass);
    CHECK_FALSE(read->info.has_value());
  }
}

TEST_CASE("F48: what is no HTTP") {
  for (const std::string sent : {"220 mail.example ESMTP\r\n", "HTTP/9.9 200 OK\r\n\r\n", "\r\n\r\n"}) {
    CAPTURE(sent);
    const auto read = read_from([sent](HttpExchange& exchange) {
      exchange.send(sent);
      exchange.close();
    });
    CHECK(read->finish() == "corrupt");
    CHECK_FALSE(read->failure().may_pass);
  }
}

TEST_CASE("F48: a header without an end") {
  const auto read = read_from([](HttpExchange& exchange) {
    exchange.send("HTTP/1.1 200 OK\r\n");
    while (exchange.send("X-Filler: " + std::string(1'000, 'x') + "\r\n")) {
    }
  });
  CHECK(read->finish() == "corrupt");
}

TEST_CASE("F48: trailers without an end") {
  const auto read = read_from([](HttpExchange& exchange) {
    exchange.head(200, {"Transfer-Encoding: chunked"});
    exchange.send("1\r\n");
    exchange.body(text({0, 1}));
    exchange.send("\r\n0\r\n");
    while (exchange.send("X-Filler: " + std::string(1'000, 'x') + "\r\n")) {
    }
  });
  CHECK(read->finish() == "corrupt");
  CHECK(read->got.size() == 1);
}

TEST_CASE("F51: an encoding that was not asked for") {
  for (const std::string line :
       {"Content-Encoding: gzip", "Content-Encoding: identity, gzip", "Transfer-Encoding: gzip, chunked"}) {
    CAPTURE(line);
    const auto read = read_from(says(200, {line}, {0, 1'000}));
    CHECK(read->finish() == "corrupt");
    CHECK_FALSE(read->info.has_value());
    CHECK(read->got.empty());
  }
  const auto read = read_from(says(200, {"Content-Encoding: identity", "Content-Length: 1000"}, {0, 1'000}));
  CHECK(read->finish() == "ok");
}

TEST_CASE("F52: several parts, though one was asked for") {
  const auto read = read_from(
      [](HttpExchange& exchange) {
        exchange.answer(206,
                        "--B\r\nContent-Range: bytes 1000-1999/100000\r\n\r\n" + text({1'000, 2'000}) + "\r\n--B--\r\n",
                        {"Content-Type: multipart/byteranges; boundary=B"});
      },
      kPart);
  CHECK(read->finish() == "corrupt");
  CHECK(read->got.empty());
}

TEST_CASE("F53: a 416 tells how long the object is") {
  const auto refuses = [](const std::string& range) {
    return [range](HttpExchange& exchange) {
      exchange.answer(416, "no such range",
                      range.empty() ? std::vector<std::string>() : std::vector{"Content-Range: " + range});
    };
  };
  auto read = read_from(refuses("bytes */1000"), kPart);
  CHECK(read->finish() == "invalid_range");
  CHECK(read->failure().size == 1'000);
  CHECK_FALSE(read->failure().may_pass);
  for (const std::string odd : {"", "*/1000", "bytes */", "bytes */*", "bytes 0-1/1000"}) {
    CAPTURE(odd);
    read = read_from(refuses(odd), kPart);
    CHECK(read->finish() == "invalid_range");
    CHECK_FALSE(read->failure().size.has_value());
  }
  // The range is there, by its own word.
  CHECK(read_from(refuses("bytes */1001"), kPart)->finish() == "corrupt");
}

TEST_CASE("F53: an empty object is read, whatever its server makes of a range") {
  auto read = read_from([](HttpExchange& exchange) { exchange.answer(416, "empty", {"Content-Range: bytes */0"}); });
  CHECK(read->finish() == "ok");
  CHECK(read->info->size == 0u);
  CHECK(read->got.empty());
  // One that knows no ranges of nothing is asked again without.
  read = read_from(
      [](HttpExchange& exchange) { exchange.answer(exchange.request().range() ? 416 : 200, {}, {"ETag: \"0\""}); });
  CHECK(read->finish() == "ok");
  CHECK(read->info->size == 0u);
  CHECK(read->info->validator == strong("\"0\""));
}

TEST_CASE("F56: what other statuses mean, and whether to ask again") {
  struct Case {
    int status;
    std::string code;
    bool may_pass;
  };
  for (const Case& one : std::vector<Case>{
           {404, "not_found", false},
           {410, "not_found", false},
           {401, "permission_denied", false},
           {403, "permission_denied", false},
           {408, "io", true},
           {425, "io", true},
           {429, "io", true},
           {500, "io", true},
           {502, "io", true},
           {503, "io", true},
           {504, "io", true},
           {400, "io", false},
           {418, "io", false},
           {501, "io", false},
           {505, "io", false},
           {201, "corrupt", false},
           {300, "corrupt", false},
           {302, "corrupt", false},
           {412, "corrupt", false},
           {204, "corrupt", false},
           {304, "corrupt", false},
       }) {
    CAPTURE(one.status);
    const auto read = read_from([&](HttpExchange& exchange) {
      if (one.status == 204 || one.status == 304) {
        exchange.head(one.status);
      } else {
        exchange.answer(one.status, "an apology", {"ETag: \"1\""});
      }
    });
    CHECK(read->finish() == one.code);
    CHECK(read->failure().may_pass == one.may_pass);
    CHECK(read->message().find("HTTP status " + std::to_string(one.status)) != std::string::npos);
    CHECK_FALSE(read->info.has_value());
  }
}

}  // namespace
}  // namespace strandline::origin
