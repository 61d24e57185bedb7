// What a request to control has in its query, or its body.
// Threads: pure functions. Blocks: never. Errors: nothing, for what is not as docs/openapi.yaml says. Throws bad_alloc.
// Cost: linear. Lifetime: values.
#pragma once

#include <strandline/serve/control/control_request.h>
#include <strandline/serve/control/view/picture.h>

#include <optional>
#include <string>
#include <string_view>

namespace strandline::serve {

// "name=value" of the query, decoded; the first.
[[nodiscard]] std::optional<std::string> argument(const http::RequestTarget& target, std::string_view name);
// A path, in its one spelling.
[[nodiscard]] std::optional<http::RequestTarget> path_argument(const std::string& text);
[[nodiscard]] std::optional<std::uint64_t> id_argument(std::string_view text);
// cells, from and to.
[[nodiscard]] std::optional<StripOptions> strip_options(const http::RequestTarget& target);

struct PrefetchArguments {
  http::RequestTarget target;
  ByteRange range;
};
[[nodiscard]] std::optional<PrefetchArguments> prefetch_arguments(const std::string& body);

struct PurgeArguments {
  http::RequestTarget target;
  bool below = false;  // all whose paths begin so
};
[[nodiscard]] std::optional<PurgeArguments> purge_arguments(const std::string& body);

}  // namespace strandline::serve
