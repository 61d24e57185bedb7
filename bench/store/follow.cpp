// B21: how soon a reader in one process has what a writer in another has written.
#include <bench/support/scene.h>
#include <strandline/store/store.h>

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <memory>
#include <utility>

namespace {

using namespace strandline;
using namespace strandline::bench;
using namespace strandline::store;

constexpr std::uint64_t kPiece = 4 * kKiB;
constexpr std::size_t kMostRounds = 4000;

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

// Rounds by turns: a wake by the bare futex, a wake by the store.
void follow(const std::string& path, Shared& shared, std::size_t rounds) {
  auto store = must(Store::open(path));
  auto lease = must(store.acquire("key", {}, {.want_writer = false}));
  set(shared.done, 1);
  for (std::size_t round = 0; round < rounds; ++round) {
    if (round % 2 == 0) {
      wait_for(shared.word, static_cast<std::uint32_t>(round + 1));
    } else {
      const std::uint64_t at = round / 2 * kPiece;
      must(must(lease.resource().wait_range({at, at + kPiece})) == WaitOutcome::ready, "the bytes did not come");
    }
    shared.heard[round] = now();
    set(shared.done, static_cast<std::uint32_t>(round + 2));
  }
}

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
  set(shared.word, UINT32_MAX);
  wait_for(shared.done, 1);
  const auto bytes = random_bytes(kPiece);
  std::vector<double> bare;
  std::vector<double> followed;
  std::vector<double> written;
  for (std::size_t round = 0; round < rounds; ++round) {
    let_park();
    shared.sent[round] = now();
    if (round % 2 == 0) {
      set(shared.word, static_cast<std::uint32_t>(round + 1));
    } else {
      must(lease.writer()->write_at(round / 2 * kPiece, bytes));
      written.push_back(static_cast<double>(now() - shared.sent[round]) * 1e-9);
    }
    wait_for(shared.done, static_cast<std::uint32_t>(round + 2));
    must(shared.failed == 0, "the follower failed");
    const auto took = static_cast<double>(shared.heard[round] - shared.sent[round]);
    (round % 2 == 0 ? bare : followed).push_back(took * 1e-9);
  }
  ::waitpid(child, nullptr, 0);
  ::munmap(memory, sizeof(Shared));
  report("B21", "4 KiB written in one process, waited for in another", "us", 1e6,
         {median(std::move(followed)), median(std::move(bare))}, "a bare futex across processes",
         Gate::ratio_at_most(1.5));
  report({"B21", "of that, the write", "us", median(std::move(written)) * 1e6, std::nullopt, "", std::nullopt});
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, {{"B21", b21}});
}
