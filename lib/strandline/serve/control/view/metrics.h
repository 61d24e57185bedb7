// The metrics of a server, in Prometheus' text format 0.0.4.
// Threads: any. Blocks: as Store::stats(). Errors: what the store does not tell is left out. Throws bad_alloc. Cost: a
// look at the counters of every thread, and at who reads. Lifetime: a text.
#pragma once

#include <strandline/serve/control/view/parts.h>

#include <string>

namespace strandline::serve {

inline constexpr const char* kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

struct PrefetchCounts {
  std::size_t queued = 0;
  std::size_t running = 0;
};

[[nodiscard]] std::string metrics_text(ServerParts& parts, const PrefetchCounts& prefetches);

}  // namespace strandline::serve
