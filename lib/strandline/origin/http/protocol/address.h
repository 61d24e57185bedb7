// Which addresses are of this machine or its network only, so that no server outside may send us there.
// Threads: pure functions. Blocks: never. Errors: none; what is no IP address is private, for it is none of the
// internet's. Cost: none. Lifetime: borrows its arguments.
#pragma once

#include <cstddef>
#include <optional>

namespace strandline::origin::http {

// Private: loopback, private (RFC 1918, 4193), link-local, shared (RFC 6598), benchmarking, multicast, reserved,
// unspecified; and those of IPv6 that lead to such a one of IPv4.
struct Peer {
  bool is_private = true;
  int port = 0;  // 0: no IP address
};
// Of the sockaddr that begins there.
[[nodiscard]] Peer peer_of(const void* address, std::size_t size) noexcept;
// Of an address as text, "::1" or "10.0.0.1"; none when it is a name.
[[nodiscard]] std::optional<bool> is_private(const char* address) noexcept;

}  // namespace strandline::origin::http
