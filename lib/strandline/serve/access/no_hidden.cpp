#include <strandline/serve/access/hidden.h>

namespace strandline::serve {

std::optional<std::string> hidden(std::string_view) {
  return std::nullopt;
}

}  // namespace strandline::serve
