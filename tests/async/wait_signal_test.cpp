// WaitSignal: readable exactly while there is an outcome to be taken.
#include <strandline/async/wait_signal.h>
#include <tests/async/face_cases.h>

#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

using namespace strandline;
using namespace strandline::testing;

namespace {

bool readable(const WaitSignal& signal, int timeout_ms = 0) {
  pollfd polled{signal.fd(), POLLIN, 0};
  return ::poll(&polled, 1, timeout_ms) == 1;
}

struct SignalFace {
  template <class D>
  void begin(const Resource<D>& resource, ByteRange range, const WaitOptions& options) {
    if (const auto armed = signal.arm(resource, range, options); !armed) {
      CHECK_FALSE(readable(signal));
      CHECK_FALSE(signal.armed());
      taken = says(armed);
    }
  }
  std::string answer() {
    const bool was_readable = readable(signal);
    if (const auto outcome = signal.outcome()) {
      taken = taken == "pending" ? says(*outcome) : "twice";
    } else {
      CHECK_FALSE(was_readable);
    }
    CHECK((!readable(signal) || taken == "pending"));
    return taken;
  }
  std::string settle() {
    if (taken == "pending") {
      CHECK(readable(signal, static_cast<int>(patience().count()) * 1000));
    }
    return answer();
  }
  WaitSignal signal = required(WaitSignal::create());
  std::string taken = "pending";
};

}  // namespace

STRANDLINE_FACES_INVOKE(SignalFace);
TEST_CASE_TEMPLATE_INVOKE(faces_destroyed, SignalFace);

TEST_CASE("R5: a signal is armed once, readable until its outcome is taken, and then armed again") {
  Opened<MemoryDriver> opened;
  WaitSignal signal = required(WaitSignal::create());
  CHECK_FALSE(signal.armed());
  CHECK_FALSE(readable(signal));
  CHECK_FALSE(signal.outcome().has_value());
  CHECK(says(signal.arm(opened.resource, {0, 4})) == "ok");
  CHECK(says(signal.arm(opened.resource, {0, 4})) == "!busy");
  const int fd = signal.fd();
  WaitSignal moved = std::move(signal);  // the wait goes with it
  CHECK(moved.fd() == fd);
  CHECK_FALSE(readable(moved));
  CHECK_FALSE(moved.outcome().has_value());
  CHECK(opened.write({0, 4}) == "4");
  CHECK(readable(moved));
  CHECK(readable(moved));
  CHECK(says(moved.arm(opened.resource, {4, 8})) == "!busy");
  CHECK(says(moved.outcome().value()) == "ready");
  CHECK_FALSE(readable(moved));
  CHECK_FALSE(moved.outcome().has_value());
  CHECK(says(moved.arm(opened.resource, {0, 4})) == "ok");  // there already
  CHECK(readable(moved));
  CHECK(says(moved.outcome().value()) == "ready");
  CHECK(says(moved.arm(opened.resource, {4, 2})) == "!invalid_range");
  CHECK_FALSE(moved.armed());
  CHECK(says(moved.arm(opened.resource, {4, 8})) == "ok");
  opened.resource.cancel();
  CHECK(says(moved.outcome().value()) == "!cancelled");
}

TEST_CASE("R11: disarmed, a signal is not readable, whether its wait had ended or not") {
  Opened<MemoryDriver> opened;
  WaitSignal signal = required(WaitSignal::create());
  signal.disarm();
  CHECK(says(signal.arm(opened.resource, {0, 4})) == "ok");
  signal.disarm();
  CHECK(opened.resource.stats().parked == 0);
  CHECK(opened.write({0, 4}) == "4");
  CHECK_FALSE(readable(signal));
  CHECK(says(signal.arm(opened.resource, {4, 8})) == "ok");
  CHECK(opened.write({4, 8}) == "4");
  CHECK(readable(signal));
  signal.disarm();
  CHECK_FALSE(readable(signal));
  CHECK_FALSE(signal.outcome().has_value());
}

