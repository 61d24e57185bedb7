#include <tests/support/http/served_object.h>

#include <strandline/base/range_set.h>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace strandline::testing {
namespace {

std::uint64_t word_at(std::uint64_t version, std::uint64_t index) {
  std::uint64_t x = (index + 1) * 0x9e3779b97f4a7c15u + version * 0xd1342543de82ef95u;
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93u;
  return x ^ x >> 32;
}

std::string etag_of(const ObjectSettings& settings) {
  return settings.etag.value_or("\"v" + std::to_string(settings.version) + "\"");
}

}  // namespace

void fill_content(std::uint64_t version, std::uint64_t offset, std::span<std::byte> out) {
  for (std::size_t at = 0; at < out.size();) {
    const std::uint64_t word = word_at(version, (offset + at) / 8);
    const std::size_t skip = (offset + at) % 8;
    const std::size_t count = std::min<std::size_t>(8 - skip, out.size() - at);
    std::memcpy(out.data() + at, reinterpret_cast<const char*>(&word) + skip, count);
    at += count;
  }
}

std::vector<std::byte> content(std::uint64_t version, ByteRange range) {
  std::vector<std::byte> bytes(range.size());
  fill_content(version, range.begin, bytes);
  return bytes;
}

HttpServer::Script ServedObject::script() {
  return [self = shared_from_this()](HttpExchange& exchange) { self->serve(exchange); };
}

void ServedObject::change(ObjectSettings settings) {
  const std::lock_guard lock(mutex_);
  settings_ = std::move(settings);
}

ObjectSettings ServedObject::settings() const {
  const std::lock_guard lock(mutex_);
  return settings_;
}

void ServedObject::serve(HttpExchange& exchange) {
  const ObjectSettings now = settings();
  const HttpRequest& request = exchange.request();
  if (now.latency.count() > 0 && !exchange.pause(now.latency)) {
    return;
  }
  const std::string etag = etag_of(now);
  const std::string wanted = request.header("if-match");
  if (now.if_match && !wanted.empty() && wanted != etag) {
    exchange.answer(412, {}, {"ETag: " + etag});
    return;
  }
  std::vector<std::string> lines = now.lines;
  if (!etag.empty()) {
    lines.push_back("ETag: " + etag);
  }
  if (!now.last_modified.empty()) {
    lines.push_back("Last-Modified: " + now.last_modified);
  }
  lines.push_back(now.ranges ? "Accept-Ranges: bytes" : "Accept-Ranges: none");
  const auto asked = now.ranges && request.method == "GET" ? request.range() : std::nullopt;
  if (asked && asked->begin >= now.size) {
    exchange.answer(416, {}, {"Content-Range: bytes */" + std::to_string(now.size)});
    return;
  }
  const ByteRange range = asked.value_or(ByteRange{0, now.size}).clamped_to({0, now.size});
  if (asked) {
    lines.push_back("Content-Range: bytes " + std::to_string(range.begin) + "-" + std::to_string(range.end - 1) + "/" +
                    std::to_string(now.size));
  }
  lines.push_back("Content-Length: " + std::to_string(range.size()));
  std::size_t account = 0;
  if (request.method == "GET") {
    const std::lock_guard lock(mutex_);
    account = sent_.size();
    sent_.push_back({range, {range.begin, range.begin}, request.connection});
  }
  if (exchange.head(asked ? 206 : 200, lines) && request.method == "GET" && !send_body(exchange, now, range, account)) {
    exchange.reset();
  }
}

// False when it was cut off.
bool ServedObject::send_body(HttpExchange& exchange, const ObjectSettings& settings, ByteRange range,
                             std::size_t account) {
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  // With a rate, a hundred pieces a second.
  const std::size_t piece = settings.rate == 0 ? 256 * 1024 : std::max<std::uint64_t>(1, settings.rate / 100);
  std::vector<std::byte> bytes(std::min<std::uint64_t>(piece, range.size()));
  const bool silent = falls_silent(settings, range);
  const std::uint64_t end = silent                     ? settings.silent_at
                            : settings.drop_after == 0 ? range.end
                                                       : std::min(range.end, range.begin + settings.drop_after);
  for (std::uint64_t at = range.begin; at < end;) {
    const auto part = std::span(bytes).first(std::min<std::uint64_t>(bytes.size(), end - at));
    fill_content(settings.version, at, part);
    if (settings.rate > 0) {
      const double due = static_cast<double>(at - range.begin) / static_cast<double>(settings.rate);
      const auto wait = begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(due));
      if (wait > Clock::now() && !exchange.pause(wait - Clock::now())) {
        return true;
      }
    }
    if (!exchange.body(part)) {
      return true;
    }
    at += part.size();
    const std::lock_guard lock(mutex_);
    sent_[account].sent.end = at;
  }
  if (silent) {
    exchange.wait_for_close();
  }
  return silent || end == range.end;
}

bool ServedObject::falls_silent(const ObjectSettings& settings, ByteRange range) {
  if (settings.silent_at == 0 || !range.contains(settings.silent_at)) {
    return false;
  }
  const std::lock_guard lock(mutex_);
  return !std::exchange(was_silent_, true);
}

bool ServedObject::was_silent() const {
  const std::lock_guard lock(mutex_);
  return was_silent_;
}

std::vector<ServedObject::Sent> ServedObject::sent() const {
  const std::lock_guard lock(mutex_);
  return sent_;
}

std::uint64_t ServedObject::sent_bytes() const {
  std::uint64_t bytes = 0;
  for (const Sent& one : sent()) {
    bytes += one.sent.size();
  }
  return bytes;
}

std::uint64_t ServedObject::sent_again() const {
  RangeSet once;
  for (const Sent& one : sent()) {
    static_cast<void>(once.insert(one.sent));
  }
  return sent_bytes() - once.byte_count();
}

}  // namespace strandline::testing
