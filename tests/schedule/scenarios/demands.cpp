// Who is told of what is waited for, and what becomes of it.
#include <tests/schedule/scenarios/scenario.h>

#include <vector>

namespace strandline::schedule {

namespace {

// What a filler is: it sleeps until it is told of demand, takes a snapshot, brings all that is in it, and sleeps again
// when there is none. If a wait could be parked without its being told, or be missing from the snapshot after that,
// both would sleep for ever.
class Filler final : public DemandObserver {
 public:
  Filler(const Resource<Memory>& resource, Writer<Memory>& writer) : resource_(resource), writer_(writer) {}

  void on_demand(ByteRange missing) noexcept override {
    expect(!missing.empty(), "told of nothing");
    mutex_.lock();
    told_ = true;
    changed_.notify_all();
    mutex_.unlock();
  }
  // Until finish().
  void run() {
    for (;;) {
      mutex_.lock();
      while (!told_ && !finished_) {
        changed_.wait(mutex_);
      }
      told_ = false;
      const bool over = finished_;
      mutex_.unlock();
      if (over) {
        return;
      }
      for (auto all = required(resource_.demand(2)); !all.empty(); all = required(resource_.demand(2))) {
        for (const Demand& demand : all) {
          expect(demand.missing.begin < demand.enough && demand.enough <= demand.missing.end, "a group makes no sense");
          write(writer_, demand.missing);
        }
      }
    }
  }
  void finish() {
    mutex_.lock();
    finished_ = true;
    changed_.notify_all();
    mutex_.unlock();
  }

