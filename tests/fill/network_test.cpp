// The planner and the governor against an imagined network.
#include <tests/fill/virtual_network.h>

#include <cmath>
#include <memory>
#include <utility>

using namespace strandline;
using namespace strandline::testing;
using fill::Policy;

namespace {
constexpr std::uint64_t kMiB = 1 << 20;
}  // namespace

TEST_CASE("fill: everything comes, once, about as fast as the connections allow") {
  VirtualNetwork network({.length = 256 * kMiB});
  network.run_until([&] { return network.complete(); }, 60);
  CHECK(network.complete());
  CHECK(network.sent() == 256 * kMiB);
  CHECK(network.most_running() >= 15);
  CHECK(network.now() < 1.6);  // 0.84 s at 16 x 20 MB/s, and the way to 16 connections
}

TEST_CASE("fill: a large object, whole: as fast as all connections together") {
  VirtualNetwork near({.length = 1024 * kMiB, .round_trip = 0.001});
  near.run_until([&] { return near.complete(); }, 60);
  CHECK(near.now() < 1.03 * 1024 * kMiB / (16 * 20e6));
  VirtualNetwork far({.length = 1024 * kMiB, .round_trip = 0.05});
  far.run_until([&] { return far.complete(); }, 60);
  CHECK(far.now() < 1.2 * 1024 * kMiB / (16 * 20e6));
}

TEST_CASE("fill: no more connections than bring more") {
  VirtualNetwork network({.length = 1024 * kMiB, .server_rate = 40e6});
  double more = 0;  // seconds at which 16 were tried
  double before = 0;
  network.run_until(
      [&] {
        more += network.running() > 8 ? network.now() - before : 0;
        before = network.now();
        return network.complete();
      },
      60);
  CHECK(network.sent() == 1024 * kMiB);
  CHECK(more < 0.5 * network.now());
  CHECK(network.now() < 1.03 * 1024 * kMiB / 40e6);
}

TEST_CASE("fill: one connection is enough to fetch everything") {
  VirtualNetwork network({.length = 64 * kMiB, .connections = 1});
  network.run_until([&] { return network.complete(); }, 60);
  CHECK(network.sent() == 64 * kMiB);
  CHECK(network.now() < 64 * kMiB / 20e6 + 16 * 0.1 + 0.1);
}

TEST_CASE("fill: a reader far ahead gets its bytes after two round trips, whoever else reads") {
  for (const unsigned connections : {2U, 4U, 16U}) {
    CAPTURE(connections);
    VirtualNetwork network({.length = 1024 * kMiB, .connections = connections});
    network.add_reader({.at = 0, .end = 1024 * kMiB});
    network.run_until([] { return false; }, 1.0);
    auto& seeker = network.add_reader({.at = 921 * kMiB, .end = 921 * kMiB + 64 * 1024});
    network.run_until([&] { return seeker.at == seeker.end; }, 5);
    CHECK(seeker.first_wait > 0);
    CHECK(seeker.first_wait <= 2 * 0.05 + 64 * 1024 / 20e6 + 0.02);
    network.run_until([&] { return network.complete(); }, 120);
    CHECK(network.complete());
    CHECK(network.sent() == 1024 * kMiB);
  }
}

TEST_CASE("fill: two who stream, from 0 and from 90 %: each byte is sent once, and neither stands still") {
  fill::Limits limits;
  limits.policy = Policy::window;
  VirtualNetwork network({.length = 256 * kMiB, .limits = limits});
  auto& one = network.add_reader({.at = 0, .end = 256 * kMiB, .rate = 10e6});
  auto& two = network.add_reader({.at = 230 * kMiB, .end = 256 * kMiB, .rate = 10e6});
  network.run_until([&] { return one.at == one.end && two.at == two.end; }, 60);
  CHECK(one.at == one.end);
  CHECK(two.at == two.end);
  CHECK(network.sent() == 256 * kMiB);
  CHECK(network.now() < 256 * kMiB / 10e6 * 1.15);
}

