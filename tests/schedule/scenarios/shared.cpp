// What processes tell each other through shared memory, as far as it is made of atomics: fibers stand for processes.
#include <strandline/store/live/demand_table.h>
#include <strandline/store/live/news.h>
#include <strandline/store/live/notice.h>
#include <tests/schedule/scenarios/scenario.h>

#include <new>
#include <optional>
#include <utility>
#include <vector>

namespace strandline::schedule {

namespace {

using store::DemandTable;
using store::News;
using store::Notice;

constexpr std::uint64_t kTag = 7;

// Anew for every schedule, and never ended, like the memory of a file.
DemandTable& fresh_table() {
  alignas(DemandTable) static std::array<std::byte, sizeof(DemandTable)> memory;
  return *new (memory.data()) DemandTable();
}

// One whose parts belong together, so that a mixture of two shows.
Demand demand_of(std::uint64_t number) {
  return {{number * 1000, number * 1000 + 500},
          Time(std::chrono::hours(number)),
          number % 2 == 0 ? Urgency::reader : Urgency::background,
          number * 1000 + 100};
}
std::uint64_t number_of(const Demand& demand) {
  const std::uint64_t number = demand.missing.begin / 1000;
  expect(demand == demand_of(number), "a demand that nobody has said");
  return number;
}
std::vector<std::uint64_t> numbers(const DemandTable& table, std::uint64_t but, Time now) {
  std::vector<Demand> all;
  table.collect(kTag, but, now, all);
  std::vector<std::uint64_t> said;
  for (const Demand& demand : all) {
    said.push_back(number_of(demand));
  }
  return said;
}

// As LiveFile and the store's thread do it: whoever says something raises the notice and rings if asked to; whoever
// listens reads the bell before it looks, asks to be told, and sleeps on the bell as it was.
void shared_notice() {
  DemandTable& table = fresh_table();
  Notice notice;
  Sync::Atomic<std::uint32_t> bell{0};
  const Time now = Scheduler::self().now();
  const auto say = [&](std::uint64_t owner, std::uint64_t number) {
    expect(table.put(owner, kTag, demand_of(number), now).has_value(), "an empty table is full");
    if (notice.raise()) {
      bell.fetch_add(1);
      Sync::futex_wake(bell);
    }
  };
  spawn("one", [&] { say(1, 1); });
  spawn("two", [&] { say(2, 2); });
  spawn("listener", [&] {
    for (;;) {
      const std::uint32_t before = bell.load();
      std::uint32_t count = 0;
      do {
        count = notice.count();
        if (numbers(table, 3, now).size() == 2) {
          return;
        }
      } while (!notice.ask(count));
      static_cast<void>(Sync::futex_wait(bell, before, Time::max()));
    }
  });
  join();
}

// As Scout, Entry and the store's thread do it: a thread that waits sleeps on the news itself, and the keeper, which
// then does not ask to be told, is asked for when that thread leaves. It leaves after the first of two changes; what
// the second brings, a callback, is the keeper's to run, whoever has found it.
void shared_scout() {
  News news;
  Sync::Atomic<std::uint32_t> bell{0};
  Sync::Atomic<std::uint32_t> written{0};
  Sync::Atomic<bool> scouted{false};
  strandline::Mutex entry;
  std::uint32_t followed = 0;          // News::count(), under the mutex
  std::optional<std::uint32_t> asked;  // likewise
  Sync::Atomic<bool> ended{false};     // the scout's wait, by whoever looks
  const auto ring = [&] {
    bell.fetch_add(1);
    Sync::futex_wake(bell);
  };
  const auto watch_locked = [&] {
    if (asked == followed) {
      return news.count() == followed;
    }
    const bool watched = news.ask(followed);
    asked = watched ? std::optional(followed) : asked;
    return watched;
  };
  spawn("writer", [&] {
    for (int i = 0; i < 2; ++i) {
      written.fetch_add(1);
      const News::Wanted wanted = news.raise();
      if (wanted.by_sleepers) {
        Sync::futex_wake(news.word());
      }
      if (wanted.by_keepers) {
        ring();
      }
    }
  });
  spawn("scout", [&] {
    while (!ended.load()) {
      const std::uint32_t count = news.count();
      if (!entry.try_lock()) {
        ring();
      } else {
        scouted.store(true);
        if (asked) {
          news.take_back(*std::exchange(asked, std::nullopt));
        }
        const std::uint32_t applied = written.load();
        if (applied > 0) {
          ended.store(true);
        }
        followed = applied < 2 ? count : followed;
        entry.unlock();
      }
      const auto value = ended.load() ? std::nullopt : news.ask_to_sleep(count);
      if (value) {
        static_cast<void>(Sync::futex_wait(news.word(), *value, Time::max()));
      }
    }
    scouted.store(false);
    bool watched = false;
    if (entry.try_lock()) {
      watched = watch_locked();
      entry.unlock();
    }
    if (!watched) {
      ring();
    }
  });
  spawn("keeper", [&] {
    for (;;) {
      const std::uint32_t before = bell.load();
      for (bool watched = false; !watched;) {
        {
          MutexLock lock(entry);
          followed = news.count();
          const std::uint32_t applied = written.load();
          if (applied > 0 && !ended.exchange(true)) {
            // In place of the wait's own word: here a thread can sleep on one only.
            static_cast<void>(news.raise());
            Sync::futex_wake(news.word());
          }
          if (applied == 2) {
            return;
          }
        }
        MutexLock lock(entry);
        watched = scouted.load() || watch_locked();
      }
      static_cast<void>(Sync::futex_wait(bell, before, Time::max()));
    }
  });
  join();
}

void shared_slot_whole() {
  DemandTable& table = fresh_table();
  const Time now = Scheduler::self().now();
  const auto owner = [&](std::uint64_t me) {
    return [&, me] {
      const auto slot = table.put(me, kTag, demand_of(2 * me), now);
      expect(slot.has_value(), "there is room for two");
      expect(table.replace(*slot, me, kTag, demand_of(2 * me + 1), now), "a slot was lost to nobody");
      if (me == 2) {
        table.remove(*slot, me);
      }
    };
  };
  spawn("one", owner(1));
  spawn("two", owner(2));
  spawn("reader", [&] {
    for (int i = 0; i < 2; ++i) {
      for (const std::uint64_t number : numbers(table, 9, now)) {
        expect(number >= 2 && number <= 5, "a demand of nobody");
      }
    }
  });
  join();
  expect(numbers(table, 9, now) == std::vector<std::uint64_t>{3}, "not what was said last");
}

// One that is taken for dead, and is not: whoever has its slot by then keeps it, and what stands there is one's own.
void shared_slot_stolen() {
  DemandTable& table = fresh_table();
  const Time now = Scheduler::self().now();
  const Time later = now + 2 * DemandTable::kBelieved;
  const auto first = table.put(1, kTag, demand_of(1), now);
  std::optional<std::size_t> stolen;
  bool kept = false;
  spawn("stopped", [&] { kept = table.replace(*first, 1, kTag, demand_of(3), later); });
  spawn("thief", [&] { stolen = table.put(2, kTag, demand_of(2), later); });
  spawn("reader", [&] {
    for (const std::uint64_t number : numbers(table, 9, later)) {
      expect(number == 2 || number == 3, "what is not believed any more is read");
    }
  });
  join();
  expect(stolen.has_value(), "there is room");
  expect(kept != (*stolen == *first), "both have the slot, or neither");
  if (!kept) {
    table.remove(*first, 1);  // not his any more
  }
  const auto said = numbers(table, 9, later);
  expect(said == (kept ? std::vector<std::uint64_t>{3, 2} : std::vector<std::uint64_t>{2}), "a demand was lost");
}

constexpr Scenario kShared[] = {
    {"shared_notice", "what one process has said, and tells of if asked, is found by one that asks and then sleeps",
     shared_notice},
    {"shared_scout", "what a thread that sleeps on the news does not find any more, the keeper finds that it relieved",
     shared_scout},
    {"shared_slot_whole", "a slot of the table of demand is read as its owner wrote it, or not at all",
     shared_slot_whole},
    {"shared_slot_stolen", "of one taken for dead and the one that takes its slot exactly one has it",
     shared_slot_stolen},
};

}  // namespace

std::span<const Scenario> shared_scenarios() {
  return kShared;
}

}  // namespace strandline::schedule
