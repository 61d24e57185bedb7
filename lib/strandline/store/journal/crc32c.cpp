#include <strandline/store/journal/crc32c.h>

#if defined(STRANDLINE_HAVE_ISAL)
#include <isa-l/crc.h>

#include <algorithm>
#else
#include <boost/crc.hpp>
#endif

namespace strandline::store {

#if defined(STRANDLINE_HAVE_ISAL)

std::uint32_t crc32c(std::uint32_t before, std::span<const std::byte> bytes) noexcept {
  constexpr std::size_t kMost = std::size_t{1} << 30;  // its length is an int
  std::uint32_t crc = ~before;
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min(bytes.size(), kMost));
    // It reads only, though its type does not say so.
    auto* const data = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(part.data()));
    crc = ::crc32_iscsi(data, static_cast<int>(part.size()), crc);
    bytes = bytes.subspan(part.size());
  }
  return ~crc;
}

#else

namespace {

// Boost.CRC takes its start before reflection, so a CRC to go on from is turned round.
std::uint32_t reversed(std::uint32_t bits) noexcept {
  std::uint32_t result = 0;
  for (int i = 0; i < 32; ++i) {
    result = (result << 1) | ((bits >> i) & 1);
  }
  return result;
}

}  // namespace

std::uint32_t crc32c(std::uint32_t before, std::span<const std::byte> bytes) noexcept {
  boost::crc_optimal<32, 0x1edc6f41, 0, 0xffffffff, true, true> crc(reversed(~before));
  crc.process_bytes(bytes.data(), bytes.size());
  return crc.checksum();
}

#endif

}  // namespace strandline::store
