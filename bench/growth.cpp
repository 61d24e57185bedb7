// B17: what ten million writes and as many waits leave behind, besides the data.
#include <bench/support/scene.h>
#include <strandline/drivers/ring.h>

#include <stop_token>

namespace {

using namespace strandline;
using namespace strandline::bench;

constexpr std::uint64_t kPiece = 64;
constexpr std::uint64_t kGroup = 64;  // pieces that are written in a mixed order, so that fragments come and go

// Each piece is waited for before it is written; every fourth wait is stopped instead. Answers the heap's growth after
// the first tenth, in which caches and pools take what they keep. The drivers map the bytes themselves, so that the
// heap holds everything else.
template <class Scene>
double growth(Scene& scene, std::uint64_t count, bool mixed) {
  const auto bytes = random_bytes(kPiece);
  const auto order = shuffled(kGroup);
  std::uint64_t ready = 0;
  std::uint64_t stopped = 0;
  double start = 0;
  for (std::uint64_t index = 0; index < count; ++index) {
    if (index == count / 10) {
      start = heap_bytes();
    }
    const std::uint64_t place = mixed ? index / kGroup * kGroup + order[index % kGroup] : index;
    const std::uint64_t at = place * kPiece;
    std::stop_source source(std::nostopstate);
    WaitOptions options;
    if (index % 4 == 0) {
      source = std::stop_source();
      options.stop = source.get_token();
    }
    scene.resource.async_wait({at, at + kPiece}, options, [&](const Result<WaitOutcome>& outcome) {
      ready += outcome == WaitOutcome::ready;
      stopped += outcome == WaitOutcome::interrupted;
    });
    source.request_stop();
    must(scene.writer.write_at(at, bytes));
  }
  const double grown = heap_bytes() - start;
  must(stopped == (count + 3) / 4 && ready + stopped == count, "a wait ended wrongly");
  must(scene.resource.stats().parked == 0, "a wait is still parked");
  return grown;
}

// One byte for a hundred writes is a leak that shows: an entry per write would be thousands of times that.
void report_growth(const std::string& what, std::uint64_t count, double grown) {
  report(Row{"B17", std::to_string(count) + " writes and waits, " + what, "B/write",
             grown / (0.9 * static_cast<double>(count)), std::nullopt, "", Gate::value_at_most(0.01)});
}

void b17(const Context& context) {
  const std::uint64_t count = context.scaled(10000000, 50000);
  for (const bool mixed : {false, true}) {
    InMemory memory;
    report_growth(mixed ? "memory, 64 B in mixed order" : "memory, 64 B in order", count, growth(memory, count, mixed));
  }
  Filled<RingDriver> ring(RingDriver::Options{kMiB, Overflow::overwrite});
  report_growth("ring of 1 MiB, 64 B in order", count, growth(ring, count, false));
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, {{"B17", b17}});
}