TEST_CASE("fill: on demand only: what is asked for, and no more") {
  fill::Limits limits;
  limits.policy = Policy::demand_only;
  VirtualNetwork network({.limits = limits});
  auto& reader = network.add_reader({.at = 10 * kMiB, .end = 11 * kMiB, .step = kMiB});
  network.run_until([&] { return reader.at == reader.end; }, 5);
  network.run_until([] { return false; }, 1);
  CHECK(network.sent() == kMiB);
  CHECK(network.running() == 0);
}

TEST_CASE("fill: on demand only: a transfer whose reader has gone is ended") {
  fill::Limits limits;
  limits.policy = Policy::demand_only;
  VirtualNetwork network({.connection_rate = 1e6, .limits = limits});
  auto& reader = network.add_reader({.at = 0, .end = 60 * kMiB, .step = 60 * kMiB});
  network.run_until([] { return false; }, 1);
  CHECK(network.running() > 0);
  reader.active = false;
  network.run_until([] { return false; }, 0.2);
  CHECK(network.running() == 0);
}

TEST_CASE("fill: a window: so far ahead of who waits, and no farther") {
  fill::Limits limits;
  limits.policy = Policy::window;
  limits.window = 8 * kMiB;
  VirtualNetwork network({.limits = limits});
  network.add_reader({.at = 0, .end = 64 * kMiB, .step = kMiB, .rate = 1e6});
  network.run_until([] { return false; }, 0.9);  // the first step is there, the next not due
  CHECK(network.available().covers({0, 8 * kMiB}));
  CHECK(network.sent() <= 9 * kMiB);  // the reader stands at 1 MiB
}

TEST_CASE("F57: connections that break every 700 KB: no byte twice") {
  VirtualNetwork network({.length = 64 * kMiB, .drop_after = 700e3});
  network.run_until([&] { return network.complete(); }, 600);
  CHECK(network.complete());
  CHECK(network.sent() == 64 * kMiB);
}

TEST_CASE("fill: transfers that crawl hold nobody up for long: neither the whole nor who waits") {
  VirtualNetwork network({.length = 64 * kMiB, .crawls = 5});
  VirtualNetwork::Reader& reader = network.add_reader({.end = 64 * kMiB, .rate = 5e6});
  network.run_until([&] { return network.complete(); }, 60);
  CHECK(network.complete());
  CHECK(reader.stalled < 1.5);
  CHECK(network.sent() == 64 * kMiB);
  CHECK(network.now() < 5);
}

TEST_CASE("fill: the last pieces are shared out when all but one transfer are done") {
  fill::Limits limits;
  limits.min_subrange = limits.max_subrange = 64 * kMiB;
  VirtualNetwork network({.length = 64 * kMiB, .limits = limits});
  network.run_until([&] { return network.complete(); }, 60);
  CHECK(network.sent() == 64 * kMiB);
  CHECK(network.now() < 64 * kMiB / 20e6 / 3);
}

TEST_CASE("fill: a burst at first, and large pieces, do not keep it from connections that pay") {
  fill::Governor governor(16);
  const fill::Seconds step(0.01);
  unsigned fewest = 16;
  const auto run = [&](double connection_rate, double seconds) {
    double owed = 0;
    for (double at = 0; at < seconds; at += step.count()) {
      const unsigned running = governor.allowed();
      fewest = std::min(fewest, running);
      owed += connection_rate * running * step.count();
      const double piece = std::fmod(at, 0.1) < step.count() ? std::exchange(owed, 0) : 0;  // all at once
      governor.measured(step, static_cast<std::uint64_t>(piece), running, fill::Seconds(0.001));
    }
  };
  run(40e6, 0.2);  // nginx, with limit_rate
  REQUIRE(governor.allowed() == 16);
  fewest = 16;
  run(22e6, 2.5);
  CHECK(fewest == 16);
  run(22e6, 3);  // fewer are tried for a moment
  CHECK(fewest == 8);
  CHECK(governor.allowed() == 16);
  fewest = 16;
  run(22e6, 50);
  CHECK(fewest == 16);
}
