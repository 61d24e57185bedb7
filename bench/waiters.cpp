// B4, B5: what a write costs while others wait for something else.
#include <bench/baseline/simple_resource.h>
#include <bench/support/crowd.h>
#include <bench/support/scene.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

namespace {

using namespace strandline;
using namespace strandline::bench;

enum class Wanted : std::uint8_t {
  elsewhere,  // each waiter a block of its own, far away
  ahead       // each waiter everything from the start to a far end of its own: every write is on its way
};

// Parks so many callbacks on the resource. They end with it.
template <Driver D>
void park_callbacks(const Resource<D>& resource, std::uint64_t count, Wanted wanted) {
  for (std::uint64_t waiter = 0; waiter < count; ++waiter) {
    const std::uint64_t end = kFar + waiter * 8 * kKiB;
    resource.async_wait({wanted == Wanted::ahead ? 0 : end - 4 * kKiB, end}, {}, [](const Result<WaitOutcome>&) {});
  }
  must(resource.stats().parked == count, "a wait on missing bytes did not park");
}

// Appends to a resource with waiters; one batch is so many writes that the clock can tell.
template <class Scene>
class Appender {
 public:
  Appender(Scene& scene, std::span<const std::byte> piece, double batch_seconds) : scene_(scene), piece_(piece) {
    const double once = std::max(append(1), 1e-8);
    batch_ = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(batch_seconds / once), 1, 20000);
  }
  // Seconds of CPU time per write.
  double operator()() { return append(batch_); }

 private:
  double append(std::uint64_t count) {
    const double took = timed(Clock::thread_cpu, [&] {
      for (std::uint64_t write = 0; write < count; ++write, at_ += piece_.size()) {
        must(scene_.writer.write_at(at_, piece_));
      }
    });
    return took / static_cast<double>(count);
  }

  Scene& scene_;
  const std::span<const std::byte> piece_;
  std::uint64_t at_ = 0;
  std::uint64_t batch_ = 1;
};

template <class Scene>
void beside_waiters(const Context& context, Scene& crowded, Scene& lonely, std::uint64_t count, Wanted wanted,
                    std::span<const std::byte> piece, const std::string& what, const Gate& gate) {
  park_callbacks(crowded.resource, count, wanted);
  park_callbacks(lonely.resource, 1, wanted);
  const double batch_seconds = context.quick ? 0.001 : 0.01;
  Appender<Scene> measured(crowded, piece, batch_seconds);
  Appender<Scene> baseline(lonely, piece, batch_seconds);
  report("B4", what, "ns", 1e9, interleaved(context, measured, baseline), "the same with one waiter", gate);
}

// 64 B to memory is little but the search for waiters; 64 KiB to a file is a whole write. All waiters are callbacks,
// which the index treats like threads: 10,000 threads would measure the machine's memory.
void b4(const Context& context) {
  std::vector<std::uint64_t> counts{1, 100, 10000};
  if (!context.quick) {
    counts.insert(counts.end(), {100000, 1000000});
  }
  const auto bytes = random_bytes(64 * kKiB);
  for (const Wanted wanted : {Wanted::elsewhere, Wanted::ahead}) {
    const std::string where = wanted == Wanted::ahead ? " waiters ahead" : " waiters elsewhere";
    for (const std::uint64_t count : counts) {
      const std::string who = std::to_string(count) + where;
      {
        InMemory crowded;
        InMemory lonely;
        beside_waiters(context, crowded, lonely, count, wanted, std::span(bytes).first(64), who + ", 64 B to memory",
                       Gate::ratio_at_most(1.5));
      }
      const ScratchFolder folder(Medium::memory);
      InFile crowded(folder / "crowded");
      InFile lonely(folder / "lonely");
      beside_waiters(context, crowded, lonely, count, wanted, bytes, who + ", 64 KiB to mmap",
                     Gate::ratio_at_most(1.1));
    }
  }
}

constexpr std::uint64_t kPiece = 4 * kKiB;

struct Cost {
  double wall = 0;  // seconds from a write until the one reader that it concerns has its bytes: the median
  double cpu = 0;   // of all threads, whoever was woken and for what: the mean
};

