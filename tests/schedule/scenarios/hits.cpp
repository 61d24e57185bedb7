// Questions and reads that take no lock, against the publication of what they find.
#include <tests/schedule/scenarios/scenario.h>

namespace strandline::schedule {

namespace {

// If contains() says yes, a read finds the bytes, and goes on finding them.
template <class D>
void look(const Resource<D>& resource, ByteRange range) {
  const bool there = resource.contains(range);
  const std::uint64_t generation = there ? try_read(resource, range, {}) : try_read(resource, range, {"not_available"});
  expect(generation <= 1 && (!there || generation == 1), "contains() and read_at() disagree");
  expect(generation == 0 || resource.contains(range), "bytes went away");
}

void hit_small() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  spawn("writer", [&] {
    write(writer, {0, 3});
    write(writer, {3, 8});
  });
  spawn("reader", [&] {
    look(resource, {0, 3});
    look(resource, {2, 8});
  });
  spawn("other", [&] { look(resource, {0, 8}); });
  join();
  look(resource, {0, 8});
  check(resource);
}

void hit_ragged() {
  auto resource = opened_memory(3 * kBlock);
  auto writer = required(resource.writer());
  spawn("writer", [&] {
    write(writer, {kBlock - 5, kBlock + 5});
    write(writer, {0, kBlock - 5});
  });
  spawn("reader", [&] {
    look(resource, {kBlock - 3, kBlock + 3});
    look(resource, {kBlock - 8, kBlock});
  });
  join();
  look(resource, {0, kBlock + 5});
  check(resource);
}

void hit_block() {
  auto resource = opened_memory(3 * kBlock);
  auto writer = required(resource.writer());
  spawn("writer 1", [&] { write(writer, {kBlock, kBlock + 100}); });
  spawn("writer 2", [&] { write(writer, {kBlock + 100, 2 * kBlock}); });
  spawn("reader", [&] {
    look(resource, {kBlock + 90, kBlock + 110});
    look(resource, {kBlock, 2 * kBlock});
  });
  join();
  look(resource, {kBlock, 2 * kBlock});
  expect(!resource.contains({kBlock - 1, kBlock + 1}), "a byte that was never written is there");
  check(resource);
}

void hit_watermark() {
  auto resource = opened_memory(3 * kBlock);
  auto writer = required(resource.writer());
  spawn("writer 1", [&] { write(writer, {kBlock, 2 * kBlock}); });
  spawn("writer 2", [&] { write(writer, {0, kBlock}); });
  spawn("reader", [&] {
    look(resource, {kBlock - 4, kBlock + 4});
    wait(resource, {0, 2 * kBlock}, {"ready"});
    look(resource, {kBlock - 4, kBlock + 4});
  });
  join();
  check(resource);
}

void hit_gap() {
  auto resource = opened_memory(4 * kBlock);
  auto writer = required(resource.writer());
  spawn("writer", [&] {
    write(writer, {2 * kBlock, 3 * kBlock});
    write(writer, {0, kBlock});
  });
  spawn("reader", [&] {
    expect(!resource.contains({kBlock, kBlock + 1}), "a byte that was never written is there");
    try_read(resource, {kBlock - 1, kBlock + 1}, {"not_available"});
    expect(!resource.contains({0, 3 * kBlock}), "a range with a gap is there");
    look(resource, {2 * kBlock, 2 * kBlock + 8});
  });
  join();
  expect(resource.next_gap(0) == ByteRange{kBlock, 2 * kBlock}, "another gap");
  check(resource);
}

void hit_commit() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  write(writer, {0, 4});
  spawn("writer", [&] {
    write(writer, {4, 6});
    required(writer.commit());
  });
  spawn("reader", [&] {
    // Once the end is known it stays.
    std::size_t count = 0;
    const auto length = resource.length();
    try_read(resource, {2, 8}, {"not_available"}, &count);
    expect(count == 0 || count == 4, "a read that is not clamped");
    expect(!length || count == 4, "a length that is known and then is not");
    read(resource, {0, 4});
  });
  join();
  check(resource);
}

