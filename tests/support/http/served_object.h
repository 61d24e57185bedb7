// ServedObject: a well-behaved object for an HttpServer: bytes made from their offset, in ranges, with validators, as
// slowly as told; and an account of what of it was sent.
// Threads: thread-safe; the settings are changed between requests. Blocks: its script, as rate and latency say.
// Errors: none. Cost: 8 bytes of content are one multiplication. Lifetime: shared with the server's scripts.
#pragma once

#include <tests/sanitized.h>
#include <tests/support/http/http_server.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace strandline::testing {

// Byte by byte what a version of an object has there: no two versions agree for long, nor two places of one.
void fill_content(std::uint64_t version, std::uint64_t offset, std::span<std::byte> out);
[[nodiscard]] std::vector<std::byte> content(std::uint64_t version, ByteRange range);

// What may have been sent for nothing when transfers are cut short: their round trips' bytes, or what the sockets'
// buffers hold of who does not keep up.
inline constexpr std::uint64_t kOnItsWay = (kSanitized ? 16 : 1) << 20;

struct ObjectSettings {
  std::uint64_t size = 0;
  std::uint64_t version = 1;
  std::optional<std::string> etag{};   // as sent, quotes and all; not given: "vN", strong
  std::string last_modified{};         // empty: not sent
  std::vector<std::string> lines{};    // sent besides: {"Cache-Control: max-age=60"}
  bool ranges = true;                  // else 200 with everything, whatever was asked
  bool if_match = true;                // honoured with 412
  std::uint64_t rate = 0;              // bytes per second of each response; 0: no limit
  std::chrono::nanoseconds latency{};  // before each response
  // Each response is cut off (RST) after so many bytes of its body; 0: never.
  std::uint64_t drop_after = 0;
  // The first response that comes to this offset sends nothing from there on, its connection open; 0: none does.
  std::uint64_t silent_at = 0;
};

class ServedObject : public std::enable_shared_from_this<ServedObject> {
 public:
  [[nodiscard]] static std::shared_ptr<ServedObject> make(ObjectSettings settings) {
    return std::shared_ptr<ServedObject>(new ServedObject(std::move(settings)));
  }

  // What the server is to run: server.on("/a", object->script()).
  [[nodiscard]] HttpServer::Script script();
  // For the requests that come from now on.
  void change(ObjectSettings settings);
  [[nodiscard]] ObjectSettings settings() const;

  struct Sent {
    ByteRange asked;  // clamped to the object; all of it where no range was asked
    ByteRange sent;   // of it, so far
    std::size_t connection = 0;
  };
  // By request, in the order in which they came; HEADs and refusals are not among them.
  [[nodiscard]] std::vector<Sent> sent() const;
  [[nodiscard]] std::uint64_t sent_bytes() const;
  // Bytes of the object that were sent more than once, counted each time but the first.
  [[nodiscard]] std::uint64_t sent_again() const;
  // Has a response come to silent_at?
  [[nodiscard]] bool was_silent() const;

 private:
  explicit ServedObject(ObjectSettings settings) : settings_(std::move(settings)) {}
  void serve(HttpExchange& exchange);
  [[nodiscard]] bool falls_silent(const ObjectSettings& settings, ByteRange range);
  bool send_body(HttpExchange& exchange, const ObjectSettings& settings, ByteRange range, std::size_t account);

  mutable std::mutex mutex_;
  ObjectSettings settings_;
  bool was_silent_ = false;
  std::vector<Sent> sent_;
};

}  // namespace strandline::testing
