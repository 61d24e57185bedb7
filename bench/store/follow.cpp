// B21: how soon a reader in one process has what a writer in another has written: beside a file and a futex, which is
// what two processes have without a store, and beside the futex alone.
#include <bench/support/scene.h>
#include <strandline/store/store.h>

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <climits>
#include <memory>
#include <utility>

namespace {

using namespace strandline;
using namespace strandline::bench;
using namespace strandline::store;

constexpr std::uint64_t kPiece = 4 * kKiB;
constexpr std::size_t kMostRounds = 6000;

// What both processes see.
struct Shared {
  std::atomic<std::uint32_t> word;  // the bare futex: the round that has begun
  std::atomic<std::uint32_t> done;  // how many wakes the follower has had
  std::atomic<std::uint32_t> failed;
  std::uint64_t sent[kMostRounds];   // nanoseconds
  std::uint64_t heard[kMostRounds];  // likewise
};

std::uint64_t now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1000000000 + static_cast<std::uint64_t>(time.tv_nsec);
}

void wait_for(std::atomic<std::uint32_t>& word, std::uint32_t value) {
  for (std::uint32_t seen = word.load(); seen != value; seen = word.load()) {
    ::syscall(SYS_futex, &word, FUTEX_WAIT, seen, nullptr, nullptr, 0);
  }
}
void set(std::atomic<std::uint32_t>& word, std::uint32_t value) {
  word.store(value);
  ::syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}
// Both sleep on it by then.
void let_park() {
  const timespec nap{0, 300000};
  ::nanosleep(&nap, nullptr);
}

// Rounds by turns: nothing written, and a bare futex; pwrite(2) to a file, and the futex; written to an entry that
// nobody follows, and the futex; written to the entry that is waited for.
enum class Way : std::uint8_t { futex, file, apart, store };
constexpr std::size_t kWays = 4;
Way way_of(std::size_t round) {
  return static_cast<Way>(round % kWays);
}

void follow(const std::string& path, Shared& shared, std::size_t rounds) {
  auto store = must(Store::open(path));
  auto lease = must(store.acquire("key", {}, {.want_writer = false}));
  set(shared.done, 1);
  for (std::size_t round = 0; round < rounds; ++round) {
    if (way_of(round) != Way::store) {
      wait_for(shared.word, static_cast<std::uint32_t>(round + 1));
    } else {
      const std::uint64_t at = round / kWays * kPiece;
      must(must(lease.resource().wait_range({at, at + kPiece})) == WaitOutcome::ready, "the bytes did not come");
    }
    shared.heard[round] = now();
    set(shared.done, static_cast<std::uint32_t>(round + 2));
  }
}

// Of one way, in seconds.
struct Times {
  std::vector<double>
      written;  // until what is written stands there: with a waiter to be woken, until the writer goes on
  std::vector<double> waited;  // until the other process has it
};

void b21(const Context& context) {
  const ScratchFolder folder(Medium::disk);
  const std::string path = folder / "store";
  const std::size_t rounds = context.scaled(kMostRounds, 20);
  void* const memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  must(memory != MAP_FAILED, "mmap");
  Shared& shared = *static_cast<Shared*>(memory);
  // The follower is made before this process opens the store, and opens it for itself.
  const ::pid_t child = ::fork();
  must(child >= 0, "fork");
  if (child == 0) {
    try {
      wait_for(shared.word, UINT32_MAX);
      follow(path, shared, rounds);
    } catch (const std::exception& error) {
      std::fputs(error.what(), stderr);
      shared.failed = 1;
      set(shared.done, UINT32_MAX);
    }
    ::_exit(0);
  }
  auto store = must(Store::open(path));
  auto lease = must(store.acquire("key"));
  auto apart = must(store.acquire("apart"));
  set(shared.word, UINT32_MAX);
  wait_for(shared.done, 1);
  const auto bytes = random_bytes(kPiece);
  const int file = ::open((folder / "file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  must(file >= 0, "open");
  std::array<Times, kWays> times;
  for (std::size_t round = 0; round < rounds; ++round) {
    let_park();
    const Way way = way_of(round);
    const std::uint64_t at = round / kWays * kPiece;
    shared.sent[round] = now();
    if (way == Way::file) {
      must(::pwrite(file, bytes.data(), kPiece, static_cast<off_t>(at)) == kPiece, "pwrite");
    } else if (way != Way::futex) {
      must((way == Way::store ? lease : apart).writer()->write_at(at, bytes));
    }
    const std::uint64_t written = now();
    if (way != Way::store) {
      set(shared.word, static_cast<std::uint32_t>(round + 1));
    }
    wait_for(shared.done, static_cast<std::uint32_t>(round + 2));
    must(shared.failed == 0, "the follower failed");
    const auto from_to = [](std::uint64_t from, std::uint64_t to) {
      return (static_cast<double>(to) - static_cast<double>(from)) * 1e-9;
    };
    Times& of_way = times.at(round % kWays);
    of_way.written.push_back(from_to(shared.sent[round], written));
    of_way.waited.push_back(from_to(shared.sent[round], shared.heard[round]));
  }
  ::waitpid(child, nullptr, 0);
  ::munmap(memory, sizeof(Shared));
  ::close(file);
  const auto of = [&](Way way, std::vector<double> Times::*what) {
    return median(times.at(static_cast<std::size_t>(way)).*what);
  };
  const double all = of(Way::store, &Times::waited);
  const double write = of(Way::apart, &Times::written);
  report("B21", "4 KiB written in one process, waited for in another", "us", 1e6, {all, of(Way::file, &Times::waited)},
         "pwrite(2) of them and a bare futex", {});
  report("B21", "the same", "us", 1e6, {all, of(Way::apart, &Times::waited)},
         "the same write where nobody follows, and a bare futex behind it", Gate::ratio_at_most(1.5));
  report("B21", "the same", "us", 1e6, {all, of(Way::futex, &Times::waited)}, "a bare futex, and nothing written", {});
  report("B21", "of that, the write", "us", 1e6, {write, of(Way::file, &Times::written)}, "pwrite(2)", {});
  report(
      {"B21", "until the writer goes on", "us", of(Way::store, &Times::written) * 1e6, std::nullopt, "", std::nullopt});
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, {{"B21", b21}});
}
