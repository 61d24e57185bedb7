// The cases that every face of a wait must pass: rules R4, R5 and R11 as seen through it.
// A Face has begin(resource, range, options), answer(): "pending", a word, or "twice", and settle(): answer() once it
// is not pending any more. Destroying it while pending withdraws, if kWithdraws.
// Threads: one, beside the timer's. Blocks: settle(). Errors: failed checks. Cost: none. Lifetime: within a test.
#pragma once

#include <strandline/base/deadline_timer.h>
#include <tests/resource/rivals.h>

#include <optional>
#include <random>

namespace strandline::testing {

inline WaitOptions stopped_by(const std::stop_source& source, WaitFor until = WaitFor::all) {
  return {source.get_token(), {}, until};
}
inline WaitOptions within(std::chrono::microseconds time) {
  return {{}, std::chrono::steady_clock::now() + time, WaitFor::all};
}

// Parked on bytes that are missing.
template <class Face, class D>
void park(Face& face, Opened<D>& opened, ByteRange range, const WaitOptions& options = {}) {
  const auto before = opened.resource.stats().parked;
  face.begin(opened.resource, range, options);
  CHECK(face.answer() == "pending");
  CHECK(opened.resource.stats().parked == before + 1);
}

TEST_CASE_TEMPLATE_DEFINE("R5: bytes that are there, an end that is known, and nonsense are answered at once", Face,
                          faces_at_once) {
  Opened<MemoryDriver> opened;
  CHECK(opened.write({0, 8}) == "8");
  CHECK(says(opened.writer.set_length(16)) == "ok");
  const auto says_at_once = [&](ByteRange range, const WaitOptions& options) {
    Face face;
    face.begin(opened.resource, range, options);
    return face.settle();
  };
  CHECK(says_at_once({0, 8}, {}) == "ready");
  CHECK(says_at_once({4, 4}, {}) == "ready");
  CHECK(says_at_once({16, 20}, {}) == "eof");
  CHECK(says_at_once({8, 12}, at_once()) == "timed_out");
  CHECK(says_at_once({0, 12}, at_once(WaitFor::any)) == "ready");
  CHECK(says_at_once({8, 12}, at_once(WaitFor::any)) == "timed_out");
  CHECK(says_at_once({8, 4}, {}) == "!invalid_range");
  CHECK(says_at_once({8, kMaxOffset + 1}, {}) == "!invalid_range");
  CHECK(says_at_once({8, 4}, at_once(WaitFor::any)) == "!invalid_range");
  const ResourceStats stats = opened.resource.stats();
  CHECK(stats.parked == 0);
  CHECK(stats.waits == 0);
  CHECK(stats.wait_hits == 6);  // all but the nonsense
  Opened<RingDriver> ring(ring_of(16));
  CHECK(ring.write({0, 4}) == "4");
  Face all;
  all.begin(ring.resource, {0, 17}, {});
  CHECK(all.settle() == "!invalid_range");  // more than the window holds
  Face any;
  any.begin(ring.resource, {0, 17}, at_once(WaitFor::any));
  CHECK(any.settle() == "ready");
}

TEST_CASE_TEMPLATE_DEFINE("R5: a write ends the waits it satisfies, and no others", Face, faces_write) {
  Opened<MemoryDriver> opened;
  Face first;
  Face second;
  park(first, opened, {0, 4});
  park(second, opened, {0, 8});
  CHECK(opened.write({0, 3}) == "3");
  CHECK(first.answer() == "pending");
  CHECK(opened.write({3, 4}) == "1");
  CHECK(first.settle() == "ready");
  CHECK(second.answer() == "pending");
  CHECK(opened.write({4, 8}) == "4");
  CHECK(second.settle() == "ready");
  CHECK(first.answer() == "ready");
  Face any;
  park(any, opened, {8, 100}, patiently(WaitFor::any));
  CHECK(opened.write({8, 9}) == "1");
  CHECK(any.settle() == "ready");
}

TEST_CASE_TEMPLATE_DEFINE("R5: set_length, commit, fail, cancel, evict, interrupt and the writer's going end waits",
                          Face, faces_ends) {
  const auto ends = [](auto opened, ByteRange range, auto&& how) {
    Face face;
    park(face, *opened, range);
    how(*opened);
    const std::string answer = face.settle();
    CHECK(opened->resource.stats().parked == 0);
    return answer;
  };
  using Memory = Opened<MemoryDriver>;
  const auto memory = [] { return std::make_unique<Memory>(); };
  CHECK(ends(memory(), {8, 12}, [](Memory& it) { CHECK(says(it.writer.set_length(4)) == "ok"); }) == "eof");
  CHECK(ends(memory(), {8, 12}, [](Memory& it) { CHECK(says(it.writer.commit(0)) == "ok"); }) == "eof");
  CHECK(ends(memory(), {8, 12}, [](Memory& it) { (void)it.writer.fail(Error::make(Errc::io)); }) == "!failed");
  CHECK(ends(memory(), {8, 12}, [](Memory& it) { (void)it.writer.abandon(Abandon::stop); }) == "!no_writer");
  CHECK(ends(memory(), {8, 12}, [](Memory& it) { it.writer = {}; }) == "!failed");
  CHECK(ends(memory(), {8, 12}, [](Memory& it) { it.resource.cancel(); }) == "!cancelled");
  CHECK(ends(memory(), {8, 12}, [](Memory& it) { it.resource.interrupt(); }) == "interrupted");
  using Ring = Opened<RingDriver>;
  CHECK(ends(std::make_unique<Ring>(ring_of(16)), {0, 4}, [](Ring& it) {
          CHECK(it.write({4, 40}) == "16");
        }) == "!evicted");
}

TEST_CASE_TEMPLATE_DEFINE("R5: the resource goes away with the wait parked", Face, faces_gone) {
  Face face;
  std::stop_source source;
  {
    Opened<MemoryDriver> opened;
    park(face, opened, {0, 4}, {source.get_token(), in_good_time(), WaitFor::all});
    CHECK(says(opened.writer.abandon(Abandon::handover)) == "ok");
  }
  CHECK(face.settle() == "!cancelled");
  (void)source.request_stop();  // and the token knows nothing of it any more
  CHECK(face.answer() == "!cancelled");
}

TEST_CASE_TEMPLATE_DEFINE("R11: a deadline ends its wait alone, and leaves nothing on the timer", Face,
                          faces_deadline) {
  Opened<MemoryDriver> opened;
  const std::size_t before = DeadlineTimer::instance().scheduled();
  {
    Face soon;
    Face late;
    Face none;
    park(none, opened, {0, 4});
    park(late, opened, {0, 4}, patiently());
    // Before it is parked, or after: the machine may be slow.
    soon.begin(opened.resource, {0, 4}, within(std::chrono::milliseconds(5)));
    CHECK(soon.settle() == "timed_out");
    CHECK(opened.resource.stats().parked == 2);
    CHECK(opened.state() == "active");
    CHECK(DeadlineTimer::instance().scheduled() == before + 1);
    CHECK(opened.write({0, 4}) == "4");
    CHECK(late.settle() == "ready");
    CHECK(none.settle() == "ready");
    CHECK(soon.answer() == "timed_out");
  }
  CHECK(DeadlineTimer::instance().scheduled() == before);
}

TEST_CASE_TEMPLATE_DEFINE("R11: a stop_token, before, during and after", Face, faces_stop) {
  Opened<MemoryDriver> opened;
  std::stop_source source;
  Face during;
  Face other;
  park(during, opened, {0, 4}, stopped_by(source));
  park(other, opened, {0, 4});
  (void)source.request_stop();
  CHECK(during.settle() == "interrupted");
  CHECK(other.answer() == "pending");
  Face before;
  before.begin(opened.resource, {0, 4}, stopped_by(source));
  CHECK(before.settle() == "interrupted");
  Face precedence;  // R4: what is there is ready, stopped or not
  CHECK(opened.write({0, 4}) == "4");
  precedence.begin(opened.resource, {0, 4}, stopped_by(source));
  CHECK(precedence.settle() == "ready");
  CHECK(other.settle() == "ready");
  std::stop_source later;
  Face after;
  park(after, opened, {4, 8}, stopped_by(later));
  CHECK(opened.write({4, 8}) == "4");
  CHECK(after.settle() == "ready");
  (void)later.request_stop();
  CHECK(after.answer() == "ready");
}

TEST_CASE_TEMPLATE_DEFINE("R11: destroyed while it waits, it leaves nothing behind", Face, faces_destroyed) {
  Opened<MemoryDriver> opened;
  const std::size_t before = DeadlineTimer::instance().scheduled();
  std::stop_source source;
  std::optional<Face> first;
  std::optional<Face> second;
  std::optional<Face> third;
  const WaitOptions options{source.get_token(), in_good_time(), WaitFor::all};
  park(first.emplace(), opened, {0, 4}, options);
  park(second.emplace(), opened, {0, 4}, options);
  park(third.emplace(), opened, {0, 8}, options);
  second.reset();
  CHECK(opened.resource.stats().parked == 2);
  CHECK(DeadlineTimer::instance().scheduled() == before + 2);
  opened.resource.check_invariants();
  CHECK(opened.write({0, 4}) == "4");
  CHECK(first->settle() == "ready");
  third.reset();
  CHECK(opened.resource.stats().parked == 0);
  CHECK(DeadlineTimer::instance().scheduled() == before);
  (void)source.request_stop();
  CHECK(opened.write({4, 8}) == "4");
  CHECK(first->answer() == "ready");
}

TEST_CASE_TEMPLATE_DEFINE("demand: a parked wait is told of once, and may be met from within the call", Face,
                          faces_demand) {
  struct Observer final : DemandObserver {
    Opened<MemoryDriver>* opened = nullptr;
    bool writes = false;
    std::string told;
    void on_demand(ByteRange missing) noexcept override {
      const auto all = required(opened->resource.demand(10));
      told += to_string(missing) + (all.back().urgency == Urgency::background ? "b " : " ");
      CHECK(all.back().missing == missing);
      if (writes) {
        CHECK(opened->write(missing) == std::to_string(missing.size()));
      }
    }
  };
  Opened<MemoryDriver> opened;
  const auto observer = std::make_shared<Observer>();
  observer->opened = &opened;
  opened.resource.set_demand_observer(observer);
  CHECK(opened.write({0, 4}) == "4");
  Face there;
  there.begin(opened.resource, {0, 4}, {});
  CHECK(there.settle() == "ready");
  CHECK(observer->told.empty());
  Face parked;
  park(parked, opened, {0, 8}, {{}, {}, WaitFor::all, Urgency::background});
  CHECK(observer->told == "[4, 8)b ");
  observer->writes = true;
  Face met;
  met.begin(opened.resource, {16, 24}, {});
  CHECK(met.settle() == "ready");
  CHECK(observer->told == "[4, 8)b [16, 24) ");
  CHECK(opened.write({4, 8}) == "4");
  CHECK(parked.settle() == "ready");
  CHECK(opened.resource.stats().parked == 0);
  opened.resource.set_demand_observer(nullptr);
}

TEST_CASE_TEMPLATE_DEFINE("R11: exactly once, whichever of write, stop, deadline, interrupt and cancel comes first",
                          Face, faces_race) {
  constexpr std::uint64_t kRounds = 200;
  std::mt19937_64 random(20260303);
  for (std::uint64_t round = 0; round < kRounds; ++round) {
    Opened<MemoryDriver> opened;
    std::stop_source source;
    Rivals rivals(opened, source, random());
    const auto soon = std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 300);
    std::vector<std::unique_ptr<Face>> faces;
    rivals.together();
    for (int i = 0; i < 4; ++i) {
      faces.push_back(std::make_unique<Face>());
      faces.back()->begin(opened.resource, {0, 4}, {source.get_token(), soon, WaitFor::all});
    }
    rivals.join();
    for (auto& face : faces) {
      const std::string answer = face->settle();
      CHECK_MESSAGE(Rivals::may_end(answer), answer);
    }
    CHECK(opened.resource.stats().parked == 0);
  }
}

}  // namespace strandline::testing

#define STRANDLINE_FACES_INVOKE(...)                      \
  TEST_CASE_TEMPLATE_INVOKE(faces_at_once, __VA_ARGS__);  \
  TEST_CASE_TEMPLATE_INVOKE(faces_write, __VA_ARGS__);    \
  TEST_CASE_TEMPLATE_INVOKE(faces_ends, __VA_ARGS__);     \
  TEST_CASE_TEMPLATE_INVOKE(faces_gone, __VA_ARGS__);     \
  TEST_CASE_TEMPLATE_INVOKE(faces_deadline, __VA_ARGS__); \
  TEST_CASE_TEMPLATE_INVOKE(faces_stop, __VA_ARGS__);     \
  TEST_CASE_TEMPLATE_INVOKE(faces_demand, __VA_ARGS__);   \
  TEST_CASE_TEMPLATE_INVOKE(faces_race, __VA_ARGS__)
