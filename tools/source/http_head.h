// HttpHead, BodyPlan: what the header of an HTTP response says, and what of the body behind it may be used.
// Threads: values. Blocks: never. Errors: plan_body() refuses whatever contradicts the request or
// itself: nothing an origin says is believed, so bytes are never placed at an offset that was not proven.
// Cost: small strings. Lifetime: values.
#pragma once

#include "source.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace strandline::tool {

// Collects the header lines of one response; those of redirects before it are forgotten.
struct HttpHead {
  int status = 0;
  std::optional<std::string> content_length;
  std::optional<std::string> content_range;
  std::string content_encoding;
  bool transfer_coded = false;  // chunked: Content-Length then means nothing (RFC 9112, 6.3)
  bool contradictory = false;   // two different values for what may be said once

  void add_line(std::string_view line);
};

// Which bytes of the body are those asked for.
struct BodyPlan {
  std::uint64_t skip = 0;             // body bytes before the first wanted one
  std::uint64_t limit = kMaxOffset;   // wanted bytes at most
  std::optional<std::uint64_t> size;  // wanted bytes exactly
  std::optional<std::uint64_t> body;  // body bytes exactly
  bool stops_early = false;           // the body goes on past the wanted bytes, and need not be read
};

[[nodiscard]] Result<BodyPlan> plan_body(const HttpHead& head, const ByteSpec& spec);

}  // namespace strandline::tool
