// The access log: what a line says, what does not fit, and what happens to its file.
#include <tests/serve/scene.h>

#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <sstream>

using namespace strandline;
using namespace strandline::testing;
using serve::AccessLog;
using serve::LogEntry;
using std::chrono::milliseconds;

namespace {

std::size_t lines_of(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

LogEntry of(std::string path) {
  LogEntry entry;
  entry.path = std::move(path);
  return entry;
}

const AccessLog::Problem kNone = [](const Error& error) { FAIL_CHECK(error.message()); };

}  // namespace

TEST_CASE("access log: a line is JSON, whatever is in it") {
  LogEntry entry;
  entry.time = std::chrono::system_clock::time_point(milliseconds(1'700'000'000'042));
  entry.client = "127.0.0.1:1";
  entry.method = "GET";
  entry.path = "/a";
  entry.range = "bytes=\"\\\xff\t";
  entry.status = 206;
  entry.sent = 10;
  entry.cache = "hit; ttl=1";
  entry.reason = "io: \"x\"";
  entry.total = std::chrono::microseconds(1500);
  CHECK(serve::log_line(entry) ==
        "{\"time\":\"2023-11-14T22:13:20.042Z\",\"client\":\"127.0.0.1:1\",\"method\":\"GET\",\"path\":\"/a\","
        "\"range\":\"bytes=\\\"\\\\\\u00ff\\u0009\",\"cache\":\"hit; ttl=1\",\"reason\":\"io: "
        "\\\"x\\\"\",\"status\":206,\"sent\":10,\"hit\":true,"
        "\"wait_ms\":0.000,\"total_ms\":1.500}\n");
  entry.waited = true;
  CHECK(serve::log_line(entry).find("\"hit\":false") != std::string::npos);
}

TEST_CASE("access log: what does not fit is counted, nobody waits, and the end writes what is there") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const std::string path = "/proc/self/fd/" + std::to_string(ends[1]);
  constexpr std::size_t kEntries = 20'000;  // more than the pipe and the queue hold
  std::string read;
  {
    const auto log = required(AccessLog::open(path, kNone, 10));
    for (std::size_t i = 0; i < kEntries; ++i) {
      log->write(of("/a"));
    }
    std::string some(1 << 20, '\0');
    while (read.find("\"lost\":") == std::string::npos) {
      const auto count = ::read(ends[0], some.data(), some.size());
      REQUIRE(count > 0);
      REQUIRE(lines_of(read) < kEntries);
      read.append(some, 0, static_cast<std::size_t>(count));
      log->write(of("/b"));  // behind which the loss is told
    }
  }
  ::close(ends[1]);
  ::close(ends[0]);
  CHECK(lines_of(read) < kEntries);
}

TEST_CASE("access log: a reader that takes nothing does not keep it from ending") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  int problems = 0;
  {
    const auto log = required(AccessLog::open("/proc/self/fd/" + std::to_string(ends[1]), [&](const Error& error) {
      CHECK(error.code == Errc::timed_out);
      ++problems;
    }));
    for (int i = 0; i < 2000; ++i) {
      log->write(of(std::string(1000, 'a')));
    }
  }
  CHECK(problems == 1);
  ::close(ends[1]);
  ::close(ends[0]);
}

TEST_CASE("access log: a file that has been moved away is made anew, and one that cannot be is told of") {
  const TempDir directory;
  const auto path = directory.path() / "log";
  const auto log = required(AccessLog::open(path.native(), kNone));
  log->write(of("/a"));
  REQUIRE(eventually([&] { return lines_of(text_of(path)) == 1; }));
  std::filesystem::rename(path, directory.path() / "log.1");
  REQUIRE(log->reopen());
  log->write(of("/b"));
  CHECK(eventually([&] { return text_of(path).find("/b") != std::string::npos; }));
  CHECK(lines_of(text_of(directory.path() / "log.1")) == 1);
  CHECK_FALSE(AccessLog::open((directory.path() / "none" / "log").native(), kNone));
  const auto fifo = directory.path() / "fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  CHECK_FALSE(AccessLog::open(fifo.native(), kNone));  // nobody reads it; and it is not waited for
}

TEST_CASE("access log: what requests were, in the order in which they ended") {
  const TempDir directory;
  const auto path = directory.path() / "log";
  serve::ServerOptions options;
  options.logging.log = required(AccessLog::open(path.native(), kNone));
  options.access.tokens = required(serve::parse_tokens("ann 0123456789abcdef", "t"));
  Scene scene(options);
  scene.object({.size = 1000, .lines = {"Cache-Control: max-age=1000"}});
  auto client = scene.client();
  const std::string token = "Authorization: Bearer 0123456789abcdef\r\n";
  CHECK(client.get("/none?key=secret", token).status == 404);
  CHECK(client.get("/a", token).status == 200);
  CHECK(client.get("/a", token + "Range: bytes=0-9\r\n").status == 206);
  CHECK(client.get("/a").status == 401);
  client.send("GET / HTTP/1.1\nHost: x\n\n");
  CHECK(client.receive().status == 400);
  REQUIRE(eventually([&] { return lines_of(text_of(path)) == 5; }));
  std::istringstream all(text_of(path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(all, line);) {
    lines.push_back(line);
    CAPTURE(line);
    CHECK(line.find("secret") == std::string::npos);
    CHECK(line.find("0123456789abcdef") == std::string::npos);
    CHECK(line.find("\"client\":\"127.0.0.1:") != std::string::npos);
  }
  const auto has = [&](std::size_t at, const char* words) { return lines[at].find(words) != std::string::npos; };
  CHECK(has(0, "\"status\":404"));
  CHECK(has(1, "\"user\":\"ann\",\"method\":\"GET\",\"path\":\"/a\",\"cache\":\""));
  CHECK(has(2, "\"range\":\"bytes=0-9\",\"cache\":\"hit; ttl="));
  CHECK(has(2, "\"status\":206"));
  CHECK(has(2, "\"hit\":true"));
  CHECK(has(3, "\"method\":\"GET\",\"path\":\"/a\",\"status\":401"));
  CHECK(has(4, "\"status\":400"));
  CHECK_FALSE(has(4, "method"));
}
