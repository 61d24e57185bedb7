#include <strandline/serve/control/control_request.h>

#include <nlohmann/json.hpp>

namespace strandline::serve {

ControlAnswer control_refusal(std::string_view path, int status, std::string_view why) {
  if (!path.starts_with(kApiPrefix)) {
    return {.status = status, .type = "text/plain; charset=utf-8", .body = std::string(why) + "\n"};
  }
  const nlohmann::json said{{"error", why}};
  return {.status = status, .body = said.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"};
}

}  // namespace strandline::serve
