// HttpOrigin: objects behind http:// and https:// URLs, read in ranges, by libcurl.
// Threads: thread-safe; one thread of its own does everything, callbacks included, but what fails at once. Blocks: only
// the destructor. Errors: Failures; nothing a server says is believed unproven; messages name the URL, not who asks.
// Cost: libcurl's buffer, 512 KiB, per read; sinks are given the bytes where libcurl has read them to. Lifetime: the
// destructor ends what runs as cancelled; in a callback, it leaves that to the thread.
#pragma once

#include <strandline/origin/origin.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace strandline::origin {

struct HttpOptions {
  // When given, keys are paths below this URL, in any bytes: "a b.txt" is asked for as BASE/a%20b.txt. Otherwise keys
  // are URLs. Either may have a user and a password in it: for its own server only, wherever that redirects to.
  std::string base{};
  std::vector<std::pair<std::string, std::string>> headers{};  // names and values; likewise
  std::string user_agent{};                                    // empty: strandline/VERSION
  // Of a gateway, "1.1 NAME": sent to every server (RFC 9110, section 7.6.3), so that it can tell what goes round.
  std::string via{};

  // A URL; empty: none; not given: as the environment says (http_proxy, no_proxy, ...).
  std::optional<std::string> proxy{};
  bool http2 = true;  // over TLS, where the server has it
  bool verify_tls = true;
  std::string ca_file{};  // PEM, instead of the system's

  // A server with a public address may redirect to one of this machine or network.
  bool allow_private_redirects = false;
  // Hosts that a server may redirect to, besides itself, in lower case; not given: any.
  std::optional<std::vector<std::string>> redirects_to{};

  std::chrono::milliseconds connect_timeout{10'000};  // for the name, TCP and TLS together
  std::chrono::milliseconds silence{30'000};          // without a byte: timed_out
  std::uint64_t low_speed = 100;                      // less bytes per second than that, over low_speed_time: likewise
  std::chrono::milliseconds low_speed_time{30'000};
};

namespace http {
class TransferLoop;
}

// Redirects are followed, ten at most, never from https to http; where they lead is remembered for a minute.
class HttpOrigin final : public Origin {
 public:
  // invalid_argument: an option that makes no sense; unsupported: built without libcurl.
  [[nodiscard]] static Result<std::unique_ptr<HttpOrigin>> open(HttpOptions options = {});
  ~HttpOrigin() override;
  // Whether this can be a key where there is no base, before anybody asks for it. Errors: as those of open().
  [[nodiscard]] static Result<void> check_url(const std::string& url) noexcept;
  // "libcurl/7.88.1"; empty: built without it.
  [[nodiscard]] static std::string backend();

  [[nodiscard]] std::string name() const override;
  // Scheme, host and port of the key's URL.
  [[nodiscard]] std::string server(const std::string& key) const override;
  // HEAD; where a server refuses that, a GET of the first byte.
  void stat(std::string key, Reply<ObjectInfo> reply, std::stop_token stop) noexcept override;
  // One GET, always with a Range, for all of an object "bytes=0-": the answer tells whether there are ranges. Strong
  // validators are sent as If-Match, and every answer's is compared, whatever the server made of it.
  void read(ReadRequest request, std::shared_ptr<Sink> sink, std::stop_token stop) noexcept override;

 private:
  explicit HttpOrigin(std::shared_ptr<http::TransferLoop> loop);
  std::shared_ptr<http::TransferLoop> loop_;
};

}  // namespace strandline::origin