void hit_after_wait() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  bool announced = false;
  spawn("writer", [&] {
    write(writer, {0, 4});
    announced = true;
  });
  spawn("reader", [&] {
    const bool must = announced;  // as if another thread had told us
    expect(resource.contains({0, 4}) || !must, "a write that has returned is not seen");
    wait(resource, {0, 4}, {"ready"});
    read(resource, {0, 4});
    expect(resource.contains({0, 4}), "a wait was ready and the bytes are not there");
  });
  join();
  check(resource);
}

// What contains() says of a new and longer generation, a read that follows finds.
void hit_new_generation() {
  auto resource = opened_memory();
  auto first = required(resource.writer());
  write(first, {0, 4});
  required(first.commit());
  auto writer = required(resource.reactivate(Reactivate::rewrite));
  write(writer, {0, 8}, 2);
  spawn("writer", [&] { required(writer.commit()); });
  spawn("reader", [&] {
    wait(resource, {4, 8}, {"ready", "eof"});
    if (resource.contains({4, 8})) {
      std::size_t count = 0;
      const std::uint64_t generation = try_read(resource, {0, 8}, {}, &count);
      expect(count == 8 && generation == 2, "the old generation after the new one had been seen");
    }
  });
  join();
  check(resource);
}

void hit_shorter_generation() {
  auto resource = opened_memory();
  auto first = required(resource.writer());
  write(first, {0, 8});
  required(first.commit());
  auto writer = required(resource.reactivate(Reactivate::rewrite));
  write(writer, {0, 4}, 2);
  spawn("writer", [&] { required(writer.commit()); });
  spawn("reader", [&] {
    const bool shorter = !resource.contains({4, 8});
    std::size_t count = 0;
    const std::uint64_t generation = try_read(resource, {0, 8}, {}, &count);
    expect(!shorter || generation == 2, "the old generation after the new one had been seen");
    expect(count == (generation == 1 ? 8U : 4U), "the bytes of one generation and the length of another");
  });
  join();
  check(resource);
}

// Two blocks in neighbouring words of the map: the second comes after the first has been dropped.
void hit_never_both() {
  constexpr std::uint64_t kWord = 64 * kBlock;
  auto resource = opened_memory(2 * kWord);
  auto writer = required(resource.writer());
  write(writer, {0, 1});
  required(writer.write_at(kWord - kBlock, content({0, kBlock})));
  spawn("writer", [&] {
    required(writer.commit(1));
    auto next = required(resource.reactivate(Reactivate::resume));
    required(next.write_at(kWord, content({0, kBlock})));
    required(next.abandon(Abandon::handover));
  });
  spawn("reader", [&] {
    constexpr ByteRange kBoth{kWord - kBlock, kWord + kBlock};
    wait(resource, kBoth, {"timed_out", "eof"}, {{}, Scheduler::self().now(), WaitFor::all});
    expect(!resource.contains(kBoth), "blocks that were never there together");
  });
  join();
  check(resource);
}

constexpr Scenario kHits[] = {
    {"hit_small", "contains() and read_at() never find a byte before it is written, and agree", hit_small},
    {"hit_ragged", "nor where a range crosses from one block into the next", hit_ragged},
    {"hit_block", "nor when two writes complete a block together", hit_block},
    {"hit_watermark", "nor when the gap below what is there closes", hit_watermark},
    {"hit_gap", "a gap is never readable while the blocks around it come", hit_gap},
    {"hit_commit", "length and bytes of a commit are seen together", hit_commit},
    {"hit_new_generation", "who has seen bytes of a new generation does not come upon the old one", hit_new_generation},
    {"hit_shorter_generation", "nor who has seen that they are gone", hit_shorter_generation},
    {"hit_never_both", "bytes that came after others had been dropped are not found together with them",
     hit_never_both},
    {"hit_after_wait", "what a wait or another thread promised is found without a lock", hit_after_wait},
};

}  // namespace

std::span<const Scenario> hit_scenarios() {
  return kHits;
}

}  // namespace strandline::schedule
