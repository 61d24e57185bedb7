// What the contract lets run at the same time. ThreadSanitizer makes these tests sharper; they hold without it.
#include <tests/contract/subjects.h>

#include <atomic>
#include <barrier>
#include <random>
#include <thread>

namespace strandline::contract {

namespace {

// The first thing that went wrong on some thread; checked on the main one.
class Verdict {
 public:
  void note(const std::string& answer, ByteRange range) {
    bool first = true;
    if (answer != "ok" && first_.compare_exchange_strong(first, false)) {
      answer_ = answer + " at " + to_string(range);
    }
  }
  [[nodiscard]] const std::string& answer() const { return answer_; }

 private:
  std::atomic<bool> first_{true};
  std::string answer_ = "ok";  // written by the thread that clears first_, read after joining it
};

}  // namespace

TEST_CASE_TEMPLATE_DEFINE("R3: driver write_at: disjoint writes run at the same time", S, writes_together) {
  constexpr std::size_t kThreads = 4;
  S subject;
  const auto driver = opened<typename S::DriverType>(subject.options());
  Verdict verdict;
  {
    std::barrier start(kThreads);
    std::vector<std::jthread> threads;
    for (std::size_t thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        start.arrive_and_wait();
        const auto all = pieces(501);  // so that every page is written by all of them
        for (std::size_t i = thread; i < all.size(); i += kThreads) {
          verdict.note(write(*driver, all[i]), all[i]);
          verdict.note(read(*driver, all[i]), all[i]);
        }
      });
    }
  }
  CHECK(verdict.answer() == "ok");
  CHECK(read(*driver, {0, kRoom}) == "ok");
  CHECK(says(driver->commit(kRoom)) == "ok");
  CHECK(read(*driver, {0, kRoom}) == "ok");
}
STRANDLINE_CONTRACT(writes_together, All);

TEST_CASE_TEMPLATE_DEFINE("R1: driver read_at: runs beside every other call", S, reads_beside) {
  S subject;
  const auto driver = opened<typename S::DriverType>(subject.options());
  // How far the bytes are there. Written by the main thread with release after the driver's write, read with acquire
  // by the readers: what the core's lock does.
  std::atomic<std::uint64_t> ready{0};
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> rounds{0};
  Verdict verdict;
  std::vector<std::jthread> readers;
  for (unsigned seed = 1; seed <= 2; ++seed) {
    readers.emplace_back([&, seed] {
      std::minstd_rand random(seed);
      while (!done.load(std::memory_order_acquire)) {
        const std::uint64_t there = ready.load(std::memory_order_acquire);
        if (there == 0) {
          std::this_thread::yield();
          continue;
        }
        const std::uint64_t begin = random() % there;
        const ByteRange range{begin, std::min<std::uint64_t>(there, begin + 1 + random() % 9'000)};
        verdict.note(read(*driver, range), range);
        if constexpr (Views<S>::value) {
          const auto view = std::as_const(*driver).view(range);
          verdict.note(view ? shows(*view, range) : says(view), range);
        }
        verdict.note(driver->storage_len() > 0 ? "ok" : "no length", range);
        rounds.fetch_add(1, std::memory_order_relaxed);
      }
    });
  }
  // Each step is read beside for a while, so that a reader is sure to have been there.
  const auto read_on = [&] {
    const std::uint64_t enough = rounds.load(std::memory_order_relaxed) + 20;
    while (rounds.load(std::memory_order_relaxed) < enough) {
      std::this_thread::yield();
    }
  };
  std::string steps;
  const auto step = [&](const std::string& answer) {
    steps += answer == "ok" ? "" : answer + "; ";
    read_on();
  };
  for (std::uint64_t end = 0; end < 100'000; end += 1'000) {
    steps += write(*driver, {end, end + 1'000}) == "ok" ? "" : "write; ";
    ready.store(end + 1'000, std::memory_order_release);
  }
  read_on();
  if constexpr (Syncs<S>::value) {
    step(says(driver->sync()));
  }
  step(says(driver->commit(100'000)));
  step(says(driver->reactivate()));
  step(write(*driver, {100'000, kRoom}));
  ready.store(kRoom, std::memory_order_release);
  if constexpr (!Windowed<S>::value) {
    step(write(*driver, {4'000'000, 4'000'100}));  // a memory driver may have to move
  }
  if constexpr (Discards<S>::value && !Windowed<S>::value) {
    driver->discard({4'000'000, 4'000'100});
  }
  step(says(driver->commit(kRoom)));
  if constexpr (Rewrites<S>::value) {
    auto next = driver->rewrite();
    step(says(next));
    if (next) {
      step(write(**next, {0, kRoom}, 2));
      step(says((*next)->commit(kRoom)));
      next->reset();
      read_on();
    }
  }
  done.store(true, std::memory_order_release);
  readers.clear();
  CHECK(steps == "");
  CHECK(verdict.answer() == "ok");
}
STRANDLINE_CONTRACT(reads_beside, All);

TEST_CASE_TEMPLATE_DEFINE("R9: driver rewrite: is written while the old one is written no more, and read", S,
                          generations_together) {
  S subject;
  auto old = committed(subject, 100'000);
  auto next = old->rewrite();
  REQUIRE(says(next) == "ok");
  Verdict verdict;
  {
    std::jthread reader([&] {
      for (const ByteRange piece : pieces(501, 100'000)) {
        verdict.note(read(*old, piece), piece);
      }
      old.reset();  // the resource may let go of it at any time, also while the next is being written
    });
    for (const ByteRange piece : pieces(4'097, 100'000)) {
      REQUIRE(write(**next, piece, 2) == "ok");
    }
    REQUIRE(says((*next)->commit(100'000)) == "ok");
  }
  CHECK(verdict.answer() == "ok");
  CHECK(read(**next, {0, 100'000}, 2) == "ok");
}
STRANDLINE_CONTRACT(generations_together, Rewrites);

}  // namespace strandline::contract
