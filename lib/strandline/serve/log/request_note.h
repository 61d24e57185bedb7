// RequestNote: what a session takes down of the request that it answers, for the access log.
// Threads: its session's. Blocks: never. Errors: without memory there is no entry. Cost: where there is no log, some
// numbers. Lifetime: of a request; the log outlives it.
#pragma once

#include <strandline/serve/access/access.h>
#include <strandline/serve/connection/client_socket.h>
#include <strandline/serve/log/access_log.h>

#include <string_view>

namespace strandline::serve {

// Of a request that has been answered, or was not to be: `head` is empty when it could not be read.
void note_request(const Logging& logging, const Access& access, ClientSocket& client, std::string_view head) noexcept;

}  // namespace strandline::serve
