// Several waits that one event ends: woken threads wake others, and some of them may be about to go by themselves.
#include <tests/schedule/scenarios/scenario.h>

#include <iterator>

namespace strandline::schedule {

namespace {

void wake_two() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  spawn("writer", [&] { write(writer, {0, 8}); });
  spawn("one", [&] { wait(resource, {0, 4}, {"ready"}); });
  spawn("two", [&] {
    wait(resource, {2, 8}, {"ready"});
    read(resource, {2, 8});
  });
  join();
  check(resource);
}

// More than ReadyList wakes directly: the first two of these wake the rest.
constexpr const char* kMany[] = {"one", "two", "three", "four", "five", "six"};

void wake_tree() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  for (const char* name : kMany) {
    spawn(name, [&] { wait(resource, {0, 8}, {"ready"}); });
  }
  spawn("writer", [&] { write(writer, {0, 8}); });
  join();
  check(resource);
}

void wake_tree_deadline() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  const Time when = soon();
  for (unsigned i = 0; i < std::size(kMany); ++i) {
    if (i % 2 == 0) {
      spawn(kMany[i], [&] { wait(resource, {0, 8}, {"ready", "timed_out"}, {{}, when, WaitFor::all}); });
    } else {
      spawn(kMany[i], [&] { wait(resource, {0, 8}, {"ready"}); });
    }
  }
  spawn("writer", [&] {
    Scheduler::self().sleep_until(when);
    write(writer, {0, 8});
  });
  join();
  check(resource);
}

void wake_tree_stop() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  const std::stop_source stop;
  for (unsigned i = 0; i < std::size(kMany); ++i) {
    if (i == 1) {
      spawn(kMany[i], [&] { wait(resource, {0, 8}, {"ready", "interrupted"}, {stop.get_token(), {}, WaitFor::all}); });
    } else {
      spawn(kMany[i], [&] { wait(resource, {0, 8}, {"ready"}); });
    }
  }
  spawn("writer", [&] { write(writer, {0, 8}); });
  spawn("stopper", [&] { stop.request_stop(); });
  join();
  check(resource);
}

void wake_tree_cancel() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  for (unsigned i = 0; i < std::size(kMany); ++i) {
    if (i % 3 == 2) {
      spawn(kMany[i], [&] { wait(resource, {4, 12}, {"cancelled"}); });
    } else {
      spawn(kMany[i], [&] { wait(resource, {0, 8}, {"ready", "cancelled"}); });
    }
  }
  spawn("writer", [&] { static_cast<void>(writer.write_at(0, content({0, 8}))); });
  spawn("owner", [&] { resource.cancel(); });
  join();
  check(resource);
}

void wake_waits_again() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  for (const char* name : kMany) {
    spawn(name, [&] {
      wait(resource, {0, 4}, {"ready"});
      wait(resource, {4, 8}, {"ready"});
    });
  }
  spawn("writer", [&] {
    write(writer, {0, 4});
    write(writer, {4, 8});
  });
  join();
  check(resource);
}

void wake_two_lists() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  spawn("low", [&] { wait(resource, {0, 4}, {"ready"}); });
  spawn("both", [&] { wait(resource, {0, 8}, {"ready"}); });
  spawn("high", [&] { wait(resource, {4, 8}, {"ready"}); });
  spawn("writer 1", [&] { write(writer, {0, 4}); });
  spawn("writer 2", [&] { write(writer, {4, 8}); });
  join();
  check(resource);
}

void wake_merging_groups() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  // Both lack byte 0 at first; when [0, 2) has come they lack 2 and 4, and one at 2 has waited for longer.
  spawn("far", [&] { wait(resource, {0, 6}, {"ready"}); });
  spawn("near", [&] { wait(resource, {0, 3}, {"ready"}); });
  spawn("later", [&] { wait(resource, {2, 5}, {"ready"}); });
  spawn("writer", [&] {
    write(writer, {0, 2});
    write(writer, {2, 3});
    write(writer, {4, 6});
    write(writer, {3, 4});
  });
  join();
  check(resource);
}

constexpr Scenario kWakes[] = {
    {"wake_two", "one write ends two waits that overlap", wake_two},
    {"wake_tree", "one write ends six waits, whoever wakes whom", wake_tree},
    {"wake_tree_deadline", "waits that time out in the midst of being woken take no other with them",
     wake_tree_deadline},
    {"wake_tree_stop", "nor does one whose stop comes while it is being woken", wake_tree_stop},
    {"wake_tree_cancel", "a write and cancel() wake overlapping sets of waits, each exactly once", wake_tree_cancel},
    {"wake_waits_again", "a thread that has been woken may wait again while the tree still works", wake_waits_again},
    {"wake_two_lists", "two writes at a time each wake their own waits, and one of them the wait on both",
     wake_two_lists},
    {"wake_merging_groups", "waits that come to lack the same byte are all found when it comes", wake_merging_groups},
};

}  // namespace

std::span<const Scenario> wake_scenarios() {
  return kWakes;
}

}  // namespace strandline::schedule
