// What a request to control has in its query, or its body.
// Threads: pure functions. Blocks: never. Errors: for what is not as docs/openapi.yaml says, nothing, or why it is not,
// with nothing of it in the words. Throws bad_alloc. Cost: linear. Lifetime: values.
#pragma once

#include <strandline/serve/control/control_request.h>
#include <strandline/serve/control/view/picture.h>

#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace strandline::serve {

template <class T>
using Argument = tl::expected<T, std::string>;

// "name=value" of the query, decoded; the first.
[[nodiscard]] std::optional<std::string> argument(const http::RequestTarget& target, std::string_view name);
// A path, in its one spelling.
[[nodiscard]] Argument<http::RequestTarget> path_argument(const std::string& text);
[[nodiscard]] std::optional<std::uint64_t> id_argument(std::string_view text);
// cells, from and to.
[[nodiscard]] std::optional<StripOptions> strip_options(const http::RequestTarget& target);

struct PrefetchArguments {
  http::RequestTarget target;
  ByteRange range;
};
[[nodiscard]] Argument<PrefetchArguments> prefetch_arguments(const std::string& body);

struct PurgeArguments {
  http::RequestTarget target;
  bool below = false;  // all whose paths begin so
};
[[nodiscard]] Argument<PurgeArguments> purge_arguments(const std::string& body);

}  // namespace strandline::serve
