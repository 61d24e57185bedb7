// WaitIndex against a plain list that asks every wait after every change.
#include <tests/resource/wait_index/counted_waiter.h>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

using namespace strandline;
using strandline::testing::CountedWaiter;

namespace {

// As the owner of a list does, without a lock. Answers how many were woken.
std::uint64_t wake(ReadyList& ready) {
  std::uint64_t count = ready.wake_threads();
  while (Waiter* const waiter = ready.pop_callback()) {
    ReadyList::wake(*waiter);
    ++count;
  }
  return count;
}

// An index, and the same waits in a list, all of them asked after every change.
class Compared {
 public:
  explicit Compared(std::optional<std::uint64_t> capacity) : availability(RangeSet(), std::nullopt, capacity) {}
  ~Compared() {
    for (const auto& waiter : waiters) {
      if (waiter->parked()) {
        index.remove(*waiter);
      }
    }
  }

  void add(ByteRange range, WaitFor until, Urgency urgency = Urgency::reader) {
    if (availability.check(range, until) == Coverage::missing) {
      waiters.push_back(std::make_unique<CountedWaiter>(range, until, Waiter::Wake::thread, urgency));
      index.add(*waiters.back(), availability);
    }
  }
  void publish(ByteRange range) {
    range = range.clamped_to({availability.window_begin(), kMaxOffset});
    if (availability.windowed()) {
      const std::uint64_t begin = availability.window_begin_for(range.end);
      if (begin > availability.window_begin()) {
        RC_ASSERT(availability.evict_before(begin).has_value());
        index.on_evicted(availability, ready);
      }
      range = range.clamped_to({begin, kMaxOffset});
    }
    if (!range.empty()) {
      RC_ASSERT(availability.publish(range).has_value());
      index.on_available(range, availability, ready);
    }
  }
  // Of what is there from the start without a break, everything from `length` on, and all behind it.
  void truncate(std::uint64_t length) {
    length = std::min(length, availability.first_missing({0, kMaxOffset}));
    auto tail = availability.prepare_truncate(length);
    RC_ASSERT(availability.truncate(length, tail).has_value());
    index.on_dropped(availability);
  }
  // Everyone that the bytes decide has been decided, so, and nobody else.
  void compare() {
    wake(ready);
    index.check_invariants(availability);
    std::size_t parked = 0;
    for (const auto& waiter : waiters) {
      const Verdict now = verdict_of(availability.check(waiter->range(), waiter->until()));
      parked += waiter->parked() ? 1 : 0;
      RC_ASSERT(waiter->woken == (waiter->parked() ? 0 : 1));
      RC_ASSERT(waiter->parked() == (waiter->verdict() == Verdict::pending));
      if (waiter->parked()) {
        RC_ASSERT(now == Verdict::pending);
      } else {
        RC_ASSERT((waiter->verdict() == Verdict::ready || waiter->verdict() == Verdict::evicted));
      }
    }
    RC_ASSERT(index.size() == parked);
    compare_demand();
  }
  // What is waited for, found by asking every wait.
  [[nodiscard]] std::vector<Demand> demand() const {
    std::map<std::pair<Urgency, std::uint64_t>, Demand> groups;
    for (const auto& waiter : waiters) {
      if (waiter->parked()) {
        const ByteRange range = availability.clamp(waiter->range());
        const std::uint64_t lacks = availability.first_missing(waiter->range());
        const std::uint64_t enough = waiter->until() == WaitFor::any ? lacks + 1 : range.end;
        Demand& demand =
            groups.try_emplace({waiter->urgency(), lacks}, Demand{{lacks, 0}, {}, waiter->urgency(), kMaxOffset})
                .first->second;
        demand.missing.end = std::max(demand.missing.end, range.end);
        demand.enough = std::min(demand.enough, enough);
      }
    }
    std::vector<Demand> all;
    for (const auto& [key, demand] : groups) {
      all.push_back(demand);
    }
    return all;
  }
  void compare_demand() const {
    const std::vector<Demand> all = demand();
    for (const std::size_t limit : {std::size_t{0}, std::size_t{1}, std::size_t{3}, all.size(), all.size() + 1}) {
      std::vector<Demand> said;
      index.collect_demand(limit, availability, said);
      const std::vector<Demand> first(all.begin(),
                                      all.begin() + static_cast<std::ptrdiff_t>(std::min(limit, all.size())));
      RC_ASSERT(said == first);
    }
  }

