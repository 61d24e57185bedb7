// What HttpOrigin does with servers that behave.
#include <tests/origin/http/reads.h>

namespace strandline::origin {
namespace {

constexpr std::uint64_t kSize = 5'000'003;

TEST_CASE("HTTP: ranges of an object, and all of it, with what the server says of it") {
  const auto object =
      ServedObject::make({.size = kSize, .version = 7, .last_modified = "Sat, 21 Nov 2026 10:00:00 GMT"});
  HttpServer server(object->script());
  const auto origin = open_origin();
  const std::string url = server.url("/object");

  const auto info = stat_of(*origin, url);
  REQUIRE(info.has_value());
  CHECK(info->size == kSize);
  CHECK(info->validator == strong("\"v7\""));
  CHECK(info->accepts_ranges);

  for (const ByteRange range : {ByteRange{0, kMaxOffset},
                                {0, kSize},
                                {0, 1},
                                {1, 2},
                                {kSize - 1, kSize},
                                {kSize - 10, kSize + 10},
                                {1'000, 3'000'000}}) {
    const auto read = Read::start(*origin, {.key = url, .range = range, .if_match = info->validator});
    CHECK(read->finish() == "ok");
    CHECK(read->info->size == kSize);
    CHECK(read->info->validator == info->validator);
    CHECK(read->info->accepts_ranges);
    CHECK(read->first == range.begin);
    CHECK(read->got.size() == range.clamped_to({0, kSize}).size());
    CHECK(read->is_of(7));
  }
  const auto requests = server.requests();
  CHECK(requests[0].method == "HEAD");
  CHECK(requests[0].header("range").empty());
  CHECK(requests[1].method == "GET");
  CHECK(requests[1].header("range") == "bytes=0-");
  CHECK(requests[2].header("range") == "bytes=0-5000002");
  for (const HttpRequest& request : requests) {
    CHECK(request.header("accept-encoding") == "identity");
    CHECK(request.header("user-agent").starts_with("strandline/"));
    CHECK(request.header("if-match") == (request.method == "GET" ? "\"v7\"" : ""));
  }
  CHECK(server.connections() == 1);  // kept alive
}

}  // namespace
}  // namespace strandline::origin
