// Refusal: the answer to a request that is not one to serve. The connection is closed behind it: where the next request
// begins is then a guess (RFC 9112, section 2.2).
// Threads: a value. Blocks: never. Errors: none. Cost: a few words. Lifetime: the reason is a literal.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace strandline::serve::http {

struct Refusal {
  int status = 400;
  std::string_view reason;  // one line, for the body and the log; nothing of the request is in it
  std::optional<std::chrono::seconds> retry_after{};  // RFC 9110, section 10.2.3
};

}  // namespace strandline::serve::http
