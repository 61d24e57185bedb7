// Source, Sink, ByteSpec: where the command's bytes come from: a local file or an HTTP URL, read once, front to back.
// Threads: one at a time per source. Blocks: read() until the content ended, the sink refused or `stop` was
// requested. Errors: every fault of the source, naming it; the sink's own error unchanged.
// Cost: one buffer. Lifetime: the sink outlives the call. The library's origins (origin/) are another thing.
#pragma once

#include <strandline/base/byte_range.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

namespace strandline::tool {

// What of the content is wanted, as HTTP counts: first and last byte, both inclusive.
// Invariant: at most one of `first` and `suffix` is set; `last` only with `first`, and not before it; suffix > 0.
struct ByteSpec {
  std::optional<std::uint64_t> first;
  std::optional<std::uint64_t> last;
  std::optional<std::uint64_t> suffix;  // the last so many bytes

  // "A-B", "A-" or "-N". B and N may be as large as they like: past 2^63 - 2 they are that, for no byte lies behind.
  [[nodiscard]] static Result<ByteSpec> parse(std::string_view text);
  [[nodiscard]] bool whole() const noexcept { return !first && !suffix; }
  // Where it lies in content of this length; invalid_range when no byte of it does.
  [[nodiscard]] Result<ByteRange> within(std::uint64_t length) const;
  // As it was written, or as it was cut down: "0-99".
  [[nodiscard]] std::string text() const;
};

class Sink {
 public:
  virtual ~Sink() = default;
  // Called once, before any byte: how many will come, when the source says.
  [[nodiscard]] virtual Result<void> expect(std::optional<std::uint64_t> size) = 0;
  // The next bytes of what was asked for. An error ends the read.
  [[nodiscard]] virtual Result<void> bytes(std::span<const std::byte> data) = 0;
};

class Source {
 public:
  virtual ~Source() = default;
  // For messages: without a password, should the URL have one.
  [[nodiscard]] virtual std::string name() const = 0;
  // Where it is when it is a local file: empty otherwise.
  [[nodiscard]] virtual std::filesystem::path local_path() const { return {}; }
  // Success means that every byte asked for came, and the end of the content is where the source said.
  [[nodiscard]] virtual Result<void> read(const ByteSpec& spec, Sink& sink, std::stop_token stop) = 0;
};

struct SourceOptions {
  std::chrono::seconds timeout{30};  // to connect, and for too little to arrive
};

// From what a user typed: an http:// or https:// URL, a file: URL or a path. A scheme that is none of
// these is `unsupported`, a URL that is none is `invalid_argument`. Opens nothing yet.
[[nodiscard]] Result<std::unique_ptr<Source>> make_source(const std::string& url, const SourceOptions& options);

[[nodiscard]] std::unique_ptr<Source> make_file_source(std::filesystem::path path);
[[nodiscard]] Result<std::unique_ptr<Source>> make_http_source(const std::string& url, const SourceOptions& options);
// A user name and password must not reach a log: "http://u:p@host/" becomes "http://host/".
[[nodiscard]] std::string without_credentials(const std::string& url);
// "libcurl/7.88.1", or empty when built without the http feature.
[[nodiscard]] std::string http_version();

}  // namespace strandline::tool
