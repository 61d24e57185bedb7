// B6, B13: how fast a write wakes who waits for it.
#include <bench/support/crowd.h>
#include <bench/support/scene.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <utility>
#include <vector>

namespace {

using namespace strandline;
using namespace strandline::bench;

// The least that lets one thread wait for another.
class Futex {
 public:
  void wait() noexcept {
    while (word_.load(std::memory_order_acquire) == 0) {
      ::syscall(SYS_futex, &word_, FUTEX_WAIT_PRIVATE, 0, nullptr, nullptr, 0);
    }
  }
  void wake() noexcept {
    word_.store(1, std::memory_order_release);
    ::syscall(SYS_futex, &word_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }
  void reset() noexcept { word_.store(0, std::memory_order_relaxed); }

 private:
  std::atomic<std::uint32_t> word_{0};
  static_assert(sizeof(word_) == sizeof(std::uint32_t));
};

constexpr std::uint64_t kPiece = 64;

// From just before the wake to the first thing the woken thread does: one hand-off, in seconds of wall time.
template <class Wait, class Wake>
double hand_off(Crowd& reader, Wait&& wait, Wake&& wake) {
  double woken = 0;
  reader.park([&](std::size_t) {
    wait();
    woken = seconds(Clock::wall);
  });
  const double start = seconds(Clock::wall);
  wake();
  reader.gather();
  return woken - start;
}

// The two kinds of hand-off take turns with one reader, hand-off by hand-off, so both see the same thread, cores and
// neighbours; interleaved() would let seconds pass in between.
void wake_latency(const Context& context, std::uint64_t idle, double limit) {
  const auto bytes = random_bytes(kPiece);
  InMemory memory;
  for (std::uint64_t waiter = 0; waiter < idle; ++waiter) {
    const std::uint64_t begin = kFar + waiter * 2 * kPiece;
    memory.resource.async_wait({begin, begin + kPiece}, {}, [](const Result<WaitOutcome>&) {});
  }
  Futex futex;
  Crowd reader(1, [&] {
    memory.resource.cancel();
    futex.wake();
  });
  std::uint64_t next = 0;
  const auto by_resource = [&] {
    const ByteRange range{next, next + kPiece};
    next = range.end;
    return hand_off(
        reader, [&] { must(memory.resource.wait_range(range) == WaitOutcome::ready, "a wait that was not ready"); },
        [&] { must(memory.writer.write_at(range.begin, bytes)); });
  };
  const auto by_futex = [&] {
    futex.reset();
    return hand_off(
        reader, [&] { futex.wait(); }, [&] { futex.wake(); });
  };
  std::vector<double> ours;
  std::vector<double> theirs;
  for (std::size_t repetition = 0; repetition < context.repetitions(); ++repetition) {
    std::vector<double> turns_ours;
    std::vector<double> turns_theirs;
    for (std::size_t turn = 0; turn < context.scaled(100, 5); ++turn) {
      turns_ours.push_back(by_resource());
      turns_theirs.push_back(by_futex());
    }
    ours.push_back(median(std::move(turns_ours)));
    theirs.push_back(median(std::move(turns_theirs)));
  }
  report("B6", "one parked reader" + (idle == 0 ? std::string() : ", " + std::to_string(idle) + " idle waiters"), "us",
         1e6, {median(std::move(ours)), median(std::move(theirs))}, "bare futex", Gate::ratio_at_most(limit));
}

void b6(const Context& context) {
  wake_latency(context, 0, 1.25);
  wake_latency(context, context.scaled(100000, 1000), 1.3);
}

struct WriterTime {
  double cpu = 0;
  double wall = 0;
};

// What the waking thread itself spends until it may go on; that all are awake is waited for, not measured.
template <class Wake>
WriterTime writer_time(Crowd& crowd, Wake&& wake) {
  const double wall = seconds(Clock::wall);
  const double cpu = seconds(Clock::thread_cpu);
  wake();
  const WriterTime result{seconds(Clock::thread_cpu) - cpu, seconds(Clock::wall) - wall};
  crowd.gather();
  return result;
}

// Each thread waits for its own 64 B, and one write brings them all.
void b13(const Context& context) {
  const std::size_t threads = context.scaled(1000, 50);
  const auto bytes = random_bytes(threads * kPiece);
  InMemory memory;
  std::vector<Futex> futexes(threads);
  const auto wake_all = [&] {
    for (Futex& futex : futexes) {
      futex.wake();
    }
  };
  Crowd crowd(threads, [&] {
    memory.resource.cancel();
    wake_all();
  });
  std::uint64_t next = 0;
  std::vector<double> wall_ours;
  std::vector<double> wall_theirs;
  const Medians cpu = interleaved(
      context,
      [&] {
        const std::uint64_t begin = std::exchange(next, next + bytes.size());
        crowd.park([&memory, begin](std::size_t member) {
          const std::uint64_t at = begin + member * kPiece;
          must(memory.resource.wait_range({at, at + kPiece}) == WaitOutcome::ready, "a wait that was not ready");
        });
        const WriterTime result = writer_time(crowd, [&] { must(memory.writer.write_at(begin, bytes)); });
        wall_ours.push_back(result.wall);
        return result.cpu;
      },
      [&] {
        for (Futex& futex : futexes) {
          futex.reset();
        }
        crowd.park([&futexes](std::size_t member) { futexes[member].wait(); });
        const WriterTime result = writer_time(crowd, wake_all);
        wall_theirs.push_back(result.wall);
        return result.cpu;
      });
  const std::string who = std::to_string(threads) + " threads satisfied at once: ";
  const std::string baseline = "as many single futex wakes";
  report("B13", who + "writer's CPU time", "us", 1e6, cpu, baseline, Gate::ratio_at_most(1.0 / 50));
  report("B13", who + "writer's wall time", "us", 1e6, {median(std::move(wall_ours)), median(std::move(wall_theirs))},
         baseline, Gate::ratio_at_most(1.0 / 50));
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, {{"B6", b6}, {"B13", b13}});
}
