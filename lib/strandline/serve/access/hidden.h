// hidden: what stands in the names of entries for the query of a URL, in which there may be credentials: names can be
// read in the store's files and by whoever lists them.
// Threads: any. Blocks: never. Errors: none: a build without OpenSSL cannot, and then nothing of the object may be
// kept. Throws bad_alloc. Cost: a SHA-256 (FIPS 180-4) of the text. Lifetime: a value.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace strandline::serve {

// In hexadecimal: another one for another query, as far as anybody knows.
[[nodiscard]] std::optional<std::string> hidden(std::string_view query);

}  // namespace strandline::serve
