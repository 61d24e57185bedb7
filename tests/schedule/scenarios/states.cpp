// Generations, and bytes that are taken away: reads and waits against commits, rewrites and their failures.
#include <tests/schedule/scenarios/scenario.h>

namespace strandline::schedule {

namespace {

Resource<Memory> committed(ByteRange range) {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  write(writer, range);
  required(writer.commit());
  return resource;
}

void rewrite_read() {
  auto resource = committed({0, 8});
  spawn("writer", [&] {
    auto writer = required(resource.reactivate(Reactivate::rewrite));
    write(writer, {0, 8}, 2);
    required(writer.commit());
  });
  spawn("reader", [&] {
    const std::uint64_t first = try_read(resource, {0, 8}, {});
    const std::uint64_t second = try_read(resource, {0, 8}, {});
    expect(first == 1 || first == 2, "a read of a generation that is not");
    expect(second >= first && second <= 2, "a later read brought an older generation");
  });
  join();
  read(resource, {0, 8}, 2);
  check(resource);
}

void rewrite_view() {
  auto resource = committed({0, 8});
  spawn("writer", [&] {
    auto writer = required(resource.reactivate(Reactivate::rewrite));
    write(writer, {0, 8}, 2);
    required(writer.commit());
  });
  spawn("viewer", [&] { view_stays(resource, {0, 8}, {"ok"}); });
  join();
  check(resource);
}

void rewrite_shorter() {
  auto resource = committed({0, 8});
  spawn("writer", [&] {
    auto writer = required(resource.reactivate(Reactivate::rewrite));
    write(writer, {0, 4}, 2);
    required(writer.commit());
  });
  spawn("reader", [&] {
    std::size_t count = 0;
    const std::uint64_t generation = try_read(resource, {0, 8}, {}, &count);
    expect(count == (generation == 1 ? 8 : 4), "the bytes of one generation and the length of another");
  });
  spawn("waiter", [&] { wait(resource, {4, 8}, {"ready", "eof"}); });
  join();
  check(resource);
}

void rewrite_given_up() {
  auto resource = committed({0, 8});
  spawn("writer", [&] {
    auto writer = required(resource.reactivate(Reactivate::rewrite));
    write(writer, {0, 8}, 2);
  });
  spawn("reader", [&] {
    read(resource, {0, 8}, 1);
    wait(resource, {0, 8}, {"ready"});
    read(resource, {0, 8}, 1);
  });
  join();
  read(resource, {0, 8}, 1);
  check(resource);
}

void rewrite_uncommitted() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  write(writer, {0, 4});
  required(writer.abandon(Abandon::handover));
  spawn("writer", [&] {
    auto next = required(resource.reactivate(Reactivate::rewrite));
    write(next, {0, 8}, 2);
    required(next.abandon(Abandon::handover));
  });
  spawn("reader", [&] {
    const std::uint64_t first = try_read(resource, {0, 4}, {"not_available"});
    const std::uint64_t second = try_read(resource, {0, 4}, {"not_available"});
    expect(first != 2 || second == 2, "a later read brought an older generation");
  });
  spawn("waiter", [&] {
    wait(resource, {0, 8}, {"ready"});
    read(resource, {0, 8}, 2);
  });
  join();
  check(resource);
}

void rewrite_twice() {
  auto resource = committed({0, 8});
  spawn("writer", [&] {
    for (std::uint64_t generation = 2; generation <= 3; ++generation) {
      auto writer = required(resource.reactivate(Reactivate::rewrite));
      write(writer, {0, 8}, generation);
      required(writer.commit());
    }
  });
  spawn("reader", [&] {
    std::uint64_t last = 1;
    for (int i = 0; i < 3; ++i) {
      const std::uint64_t generation = try_read(resource, {0, 8}, {});
      expect(generation >= last, "a later read brought an older generation, or a mixture");
      last = generation;
    }
  });
  join();
  read(resource, {0, 8}, 3);
  check(resource);
}

void commit_below_read() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  write(writer, {0, 8});
  spawn("writer", [&] { required(writer.commit(4)); });
  spawn("reader", [&] {
    std::size_t count = 0;
    const std::uint64_t generation = try_read(resource, {0, 8}, {"not_available"}, &count);
    expect(generation == 0 || count == 8 || count == 4, "a read of neither length");
    read(resource, {0, 4});
  });
  spawn("waiter", [&] { wait(resource, {4, 8}, {"ready", "eof"}); });
  join();
  wait(resource, {4, 8}, {"eof"});
  check(resource);
}

