// What the server is asked about itself, under "/-/", and what it says: never an object of an origin.
// Threads: values. Blocks: never. Errors: none. Cost: their texts. Lifetime: values.
#pragma once

#include <strandline/serve/http/request/request_target.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace strandline::serve {

// No origin's path begins so.
inline constexpr std::string_view kControlPrefix = "/-/";
inline constexpr std::string_view kApiPrefix = "/-/api/";
inline constexpr std::string_view kEventsPath = "/-/api/events";
inline constexpr std::size_t kMaxControlBody = std::size_t{64} * 1024;

struct ControlRequest {
  std::string method;  // GET for HEAD too
  http::RequestTarget target;
  std::string body;
};

struct ControlAnswer {
  int status = 200;
  std::string type = "application/json";
  std::string body = {};
  std::string allow = {};  // with 405
};

// Why not, to one who asks for that path: JSON below "/-/api/", else a line of text.
[[nodiscard]] ControlAnswer control_refusal(std::string_view path, int status, std::string_view why);

}  // namespace strandline::serve