  Availability availability;
  WaitIndex index;
  ReadyList ready;
  std::vector<std::unique_ptr<CountedWaiter>> waiters;
};

using Step = std::tuple<int, std::uint64_t, std::uint64_t>;

void run(const std::vector<Step>& steps, std::optional<std::uint64_t> capacity) {
  Compared world(capacity);
  for (const auto& [kind, begin, size] : steps) {
    const ByteRange range{begin, begin + size};
    const Urgency urgency = size % 3 == 0 ? Urgency::background : Urgency::reader;
    if (kind < 4) {
      world.add(range, WaitFor::all, urgency);
    } else if (kind < 6) {
      world.add(range, WaitFor::any, urgency);
    } else if (kind < 9 || capacity) {
      world.publish(range);
    } else {
      world.truncate(range.begin);
    }
    world.compare();
  }
}

rc::Gen<std::vector<Step>> steps() {
  return rc::gen::container<std::vector<Step>>(rc::gen::tuple(
      rc::gen::inRange(0, 10), rc::gen::inRange<std::uint64_t>(0, 40), rc::gen::inRange<std::uint64_t>(1, 12)));
}

}  // namespace

TEST_CASE("R5: a wait is decided by exactly the change that decides it (random programs)") {
  CHECK(rc::check("without a window", [] { run(*steps(), std::nullopt); }));
  CHECK(rc::check("in a window", [] { run(*steps(), 12); }));
}

TEST_CASE("R5: a verdict, once made, stays, whatever becomes of the bytes") {
  Compared world(std::nullopt);
  world.add({0, 4}, WaitFor::all);
  world.publish({0, 4});
  world.truncate(0);
  wake(world.ready);
  CHECK(world.waiters[0]->verdict() == Verdict::ready);
  CHECK(world.waiters[0]->woken == 1);
}

TEST_CASE("R5: waits that lack the same byte and end at different ones") {
  Compared world(std::nullopt);
  for (std::uint64_t end = 1; end <= 8; ++end) {
    world.add({0, end}, WaitFor::all);
  }
  for (std::uint64_t written = 1; written <= 8; ++written) {
    world.publish({written - 1, written});
    world.compare();
    for (std::uint64_t end = 1; end <= 8; ++end) {
      CHECK(world.waiters[end - 1]->parked() == (end > written));
    }
  }
}

TEST_CASE("R5: the last gap in the middle completes a wait") {
  Compared world(std::nullopt);
  world.add({0, 10}, WaitFor::all);
  for (const ByteRange range : {ByteRange{5, 10}, ByteRange{0, 2}, ByteRange{3, 5}}) {
    world.publish(range);
    CHECK(world.waiters[0]->parked());
  }
  world.publish({2, 3});
  CHECK_FALSE(world.waiters[0]->parked());
  world.compare();
}

TEST_CASE("R5: bytes dropped from under a wait must come again") {
  Compared world(std::nullopt);
  world.add({0, 10}, WaitFor::all);
  world.publish({0, 6});
  world.truncate(2);
  world.publish({4, 10});
  CHECK(world.waiters[0]->parked());
  world.publish({2, 4});
  CHECK_FALSE(world.waiters[0]->parked());
  world.compare();
}

