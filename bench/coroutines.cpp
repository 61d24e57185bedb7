// B12: a million suspended coroutines; and what else that waits, or is waited on, weighs.
#include <bench/support/scene.h>
#include <strandline/async/coroutine.h>
#include <strandline/resource/wait_index/blocked_waiter.h>

#include <coroutine>
#include <exception>

namespace {

using namespace strandline;
using namespace strandline::bench;

constexpr std::uint64_t kPiece = 64;

// Starts at once, and frees its frame when it ends: the frame holds what a program needs and no more.
struct Detached {
  struct promise_type {
    Detached get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};

Detached wait_for(const Resource<MemoryDriver>& resource, std::uint64_t begin, std::uint64_t& resumed) {
  const auto outcome = co_await resource.ready({begin, begin + kPiece});
  resumed += outcome == WaitOutcome::ready;
}

// What the heap gives out for each, in bytes. No gate: for planning.
void weights(const Context& context) {
  const std::uint64_t count = context.scaled(10000, 100);
  const auto each = [&](double before) { return (heap_bytes() - before) / static_cast<double>(count); };
  {
    std::vector<Resource<MemoryDriver>> idle;
    idle.reserve(count);
    const double before = heap_bytes();
    for (std::uint64_t resource = 0; resource < count; ++resource) {
      idle.push_back(must(Resource<MemoryDriver>::open({})));
    }
    report(
        Row{"B12", "an idle resource in memory, nothing written", "B", each(before), std::nullopt, "", std::nullopt});
  }
  InMemory memory;
  const double before = heap_bytes();
  for (std::uint64_t waiter = 0; waiter < count; ++waiter) {
    memory.resource.async_wait({waiter * kPiece, waiter * kPiece + kPiece}, {}, [](const Result<WaitOutcome>&) {});
  }
  report(Row{"B12", "a parked callback", "B", each(before), std::nullopt, "", std::nullopt});
  report(Row{"B12", "a blocked thread's waiter, on its stack", "B", sizeof(BlockedWaiter), std::nullopt, "",
             std::nullopt});
}

// Each waits for 64 B of its own; then 1 MiB at a time arrives, so that a write resumes 16,384 of them.
void b12(const Context& context) {
  const std::uint64_t count = context.scaled(1000000, 10000);
  const auto bytes = random_bytes(kMiB);
  std::vector<double> each;
  std::vector<double> resume;
  for (std::size_t repetition = 0; repetition < context.repetitions(); ++repetition) {
    InMemory memory;
    std::uint64_t resumed = 0;
    const double before = heap_bytes();
    for (std::uint64_t waiter = 0; waiter < count; ++waiter) {
      wait_for(memory.resource, waiter * kPiece, resumed);
    }
    must(memory.resource.stats().parked == count, "a coroutine did not suspend");
    each.push_back((heap_bytes() - before) / static_cast<double>(count));
    const double took = timed(Clock::thread_cpu, [&] {
      for (std::uint64_t at = 0; at < count * kPiece; at += bytes.size()) {
        must(memory.writer.write_at(at, bytes));
      }
    });
    must(resumed == count, "a coroutine was not resumed");
    resume.push_back(took / static_cast<double>(count));
  }
  const std::string who = std::to_string(count) + " suspended: ";
  report(Row{"B12", who + "memory each, frame and all", "B", median(std::move(each)), std::nullopt, "",
             Gate::value_at_most(256)});
  report(Row{"B12", who + "to resume one, its share of the write and all", "us", median(std::move(resume)) * 1e6,
             std::nullopt, "", Gate::value_at_most(1.5)});
  weights(context);
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, {{"B12", b12}});
}