 private:
  const Resource<Memory>& resource_;
  Writer<Memory>& writer_;
  Sync::Mutex mutex_;
  Sync::CondVar changed_;
  bool told_ = false;
  bool finished_ = false;
};

void demand_filler() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  const auto filler = std::make_shared<Filler>(resource, writer);
  resource.set_demand_observer(filler);
  unsigned readers = 2;
  const auto done = [&] {
    if (--readers == 0) {
      filler->finish();
    }
  };
  spawn("filler", [&] { filler->run(); });
  spawn("reader", [&] {
    wait(resource, {0, 8}, {"ready"});
    read(resource, {0, 8});
    done();
  });
  spawn("other", [&] {
    wait(resource, {4, 12}, {"ready"}, {{}, {}, WaitFor::all, Urgency::background});
    read(resource, {4, 12});
    done();
  });
  spawn("writer", [&] { write(writer, {2, 6}); });
  join();
  expect(required(resource.demand(9)).empty(), "demand is left behind");
  resource.set_demand_observer(nullptr);
  check(resource);
}

// In the call its wait is in the snapshot, unless it has ended.
void demand_told() {
  struct Observer final : DemandObserver {
    const Resource<Memory>* resource = nullptr;
    unsigned calls = 0;
    void on_demand(ByteRange missing) noexcept override {
      ++calls;
      bool found = false;
      for (const Demand& demand : required(resource->demand(9))) {
        found = found || demand.missing.contains(missing.begin);
      }
      expect(found || resource->contains({missing.begin, missing.begin + 1}), "a parked wait is in no snapshot");
    }
  };
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  const auto observer = std::make_shared<Observer>();
  observer->resource = &resource;
  resource.set_demand_observer(observer);
  spawn("writer", [&] {
    write(writer, {0, 4});
    write(writer, {4, 12});
  });
  spawn("reader", [&] { wait(resource, {2, 8}, {"ready"}); });
  unsigned ended = 0;
  spawn("callback", [&] { resource.async_wait({6, 12}, {}, [&](const Result<WaitOutcome>&) { ++ended; }); });
  join();
  expect(ended == 1, "a callback was not called");
  expect(observer->calls == resource.stats().waits, "told more or less often than waits were parked");
  resource.set_demand_observer(nullptr);
  check(resource);
}

void demand_met_at_once() {
  struct Observer final : DemandObserver {
    Writer<Memory>* writer = nullptr;
    void on_demand(ByteRange missing) noexcept override { write(*writer, missing); }
  };
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  const auto observer = std::make_shared<Observer>();
  observer->writer = &writer;
  resource.set_demand_observer(observer);
  unsigned ended = 0;
  spawn("blocked", [&] {
    wait(resource, {0, 8}, {"ready"});
    read(resource, {0, 8});
  });
  spawn("callback", [&] {
    resource.async_wait({4, 12}, {}, [&](const Result<WaitOutcome>& outcome) {
      expect_word(word(outcome), {"ready"}, "an async_wait");
      ++ended;
    });
    expect(ended == 1, "a wait outlived the call that met it");
  });
  spawn("timed", [&] { wait(resource, {8, 10}, {"ready", "timed_out"}, {{}, soon(), WaitFor::all}); });
  join();
  resource.set_demand_observer(nullptr);
  check(resource);
}

// The observer is kept while it is called, and none is called that was never set.
void demand_replaced() {
  struct Observer final : DemandObserver {
    unsigned calls = 0;
    unsigned* count = nullptr;
    void on_demand(ByteRange /*missing*/) noexcept override {
      Scheduler::self().before("on_demand", nullptr);
      ++calls;
      ++*count;
    }
  };
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  unsigned count = 0;
  spawn("owner", [&] {
    for (int i = 0; i < 2; ++i) {
      auto observer = std::make_shared<Observer>();
      observer->count = &count;
      resource.set_demand_observer(std::move(observer));
    }
    resource.set_demand_observer(nullptr);
  });
  spawn("reader", [&] { wait(resource, {0, 8}, {"ready"}); });
  spawn("other", [&] { wait(resource, {4, 8}, {"ready"}); });
  spawn("writer", [&] { write(writer, {0, 8}); });
  join();
  expect(count <= resource.stats().waits, "told of a wait twice");
  check(resource);
}

// The resource goes, and its core with the wait, between parking and telling.
void demand_last_handle() {
  struct Observer final : DemandObserver {
    unsigned calls = 0;
    void on_demand(ByteRange missing) noexcept override {
      expect(missing == ByteRange{0, 8}, "told of another range");
      ++calls;
    }
  };
  // The last handle that the waiter has: it goes once it has been called.
  struct Call final : WaitCallback {
    Call(Resource<Memory> of, unsigned& count) : resource(std::move(of)), ended(count) {}
    void call(Result<WaitOutcome> outcome) noexcept override {
      expect_word(word(outcome), {"cancelled"}, "an async_wait");
      ++ended;
    }
    const Resource<Memory> resource;
    unsigned& ended;
  };
  std::optional<Resource<Memory>> resource(opened_memory());
  const auto observer = std::make_shared<Observer>();
  resource->set_demand_observer(observer);
  const std::weak_ptr<Core> core = resource->handle()->core();
  unsigned ended = 0;
  spawn("waiter", [&, mine = std::optional(*resource)]() mutable {
    // Nobody but the wait, and the handles, keeps the core meanwhile.
    Core& alone = *mine->handle()->core();
    auto call = std::make_unique<Call>(std::move(*mine), ended);
    mine.reset();
    alone.async_wait({0, 8}, {}, std::move(call));
  });
  spawn("owner", [mine = std::exchange(resource, std::nullopt)]() mutable {
    mine->cancel();
    mine.reset();
  });
  join();
  expect(ended == 1, "a wait did not end once");
  expect(core.expired(), "the core is kept");
}

void cursors_stand() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  write(writer, {0, 8});
  const auto reader = [&] {
    auto cursor = required(resource.cursor(2));
    std::array<std::byte, 3> bytes;
    expect(required(cursor.read(bytes)) == 3, "a cursor's read was short");
  };
  spawn("reader", reader);
  spawn("other", reader);
  spawn("planner", [&] {
    for (int i = 0; i < 3; ++i) {
      for (const std::uint64_t at : required(resource.reader_positions(9))) {
        expect(at == 2 || at == 5, "a cursor stands where none does");
      }
    }
  });
  join();
  expect(required(resource.reader_positions(9)).empty(), "a cursor is left behind");
  check(resource);
}

constexpr Scenario kDemands[] = {
    {"demand_filler", "who sleeps until told of demand, and brings what a snapshot then has, leaves nobody waiting",
     demand_filler},
    {"demand_told", "each parked wait is told of once, and is in a snapshot taken then or has its byte", demand_told},
    {"demand_met_at_once", "a wait whose bytes come from within the call ends, blocked or called back",
     demand_met_at_once},
    {"demand_replaced", "an observer that is replaced or taken away is kept while it is called", demand_replaced},
    {"demand_last_handle", "a wait whose resource and core go as it is parked is told of without either",
     demand_last_handle},
    {"cursors_stand", "cursors come, move and go while it is asked where they stand", cursors_stand},
};

}  // namespace

std::span<const Scenario> demand_scenarios() {
  return kDemands;
}

}  // namespace strandline::schedule
