// co_await resource.ready(): how it ends, on which thread, and what becomes of a coroutine that is destroyed.
#include <strandline/async/coroutine.h>
#include <tests/async/coroutine.h>
#include <tests/async/face_cases.h>

using namespace strandline;
using namespace strandline::testing;

namespace {

// As Outcome: how often and with what it was resumed.
using Answer = std::function<void(Result<WaitOutcome>)>;

template <class D>
Coroutine await_ready(Resource<D> resource, ByteRange range, Answer answer) {
  answer(co_await resource.ready(range));
}
template <class D>
Coroutine await_bounded(Resource<D> resource, ByteRange range, WaitOptions options, Answer answer) {
  answer(co_await resource.ready(range, options));
}
template <class Wait>
Coroutine await_on(Wait& wait, Answer answer) {
  answer(co_await wait);
}

// The frame must not keep the resource open, for R5's "the resource goes away".
template <class D>
Coroutine await_unowned(const Resource<D>& resource, ByteRange range, const WaitOptions& options, Answer answer) {
  answer(co_await resource.ready(range, options));
}

struct CoroutineFace {
  template <class D>
  void begin(const Resource<D>& resource, ByteRange range, const WaitOptions& options) {
    coroutine = await_unowned(resource, range, options, outcome.callback());
  }
  [[nodiscard]] std::string answer() const { return coroutine.finished() ? outcome.answer() : "pending"; }
  [[nodiscard]] std::string settle() const {
    coroutine.join();
    return answer();
  }
  Outcome outcome;
  Coroutine coroutine;
};

}  // namespace

STRANDLINE_FACES_INVOKE(CoroutineFace);
TEST_CASE_TEMPLATE_INVOKE(faces_destroyed, CoroutineFace);

TEST_CASE_TEMPLATE("R5: ready() without options, against all that ends it", D, STRANDLINE_BACKENDS) {
  const auto ends = [](ByteRange range, auto&& how) {
    Opened<D> opened;
    Outcome outcome;
    const Coroutine coroutine = await_ready(opened.resource, range, outcome.callback());
    CHECK(outcome.answer() == "pending");
    CHECK(opened.resource.stats().parked == 1);
    how(opened);
    CHECK(coroutine.finished());
    CHECK(opened.resource.stats().parked == 0);
    return outcome.answer();
  };
  CHECK(ends({0, 4}, [](auto& it) { CHECK(it.write({0, 4}) == "4"); }) == "ready");
  CHECK(ends({8, 12}, [](auto& it) { CHECK(says(it.writer.set_length(4)) == "ok"); }) == "eof");
  CHECK(ends({0, 4}, [](auto& it) { (void)it.writer.fail(Error::make(Errc::io)); }) == "!failed");
  CHECK(ends({0, 4}, [](auto& it) { (void)it.writer.abandon(Abandon::stop); }) == "!no_writer");
  CHECK(ends({0, 4}, [](auto& it) { it.resource.cancel(); }) == "!cancelled");
  CHECK(ends({0, 4}, [](auto& it) { it.resource.interrupt(); }) == "interrupted");
  if constexpr (std::is_same_v<D, RingDriver>) {
    CHECK(ends({0, 4}, [](auto& it) { CHECK(it.write({4, kRingCapacity + 8}) == "4096"); }) == "!evicted");
  }
}

TEST_CASE("R5: ready() without options is answered at once where it can be, and nonsense is invalid_range") {
  Opened<MemoryDriver> opened;
  CHECK(opened.write({0, 4}) == "4");
  CHECK(says(opened.writer.set_length(8)) == "ok");
  const auto says_of = [&](ByteRange range) {
    Outcome outcome;
    const Coroutine coroutine = await_ready(opened.resource, range, outcome.callback());
    CHECK(coroutine.finished());
    return outcome.answer();
  };
  CHECK(says_of({0, 4}) == "ready");
  CHECK(says_of({8, 9}) == "eof");
  CHECK(says_of({4, 0}) == "!invalid_range");
  opened.resource.cancel();
  CHECK(says_of({0, 4}) == "!cancelled");
  CHECK(sizeof(Ready) <= sizeof(Waiter) + 2 * sizeof(void*));
}

TEST_CASE("demand: ready() without options is told of, and resumes within the call that brings the bytes or ends all") {
  struct Observer final : DemandObserver {
    std::function<void(ByteRange)> then;
    void on_demand(ByteRange missing) noexcept override { then(missing); }
  };
  const auto body = [](const Resource<MemoryDriver>& resource, Outcome outcome) -> Coroutine {
    auto ready = resource.ready({0, 8});
    outcome.callback()(co_await ready);
  };
  const auto observer = std::make_shared<Observer>();
  auto opened = std::make_unique<Opened<MemoryDriver>>();
  opened->resource.set_demand_observer(observer);
  observer->then = [&](ByteRange missing) { CHECK(opened->write(missing) == "8"); };
  Outcome met;
  const Coroutine first = body(opened->resource, met);
  CHECK(first.finished());
  CHECK(met.answer() == "ready");

  opened = std::make_unique<Opened<MemoryDriver>>();
  opened->resource.set_demand_observer(observer);
  REQUIRE(says(opened->writer.abandon(Abandon::handover)) == "ok");
  const std::weak_ptr<Core> core = opened->resource.handle()->core();
  observer->then = [&](ByteRange) {
    opened.reset();
    CHECK(core.expired());
  };
  Outcome cancelled;
  const Coroutine second = body(opened->resource, cancelled);
  CHECK(second.finished());
  CHECK(cancelled.answer() == "!cancelled");
}

