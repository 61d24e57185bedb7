// stat_with_retry: what an object is, asked again as a fill asks again for bytes.
// Threads: any, but none of the origin's. Blocks: until the origin has answered, has refused, or has been asked for as
// long as the options say. Errors: the origin's last; interrupted. Cost: a question, and a wait after each that
// failed. Lifetime: the origin stays until it returns.
#pragma once

#include <strandline/fill/planning/retry.h>
#include <strandline/origin/origin.h>

#include <stop_token>
#include <string>

namespace strandline::fill {

[[nodiscard]] origin::Outcome<origin::ObjectInfo> stat_with_retry(origin::Origin& origin, const std::string& key,
                                                                  const RetryOptions& options,
                                                                  const std::stop_token& stop = {});

}  // namespace strandline::fill
