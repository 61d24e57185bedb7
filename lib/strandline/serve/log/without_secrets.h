// without_secrets: what an error says, for a log or for whoever may look at the server: URLs in it are without users,
// passwords and queries, in any part of which there may be a signature.
// Threads: a pure function. Blocks: never. Errors: none. Throws bad_alloc. Cost: a copy. Lifetime: none.
#pragma once

#include <string>
#include <string_view>

namespace strandline::serve {

// At most 1000 bytes of it: an origin's fields may be repeated in it.
[[nodiscard]] std::string without_secrets(std::string_view message);

}  // namespace strandline::serve
