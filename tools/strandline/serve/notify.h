// What strandline serve tells a service manager (sd_notify(3)).
// Threads: one. Blocks: never. Errors: the system's; without a manager nothing is told, and that is none. Cost: a
// datagram. Lifetime: none.
#pragma once

#include <strandline/base/error.h>

#include <string>

namespace strandline::tool {

// "READY=1", "RELOADING=1" (with the clock that it wants), "STOPPING=1".
[[nodiscard]] Result<void> notify(const std::string& state);

}  // namespace strandline::tool