// One more thread reads along with the writer, piece by piece, beside those that sleep on bytes that never come. The
// writer goes on as soon as that one has its bytes, as a download would; in the simple design it then meets the others
// on their way back to sleep.
template <class Wait, class Write>
Cost cost_of_write(std::uint64_t first, std::uint64_t count, Wait&& wait, Write&& write) {
  std::atomic<std::uint64_t> seen{first};
  double start = 0;
  std::vector<double> walls;
  std::jthread reader([&] {
    for (std::uint64_t piece = first; piece < first + count; ++piece) {
      must(wait(ByteRange{piece * kPiece, (piece + 1) * kPiece}) == WaitOutcome::ready, "a wait that was not ready");
      walls.push_back(seconds(Clock::wall) - start);
      seen.store(piece + 1, std::memory_order_release);
      seen.notify_one();
    }
  });
  wait_until_others_sleep();
  const double before = seconds(Clock::process_cpu);
  for (std::uint64_t piece = first; piece < first + count; ++piece) {
    start = seconds(Clock::wall);
    write(piece);
    seen.wait(piece, std::memory_order_acquire);
  }
  // Those whom the last write has woken in vain still cost, until they sleep again; to look whether they do does not.
  const double looking = timed(Clock::thread_cpu, [] { wait_until_others_sleep(); });
  const double cpu = seconds(Clock::process_cpu) - before - looking;
  return {median(std::move(walls)), cpu / static_cast<double>(count)};
}

void b5(const Context& context) {
  const std::size_t threads = context.scaled(1000, 50);
  // Many for ours, because even to ask for the CPU time of so many threads costs as much as several of its writes.
  const std::uint64_t count_ours = context.scaled(500, 20);
  const std::uint64_t count_simple = context.scaled(10, 2);
  const auto bytes = random_bytes(kPiece);
  const auto far_block = [](std::size_t member) {
    const std::uint64_t begin = kFar + member * 2 * kPiece;
    return ByteRange{begin, begin + kPiece};
  };
  InMemory ours;
  const auto simple = must(baseline::SimpleResource::open({}));
  const auto wait_ours = [&](ByteRange range) { return ours.resource.wait_range(range); };
  const auto wait_simple = [&](ByteRange range) { return simple->wait_range(range); };
  const auto write_ours = [&](std::uint64_t piece) { must(ours.writer.write_at(piece * kPiece, bytes)); };
  const auto write_simple = [&](std::uint64_t piece) { must(simple->write_at(piece * kPiece, bytes)); };
  std::vector<double> cpu_ours;
  std::vector<double> cpu_simple;
  Medians wall;
  {
    Crowd at_ours(threads, [&] { ours.resource.cancel(); });
    at_ours.park([&](std::size_t member) { static_cast<void>(wait_ours(far_block(member))); });
    Crowd at_simple(threads, [&] { simple->cancel(); });
    at_simple.park([&](std::size_t member) { static_cast<void>(wait_simple(far_block(member))); });
    std::uint64_t next_ours = 0;
    std::uint64_t next_simple = 0;
    wall = interleaved(
        context,
        [&] {
          const Cost result =
              cost_of_write(std::exchange(next_ours, next_ours + count_ours), count_ours, wait_ours, write_ours);
          cpu_ours.push_back(result.cpu);
          return result.wall;
        },
        [&] {
          const Cost result = cost_of_write(std::exchange(next_simple, next_simple + count_simple), count_simple,
                                            wait_simple, write_simple);
          cpu_simple.push_back(result.cpu);
          return result.wall;
        });
  }
  const std::string who = std::to_string(threads) + " threads elsewhere, one satisfied: ";
  report("B5", who + "until it has its bytes", "us", 1e6, wall, "simple design", Gate::ratio_at_most(1.0 / 500));
  // No gate: the hand-over back to the writer, which is the benchmark's, is part of it on both sides.
  report("B5", who + "CPU of all threads", "us", 1e6, {median(std::move(cpu_ours)), median(std::move(cpu_simple))},
         "simple design", std::nullopt);
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, {{"B4", b4}, {"B5", b5}});
}
