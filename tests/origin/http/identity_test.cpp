// F49, F50, F59: which version of an object an answer is of.
#include <tests/origin/http/reads.h>

#include <atomic>

namespace strandline::origin {
namespace {

constexpr std::uint64_t kVersionSize = 100'000;

Validator weak(std::string value) {
  return {Validator::Kind::weak, std::move(value)};
}

TEST_CASE("F49: another version is changed, whether the server honours If-Match or not") {
  for (const bool honours : {true, false}) {
    CAPTURE(honours);
    const auto object = ServedObject::make({.size = kVersionSize, .version = 1, .if_match = honours});
    HttpServer server(object->script());
    const auto origin = open_origin();
    const auto first = Read::start(*origin, {.key = server.url(), .range = {0, 1'000}});
    CHECK(first->finish() == "ok");
    object->change({.size = kVersionSize, .version = 2, .if_match = honours});
    const auto second =
        Read::start(*origin, {.key = server.url(), .range = {1'000, 2'000}, .if_match = first->info->validator});
    CHECK(second->finish() == "changed");
    CHECK_FALSE(second->failure().may_pass);
    CHECK_FALSE(second->info.has_value());
    CHECK(second->got.empty());
    CHECK(server.requests().back().header("if-match") == "\"v1\"");
  }
}

TEST_CASE("F49: a version that is no longer told is not taken for the same") {
  const auto object = ServedObject::make({.size = kVersionSize, .etag = "", .if_match = false});
  const HttpServer server(object->script());
  const auto origin = open_origin();
  const auto read = Read::start(*origin, {.key = server.url(), .range = {0, 10}, .if_match = strong("\"v1\"")});
  CHECK(read->finish() == "changed");
  CHECK(read->got.empty());
}

TEST_CASE("F49: a 416 from another version, and a whole of another length") {
  const auto object = ServedObject::make({.size = 10, .version = 2});
  const HttpServer server(object->script());
  const auto origin = open_origin();
  auto read = Read::start(*origin, {.key = server.url(), .range = {50, 60}, .if_match = strong("\"v1\"")});
  CHECK(read->finish() == "changed");
  object->change({.size = 10, .version = 2, .if_match = false});
  read = Read::start(*origin, {.key = server.url(), .range = {50, 60}, .if_match = strong("\"v1\"")});
  CHECK(read->finish() == "invalid_range");
  CHECK(read->failure().size == 10);
  object->change({.size = 10, .version = 2, .ranges = false, .if_match = false});
  read = Read::start(*origin, {.key = server.url(), .range = {5, 6}, .if_match = strong("\"v1\"")});
  CHECK(read->finish() == "changed");
}

TEST_CASE("F50: a weak ETag is neither If-Range nor If-Match, but compared, with the date and the size") {
  const std::string date = "Sat, 21 Nov 2026 10:00:00 GMT";
  const auto object = ServedObject::make({.size = kVersionSize, .etag = "W/\"1\"", .last_modified = date});
  const HttpServer server(object->script());
  const auto origin = open_origin();
  const auto first = Read::start(*origin, {.key = server.url(), .range = {0, 1'000}});
  CHECK(first->finish() == "ok");
  const Validator validator = first->info->validator;
  CHECK(validator == weak("W/\"1\";" + date + ";100000"));
  const auto next = [&] {
    return Read::start(*origin, {.key = server.url(), .range = {1'000, 2'000}, .if_match = validator});
  };
  CHECK(next()->finish() == "ok");
  for (const auto& [etag, modified, size] : {std::tuple("W/\"2\"", date.c_str(), kVersionSize),
                                             {"\"1\"", date.c_str(), kVersionSize},
                                             {"W/\"1\"", "Sat, 21 Nov 2026 10:00:01 GMT", kVersionSize},
                                             {"W/\"1\"", date.c_str(), kVersionSize + 1}}) {
    object->change({.size = size, .version = 2, .etag = etag, .last_modified = modified});
    const auto read = next();
    CHECK(read->finish() == "changed");
    CHECK(read->got.empty());
  }
  for (const HttpRequest& request : server.requests()) {
    CHECK(request.header("if-match").empty());
    CHECK(request.header("if-range").empty());
  }
}

TEST_CASE("F50: without an ETag the date and the size are a weak validator; without either there is none") {
  const std::string date = "Sat, 21 Nov 2026 10:00:00 GMT";
  const auto object = ServedObject::make({.size = kVersionSize, .etag = "", .last_modified = date});
  const HttpServer server(object->script());
  const auto origin = open_origin();
  auto info = stat_of(*origin, server.url());
  CHECK(info->validator == weak(date + ";100000"));
  // What has nothing to compare passes: who reads has the size.
  object->change({.size = kVersionSize, .etag = ""});
  const auto read = Read::start(*origin, {.key = server.url(), .range = {0, 10}, .if_match = info->validator});
  CHECK(read->finish() == "ok");
  CHECK(read->info->validator == Validator{});
  CHECK(stat_of(*origin, server.url())->validator == Validator{});
  object->change({.size = kVersionSize, .etag = "unquoted"});
  CHECK(stat_of(*origin, server.url())->validator == weak("unquoted;;100000"));
}

TEST_CASE("F50: what a caller calls strong but cannot be sent is compared only") {
  const auto object = ServedObject::make({.size = kVersionSize});
  const HttpServer server(object->script());
  const auto origin = open_origin();
  for (const std::string value : {"v1", "\"v1\r\nX-Injected: 1\"", "\"a b\"", ""}) {
    const auto read = Read::start(*origin, {.key = server.url(), .range = {0, 10}, .if_match = strong(value)});
    CHECK(read->finish() == "changed");
  }
  for (const HttpRequest& request : server.requests()) {
    CHECK(request.header("if-match").empty());
    CHECK(request.header("x-injected").empty());
  }
}

TEST_CASE("F59: of two replicas behind one URL only the one with the right version is read from") {
  std::atomic<std::size_t> turn{0};
  const std::vector<std::shared_ptr<ServedObject>> replicas = {
      ServedObject::make({.size = kVersionSize, .version = 1, .if_match = false}),
      ServedObject::make({.size = kVersionSize, .version = 2, .if_match = false})};
  const HttpServer server([&](HttpExchange& exchange) { replicas[turn++ % 2]->script()(exchange); });
  const auto origin = open_origin();
  const auto first = Read::start(*origin, {.key = server.url(), .range = {0, 1'000}});
  CHECK(first->finish() == "ok");
  CHECK(first->is_of(1));
  for (int i = 0; i < 6; ++i) {
    const auto read =
        Read::start(*origin, {.key = server.url(), .range = {1'000, 2'000}, .if_match = first->info->validator});
    CHECK(read->finish() == (i % 2 == 0 ? "changed" : "ok"));
    CHECK(read->is_of(1));
  }
}

}  // namespace
}  // namespace strandline::origin
