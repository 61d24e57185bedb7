// The memory that processes share: who asks is told, once, and nobody else.
#include <strandline/store/live/live_file.h>
#include <tests/store/shared/scene.h>

#include <atomic>
#include <memory>
#include <thread>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

namespace {

struct Both : TwoMappings {
  Signals writer{one, "name"};
  Signals follower{two, "name"};
};

}  // namespace

TEST_CASE("live: a change rings if somebody has asked, and only then") {
  Both both;
  CHECK_FALSE(both.two->alone());
  const std::uint32_t quiet = both.two->bell();
  both.writer.changed();
  CHECK(both.two->bell() == quiet);
  const std::uint32_t changes = both.follower.changes();
  const std::uint32_t news = both.follower.news();
  CHECK(both.follower.watch(news));
  CHECK(both.follower.watch(news));
  CHECK(both.two->bell() == quiet);
  both.writer.changed();
  CHECK(both.two->bell() == quiet + 1);
  CHECK(both.follower.changes() == changes + 1);
  CHECK(both.follower.news() == news + 1);
  // Once: the next change is nobody's business until somebody asks again.
  both.writer.changed();
  CHECK(both.two->bell() == quiet + 1);
  CHECK_FALSE(both.follower.watch(news));
  CHECK_FALSE(both.follower.watch(news + 1));
  CHECK(both.follower.watch(news + 2));
}

TEST_CASE("live: a change wakes who sleeps in another mapping") {
  Both both;
  std::atomic<bool> woken{false};
  const std::uint32_t bell = both.two->bell();
  REQUIRE(both.follower.watch(both.follower.news()));
  std::thread sleeper([&] {
    while (both.two->bell() == bell) {
      both.two->sleep(bell, std::chrono::steady_clock::time_point::max());
    }
    woken = true;
  });
  both.writer.changed();
  sleeper.join();
  CHECK(woken);
  // A bell that has rung, and a time that has come, let nobody sleep.
  both.two->sleep(bell, std::chrono::steady_clock::time_point::max());
  both.two->sleep(both.two->bell(), long_ago());
}

TEST_CASE("live: what is destroyed shows to who has copied") {
  Both both;
  const std::uint32_t before = both.follower.drops();
  CHECK(both.follower.intact(before));
  both.writer.destroying();
  CHECK_FALSE(both.follower.intact(before));
  CHECK(both.follower.intact(both.follower.drops()));
  const Signals nobody;
  nobody.changed();
  nobody.destroying();
  CHECK(nobody.intact(nobody.drops()));
  CHECK(nobody.watch(7));
}

TEST_CASE("live: the count is everybody's, and stays while anybody has it open") {
  Both both;
  both.one->used() = 7;
  CHECK(both.two->used() == 7);
  both.one.reset();
  both.writer = {};
  const auto three = required(LiveFile::open(both.path));
  CHECK_FALSE(three->alone());
  CHECK(three->used() == 7);
}