TEST_CASE("R11: disarmed or destroyed while a writer, a stop or a deadline ends the wait") {
  constexpr int kRounds = 500;
  std::mt19937_64 random(11);
  for (int round = 0; round < kRounds; ++round) {
    Opened<MemoryDriver> opened;
    std::stop_source source;
    std::optional<WaitSignal> signal(required(WaitSignal::create()));
    const auto soon = std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 150);
    std::atomic<int> here{0};
    const auto together = [&here] {
      ++here;
      while (here < 2) {
      }
    };
    std::thread ending([&, kind = round % 3] {
      together();
      if (kind == 0) {
        (void)opened.write({0, 4});
      } else if (kind == 1) {
        (void)source.request_stop();
      }
    });
    CHECK(says(signal->arm(opened.resource, {0, 4}, {source.get_token(), soon, {}})) == "ok");
    together();
    for (std::uint64_t spins = random() % 3000; spins > 0; --spins) {
      std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    if (round % 2 == 0) {
      signal.reset();
    } else {
      signal->disarm();
      CHECK_FALSE(readable(*signal));
      CHECK_FALSE(signal->outcome().has_value());
    }
    ending.join();
    CHECK(opened.resource.stats().parked == 0);
  }
}

TEST_CASE("R5: an epoll loop over many signals hears of each wait once, edge-triggered as well") {
  for (const std::uint32_t mode : {std::uint32_t{EPOLLIN}, std::uint32_t{EPOLLIN | EPOLLET}}) {
    Opened<MemoryDriver> opened;
    constexpr std::uint64_t kSignals = 100;
    constexpr std::uint64_t kRounds = 10;  // each signal is armed again for its bytes of the next round
    const int loop = ::epoll_create1(EPOLL_CLOEXEC);
    REQUIRE(loop >= 0);
    std::vector<WaitSignal> signals;
    std::vector<std::uint64_t> heard(kSignals, 0);
    const auto piece = [](std::uint64_t signal, std::uint64_t round) {
      const std::uint64_t begin = (round * kSignals + signal) * 4;
      return ByteRange{begin, begin + 4};
    };
    for (std::uint64_t i = 0; i < kSignals; ++i) {
      signals.push_back(required(WaitSignal::create()));
      epoll_event event{};
      event.events = mode;
      event.data.u64 = i;
      REQUIRE(::epoll_ctl(loop, EPOLL_CTL_ADD, signals[i].fd(), &event) == 0);
      CHECK(says(signals[i].arm(opened.resource, piece(i, 0))) == "ok");
    }
    std::thread writing([&] {
      std::vector<std::uint64_t> order(kSignals * kRounds);
      for (std::uint64_t i = 0; i < order.size(); ++i) {
        order[i] = i;
      }
      std::shuffle(order.begin(), order.end(), std::mt19937_64(3));
      for (const std::uint64_t i : order) {
        (void)opened.write(piece(i % kSignals, i / kSignals));
      }
    });
    for (std::uint64_t left = kSignals * kRounds; left > 0;) {
      epoll_event events[16];
      const int count = ::epoll_wait(loop, events, 16, static_cast<int>(patience().count()) * 1000);
      REQUIRE(count > 0);
      for (int i = 0; i < count; ++i) {
        const std::uint64_t number = events[i].data.u64;
        const auto outcome = signals[number].outcome();
        REQUIRE(outcome.has_value());  // never woken for nothing
        CHECK(says(*outcome) == "ready");
        --left;
        if (++heard[number] < kRounds) {
          CHECK(says(signals[number].arm(opened.resource, piece(number, heard[number]))) == "ok");
        }
      }
    }
    writing.join();
    CHECK(std::all_of(heard.begin(), heard.end(), [](std::uint64_t count) { return count == kRounds; }));
    for (WaitSignal& signal : signals) {
      CHECK_FALSE(readable(signal));
    }
    (void)::close(loop);
  }
}
