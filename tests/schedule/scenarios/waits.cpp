// One wait against everything that can end it.
#include <tests/schedule/scenarios/scenario.h>

namespace strandline::schedule {

namespace {

void wait_write() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  spawn("writer", [&] { write(writer, {0, 8}); });
  spawn("reader", [&] {
    wait(resource, {0, 8}, {"ready"});
    read(resource, {0, 8});
  });
  join();
  check(resource);
}

void wait_two_pieces() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  spawn("writer", [&] {
    write(writer, {4, 8});
    write(writer, {0, 4});
  });
  spawn("reader", [&] {
    wait(resource, {2, 6}, {"ready"});
    read(resource, {2, 6});
  });
  join();
  check(resource);
}

void wait_two_writers() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  spawn("writer 1", [&] { write(writer, {0, 5}); });
  spawn("writer 2", [&] { write(writer, {5, 9}); });
  spawn("reader", [&] {
    wait(resource, {1, 9}, {"ready"});
    read(resource, {1, 9});
  });
  join();
  check(resource);
}

void wait_any() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  spawn("writer", [&] {
    write(writer, {6, 9});
    write(writer, {2, 3});
  });
  spawn("reader", [&] {
    wait(resource, {2, 8}, {"ready"}, {{}, {}, WaitFor::any});
    read(resource, {2, 3});
  });
  join();
  check(resource);
}

void wait_commit() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  spawn("writer", [&] {
    write(writer, {0, 6});
    required(writer.commit(6));
  });
  spawn("past the end", [&] { wait(resource, {8, 12}, {"eof"}); });
  spawn("over the end", [&] {
    wait(resource, {2, 10}, {"ready"});
    std::size_t count = 0;
    try_read(resource, {2, 10}, {}, &count);
    expect(count == 4, "a read was not clamped");
  });
  join();
  check(resource);
}

void wait_set_length() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  spawn("writer", [&] {
    write(writer, {0, 4});
    required(writer.set_length(6));
    write(writer, {4, 6});
  });
  spawn("past the end", [&] { wait(resource, {6, 8}, {"eof"}); });
  spawn("over the end", [&] { wait(resource, {0, 8}, {"ready"}); });
  join();
  check(resource);
}

void wait_fail() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  spawn("writer", [&] {
    write(writer, {0, 4});
    required(writer.fail(Error{Errc::io, {}, "the line went dead"}));
  });
  spawn("missing", [&] { wait(resource, {2, 8}, {"failed"}); });
  spawn("there", [&] {
    wait(resource, {0, 4}, {"ready"});
    read(resource, {0, 4});
  });
  join();
  check(resource);
}

void wait_writer_gone() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  spawn("writer", [&] {
    write(writer, {0, 4});
    writer = {};
  });
  spawn("missing", [&] { wait(resource, {0, 8}, {"failed"}); });
  spawn("there", [&] { wait(resource, {0, 4}, {"ready"}); });
  join();
  check(resource);
}

void wait_stop_writing() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  spawn("writer", [&] {
    write(writer, {0, 4});
    required(writer.abandon(Abandon::stop));
  });
  spawn("reader", [&] {
    wait(resource, {0, 4}, {"ready"});
    wait(resource, {0, 8}, {"no_writer"});
  });
  join();
  check(resource);
}

void wait_cancel() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  bool cancelled = false;
  spawn("writer", [&] { expect_word(word(writer.write_at(0, content({0, 8}))), {"ok", "cancelled"}, "a write"); });
  spawn("owner", [&] {
    resource.cancel();
    cancelled = true;
  });
  spawn("reader", [&] {
    const bool late = cancelled;
    const auto said = wait(resource, {0, 8}, {"ready", "cancelled"});
    expect(!late || said == "cancelled", "a wait that began after cancel() was ready");
    if (said == "cancelled") {
      try_read(resource, {0, 8}, {"cancelled"});
      wait(resource, {0, 1}, {"cancelled"});
    }
  });
  join();
  wait(resource, {0, 8}, {"cancelled"});
  check(resource);
}

void wait_interrupt() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  spawn("writer", [&] { write(writer, {0, 8}); });
  spawn("interrupter", [&] { resource.interrupt(); });
  spawn("reader", [&] {
    if (wait(resource, {0, 8}, {"ready", "interrupted"}) == "interrupted") {
      wait(resource, {0, 8}, {"ready"});
    }
    read(resource, {0, 8});
  });
  join();
  check(resource);
}

