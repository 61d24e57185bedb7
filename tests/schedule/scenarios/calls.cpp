// Callbacks and observers: calls out of the library, which may call back into it.
#include <tests/schedule/scenarios/scenario.h>

#include <vector>

namespace strandline::schedule {

namespace {

// Counts the ends of one async_wait; more than one is an error.
struct Ended {
  unsigned calls = 0;
  std::string_view said;
  auto callback() {
    return [this](const Result<WaitOutcome>& outcome) {
      expect(++calls == 1, "a callback was called twice");
      said = word(outcome);
    };
  }
  // For an end that the timer's fiber, which nobody joins, may still be about to bring.
  void settle() const {
    while (calls == 0) {
      Scheduler::self().sleep_until(soon());
    }
  }
  void check(std::initializer_list<std::string_view> allowed) const {
    expect(calls == 1, "a callback was not called");
    expect_word(said, allowed, "an async_wait");
  }
};

void async_write() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  Ended one, two;
  spawn("writer", [&] { write(writer, {0, 8}); });
  spawn("one", [&] { resource.async_wait({0, 8}, {}, one.callback()); });
  spawn("two", [&] { resource.async_wait({4, 6}, {}, two.callback()); });
  join();
  one.check({"ready"});
  two.check({"ready"});
  check(resource);
}

void async_last_handle() {
  auto resource = std::make_shared<Resource<Memory>>(opened_memory());
  Ended ended;
  auto writer = std::make_shared<Writer<Memory>>(required(resource->writer()));
  spawn("writer", [&, mine = std::exchange(writer, nullptr)]() mutable {
    write(*mine, {0, 4});
    required(mine->abandon(Abandon::handover));
    mine.reset();
  });
  spawn("owner", [&, mine = std::exchange(resource, nullptr)]() mutable {
    mine->async_wait({0, 8}, {}, ended.callback());
    mine.reset();
  });
  join();
  ended.check({"cancelled"});
}

void async_ends() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  const Time when = soon();
  const std::stop_source stop;
  Ended ended;
  spawn("waiter", [&] { resource.async_wait({0, 8}, {stop.get_token(), when, WaitFor::all}, ended.callback()); });
  spawn("writer", [&] {
    Scheduler::self().sleep_until(when);
    write(writer, {0, 8});
  });
  spawn("stopper", [&] {
    Scheduler::self().sleep_until(when);
    stop.request_stop();
  });
  join();
  ended.settle();
  ended.check({"ready", "timed_out", "interrupted"});
  check(resource);
}

void async_deadline() {
  auto resource = opened_memory();
  Ended one, two;
  spawn("one", [&] { resource.async_wait({0, 8}, {{}, soon(), WaitFor::all}, one.callback()); });
  spawn("two", [&] { resource.async_wait({4, 8}, {{}, soon(), WaitFor::all}, two.callback()); });
  spawn("interrupter", [&] { resource.interrupt(); });
  join();
  one.settle();
  two.settle();
  one.check({"timed_out", "interrupted"});
  two.check({"timed_out", "interrupted"});
  check(resource);
}

void async_again() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  Ended last;
  spawn("waiter", [&] {
    resource.async_wait({0, 4}, {}, [&](const Result<WaitOutcome>& first) {
      expect_word(word(first), {"ready"}, "the first wait");
      resource.async_wait({4, 8}, {}, last.callback());
      write(writer, {4, 8});
    });
  });
  spawn("writer", [&] { write(writer, {0, 4}); });
  spawn("blocked", [&] {
    wait(resource, {2, 6}, {"ready"});
    read(resource, {2, 6});
  });
  join();
  last.check({"ready"});
  check(resource);
}

void async_cancel() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  const std::stop_source stop;
  Ended ended;
  spawn("waiter", [&] { resource.async_wait({0, 8}, {stop.get_token(), {}, WaitFor::all}, ended.callback()); });
  spawn("stopper", [&] { stop.request_stop(); });
  spawn("owner", [&] { resource.cancel(); });
  join();
  ended.check({"cancelled", "interrupted"});
  check(resource);
}

