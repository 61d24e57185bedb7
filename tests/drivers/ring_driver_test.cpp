// RingDriver: any capacity, every window one span, and a window that only moves forward.
#include <signal.h>
#include <strandline/drivers/ring.h>
#include <sys/resource.h>
#include <tests/drivers/scratch.h>

#include <memory>

namespace strandline {
namespace {

using namespace testing;

static_assert(HasWindow<RingDriver> && HasView<RingDriver> && HasRewrite<RingDriver>);

TEST_CASE("R12: ring: every capacity, written round many times, is one span in place") {
  for (const std::uint64_t capacity : {1U, 2U, 100U, 4095U, 4096U, 4097U, 10'000U, 65'536U}) {
    CAPTURE(capacity);
    RingDriver ring;
    const Result<DriverState> state = ring.open({capacity});
    REQUIRE(state);
    CHECK_FALSE(state->committed);
    CHECK(state->available.empty());
    CHECK(ring.overflow() == Overflow::overwrite);
    CHECK(ring.path().empty());
    const std::uint64_t step = capacity / 3 + 1;
    for (std::uint64_t end = 0; end < 5 * capacity + 9;) {
      REQUIRE(write_range(ring, end, end + std::min(step, capacity)));
      end += std::min(step, capacity);
      const ByteRange window = ring.valid_window(end);
      CHECK(window.end == end);
      CHECK(window.size() == std::min(end, capacity));
      CHECK(holds(ring, window.begin, window.end));
      CHECK(copy_of(ring.view(window).value().bytes) == bytes_for(window.begin, window.size()));
    }
  }
}

TEST_CASE("R12: ring: the window's begin never goes back") {
  RingDriver ring;
  REQUIRE(ring.open({1000, Overflow::block}));
  CHECK(ring.overflow() == Overflow::block);
  std::uint64_t begin = 0;
  for (std::uint64_t end = 0; end < 5000; end += 7) {
    const ByteRange window = ring.valid_window(end);
    CHECK(window.begin >= begin);
    CHECK(window.begin + 1000 >= end);
    begin = window.begin;
  }
  CHECK(ring.valid_window(0) == ByteRange{0, 0});
  CHECK(ring.valid_window(kMaxOffset) == ByteRange{kMaxOffset - 1000, kMaxOffset});
}

TEST_CASE("R12: ring: offsets up to 2^63 - 1") {
  RingDriver ring;
  REQUIRE(ring.open({5000}));
  REQUIRE(write_range(ring, kMaxOffset - 5000, kMaxOffset));
  CHECK(holds(ring, kMaxOffset - 5000, kMaxOffset));
}

TEST_CASE("F26: ring: a write or view larger than the capacity never runs past it") {
  RingDriver ring;
  REQUIRE(ring.open({4096}));
  const Result<std::size_t> written = ring.write_at(0, bytes_for(0, 10'000));
  REQUIRE(written);  // the resource keeps the tail; the driver answers a short write
  CHECK(*written <= 4096);
  CHECK(holds(ring, 0, *written));
  CHECK(code_of(ring.view({0, 4097})) == Errc::invalid_range);
  Bytes out(10'000);
  const Result<std::size_t> got = ring.read_at(0, out);
  REQUIRE(got);
  CHECK(*got <= 4096);
}

TEST_CASE("ring: capacities that make no sense or cannot be had are errors of open") {
  CHECK(code_of(RingDriver().open({0})) == Errc::invalid_argument);
  for (const std::uint64_t capacity :
       {kMaxOffset, std::uint64_t{1} << 62, std::uint64_t{1} << 46, std::uint64_t{1} << 44}) {
    const Errc code = code_of(RingDriver().open({capacity}));
    CHECK((code == Errc::too_large || code == Errc::no_memory));
  }
}

TEST_CASE("F29: ring: out of file descriptors is an error of its own") {
  CHECK(in_child([] {
          RingDriver first;
          CHILD_CHECK(first.open({10'000}));
          struct rlimit limit = {};
          CHILD_CHECK(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
          limit.rlim_cur = 0;
          CHILD_CHECK(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
          CHILD_CHECK(code_of(RingDriver().open({10'000})) == Errc::too_many_files);
          CHILD_CHECK(code_of(first.rewrite()) == Errc::too_many_files);
          CHILD_CHECK(write_range(first, 0, 10'000));  // holds no descriptor itself
          CHILD_CHECK(holds(first, 0, 10'000));
          return 0;
        }) == 0);
}

TEST_CASE("F23: ring: RLIMIT_FSIZE is an error and no signal") {
  CHECK(in_child([] {
          struct rlimit limit = {};
          CHILD_CHECK(::getrlimit(RLIMIT_FSIZE, &limit) == 0);
          limit.rlim_cur = 8192;
          CHILD_CHECK(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
          CHILD_CHECK(code_of(RingDriver().open({10'000})) == Errc::too_large);
          RingDriver fits;
          CHILD_CHECK(fits.open({8192}));
          CHILD_CHECK(write_range(fits, 0, 8192));
          sigset_t signals;
          CHILD_CHECK(::sigpending(&signals) == 0 && ::sigismember(&signals, SIGXFSZ) == 0);
          CHILD_CHECK(::pthread_sigmask(SIG_BLOCK, nullptr, &signals) == 0 && ::sigismember(&signals, SIGXFSZ) == 0);
          return 0;
        }) == 0);
}

TEST_CASE("ring: commit and reactivate keep the bytes, rewrite is a ring of its own, views outlive it") {
  DriverView view;
  {
    RingDriver ring;
    REQUIRE(ring.open({10'000, Overflow::block}));
    REQUIRE(write_range(ring, 0, 15'000 - 5'000));
    REQUIRE(ring.commit(10'000));
    REQUIRE(ring.reactivate());
    CHECK(holds(ring, 0, 10'000));
    auto next = ring.rewrite().value();
    CHECK(next->overflow() == Overflow::block);
    CHECK(next->valid_window(20'000) == ByteRange{10'000, 20'000});
    REQUIRE(write_range(*next, 0, 10'000, 1));
    CHECK(holds(ring, 0, 10'000));
    CHECK(holds(*next, 0, 10'000, 1));
    view = ring.view({9'000, 10'000}).value();
  }
  CHECK(copy_of(view.bytes) == bytes_for(9'000, 1'000));
}

}  // namespace
}  // namespace strandline
