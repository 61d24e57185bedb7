// Cors: which pages of other sites may read what is served (the Fetch standard, section 3.2, "CORS protocol").
// Threads: a value. Blocks: never. Errors: none. Cost: a look at each origin that is named. Lifetime: owns its names.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace strandline::serve {

struct Cors {
  std::vector<std::string> origins;  // "https://example.org"; "*": all

  // Is it one that a browser would send?
  [[nodiscard]] static bool is_origin(std::string_view text) noexcept;
  // Lines for a head, with their ends; empty: the page may not. `origin`: the request's field.
  [[nodiscard]] std::string fields(const std::optional<std::string>& origin) const;
  // To a preflight, whole; empty: as fields(). It has no credentials, so it is answered before they are asked for.
  [[nodiscard]] std::string preflight(const std::optional<std::string>& origin) const;
};

}  // namespace strandline::serve