// Keeps what it is told; fails when it is told anything while it should not be.
class Listener : public AvailabilityObserver {
 public:
  void on_write(ByteRange range) noexcept override { note("on_write", range.size()); }
  void on_evict(ByteRange /*range*/) noexcept override { note("on_evict", 0); }
  void on_commit(std::uint64_t /*length*/) noexcept override {
    note("on_commit", 0);
    committed = true;
  }

  bool gone = false;
  bool committed = false;
  bool inside = false;
  std::uint64_t bytes = 0;

 private:
  void note(const char* what, std::uint64_t written) noexcept {
    expect(!inside, "two calls of one observer at a time");
    inside = true;
    expect(!gone, "a call after unsubscribe() had returned");
    expect(!committed, "a call after on_commit");
    Scheduler::self().before(what, nullptr);
    expect(!gone, "unsubscribe() returned while a call was running");
    bytes += written;
    inside = false;
  }
};

void observe_unsubscribe() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  const auto listener = std::make_shared<Listener>();
  spawn("writer", [&] {
    write(writer, {0, 4});
    write(writer, {4, 8});
  });
  spawn("listener", [&] {
    auto subscription = required(resource.subscribe(listener));
    subscription.unsubscribe();
    listener->gone = true;
  });
  join();
  check(resource);
}

void observe_order() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  const auto listener = std::make_shared<Listener>();
  const auto subscription = required(resource.subscribe(listener));
  spawn("writer 1", [&] { required(writer.write_at(0, content({0, 6}))); });
  spawn("writer 2", [&] { required(writer.write_at(3, content({3, 8}))); });
  spawn("committer", [&] {
    wait(resource, {0, 8}, {"ready"});
    required(writer.commit(8));
  });
  join();
  expect(listener->bytes == 8 && listener->committed, "a byte was reported twice or never, or no commit");
  check(resource);
}

void observe_calls_back() {
  struct Finisher final : AvailabilityObserver {
    Resource<Memory>* resource = nullptr;
    Writer<Memory>* writer = nullptr;
    void on_write(ByteRange range) noexcept override {
      read(*resource, range);
      if (range.begin == 0) {
        write(*writer, {4, 8});
      } else {
        required(writer->commit(8));
      }
    }
  };
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  const auto finisher = std::make_shared<Finisher>();
  finisher->resource = &resource;
  finisher->writer = &writer;
  const auto subscription = required(resource.subscribe(finisher));
  spawn("writer", [&] { write(writer, {0, 4}); });
  spawn("reader", [&] {
    wait(resource, {0, 8}, {"ready"});
    wait(resource, {8, 9}, {"eof"});
  });
  join();
  check(resource);
}

void observe_from_inside() {
  struct Once final : AvailabilityObserver {
    Subscription subscription;
    unsigned calls = 0;
    void on_write(ByteRange /*range*/) noexcept override {
      expect(++calls == 1, "a call after the observer had unsubscribed itself");
      subscription.unsubscribe();
    }
  };
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  const auto once = std::make_shared<Once>();
  once->subscription = required(resource.subscribe(once));
  spawn("writer 1", [&] { write(writer, {0, 4}); });
  spawn("writer 2", [&] { write(writer, {4, 8}); });
  join();
  expect(once->calls == 1, "an observer was not told");
  check(resource);
}

constexpr Scenario kCalls[] = {
    {"async_write", "a write calls back each wait that it ends, exactly once", async_write},
    {"async_last_handle", "the last handle's end calls back with cancelled, once", async_last_handle},
    {"async_ends", "write, deadline and stop at the same moment: one of them calls back", async_ends},
    {"async_deadline", "the timer and interrupt(): each wait is called back once", async_deadline},
    {"async_again", "a callback may wait again and write; what that ends is not lost", async_again},
    {"async_cancel", "a stop and cancel() at a time call back once, and leave nothing behind", async_cancel},
    {"observe_unsubscribe", "no call runs once unsubscribe() has returned", observe_unsubscribe},
    {"observe_order", "each byte is reported once, one call at a time, the commit last", observe_order},
    {"observe_calls_back", "an observer may read, write and commit from its call", observe_calls_back},
    {"observe_from_inside", "an observer that ends its own subscription is not called again", observe_from_inside},
};

}  // namespace

std::span<const Scenario> call_scenarios() {
  return kCalls;
}

}  // namespace strandline::schedule
