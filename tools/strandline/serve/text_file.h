// Small files that strandline serve is told to read.
// Threads: one. Blocks: on the disk. Errors: the system's; permission_denied, too_large, invalid_argument. Cost: its
// size. Lifetime: values.
#pragma once

#include <strandline/base/error.h>

#include <string>

namespace strandline::tool {

enum class Readers { anybody, owner_and_group };

// `option`: that names it, for messages. What only its owner and group may read, nobody else may change either.
[[nodiscard]] Result<std::string> read_text(const std::string& path, const std::string& option, Readers readers);

}  // namespace strandline::tool
