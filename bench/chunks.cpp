// B22: many small objects at once, from a server on loopback that takes its time before each answer.
#include <bench/measure.h>
#include <strandline/drivers/memory.h>
#include <strandline/fill/filler.h>
#include <strandline/origin/http/http_origin.h>
#include <tests/support/http/served_object.h>

#include <string>
#include <vector>

namespace {

using namespace strandline;
using namespace strandline::bench;

constexpr std::uint64_t kChunk = 64 << 10;
constexpr unsigned kConnections = 16;

// What a chunk costs in memory while it waits for its turn, and how long all of them take to begin and to come.
void b22(const Context& context) {
  const std::size_t chunks = context.scaled(10'000, 320);
  const std::chrono::milliseconds latency(context.scaled(50, 5));
  const auto object = testing::ServedObject::make({.size = kChunk, .latency = latency});
  const testing::HttpServer server(object->script());
  const std::shared_ptr<origin::HttpOrigin> origin = must(origin::HttpOrigin::open());
  auto filler = must(fill::Filler::create({.connections = kConnections}));
  std::vector<Resource<MemoryDriver>> resources;
  std::vector<fill::Fill> fills;
  resources.reserve(chunks);
  fills.reserve(chunks);

  double begun = 0;
  const double heap = heap_bytes();
  const double took = timed(Clock::wall, [&] {
    begun = timed(Clock::wall, [&] {
      for (std::size_t i = 0; i < chunks; ++i) {
        resources.push_back(must(Resource<MemoryDriver>::open({})));
        fill::FillRequest request;
        request.origin = origin;
        request.key = server.url("/" + std::to_string(i));
        request.target =
            std::make_unique<fill::ResourceTarget<MemoryDriver>>(resources.back(), must(resources.back().writer()));
        fills.push_back(must(filler.fill(std::move(request))));
      }
    });
    const double held = (heap_bytes() - heap) / static_cast<double>(chunks);
    report({"B22", "a chunk that waits for its turn, heap", "B", held, std::nullopt, "", std::nullopt});
    for (const auto& fill : fills) {
      must(fill.wait());
    }
  });
  must(object->sent_bytes() == chunks * kChunk, "each chunk is sent once");
  report({"B22", "to begin one", "us", begun * 1e6 / static_cast<double>(chunks), std::nullopt, "", std::nullopt});
  const double ideal = static_cast<double>(chunks) / kConnections * std::chrono::duration<double>(latency).count();
  report({"B22",
          std::to_string(chunks) + " chunks of 64 KiB, " + std::to_string(latency.count()) + " ms each, 16 connections",
          "s", took, ideal, "the latency alone", Gate::ratio_at_most(1.3)});
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, {{"B22", b22}});
}
