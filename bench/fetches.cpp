// B23 and B24: how long a reader waits for a byte of an origin: one far ahead of what is being fetched, and the bytes
// that an origin owes when it has fallen silent. Both from a server on loopback.
#include <bench/measure.h>
#include <strandline/drivers/memory.h>
#include <strandline/fill/filler.h>
#include <strandline/origin/http/http_origin.h>
#include <tests/support/http/served_object.h>

#include <string>

namespace {

using namespace strandline;
using namespace strandline::bench;

constexpr std::uint64_t kMiB = 1 << 20;

// An object that is being fetched, as a whole, until this ends.
class Download {
 public:
  explicit Download(testing::ObjectSettings settings)
      : object_(testing::ServedObject::make(std::move(settings))), server_(object_->script()) {
    fill::FillRequest request;
    request.origin = must(origin::HttpOrigin::open());
    request.key = server_.url("/a");
    request.target = std::make_unique<fill::ResourceTarget<MemoryDriver>>(resource_, must(resource_.writer()));
    fill_ = must(filler_.fill(std::move(request)));
  }
  ~Download() { fill_.stop(); }
  Download(const Download&) = delete;
  Download& operator=(const Download&) = delete;

  [[nodiscard]] const testing::ServedObject& object() const { return *object_; }
  void await_all() { must(fill_.wait()); }
  void await(ByteRange range) { must(must(resource_.wait_range(range)) == WaitOutcome::ready, "the bytes come"); }

 private:
  const std::shared_ptr<testing::ServedObject> object_;
  const testing::HttpServer server_;
  Resource<MemoryDriver> resource_ = must(Resource<MemoryDriver>::open({}));
  fill::Filler filler_ = must(fill::Filler::create());
  fill::Fill fill_;
};

// The first byte of 64 KiB at nine tenths of an object, once the first of it has come.
void b23(const Context& context) {
  const std::uint64_t size = context.scaled(1024, 16) * kMiB;
  const std::chrono::milliseconds latency(50);
  const std::uint64_t there = size / 10 * 9;
  std::vector<double> samples;
  for (std::size_t i = 0; i < context.repetitions(); ++i) {
    Download download({.size = size, .rate = 20'000'000, .latency = latency});
    download.await({0, context.scaled(8 * kMiB, kMiB / 4)});
    samples.push_back(timed(Clock::wall, [&] { download.await({there, there + 1}); }));
    download.await({there, there + 65536});
  }
  constexpr double kAllowed = 2 * 50 + 20;  // two round trips, and 20 ms
  report({"B23", "the first byte at 90 % of " + std::to_string(size / kMiB) + " MiB at 20 MB/s and 50 ms", "ms",
          median(samples) * 1e3, 50, "one round trip", Gate::value_at_most(kAllowed)});
}

// All of 10 MiB, whose origin once sends nothing more in the midst of a body and keeps the connection open.
void b24(const Context& context) {
  for (const std::uint64_t silent_at : {std::uint64_t{700'000}, 8 * kMiB}) {
    std::vector<double> samples;
    for (std::size_t i = 0; i < (context.quick ? 1 : 3); ++i) {
      Download download({.size = 10 * kMiB, .silent_at = silent_at});
      samples.push_back(timed(Clock::wall, [&] { download.await_all(); }));
      must(download.object().was_silent(), "the origin fell silent");
    }
    report({"B24", "10 MiB complete, silent from " + std::to_string(silent_at), "s", median(samples), std::nullopt, "",
            Gate::value_at_most(3)});
  }
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, {{"B23", b23}, {"B24", b24}});
}