void wait_stop() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  const std::stop_source stop;
  spawn("writer", [&] { write(writer, {0, 8}); });
  spawn("stopper", [&] { stop.request_stop(); });
  spawn("stopped", [&] { wait(resource, {0, 8}, {"ready", "interrupted"}, {stop.get_token(), {}, WaitFor::all}); });
  spawn("other", [&] { wait(resource, {0, 8}, {"ready"}); });
  join();
  wait(resource, {8, 12}, {"interrupted"}, {stop.get_token(), {}, WaitFor::all});
  check(resource);
}

void wait_deadline() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  const Time when = soon();
  spawn("writer", [&] {
    Scheduler::self().sleep_until(when);
    write(writer, {0, 8});
  });
  spawn("reader", [&] {
    if (wait(resource, {0, 8}, {"ready", "timed_out"}, {{}, when, WaitFor::all}) == "timed_out") {
      expect(Scheduler::self().now() >= when, "timed out before its time");
      wait(resource, {0, 8}, {"ready"});
    }
    read(resource, {0, 8});
  });
  join();
  check(resource);
}

void wait_deadline_alone() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  spawn("writer", [&] { write(writer, {0, 4}); });
  spawn("one", [&] { wait(resource, {2, 8}, {"timed_out"}, {{}, soon(), WaitFor::all}); });
  spawn("two", [&] { wait(resource, {4, 8}, {"timed_out"}, {{}, soon() + std::chrono::seconds(1), WaitFor::all}); });
  join();
  check(resource);
}

void wait_handover() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  unsigned halves = 0;
  const auto take_over = [&] {
    auto next = resource.writer();
    expect_word(word(next), {"ok", "busy"}, "writer()");
    if (next) {
      ++halves;
      write(*next, {4, 8});
      required(next->abandon(Abandon::handover));
    }
  };
  spawn("first", [&] {
    write(writer, {0, 4});
    required(writer.abandon(Abandon::handover));
    take_over();
  });
  spawn("second", take_over);
  spawn("reader", [&] {
    wait(resource, {0, 8}, {"ready"});
    read(resource, {0, 8});
  });
  join();
  expect(halves > 0, "nobody took over");
  check(resource);
}

void wait_resume() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  spawn("writer", [&] {
    write(writer, {0, 4});
    required(writer.commit());
    auto next = required(resource.reactivate(Reactivate::resume));
    write(next, {4, 8});
    required(next.commit());
  });
  spawn("reader", [&] {
    wait(resource, {0, 4}, {"ready"});
    read(resource, {0, 4});
    if (wait(resource, {4, 8}, {"eof", "ready"}) == "ready") {
      read(resource, {4, 8});
    }
  });
  join();
  read(resource, {0, 8});
  check(resource);
}

constexpr Scenario kWaits[] = {
    {"wait_write", "a write ends the wait on its bytes, and they are readable then", wait_write},
    {"wait_two_pieces", "a wait goes on when only some of its bytes have come, and ends with the last",
     wait_two_pieces},
    {"wait_two_writers", "two writes at a time that complete one wait together do not both leave it to the other",
     wait_two_writers},
    {"wait_any", "a wait for any byte ends with the first of its range, not with a later one", wait_any},
    {"wait_commit", "a commit ends waits past the end with eof and over the end with ready", wait_commit},
    {"wait_set_length", "a length that becomes known ends the waits past it and clamps the others", wait_set_length},
    {"wait_fail", "fail() ends the waits on missing bytes; those on bytes that are there are ready", wait_fail},
    {"wait_writer_gone", "a writer destroyed in the midst of it all fails the waits on missing bytes",
     wait_writer_gone},
    {"wait_stop_writing", "abandon(stop) ends a wait on missing bytes with no_writer", wait_stop_writing},
    {"wait_cancel", "cancel() ends every wait, and nothing is readable after it", wait_cancel},
    {"wait_interrupt", "interrupt() ends the waits that are parked, loses none and harms none to come", wait_interrupt},
    {"wait_stop", "a stop_token ends its own wait only, before, while and after it is parked", wait_stop},
    {"wait_deadline", "a deadline and the write at the same moment: one of them decides, none is lost", wait_deadline},
    {"wait_deadline_alone", "a wait that nobody ends ends at its deadline", wait_deadline_alone},
    {"wait_handover", "a handover ends no wait; the next writer, one at a time, completes it", wait_handover},
    {"wait_resume", "after a commit and a resume, waits and reads see the old bytes and then the new", wait_resume},
};

}  // namespace

std::span<const Scenario> wait_scenarios() {
  return kWaits;
}

}  // namespace strandline::schedule
