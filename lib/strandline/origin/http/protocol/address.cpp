#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace strandline::origin::http {
namespace {

struct Net4 {
  std::uint32_t base;
  int bits;
};

// The IANA's special-purpose registry, but for what is documentation: nobody is there.
constexpr std::array<Net4, 12> kPrivate4 = {{
    {0x00000000, 8},   // this network
    {0x0a000000, 8},   // 10/8
    {0x64400000, 10},  // 100.64/10: shared
    {0x7f000000, 8},   // loopback
    {0xa9fe0000, 16},  // 169.254/16: link-local, with the clouds' metadata
    {0xac100000, 12},  // 172.16/12
    {0xc0000000, 24},  // 192.0.0/24
    {0xc0a80000, 16},  // 192.168/16
    {0xc6120000, 15},  // 198.18/15: benchmarking
    {0xe0000000, 4},   // multicast
    {0xf0000000, 4},   // reserved, broadcast
    {0xc0586300, 24},  // 192.88.99/24: relays
}};

bool is_private4(std::uint32_t address) noexcept {
  return std::any_of(kPrivate4.begin(), kPrivate4.end(),
                     [address](const Net4& net) { return ((address ^ net.base) >> (32 - net.bits)) == 0; });
}

using Bytes6 = std::array<std::uint8_t, 16>;

std::uint32_t word(const Bytes6& bytes, std::size_t at) noexcept {
  std::uint32_t value = 0;
  for (std::size_t i = at; i < at + 4; ++i) {
    value = value << 8 | bytes[i];
  }
  return value;
}

bool is_private6(const Bytes6& bytes) noexcept {
  const bool zeros = std::all_of(bytes.begin(), bytes.begin() + 10, [](std::uint8_t byte) { return byte == 0; });
  if (zeros) {  // ::/80: unspecified, loopback, IPv4-mapped and -compatible
    const bool mapped = bytes[10] == 0xff && bytes[11] == 0xff;
    return !mapped || is_private4(word(bytes, 12));
  }
  if (word(bytes, 0) == 0x0064ff9b) {  // NAT64: 64:ff9b::/96, and 64:ff9b:1::/48, which is local
    return word(bytes, 4) != 0 || word(bytes, 8) != 0 || is_private4(word(bytes, 12));
  }
  if (bytes[0] == 0x20 && bytes[1] == 0x02) {  // 6to4
    return is_private4(word(bytes, 2));
  }
  return (bytes[0] & 0xe0) != 0x20;  // global unicast is 2000::/3: all else is local, multicast or reserved
}

}  // namespace

Peer peer_of(const void* address, std::size_t size) noexcept {
  sockaddr_in in{};
  sockaddr_in6 in6{};
  const auto is_of = [address, size](sa_family_t family, std::size_t needed) {
    sa_family_t found = 0;
    std::memcpy(&found, static_cast<const char*>(address) + offsetof(sockaddr, sa_family), sizeof(found));
    return size >= needed && found == family;
  };
  if (is_of(AF_INET, sizeof(in))) {
    std::memcpy(&in, address, sizeof(in));
    return {is_private4(ntohl(in.sin_addr.s_addr)), ntohs(in.sin_port)};
  }
  if (is_of(AF_INET6, sizeof(in6))) {
    std::memcpy(&in6, address, sizeof(in6));
    Bytes6 bytes{};
    std::memcpy(bytes.data(), &in6.sin6_addr, bytes.size());
    return {is_private6(bytes), ntohs(in6.sin6_port)};
  }
  return {};
}

std::optional<bool> is_private(const char* address) noexcept {
  in_addr in4{};
  if (inet_pton(AF_INET, address, &in4) == 1) {
    return is_private4(ntohl(in4.s_addr));
  }
  Bytes6 bytes{};
  if (inet_pton(AF_INET6, address, bytes.data()) == 1) {
    return is_private6(bytes);
  }
  return std::nullopt;
}

}  // namespace strandline::origin::http