void commit_below_page() {
  // The driver gives back the second page, which then reads as zeros.
  constexpr std::uint64_t kPage = 4096;
  auto resource = opened_memory(2 * kPage);
  auto writer = required(resource.writer());
  write(writer, {0, 2 * kPage});
  spawn("writer", [&] { required(writer.commit(kPage)); });
  spawn("reader", [&] {
    try_read(resource, {kPage - 8, kPage + 8}, {"not_available"});
    try_read(resource, {kPage + 8, kPage + 16}, {"not_available"});
  });
  join();
  read(resource, {kPage - 8, kPage});
  check(resource);
}

void commit_below_resume() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  write(writer, {0, 8});
  spawn("writer", [&] { commit_below_and_resume(resource, writer); });
  spawn("reader", [&] {
    std::size_t count = 0;
    const std::uint64_t generation = try_read(resource, {4, 8}, {"not_available"}, &count);
    const std::uint64_t later = try_read(resource, {4, 8}, {"not_available"}, &count);
    expect(generation != 2 || later == 2, "bytes that had been dropped came back");
  });
  spawn("waiter", [&] { wait(resource, {4, 8}, {"ready", "eof"}); });
  join();
  read(resource, {4, 8}, 2);
  check(resource);
}

void commit_below_view() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  write(writer, {0, 8});
  spawn("writer", [&] { commit_below_and_resume(resource, writer); });
  spawn("viewer", [&] { view_stays(resource, {4, 8}, {"ok", "not_available"}); });
  join();
  check(resource);
}

void fail_during_rewrite_read() {
  auto resource = committed({0, 8});
  auto writer = required(resource.reactivate(Reactivate::rewrite));
  spawn("writer", [&] {
    write(writer, {0, 4}, 2);
    required(writer.fail(Error{Errc::io, {}, ""}));
    auto next = required(resource.reactivate(Reactivate::rewrite));
    write(next, {0, 8}, 3);
    required(next.commit());
  });
  spawn("reader", [&] {
    const std::uint64_t first = try_read(resource, {0, 8}, {});
    expect(first == 1 || first == 3, "a read of a generation that was given up");
  });
  join();
  read(resource, {0, 8}, 3);
  check(resource);
}

void close_read() {
  auto resource = std::make_shared<Resource<Memory>>(committed({0, 8}));
  auto view = required(resource->view({0, 8}));
  spawn("owner", [&, mine = resource]() mutable { mine.reset(); });
  spawn("reader", [&, mine = std::exchange(resource, nullptr)]() mutable {
    read(*mine, {0, 8});
    mine.reset();
  });
  join();
  expect(generation_of(0, view.bytes()) == 1, "a view did not outlive its resource");
}

void cancel_read() {
  auto resource = committed({0, 8});
  spawn("owner", [&] { resource.cancel(); });
  spawn("reader", [&] {
    const std::uint64_t first = try_read(resource, {0, 8}, {"cancelled"});
    const std::uint64_t second = try_read(resource, {0, 8}, {"cancelled"});
    expect(first != 0 || second == 0, "a read after cancel()");
  });
  join();
  expect(!resource.contains({0, 1}), "contains() after cancel()");
  check(resource);
}

constexpr Scenario kStates[] = {
    {"rewrite_read", "a read without a lock sees the old generation or the new, whole, and no old one later",
     rewrite_read},
    {"rewrite_view", "a view of the old generation stays as it is when the new one commits", rewrite_view},
    {"rewrite_shorter", "bytes and length are always those of one generation", rewrite_shorter},
    {"rewrite_given_up", "a rewrite that is given up leaves the old generation readable throughout", rewrite_given_up},
    {"rewrite_uncommitted", "a rewrite of what was not committed takes its bytes away and mixes none",
     rewrite_uncommitted},
    {"rewrite_twice", "readers on two generations before: nothing they use is freed under them", rewrite_twice},
    {"rewrite_after_failed_one", "bytes of a rewrite that failed are never seen", fail_during_rewrite_read},
    {"commit_below_read", "a commit below the bytes takes them from readers before the driver does", commit_below_read},
    {"commit_below_page", "nor does a read bring what the driver makes of bytes that it has dropped",
     commit_below_page},
    {"commit_below_resume", "bytes dropped by a commit and written anew are old or new, not both", commit_below_resume},
    {"commit_below_view", "a view of dropped bytes keeps them while others are written in their place",
     commit_below_view},
    {"close_read", "the last handle goes while another reads; a view outlives both", close_read},
    {"cancel_read", "no read brings bytes once one has been refused with cancelled", cancel_read},
};

}  // namespace

std::span<const Scenario> state_scenarios() {
  return kStates;
}

}  // namespace strandline::schedule
