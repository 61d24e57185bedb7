// A disk image of 64 MiB, empty but for a few sectors, in a resource over the driver of custom_driver.h.
#include <strandline/resource/resource.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "custom_driver.h"

using namespace strandline;
using examples::RunLengthDriver;

namespace {

constexpr std::uint64_t kSector = 512;
constexpr std::uint64_t kImage = 64 << 20;

// The bytes of a sector: its number in its first eight bytes when it is in use, zeros otherwise.
std::array<std::byte, kSector> sector(std::uint64_t number) {
  std::array<std::byte, kSector> bytes{};
  if (number % 10'000 == 1) {
    std::memcpy(bytes.data(), &number, sizeof number);
  }
  return bytes;
}

int give_up(const char* doing, const Error& error) {
  std::fprintf(stderr, "%s: %s\n", doing, error.message().c_str());
  return EXIT_FAILURE;
}

}  // namespace

int main() {
  const auto runs = std::make_shared<std::atomic<std::size_t>>(0);
  auto image = Resource<RunLengthDriver>::open({.in_use = runs});
  if (!image) {
    return give_up("open", image.error());
  }
  auto writer = image->writer();
  if (!writer) {
    return give_up("writer", writer.error());
  }

  // The empty stretches first, in large pieces, leaving out the sectors in use: the resource remembers the gaps.
  const std::vector<std::byte> zeros(10'000 * kSector);
  const std::uint64_t sectors = kImage / kSector;
  for (std::uint64_t first = 2; first < sectors; first += 10'000) {
    const std::uint64_t count = std::min<std::uint64_t>(9'999, sectors - first);
    if (auto written = writer->write_at(first * kSector, std::span(zeros).first(count * kSector)); !written) {
      return give_up("write", written.error());
    }
  }
  // What is still missing is asked of the resource, not remembered here.
  while (const auto gap = image->next_gap(0, kImage)) {
    const auto bytes = sector(gap->begin / kSector);
    if (auto written = writer->write_at(gap->begin, bytes); !written) {
      return give_up("write", written.error());
    }
  }
  if (auto committed = writer->commit(kImage); !committed) {
    return give_up("commit", committed.error());
  }

  std::array<std::byte, kSector> bytes;
  for (std::uint64_t number = 0; number < sectors; ++number) {
    const auto count = image->read_at(number * kSector, bytes);
    if (!count || *count != kSector || bytes != sector(number)) {
      return count ? (std::puts("wrong bytes"), EXIT_FAILURE) : give_up("read", count.error());
    }
  }
  std::printf("%llu bytes in %zu runs\n", static_cast<unsigned long long>(kImage), runs->load());
  return *runs < 20'000 ? EXIT_SUCCESS : EXIT_FAILURE;
}
