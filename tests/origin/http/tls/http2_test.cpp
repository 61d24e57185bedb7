// HTTP/2, as nginx speaks it: many reads over one connection, some of them stopped.
#include <tests/drivers/scratch.h>
#include <tests/origin/http/reads.h>
#include <tests/origin/http/tls/tls_front.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <thread>

namespace strandline::origin {
namespace {

constexpr std::uint64_t kSize = 20'000'003;

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Serves /object, of version 1, and writes its log into the directory.
class Nginx {
 public:
  explicit Nginx(const std::filesystem::path& directory) : log(directory / "access.log") {
    const testing::Certificate certificate("IP:127.0.0.1");
    certificate.write(directory / "cert.pem");
    certificate.write_key(directory / "key.pem");
    std::filesystem::create_directory(directory / "root");
    const Bytes object = content(1, {0, kSize});
    std::ofstream(directory / "root/object", std::ios::binary)
        .write(reinterpret_cast<const char*>(object.data()), static_cast<std::streamsize>(object.size()));
    // Bound here and never listening, the port stays free until nginx shares it.
    holder_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const in = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(::setsockopt(holder_, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0);
    REQUIRE(::bind(holder_, in, size) == 0);
    REQUIRE(::getsockname(holder_, in, &size) == 0);
    const std::string port = std::to_string(ntohs(address.sin_port));
    const std::string there = directory.native();
    std::ofstream(directory / "nginx.conf")
        << "daemon off; master_process off; pid " << there << "/pid; error_log " << there << "/error.log;\n"
        << "events {}\nhttp { log_format short '$server_protocol $status $connection';\n"
        << "access_log " << there << "/access.log short; client_body_temp_path " << there << "/t1;\n"
        << "proxy_temp_path " << there << "/t2; fastcgi_temp_path " << there << "/t3; uwsgi_temp_path " << there
        << "/t4; scgi_temp_path " << there << "/t5;\n"
        << "server { listen 127.0.0.1:" << port << " ssl http2 reuseport; root " << there << "/root;\n"
        << "ssl_certificate " << there << "/cert.pem; ssl_certificate_key " << there << "/key.pem; } }\n";
    url = "https://127.0.0.1:" + port + "/object";
    std::string program = STRANDLINE_NGINX;
    std::string config = there + "/nginx.conf";
    std::string prefix = there;
    std::string c = "-c";
    std::string p = "-p";
    char* const arguments[] = {program.data(), p.data(), prefix.data(), c.data(), config.data(), nullptr};
    REQUIRE(::posix_spawn(&pid_, program.c_str(), nullptr, nullptr, arguments, environ) == 0);
  }
  ~Nginx() {
    ::kill(pid_, SIGQUIT);
    ::waitpid(pid_, nullptr, 0);
    ::close(holder_);
  }
  Nginx(const Nginx&) = delete;
  Nginx& operator=(const Nginx&) = delete;

  [[nodiscard]] bool runs() const { return ::waitpid(pid_, nullptr, WNOHANG) == 0; }

  std::filesystem::path log;
  std::string url;

 private:
  int holder_ = -1;
  pid_t pid_ = -1;
};

TEST_CASE("HTTP/2: reads share a connection, and one that is stopped takes no other with it") {
  const testing::ScratchDir directory;
  const Nginx nginx(directory.path());
  const auto origin = open_origin({.ca_file = directory / "cert.pem"});
  Outcome<ObjectInfo> info = stat_of(*origin, nginx.url);
  while (!info && info.error().may_pass && nginx.runs()) {  // it is still starting
    std::this_thread::yield();
    info = stat_of(*origin, nginx.url);
  }
  REQUIRE(info.has_value());
  CHECK(info->size == kSize);
  CHECK(info->validator.kind == Validator::Kind::strong);
  std::stop_source stop;
  std::vector<std::shared_ptr<Read>> reads;
  for (std::uint64_t at = 0; at < kSize; at += 1'000'000) {
    const bool stopped = at == 5'000'000;
    reads.push_back(Read::start(*origin,
                                {.key = nginx.url,
                                 .range = {at, at + 1'000'000},
                                 .if_match = info->validator,
                                 .max_rate = stopped ? 1'000u : 0u},
                                stopped ? stop.get_token() : std::stop_token()));
  }
  for (std::size_t i = 0; i < reads.size(); ++i) {
    if (i == 5) {
      CHECK_FALSE(reads[i]->ended.is_open());
      stop.request_stop();
      CHECK(reads[i]->finish() == "interrupted");
    } else {
      CHECK(reads[i]->finish() == "ok");
    }
    CHECK(reads[i]->is_of(1));
  }
  CHECK(Read::start(*origin, {.key = nginx.url, .if_match = strong("\"other\"")})->finish() == "changed");
  const auto past = Read::start(*origin, {.key = nginx.url, .range = {kSize, kSize + 1}});
  CHECK(past->finish() == "invalid_range");
  CHECK(past->failure().size == kSize);
  const std::string log = text_of(nginx.log);
  CHECK(log.find("HTTP/2.0 206") != std::string::npos);
  CHECK(log.find("HTTP/1") == std::string::npos);
}

}  // namespace
}  // namespace strandline::origin
