// B10: bytes through a window of bounded size, from one thread to another.
#include <bench/baseline/simple_ring.h>
#include <bench/support/scene.h>
#include <strandline/drivers/ring.h>

#include <algorithm>
#include <cstring>
#include <thread>

namespace {

using namespace strandline;
using namespace strandline::bench;

constexpr std::uint64_t kChunk = 64 * kKiB;

// Bytes per second of wall time, from the first write to the last read.
double through_resource(std::uint64_t window, std::uint64_t total, std::span<const std::byte> chunk) {
  Filled<RingDriver> ring(RingDriver::Options{window, Overflow::block});
  auto cursor = must(ring.resource.cursor(0));
  std::vector<std::byte> out(kChunk);
  const double took = timed(Clock::wall, [&] {
    std::jthread writer([&] {
      for (std::uint64_t at = 0; at < total; at += kChunk) {
        must(ring.writer.write_at(at, chunk));
      }
      must(ring.writer.commit());
    });
    std::uint64_t seen = 0;
    while (const std::size_t count = must(cursor.read(out))) {
      seen += count;
    }
    must(seen == total, "bytes were lost");
  });
  return static_cast<double>(total) / took;
}

double through_simple_ring(std::uint64_t window, std::uint64_t total, std::span<const std::byte> chunk) {
  baseline::SimpleRing ring(window);
  std::vector<std::byte> out(kChunk);
  const double took = timed(Clock::wall, [&] {
    std::jthread writer([&] {
      for (std::uint64_t at = 0; at < total; at += kChunk) {
        ring.write(chunk);
      }
      ring.finish();
    });
    std::uint64_t seen = 0;
    while (const std::size_t count = ring.read(out)) {
      seen += count;
    }
    must(seen == total, "bytes were lost");
  });
  return static_cast<double>(total) / took;
}

// One thread copies each chunk into a window and out of it again: what the copies alone cost, with no hand-over.
double copied_in_and_out(std::uint64_t window, std::uint64_t total, std::span<const std::byte> chunk) {
  std::vector<std::byte> bytes(window);
  std::vector<std::byte> out(kChunk);
  const double took = timed(Clock::wall, [&] {
    for (std::uint64_t at = 0; at < total; at += kChunk) {
      std::memcpy(bytes.data() + at % window, chunk.data(), kChunk);
      keep(bytes.data());
      std::memcpy(out.data(), bytes.data() + at % window, kChunk);
      keep(out.data());
    }
  });
  return static_cast<double>(total) / took;
}

void b10(const Context& context) {
  const std::uint64_t total = context.scaled(2 * kGiB, 4 * kMiB);
  const auto chunk = random_bytes(kChunk);
  for (const std::uint64_t window : {256 * kKiB, kMiB, 4 * kMiB}) {
    const std::string what = "64 KiB through a window of " + size_text(window);
    const auto ours = [&] { return through_resource(window, total, chunk); };
    report("B10", what, "GB/s", 1e-9,
           interleaved(context, ours, [&] { return through_simple_ring(window, total, chunk); }), "copy under a lock",
           Gate::ratio_at_least(2));
    report("B10", what, "GB/s", 1e-9,
           interleaved(context, ours, [&] { return copied_in_and_out(window, total, chunk); }),
           "one thread copying in and out", Gate::ratio_at_least(0.8));
  }
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, {{"B10", b10}});
}