TEST_CASE("R4: verdicts stand in the order of precedence") {
  const std::vector<Verdict> order = {Verdict::cancelled,   Verdict::ready,     Verdict::eof,
                                      Verdict::evicted,     Verdict::failed,    Verdict::no_writer,
                                      Verdict::interrupted, Verdict::timed_out, Verdict::pending};
  CHECK(std::is_sorted(order.begin(), order.end()));
  CountedWaiter waiter({0, 1}, WaitFor::all);
  waiter.request_end(Verdict::timed_out);
  waiter.request_end(Verdict::interrupted);
  waiter.request_end(Verdict::timed_out);
  CHECK(waiter.requested_end() == Verdict::interrupted);
}

TEST_CASE("wait index: decide_all ends those the judge names, in their own words") {
  Compared world(std::nullopt);
  world.add({0, 4}, WaitFor::all);
  world.add({8, 12}, WaitFor::any);
  const auto reason = std::make_shared<const Error>(Error::make(Errc::io, "gone"));
  world.index.decide_all(
      [](const Waiter& waiter) { return waiter.range().begin == 8 ? Verdict::failed : Verdict::pending; },
      world.availability, reason, world.ready);
  CHECK(world.index.size() == 1);
  CHECK(wake(world.ready) == 1);
  CHECK(wake(world.ready) == 0);
  CHECK(world.waiters[0]->woken == 0);
  CHECK(world.waiters[1]->woken == 1);
  CHECK(world.waiters[1]->verdict() == Verdict::failed);
  CHECK(world.waiters[1]->reason() == reason);
}

TEST_CASE("ready list: threads may be woken before the callbacks are run, each once") {
  CountedWaiter callback({0, 1}, WaitFor::all, Waiter::Wake::callback);
  CountedWaiter first({0, 1}, WaitFor::all);
  CountedWaiter second({0, 1}, WaitFor::all);
  ReadyList ready;
  ready.push(callback);
  ready.push(first);
  CHECK(ready.wake_threads() == 1);
  CHECK(first.woken == 1);
  CHECK(callback.woken == 0);
  CHECK(ready.wake_threads() == 0);
  ready.push(second);
  CHECK(wake(ready) == 2);
  CHECK(first.woken == 1);
  CHECK(second.woken == 1);
  CHECK(callback.woken == 1);
}

TEST_CASE("ready list: however many threads, each is woken once, by the caller or by one woken before") {
  for (std::size_t count = 0; count <= 70; ++count) {
    CAPTURE(count);
    std::vector<std::unique_ptr<CountedWaiter>> waiters;
    ReadyList ready;
    for (std::size_t i = 0; i < count; ++i) {
      waiters.push_back(std::make_unique<CountedWaiter>(ByteRange{0, 1}, WaitFor::all));
      ready.push(*waiters.back());
    }
    CHECK(ready.wake_threads() == count);
    CHECK(std::all_of(waiters.begin(), waiters.end(), [](const auto& waiter) { return waiter->woken == 1; }));
  }
}

TEST_CASE("ready list: a callback may be withdrawn until it is popped") {
  std::vector<std::unique_ptr<CountedWaiter>> waiters;
  for (unsigned withdrawn = 0; withdrawn < 8; ++withdrawn) {
    waiters.clear();
    ReadyList ready;
    for (int i = 0; i < 3; ++i) {
      waiters.push_back(std::make_unique<CountedWaiter>(ByteRange{0, 1}, WaitFor::all, Waiter::Wake::callback));
      ready.push(*waiters.back());
    }
    CHECK(ready.had_callbacks());
    CHECK_FALSE(ready.had_callbacks());
    for (unsigned i = 0; i < 3; ++i) {
      if ((withdrawn >> i & 1) != 0) {
        CHECK(ReadyList::withdraw(*waiters[i]));
        CHECK_FALSE(ReadyList::withdraw(*waiters[i]));
      }
    }
    wake(ready);
    for (unsigned i = 0; i < 3; ++i) {
      CHECK(waiters[i]->woken == ((withdrawn >> i & 1) != 0 ? 0 : 1));
      CHECK_FALSE(ReadyList::withdraw(*waiters[i]));
    }
  }
}
