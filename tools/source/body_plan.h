// BodyPlan: what of the body behind an HTTP header may be used.
// Threads: values. Blocks: never. Errors: plan_body() refuses whatever contradicts the request or
// itself: nothing an origin says is believed, so bytes are never placed at an offset that was not proven.
// Cost: small strings. Lifetime: values.
#pragma once

#include <strandline/origin/http/protocol/http_head.h>

#include "source.h"

#include <cstdint>
#include <optional>

namespace strandline::tool {

using origin::http::HttpHead;

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
