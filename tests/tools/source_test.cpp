// The parts of the command's sources that no server can show: time that passes, and header lines odder than libcurl
// lets by; and a signal that comes while a commit runs.
#include <doctest/doctest.h>
#include <strandline/resource/resource.h>
#include <strandline/testing/scripted_driver.h>
#include <tools/source/body_plan.h>
#include <tools/source/stall_watch.h>
#include <tools/strandline/fill.h>

#include <string>
#include <thread>
#include <vector>

namespace strandline::tool {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_CASE("F55: a connection is stalled when a whole timeout brings less than 100 bytes per second") {
  const StallWatch::Clock::time_point start{};
  StallWatch watch(seconds(10), start);
  CHECK_FALSE(watch.stalled(start + milliseconds(9999)));
  watch.arrived(1000, milliseconds(0));
  CHECK_FALSE(watch.stalled(start + seconds(10)));  // just enough, and a new span begins
  CHECK(watch.due() == start + seconds(20));
  watch.arrived(999, milliseconds(0));
  CHECK_FALSE(watch.stalled(start + milliseconds(19999)));
  CHECK(watch.stalled(start + seconds(20)));
}

TEST_CASE("F55: a reader that pauses does not make the server slow") {
  const StallWatch::Clock::time_point start{};
  StallWatch watch(seconds(10), start);
  watch.arrived(1, seconds(60));  // one byte, held up for a minute by a full ring
  CHECK_FALSE(watch.stalled(start + seconds(61)));
  CHECK(watch.due() == start + seconds(70));
  CHECK(watch.stalled(start + seconds(70)));
}

HttpHead head_of(const std::vector<std::string>& lines) {
  HttpHead head;
  for (const std::string& line : lines) {
    head.add_line(line + "\r\n");
  }
  return head;
}

TEST_CASE("F47: header lines are read whatever their case and spacing, and forgotten at the next response") {
  const HttpHead head =
      head_of({"HTTP/1.1 302 Found", "Content-Length: 3", "Content-Encoding: gzip", "", "HTTP/1.1 206 Partial Content",
               "CONTENT-RANGE:bytes 0-4/10\t", "content-length:  5", ""});
  CHECK(head.status == 206);
  CHECK(head.content_range == "bytes 0-4/10");
  CHECK(head.content_length == "5");
  CHECK(head.content_encoding.empty());
  CHECK_FALSE(head.contradictory);
}

TEST_CASE("F47: what contradicts itself or the request is refused") {
  struct Row {
    std::vector<std::string> lines;
    const char* range;  // "" for the whole
    Errc code;
  };
  const std::vector<Row> rows = {
      {{"nonsense"}, "", Errc::io},
      {{"HTTP/1.1"}, "", Errc::io},
      {{"HTTP/1.1 99999999999999999999 Much"}, "", Errc::io},
      {{"HTTP/1.1 200 OK", "Content-Length: 5, 5"}, "", Errc::corrupt},
      {{"HTTP/1.1 200 OK", "Content-Length: 5", "Content-Length: 6"}, "", Errc::corrupt},
      {{"HTTP/1.1 200 OK", "Content-Length:"}, "", Errc::corrupt},
      {{"HTTP/1.1 200 OK", "Content-Length: 9223372036854775808"}, "", Errc::corrupt},
      {{"HTTP/1.1 200 OK", "Content-Encoding: identity", "Content-Encoding: gzip"}, "", Errc::unsupported},
      {{"HTTP/1.1 206 Part", "Content-Range: bytes 0-4/9223372036854775808"}, "0-4", Errc::corrupt},
      {{"HTTP/1.1 206 Part", "Content-Range: bytes 0-4/10x"}, "0-4", Errc::corrupt},
      {{"HTTP/1.1 206 Part", "Content-Range: bytes 0-4/-10"}, "0-4", Errc::corrupt},
      {{"HTTP/1.1 206 Part", "Content-Range: bytes -4/10"}, "-4", Errc::corrupt},
      {{"HTTP/1.1 206 Part", "Content-Range: bytes 6-9/*"}, "-4", Errc::corrupt},
      {{"HTTP/1.1 206 Part", "Content-Range: bytes"}, "0-4", Errc::corrupt},
      {{"HTTP/1.1 416 No"}, "0-4", Errc::invalid_range},
      {{"HTTP/1.1 416 No"}, "", Errc::io},
  };
  for (const Row& row : rows) {
    CAPTURE(row.lines.back());
    const ByteSpec spec = *row.range == '\0' ? ByteSpec() : ByteSpec::parse(row.range).value();
    const auto plan = plan_body(head_of(row.lines), spec);
    REQUIRE_FALSE(plan.has_value());
    CHECK(plan.error().code == row.code);
  }
}

TEST_CASE("F46: a whole body holds the range at its offset") {
  struct Row {
    const char* range;
    const char* length;  // "" for none
    BodyPlan plan;
  };
  const std::vector<Row> rows = {
      {"3-5", "10", {3, 3, 3, 10, true}},         {"3-9", "10", {3, 7, 7, 10, false}},
      {"3-99", "10", {3, 7, 7, 10, false}},       {"3-", "10", {3, 7, 7, 10, false}},
      {"-4", "10", {6, 4, 4, 10, false}},         {"-99", "10", {0, 10, 10, 10, false}},
      {"-4", "0", {0, 0, 0, 0, false}},           {"3-5", "", {3, 3, {}, {}, true}},
      {"3-", "", {3, kMaxOffset, {}, {}, false}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.range);
    CAPTURE(row.length);
    HttpHead head = head_of({"HTTP/1.1 200 OK"});
    if (*row.length != '\0') {
      head.content_length = row.length;
    }
    const auto plan = plan_body(head, ByteSpec::parse(row.range).value());
    REQUIRE(plan.has_value());
    CHECK(plan->skip == row.plan.skip);
    CHECK(plan->limit == row.plan.limit);
    CHECK(plan->size == row.plan.size);
    CHECK(plan->body == row.plan.body);
    CHECK(plan->stops_early == row.plan.stops_early);
  }
}

TEST_CASE("a last byte or a length past what an offset can be is cut down, a first byte is not") {
  const auto parsed = [](const char* text) {
    const auto spec = ByteSpec::parse(text);
    return spec ? spec->text() : "refused";
  };
  CHECK(parsed("0-9223372036854775806") == "0-9223372036854775806");
  CHECK(parsed("0-9223372036854775807") == "0-9223372036854775806");
  CHECK(parsed("0-18446744073709551616") == "0-9223372036854775806");
  CHECK(parsed("9223372036854775806-9223372036854775807") == "9223372036854775806-9223372036854775806");
  CHECK(parsed("-9223372036854775807") == "-9223372036854775806");
  CHECK(parsed("9223372036854775807-") == "refused");
  CHECK(parsed("9223372036854775807-9223372036854775807") == "refused");
  CHECK(parsed("18446744073709551616-") == "refused");
  const auto within = ByteSpec::parse("0-9223372036854775807").value().within(10);
  REQUIRE(within.has_value());
  CHECK(*within == ByteRange{0, 10});
}

// A whole source in one piece, deaf to the stop: that comes when everything has been read.
class ThreeBytes final : public Source {
 public:
  [[nodiscard]] std::string name() const override { return "three bytes"; }
  [[nodiscard]] Result<void> read(const ByteSpec& /*spec*/, Sink& sink, std::stop_token /*stop*/) override {
    const std::string text = "abc";
    return sink.bytes(std::as_bytes(std::span(text)));
  }
};

TEST_CASE("a stop that comes while the commit runs does not deny what has been committed") {
  const auto script = std::make_shared<Script>();
  const Gate gate = script->block(DriverCall::commit, 1);
  ScriptedDriver::Options options;
  options.script = script;
  // As `get` opens it: without the stop, or the commit would answer `cancelled`.
  auto resource = Resource<ScriptedDriver>::open(std::move(options)).value();
  ThreeBytes source;
  std::stop_source stop;
  Result<Filled> filled = fail(Errc::cancelled);
  std::thread filler([&, writer = resource.writer().value()]() mutable {
    filled = fill(source, ByteSpec(), std::move(writer), stop.get_token());
  });
  CHECK(gate.wait_until_blocked());
  (void)stop.request_stop();
  gate.open();
  filler.join();
  REQUIRE(filled.has_value());
  CHECK(filled->bytes == 3);
  CHECK(resource.status().state == State::committed);
}

TEST_CASE("no user name or password reaches a message") {
  CHECK(without_credentials("http://user:secret@host/a?b=c@d") == "http://host/a?b=c@d");
  CHECK(without_credentials("http://user:se@cret@host") == "http://host");
  CHECK(without_credentials("http://host/a@b") == "http://host/a@b");
  CHECK(without_credentials("http://host?a@b") == "http://host?a@b");
  CHECK(without_credentials("file:/a@b") == "file:/a@b");
}

}  // namespace
}  // namespace strandline::tool