TEST_CASE("R11: resumed on the thread that decides, within its call and outside every lock") {
  Opened<MemoryDriver> opened;
  std::thread::id resumed_on;
  std::string inside;
  const auto body = [&]() -> Coroutine {
    inside += says(co_await opened.resource.ready({0, 4}));
    resumed_on = std::this_thread::get_id();
    inside += " " + opened.write({4, 8}) + " " + says(co_await opened.resource.ready({4, 8}));
    inside += " " + says(opened.writer.commit());
  };
  const Coroutine coroutine = body();
  std::thread::id writer;
  std::thread([&] {
    writer = std::this_thread::get_id();
    CHECK(opened.write({0, 4}) == "4");
    CHECK(coroutine.finished());
  }).join();
  CHECK(resumed_on == writer);
  CHECK(inside == "ready 4 ready ok");
}

TEST_CASE("R11: a suspended coroutine destroyed alone; its neighbours and the resource are as before") {
  Opened<MemoryDriver> opened;
  constexpr std::uint64_t kCount = 64;
  std::vector<Coroutine> coroutines;
  std::vector<Outcome> outcomes(kCount);
  for (std::uint64_t i = 0; i < kCount; ++i) {
    coroutines.push_back(await_ready(opened.resource, {i % 4, 8 + i % 8}, outcomes[i].callback()));
  }
  for (std::uint64_t i = 0; i < kCount; i += 2) {
    coroutines[i].destroy();
    opened.resource.check_invariants();
  }
  CHECK(opened.resource.stats().parked == kCount / 2);
  CHECK(opened.write({0, 16}) == "16");
  for (std::uint64_t i = 0; i < kCount; ++i) {
    CHECK(outcomes[i].answer() == (i % 2 == 0 ? "pending" : "ready"));
  }
}

TEST_CASE("R11: a coroutine destroys others that the same write has decided") {
  Opened<MemoryDriver> opened;
  // Whoever is resumed first destroys all others, which are by then on the writer's list.
  constexpr std::size_t kCount = 5;
  std::vector<Coroutine> coroutines(kCount);
  std::vector<std::size_t> resumed;
  const auto body = [&](std::size_t self, const WaitOptions* options) -> Coroutine {
    if (options != nullptr) {
      CHECK(says(co_await opened.resource.ready({0, 4}, *options)) == "ready");
    } else {
      CHECK(says(co_await opened.resource.ready({0, 4})) == "ready");
    }
    resumed.push_back(self);
    for (std::size_t other = 0; other < kCount; ++other) {
      if (other != self) {
        coroutines[other].destroy();
      }
    }
  };
  const WaitOptions bounded = patiently();
  for (std::size_t i = 0; i < kCount; ++i) {
    coroutines[i] = body(i, i % 2 == 0 ? &bounded : nullptr);
  }
  CHECK(opened.write({0, 4}) == "4");
  CHECK(resumed.size() == 1);
  CHECK(coroutines[resumed.front()].finished());
  CHECK(opened.resource.stats().parked == 0);
}

TEST_CASE("R11: a coroutine that owns the last handle, the writer even, and ends within its own wake-up") {
  std::optional<Opened<MemoryDriver>> opened(std::in_place);
  std::stop_source source;
  Outcome other;
  const Coroutine waiting = await_bounded(opened->resource, {8, 12}, patiently(), other.callback());
  const auto body = [](auto resource, std::stop_token stop) -> Coroutine {
    // A variable, for gcc 12's sake: see async/coroutine.h.
    const WaitOptions options{stop, in_good_time(), WaitFor::all};
    (void)co_await resource.ready({0, 4}, options);
  };
  Coroutine coroutine = body(opened->resource, source.get_token());
  CHECK(says(opened->writer.abandon(Abandon::handover)) == "ok");
  opened.reset();
  (void)source.request_stop();  // decided by the stop itself, in whose call the frame goes
  CHECK(coroutine.finished());
  CHECK(other.answer() == "pending");  // its own frame keeps the resource open
}

