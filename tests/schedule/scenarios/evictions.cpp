// Bytes given up under those who read them, wait for them, write them again or commit them.
#include <tests/schedule/scenarios/scenario.h>

namespace strandline::schedule {

namespace {

void evict(const Resource<Memory>& resource, ByteRange range, std::initializer_list<std::string_view> allowed) {
  expect_word(word(resource.evict(range)), allowed, "an eviction");
}

void evict_read() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  write(writer, {0, 8});
  spawn("reader", [&] {
    try_read(resource, {0, 8}, {"not_available"});
    try_read(resource, {4, 8}, {"not_available"});
  });
  spawn("evictor", [&] {
    evict(resource, {2, 6}, {"ok"});
    write(writer, {0, 8});
  });
  join();
  read(resource, {0, 8});
  check(resource);
}

void evict_blocks() {
  auto resource = opened_memory(4 * kBlock);
  auto writer = required(resource.writer());
  write(writer, {1, 3 * kBlock + 1});
  spawn("reader", [&] {
    try_read(resource, {kBlock - 10, 2 * kBlock + 10}, {"not_available"});
    try_read(resource, {2 * kBlock, 3 * kBlock}, {"not_available"});
  });
  spawn("evictor", [&] {
    evict(resource, {kBlock + 5, 2 * kBlock + 5}, {"ok"});
    write(writer, {kBlock, 2 * kBlock + 5});
  });
  join();
  read(resource, {1, 3 * kBlock + 1});
  check(resource);
}

void evict_stays_gone() {
  auto resource = opened_memory(4 * kBlock);
  auto writer = required(resource.writer());
  write(writer, {0, 3 * kBlock});
  spawn("evictor", [&] { evict(resource, {kBlock, 2 * kBlock}, {"ok"}); });
  spawn("reader", [&] {
    bool gone = false;
    for (int i = 0; i < 3; ++i) {
      const bool there = resource.contains({kBlock, kBlock + 1});
      expect(!(gone && there), "bytes that nobody wrote came back");
      gone = gone || !there;
      expect(!gone || try_read(resource, {kBlock - 1, kBlock + 1}, {"not_available"}) == 0, "a read of what is gone");
      expect(resource.contains({2 * kBlock, 3 * kBlock}), "bytes behind an eviction went with it");
    }
  });
  join();
  check(resource);
}

void evict_wait() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  spawn("waiter", [&] { wait(resource, {0, 8}, {"ready"}); });
  spawn("evictor", [&] {
    evict(resource, {1, 3}, {"ok", "busy"});
    write(writer, {0, 8});
  });
  spawn("writer", [&] {
    write(writer, {0, 4});
    evict(resource, {0, 2}, {"ok", "busy"});
    write(writer, {0, 8});
  });
  join();
  check(resource);
}

void evict_write() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  write(writer, {0, 8});
  spawn("writer", [&] { write(writer, {0, 12}); });
  spawn("evictor", [&] { evict(resource, {2, 6}, {"ok", "busy"}); });
  spawn("other", [&] { evict(resource, {4, 8}, {"ok", "busy"}); });
  join();
  write(writer, {0, 12});
  read(resource, {0, 12});
  check(resource);
}

void evict_commit() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  write(writer, {0, 8});
  spawn("writer", [&] { expect_word(word(writer.commit(8)), {"ok", "incomplete"}, "a commit"); });
  spawn("evictor", [&] { evict(resource, {2, 6}, {"ok", "busy"}); });
  spawn("waiter", [&] { wait(resource, {0, 2}, {"ready"}); });
  join();
  const bool committed = resource.status().state == State::committed;
  expect(!committed || resource.contains({0, 8}), "a committed resource lacks bytes");
  check(resource);
}

void evict_rewrite() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  write(writer, {0, 8});
  required(writer.abandon(Abandon::handover));
  spawn("writer", [&] {
    writer = required(resource.reactivate(Reactivate::rewrite));
    write(writer, {0, 8}, 2);
    expect_word(word(writer.commit()), {"ok", "incomplete"}, "a commit");
  });
  spawn("evictor", [&] { evict(resource, {2, 6}, {"ok", "busy"}); });
  spawn("reader", [&] { try_read(resource, {0, 8}, {"not_available", "io"}); });
  join();
  check(resource);
}

void evict_cancel() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  write(writer, {0, 8});
  spawn("evictor", [&] { evict(resource, {2, 6}, {"ok", "cancelled"}); });
  spawn("waiter", [&] { wait(resource, {0, 9}, {"cancelled"}); });
  spawn("owner", [&] { resource.cancel(); });
  join();
  check(resource);
}

constexpr Scenario kEvictions[] = {
    {"evict_read", "a read beside an eviction and a refill brings the right bytes or none", evict_read},
    {"evict_blocks", "nor do reads without the lock bring others", evict_blocks},
    {"evict_stays_gone", "what has been found missing is not found again, and what is behind it stays",
     evict_stays_gone},
    {"evict_wait", "a wait outlives evictions of what it waits for", evict_wait},
    {"evict_write", "an eviction and a write of the same bytes come one after the other", evict_write},
    {"evict_commit", "what is committed is whole, or else incomplete", evict_commit},
    {"evict_rewrite", "an eviction belongs to one generation", evict_rewrite},
    {"evict_cancel", "cancelling beside an eviction ends everything", evict_cancel},
};

}  // namespace

std::span<const Scenario> eviction_scenarios() {
  return kEvictions;
}

}  // namespace strandline::schedule
