// Removes objects from the store, but those that somebody reads, or that another process writes.
// Threads: any. Blocks: on the disk. Errors: the store's; one that cannot be removed does not keep the others. Cost:
// some system calls for each. Lifetime: none.
#pragma once

#include <strandline/serve/control/arguments.h>
#include <strandline/serve/control/view/parts.h>

#include <cstdint>
#include <optional>

namespace strandline::serve {

struct Purged {
  std::uint64_t purged = 0;
  std::uint64_t in_use = 0;  // and so are still there
  std::uint64_t failed = 0;  // could not be removed
  std::optional<Error> why;  // of the first of these; or what keeps from finding more
};

[[nodiscard]] Purged purge(ServerParts& parts, const Serving& serving, const PurgeArguments& asked);

}  // namespace strandline::serve
