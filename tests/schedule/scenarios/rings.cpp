// The ring: a window that moves under readers, views and waits, and writers that wait for room.
#include <tests/schedule/scenarios/scenario.h>

namespace strandline::schedule {

namespace {

constexpr std::uint64_t kCapacity = 8;

void ring_wait() {
  auto resource = opened_ring(kCapacity);
  auto writer = required(resource.writer());
  spawn("writer", [&] {
    write(writer, {4, 8});
    write(writer, {8, 14});
  });
  spawn("behind", [&] { wait(resource, {0, 6}, {"evicted"}); });
  spawn("within", [&] { wait(resource, {6, 14}, {"ready"}); });
  spawn("passed", [&] { wait(resource, {4, 8}, {"ready", "evicted"}); });
  join();
  check(resource);
}

void ring_read() {
  auto resource = opened_ring(kCapacity);
  auto writer = required(resource.writer());
  write(writer, {0, 8});
  spawn("writer", [&] {
    // The same storage, other bytes.
    required(writer.write_at(8, content({8, 14}, 2)));
  });
  spawn("reader", [&] {
    const std::uint64_t first = try_read(resource, {2, 8}, {"evicted"});
    const std::uint64_t second = try_read(resource, {2, 8}, {"evicted"});
    expect(first <= 1 && second <= first, "evicted bytes came back");
    try_read(resource, {6, 8}, {});
  });
  join();
  check(resource);
}

void ring_view() {
  auto resource = opened_ring(kCapacity);
  auto writer = required(resource.writer());
  write(writer, {0, 8});
  spawn("writer", [&] {
    write(writer, {8, 12});
    write(writer, {12, 16});
  });
  spawn("viewer", [&] { view_stays(resource, {1, 6}, {"ok", "evicted"}); });
  spawn("reader", [&] { wait(resource, {12, 16}, {"ready"}); });
  join();
  check(resource);
}

void ring_large_write() {
  auto resource = opened_ring(kCapacity);
  auto writer = required(resource.writer());
  spawn("writer", [&] { write(writer, {0, 20}); });
  spawn("reader", [&] {
    try_read(resource, {0, 4}, {"not_available", "evicted"});
    wait(resource, {14, 18}, {"ready"});
    read(resource, {14, 18});
  });
  spawn("behind", [&] { wait(resource, {2, 6}, {"ready", "evicted"}); });
  join();
  check(resource);
}

void ring_two_writers() {
  auto resource = opened_ring(kCapacity);
  auto writer = required(resource.writer());
  std::string_view low;
  spawn("low", [&] { low = word(writer.write_at(0, content({0, 4}))); });
  spawn("high", [&] { required(writer.write_at(8, content({8, 12}))); });
  spawn("reader", [&] {
    try_read(resource, {0, 4}, {"not_available", "evicted"});
    wait(resource, {8, 12}, {"ready"});
    read(resource, {8, 12});
  });
  join();
  expect_word(low, {"ok", "evicted"}, "the write behind the window");
  check(resource);
}

void read_all(Cursor<Ring>& cursor, std::uint64_t end) {
  std::array<std::byte, 3> bytes;
  while (cursor.position() < end) {
    const std::uint64_t from = cursor.position();
    const std::size_t count = required(cursor.read(bytes));
    expect(count > 0 && generation_of(from, std::span(bytes).first(count)) == 1, "a cursor skipped or tore bytes");
  }
}

void ring_back_pressure() {
  auto resource = opened_ring(kCapacity, Overflow::block);
  auto writer = required(resource.writer());
  auto cursor = required(resource.cursor());
  spawn("writer", [&] {
    write(writer, {0, 6});
    write(writer, {6, 13});
  });
  spawn("reader", [&] { read_all(cursor, 13); });
  join();
  check(resource);
}

void ring_two_cursors() {
  auto resource = opened_ring(kCapacity, Overflow::block);
  auto writer = required(resource.writer());
  auto one = required(resource.cursor());
  std::optional<Cursor<Ring>> two(required(resource.cursor()));
  spawn("writer", [&] { write(writer, {0, 14}); });
  spawn("one", [&] { read_all(one, 14); });
  spawn("two", [&] {
    read_all(*two, 3);
    two.reset();
  });
  join();
  check(resource);
}

void ring_held_up(const std::function<void(Resource<Ring>&, const std::stop_source&)>& end, std::string_view with,
                  std::optional<Time> deadline) {
  auto resource = opened_ring(kCapacity, Overflow::block);
  auto writer = required(resource.writer());
  auto cursor = required(resource.cursor());
  const std::stop_source stop;
  write(writer, {0, 8});
  spawn("writer", [&] {
    const auto said = word(writer.write_at(8, content({8, 12}), {stop.get_token(), deadline, WaitFor::all}));
    expect_word(said, {with}, "a write that is held up");
  });
  spawn("other", [&] { end(resource, stop); });
  join();
  check(resource);
}

void ring_held_up_cancel() {
  ring_held_up([](Resource<Ring>& resource, const std::stop_source&) { resource.cancel(); }, "cancelled", {});
}
void ring_held_up_stop() {
  ring_held_up([](Resource<Ring>&, const std::stop_source& stop) { stop.request_stop(); }, "interrupted", {});
}
void ring_held_up_deadline() {
  ring_held_up([](Resource<Ring>& resource, const std::stop_source&) { read(resource, {0, 8}); }, "timed_out", soon());
}

void ring_rewrite() {
  auto resource = opened_ring(kCapacity);
  auto writer = required(resource.writer());
  write(writer, {0, 8});
  required(writer.commit());
  spawn("writer", [&] {
    auto next = required(resource.reactivate(Reactivate::rewrite));
    write(next, {0, 6}, 2);
    required(next.commit());
  });
  spawn("reader", [&] {
    const std::uint64_t first = try_read(resource, {2, 6}, {});
    expect(first != 0 && try_read(resource, {2, 6}, {}) >= first, "a later read brought an older generation");
  });
  join();
  read(resource, {2, 6}, 2);
  check(resource);
}

void ring_commit_view() {
  auto resource = opened_ring(kCapacity);
  auto writer = required(resource.writer());
  write(writer, {0, 8});
  spawn("writer", [&] { commit_below_and_resume(resource, writer); });
  spawn("viewer", [&] { view_stays(resource, {4, 8}, {"ok", "not_available"}); });
  join();
  check(resource);
}

constexpr Scenario kRings[] = {
    {"ring_wait", "an eviction ends the waits behind the window and no other", ring_wait},
    {"ring_read", "a read of bytes that are being evicted is whole or refused", ring_read},
    {"ring_view", "a write does not touch what a view holds, and goes on when the view goes", ring_view},
    {"ring_large_write", "a write larger than the window passes its readers without showing them wrong bytes",
     ring_large_write},
    {"ring_two_writers", "two writes whose bytes share storage are not in the driver together", ring_two_writers},
    {"ring_back_pressure", "a writer that waits for a cursor loses no byte and no wake-up", ring_back_pressure},
    {"ring_two_cursors", "nor with two cursors, one of which goes away", ring_two_cursors},
    {"ring_held_up_cancel", "cancel() ends a write that waits for a cursor", ring_held_up_cancel},
    {"ring_held_up_stop", "so does its stop_token", ring_held_up_stop},
    {"ring_held_up_deadline", "so does its deadline", ring_held_up_deadline},
    {"ring_rewrite", "the old window is readable until the new one commits", ring_rewrite},
    {"ring_commit_view", "a view of bytes that a commit dropped is not overwritten", ring_commit_view},
};

}  // namespace

std::span<const Scenario> ring_scenarios() {
  return kRings;
}

}  // namespace strandline::schedule