TEST_CASE("R11: a coroutine that awaits again at once, in a loop, is resumed once for each piece") {
  Opened<MemoryDriver> opened;
  constexpr std::uint64_t kPieces = 2000;
  std::uint64_t pieces = 0;
  const auto body = [&](bool bounded) -> Coroutine {
    for (std::uint64_t at = 0; at < kPieces; ++at) {
      // Not with ?: around them: gcc 12 destroys the awaitable of the branch that was not taken.
      if (bounded) {
        pieces += says(co_await opened.resource.ready({at, at + 1}, patiently())) == "ready" ? 1 : 0;
      } else {
        pieces += says(co_await opened.resource.ready({at, at + 1})) == "ready" ? 1 : 0;
      }
    }
  };
  const Coroutine first = body(false);
  const Coroutine second = body(true);
  std::thread([&] {
    for (std::uint64_t at = 0; at < kPieces; ++at) {
      (void)opened.write({at, at + 1});
    }
  }).join();
  CHECK(first.finished());
  CHECK(second.finished());
  CHECK(pieces == 2 * kPieces);
  const Coroutine third = body(true);  // and without suspending, without growing the stack
  CHECK(third.finished());
  CHECK(pieces == 3 * kPieces);
}

// From here on threads race. Who destroys a coroutine that others may resume asks withdraw().

TEST_CASE_TEMPLATE("R11: destroyed while a writer resumes: withdraw() says whose the coroutine is", Wait, Ready,
                   BoundedReady) {
  constexpr int kRounds = 500;
  int destroyed = 0;
  std::mt19937_64 random(7);
  for (int round = 0; round < kRounds; ++round) {
    Opened<MemoryDriver> opened;
    std::stop_source source;
    const auto soon = std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 100);
    const auto wait = [&]() -> std::unique_ptr<Wait> {
      if constexpr (std::is_same_v<Wait, Ready>) {
        return std::unique_ptr<Wait>(new Wait(opened.resource.ready({0, 4})));
      } else {
        return std::unique_ptr<Wait>(new Wait(opened.resource.ready({0, 4}, {source.get_token(), soon, {}})));
      }
    }();
    Outcome outcome;
    Coroutine coroutine = await_on(*wait, outcome.callback());
    std::atomic<int> here{0};
    const auto together = [&here] {
      ++here;
      while (here < 2) {
      }
    };
    std::thread ending([&, kind = std::is_same_v<Wait, Ready> ? 0 : round % 2] {
      together();
      if (kind == 0) {
        (void)opened.write({0, 4});
      } else {
        (void)source.request_stop();
      }
    });
    together();
    for (std::uint64_t spins = random() % 3000; spins > 0; --spins) {
      std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    if (wait->withdraw()) {
      coroutine.destroy();
      ++destroyed;
      ending.join();
      CHECK(outcome.answer() == "pending");
    } else {
      coroutine.join();
      ending.join();
      CHECK(outcome.answer() != "pending");
      CHECK(outcome.answer() != "twice");
    }
    CHECK(opened.resource.stats().parked == 0);
  }
  MESSAGE("destroyed in time: " << destroyed << " of " << kRounds);
}

TEST_CASE("R11: destroyed while a writer wakes others") {
  Opened<MemoryDriver> opened;
  constexpr std::uint64_t kRounds = 400;
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> next{0};
  std::thread writing([&] {
    for (std::uint64_t at = 0; at < 4000 && !stop; ++at) {
      (void)opened.write({at, at + 1});
      next = at + 1;
    }
  });
  for (std::uint64_t round = 0; round < kRounds; ++round) {
    // In the group of the next byte, so that the writer moves them about, but satisfied by none of its writes.
    std::vector<Coroutine> coroutines;
    const std::uint64_t begin = next;
    for (std::uint64_t i = 0; i < 8; ++i) {
      const ByteRange range{begin + i, 1000000 + i};
      coroutines.push_back(i % 2 == 0 ? await_ready(opened.resource, range, {})
                                      : await_bounded(opened.resource, range, patiently(), {}));
    }
    coroutines.erase(coroutines.begin() + 3);
  }
  stop = true;
  writing.join();
  CHECK(opened.resource.stats().parked == 0);
  opened.resource.check_invariants();
}

TEST_CASE("R11: destroyed while its deadline is under way: the timer's function waits for the lock meanwhile") {
  Opened<MemoryDriver> opened;
  // Many waits, so that check_invariants() holds the lock for long.
  std::vector<Coroutine> crowd;
  for (std::uint64_t i = 0; i < 3000; ++i) {
    crowd.push_back(await_ready(opened.resource, {1000 + i, 10000 + i}, {}));
  }
  std::atomic<bool> stop{false};
  std::thread holding([&] {
    while (!stop) {
      opened.resource.check_invariants();
    }
  });
  int destroyed = 0;
  constexpr int kRounds = 100;
  for (int round = 0; round < kRounds; ++round) {
    const auto soon = std::chrono::steady_clock::now() + std::chrono::milliseconds(2);
    const auto wait = std::unique_ptr<BoundedReady>(new BoundedReady(opened.resource.ready({0, 4}, {{}, soon, {}})));
    Outcome outcome;
    Coroutine coroutine = await_on(*wait, outcome.callback());
    while (std::chrono::steady_clock::now() < soon) {
    }
    if (wait->withdraw()) {
      coroutine.destroy();
      ++destroyed;
      CHECK(outcome.answer() == "pending");
    } else {
      coroutine.join();
      CHECK(outcome.answer() == "timed_out");
    }
  }
  stop = true;
  holding.join();
  MESSAGE("destroyed in time: " << destroyed << " of " << kRounds);
}
