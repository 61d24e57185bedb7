// F18: the k-th allocation fails, for every k, in every operation: no_memory, the state unchanged, no leak.
#include <strandline/base/block_map/block_map.h>
#include <tests/resource/subjects.h>
#include <tests/support/failing_new.h>

#include <array>
#include <tuple>

using namespace strandline;
using namespace strandline::testing;

namespace {

constexpr Errc kOk{};  // no error has this number

template <class T>
Errc code_of(const Result<T>& result) noexcept {
  return result ? kOk : result.error().code;
}

// An observer that needs no memory: it would be called in the middle of the failing ones.
class FixedLog final : public AvailabilityObserver {
 public:
  void on_write(ByteRange range) noexcept override { note('w', range.begin, range.end); }
  void on_evict(ByteRange range) noexcept override { note('e', range.begin, range.end); }
  void on_commit(std::uint64_t length) noexcept override { note('c', length, 0); }
  void on_fail(const Error& error) noexcept override { note('f', static_cast<std::uint64_t>(error.code), 0); }
  void on_reactivate(std::uint64_t generation) noexcept override { note('r', generation, 0); }

  using Entry = std::tuple<char, std::uint64_t, std::uint64_t>;
  [[nodiscard]] std::vector<Entry> entries() const { return {entries_.begin(), entries_.begin() + count_}; }

 private:
  void note(char kind, std::uint64_t a, std::uint64_t b) noexcept {
    if (count_ < static_cast<std::ptrdiff_t>(entries_.size())) {
      entries_[static_cast<std::size_t>(count_++)] = {kind, a, b};
    }
  }
  std::array<Entry, 64> entries_;
  std::ptrdiff_t count_ = 0;
};

// One resource, an observer, two parked callbacks, and all that a caller can see of it.
template <class D>
struct World {
  World() : log(std::make_shared<FixedLog>()), opened(observed_by(log)) {
    opened.resource.async_wait({60, 64}, {}, [this](Result<WaitOutcome> outcome) { note(0, outcome); });
    opened.resource.async_wait({2, 70}, {}, [this](Result<WaitOutcome> outcome) { note(1, outcome); });
  }

  struct Seen {
    std::string status;
    std::string available;
    std::string read;
    std::vector<FixedLog::Entry> log;
    std::array<int, 2> calls;
    friend bool operator==(const Seen&, const Seen&) = default;
  };
  [[nodiscard]] Seen look() {
    const ResourceStatus status = opened.resource.status();
    Seen seen;
    seen.status = says(status.state) + " " + says(status.length) + " " + std::to_string(status.generation) + " " +
                  std::to_string(opened.resource.stats().parked);
    seen.available = opened.available();
    for (std::uint64_t i = 0; i < 80; ++i) {
      const std::string one = opened.read({i, i + 1}, status.generation);
      seen.read += one == "1" ? '#' : one == "0" ? '.' : one == "wrong bytes" ? '?' : '-';
    }
    seen.log = log->entries();
    seen.calls = calls;
    opened.resource.check_invariants();
    return seen;
  }
  Errc write(ByteRange range, std::uint64_t generation = 1) {
    const auto& from = generation == 1 ? first : second;
    return code_of(opened.writer.write_at(range.begin, std::span(from).subspan(range.begin, range.size())));
  }
  void note(std::size_t which, const Result<WaitOutcome>& outcome) noexcept { calls[which] += outcome ? 1 : 100; }

  const std::vector<std::byte> first = content({0, 8192});
  const std::vector<std::byte> second = content({0, 8192}, 2);
  std::shared_ptr<FixedLog> log;
  std::array<int, 2> calls{};
  std::stop_source stop;
  Opened<D> opened;
};

template <class D>
struct Operation {
  std::string name;
  std::function<void(World<D>&)> prepare;
  std::function<Errc(World<D>&)> run;  // allocates nothing of its own
  bool must_succeed = false;           // ending things may not need memory
};

template <class D>
std::vector<Operation<D>> operations() {
  using W = World<D>;
  const auto some = [](W& world) {
    REQUIRE(world.write({0, 8}) == kOk);
    REQUIRE(world.write({16, 24}) == kOk);
  };
  const auto committed = [](W& world) {
    REQUIRE(world.write({0, 32}) == kOk);
    REQUIRE(world.opened.writer.commit().has_value());
  };
  const auto rewriting = [committed](W& world) {
    committed(world);
    world.opened.next_writer(Reactivate::rewrite);
    REQUIRE(world.write({0, 40}, 2) == kOk);
  };
  const auto abandoned = [some](W& world) {
    some(world);
    REQUIRE(world.opened.writer.abandon(Abandon::handover).has_value());
  };
  const auto take = [](W& world, Result<Writer<D>> writer) {
    const Errc code = code_of(writer);
    if (writer) {
      world.opened.writer = std::move(*writer);
    }
    return code;
  };
  const auto reactivate = [take](Reactivate mode) {
    return [take, mode](W& world) { return take(world, world.opened.resource.reactivate(mode)); };
  };
  std::vector<Operation<D>> list = {
      {"first write", [](W&) {},
       [](W& world) {
         return world.write({0, 64});
       }},
      {"write that joins", some,
       [](W& world) {
         return world.write({8, 16});
       }},
      {"write apart", some,
       [](W& world) {
         return world.write({40, 44});
       }},
      {"write that wakes", some,
       [](W& world) {
         return world.write({60, 64});
       }},
      {"equal write", some,
       [](W& world) {
         return world.write({0, 8});
       }},
      {"set_length", some, [](W& world) { return code_of(world.opened.writer.set_length(62)); }},
      {"commit below", some, [](W& world) { return code_of(world.opened.writer.commit(4)); }},
      {"commit",
       [](W& world) {
         REQUIRE(world.write({0, 70}) == kOk);
       },
       [](W& world) { return code_of(world.opened.writer.commit()); }},
      {"commit of a rewrite", rewriting, [](W& world) { return code_of(world.opened.writer.commit()); }},
      {"fail", some, [](W& world) { return code_of(world.opened.writer.fail(Error{})); }, true},
      {"fail of a rewrite", rewriting, [](W& world) { return code_of(world.opened.writer.fail(Error{})); }, true},
      {"handover", some, [](W& world) { return code_of(world.opened.writer.abandon(Abandon::handover)); }, true},
      {"stop", some, [](W& world) { return code_of(world.opened.writer.abandon(Abandon::stop)); }, true},
      {"writer()", abandoned, [take](W& world) { return take(world, world.opened.resource.writer()); }},
      {"resume after commit", committed, reactivate(Reactivate::resume)},
      {"resume after handover", abandoned, reactivate(Reactivate::resume)},
      {"rewrite after commit", committed, reactivate(Reactivate::rewrite)},
      {"rewrite of what was not committed", abandoned, reactivate(Reactivate::rewrite)},
      {"read_at", some,
       [](W& world) {
         std::array<std::byte, 8> out;
         return code_of(world.opened.resource.read_at(0, out));
       }},
      {"cursor", some,
       [](W& world) {
         auto cursor = world.opened.resource.cursor(0);
         std::array<std::byte, 8> out;
         return cursor ? code_of(cursor->read(out)) : cursor.error().code;
       }},
      {"view", some,
       [](W& world) {
         return code_of(world.opened.resource.view({0, 8}));
       }},
      {"available", some, [](W& world) { return code_of(world.opened.resource.available()); }},
      {"subscribe", some, [](W& world) { return code_of(world.opened.resource.subscribe(world.log)); }},
      {"wait", some,
       [](W& world) {
         return code_of(world.opened.resource.wait_range({0, 8}, at_once()));
       },
       true},
      {"async_wait, decided at once", some,
       [](W& world) {
         Errc code = Errc::busy;
         world.opened.resource.async_wait({0, 8}, {}, [&](Result<WaitOutcome> outcome) { code = code_of(outcome); });
         return code;
       }},
      {"async_wait, past its deadline", [](W&) {},
       [](W& world) {
         Errc code = Errc::busy;
         world.opened.resource.async_wait({8, 9}, at_once(),
                                          [&](Result<WaitOutcome> outcome) { code = code_of(outcome); });
         return code;
       }},
      {"async_wait, parked with a deadline and a stop_token", [](W&) {},
       [](W& world) {
         Errc code = Errc::busy;
         world.opened.resource.async_wait({8, 9}, {world.stop.get_token(), in_good_time(), WaitFor::all},
                                          [&](Result<WaitOutcome> outcome) { code = code_of(outcome); });
         (void)world.stop.request_stop();
         return code;
       }},
      {"small answers", some,
       [](W& world) {
         const auto& resource = world.opened.resource;
         const bool right = resource.contains({0, 8}) && resource.next_gap(0) && !resource.length() &&
                            resource.stats().parked == 2 && resource.status().state == State::active;
         return right ? kOk : Errc::corrupt;
       },
       true},
      {"interrupt", some,
       [](W& world) {
         world.opened.resource.interrupt();
         return world.calls[0] == 1 && world.calls[1] == 1 ? kOk : Errc::corrupt;
       },
       true},
      {"the writer's end", some,
       [](W& world) {
         world.opened.writer = Writer<D>();
         return world.opened.resource.status().state == State::failed ? kOk : Errc::corrupt;
       },
       true},
  };
  if (std::is_same_v<D, RingDriver>) {
    list.push_back({"write that moves the window", some, [](W& world) { return world.write({4000, 4104}); }});
    list.push_back({"write that evicts all", some, [](W& world) { return world.write({4096, 8192}); }});
  }
  return list;
}

template <class D>
void walk(const Operation<D>& operation, Afterwards afterwards) {
  CAPTURE(operation.name);
  bool warming_up = true;
  const auto attempt = [&](std::uint64_t k) {
    const std::int64_t before_all = live_allocations();
    bool fired = false;
    {
      World<D> world;
      operation.prepare(world);
      const auto before = world.look();
      Errc code = kOk;
      {
        const FailAllocation scope(k, afterwards);
        code = operation.run(world);
        fired = scope.fired();
      }
      const auto after = world.look();
      CAPTURE(k);
      if (code == kOk) {
        CHECK(after.read.find('?') == std::string::npos);
      } else {
        CHECK(to_string(code) == to_string(Errc::no_memory));
        CHECK_FALSE(operation.must_succeed);
        CHECK(fired);
        // A ring's window may have moved before the memory ran out; nothing else may have changed.
        if (operation.name != "write that moves the window" && operation.name != "write that evicts all") {
          CHECK(after.status == before.status);
          CHECK(after.available == before.available);
          CHECK(after.read == before.read);
          CHECK(after.log == before.log);
          CHECK(after.calls == before.calls);
        }
        // And with memory again it goes on as if nothing had been.
        CHECK(to_string(operation.run(world)) == to_string(kOk));
      }
      world.opened.resource.cancel();  // the callbacks must not outlive what they point at
    }
    // The timer's thread may be letting go of a deadline that had passed.
    CHECK((warming_up || eventually([&] { return live_allocations() == before_all; })));
    return fired;
  };
  (void)attempt(0);  // the first use of anything may keep something for good
  warming_up = false;
  for_each_failing_allocation(attempt);
}

}  // namespace

// The first case of this file: the timer is made at the first deadline of the process.
TEST_CASE("F18: a deadline that finds no memory is refused, and what needs no deadline is answered all the same") {
  Opened<MemoryDriver> opened;
  CHECK(opened.write({0, 4}) == "4");
  CHECK(opened.write({9, 12}) == "3");
  bool complete = false;
  for (std::uint64_t k = 1; !complete; ++k) {
    REQUIRE(k < 50);
    Outcome parked;
    Outcome ready;
    auto to_park = parked.callback();
    auto to_answer = ready.callback();
    {
      const FailAllocation failing(k, Afterwards::keep_going);
      opened.resource.async_wait({4, 8}, {{}, in_good_time(), WaitFor::all}, std::move(to_park));
      opened.resource.async_wait({10, 12}, {{}, in_good_time(), WaitFor::all}, std::move(to_answer));
      complete = !failing.fired();
    }
    const bool refused = parked.answer() == "!no_memory" || parked.answer() == "!busy";
    CHECK((refused || parked.answer() == "pending"));
    CHECK((ready.answer() == "ready" || (!complete && ready.answer() == "!no_memory")));
    opened.resource.interrupt();
    CHECK(opened.resource.stats().parked == 0);
  }
}

TEST_CASE_TEMPLATE("F18: the k-th allocation fails, in every operation", D, STRANDLINE_BACKENDS) {
  for (const auto& operation : operations<D>()) {
    walk(operation, Afterwards::succeed);
  }
}

TEST_CASE_TEMPLATE("F18: memory is gone for good, in every operation", D, STRANDLINE_BACKENDS) {
  for (const auto& operation : operations<D>()) {
    walk(operation, Afterwards::keep_going);
  }
}

TEST_CASE_TEMPLATE("F18: the k-th allocation fails while opening", D, STRANDLINE_BACKENDS) {
  const auto attempt = [](std::uint64_t k) {
    const std::int64_t before = live_allocations();
    bool fired = false;
    {
      Subject<D> subject;
      auto options = subject.options();
      auto observers = observed_by(std::make_shared<FixedLog>());
      Errc code = kOk;
      {
        const FailAllocation scope(k);
        const auto resource = Resource<D>::open(std::move(options), std::move(observers));
        code = code_of(resource);
        fired = scope.fired();
      }
      if (code != kOk) {
        CHECK(to_string(code) == to_string(Errc::no_memory));
        CHECK(says(Resource<D>::open(subject.options())) == "ok");
      }
    }
    CHECK(live_allocations() == before);
    return fired;
  };
  (void)attempt(0);
  CHECK(for_each_failing_allocation(attempt) > 3);
}

TEST_CASE("F18: a write over several gaps that runs out of memory keeps whole pieces, and can be repeated") {
  const auto attempt = [](std::uint64_t k) {
    World<MemoryDriver> world;
    REQUIRE(world.write({8, 16}) == kOk);
    REQUIRE(world.write({24, 32}) == kOk);
    Errc code = kOk;
    bool fired = false;
    {
      const FailAllocation scope(k);
      code = world.write({0, 40});
      fired = scope.fired();
    }
    const std::string available = world.look().available;
    if (code == kOk) {
      CHECK(available == "{[0, 40)}");
    } else {
      CHECK(to_string(code) == to_string(Errc::no_memory));
      const bool whole_pieces = available == "{[8, 16) [24, 32)}" || available == "{[0, 16) [24, 32)}" ||
                                available == "{[0, 32)}" || available == "{[0, 40)}";
      CHECK_MESSAGE(whole_pieces, available);
      CHECK(world.write({0, 40}) == kOk);
    }
    CHECK(world.opened.read({0, 40}) == "40");
    world.opened.resource.cancel();
    return fired;
  };
  CHECK(for_each_failing_allocation(attempt) > 3);
}

TEST_CASE("F17: a million fragments of one byte: one allocation each, and all right") {
  constexpr std::uint64_t kFragments = 1000000;
  Opened<MemoryDriver> opened;
  const std::int64_t before = live_allocations();
  const std::vector<std::byte> bytes = content({0, 2 * kFragments});
  for (std::uint64_t i = 0; i < kFragments; ++i) {
    if (!opened.writer.write_at(2 * i, std::span(bytes).subspan(2 * i, 1))) {
      FAIL("fragment " << i);
    }
  }
  CHECK(live_allocations() - before <= static_cast<std::int64_t>(kFragments) + 100);
  CHECK(opened.resource.stats().bytes_written == kFragments);
  CHECK(opened.read({1000000, 1000001}) == "1");
  CHECK(opened.read({1000001, 1000002}) == "!not_available");
  CHECK(says(opened.resource.next_gap(1000000)) == "[1000001, 1000002)");
  CHECK(required(opened.resource.available()).range_count() == kFragments);
  CHECK(says(opened.writer.commit()) == "!incomplete");
  CHECK(says(opened.writer.write_at(0, bytes)) == std::to_string(kFragments));
  CHECK(says(opened.writer.commit()) == "ok");
  CHECK(opened.available() == "{[0, 2000000)}");
  CHECK(live_allocations() - before <= 100);
}

TEST_CASE("F19: 100,000 waiters of one byte each, filled in reverse") {
  constexpr std::uint64_t kWaiters = 100000;
  Opened<MemoryDriver> opened;
  const std::vector<std::byte> bytes = content({0, kWaiters});
  std::uint64_t ready = 0;
  std::uint64_t expected_next = kWaiters;
  bool in_order = true;
  for (std::uint64_t i = 0; i < kWaiters; ++i) {
    opened.resource.async_wait({i, i + 1}, {}, [&, i](Result<WaitOutcome> outcome) {
      ready += says(outcome) == "ready" ? 1 : 0;
      in_order = in_order && i + 1 == expected_next;
      expected_next = i;
    });
  }
  CHECK(opened.resource.stats().parked == kWaiters);
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t i = kWaiters; i-- > 0;) {
    if (!opened.writer.write_at(i, std::span(bytes).subspan(i, 1))) {
      FAIL("byte " << i);
    }
  }
  const auto took = std::chrono::steady_clock::now() - start;
  CHECK(ready == kWaiters);
  CHECK(in_order);
  CHECK(opened.resource.stats().parked == 0);
  // A broadcast would cost 100,000 * 100,000 looks: minutes, on any machine.
  CHECK(took < std::chrono::seconds(30));
}

TEST_CASE("R14: a block map that runs out of memory is as it was") {
  constexpr std::uint64_t kBlock = BlockMap::kBlockBytes;
  constexpr std::uint64_t kLeaf = 64 * BlockMap::kWordBytes;
  const ByteRange ranges[] = {
      {kLeaf / 2 + 1, kLeaf / 2 + 2}, {kLeaf - 5, kLeaf + kBlock + 5}, {70 * kLeaf, 71 * kLeaf + 9}};
  for (const ByteRange range : ranges) {
    CHECK(for_each_failing_allocation([&](std::uint64_t k) {
            BlockMap map;
            REQUIRE(map.insert({kBlock, 2 * kBlock}).has_value());
            const FailAllocation failing(k);
            const bool inserted = map.insert(range).has_value();
            CHECK(inserted == !failing.fired());
            map.check_invariants();
            CHECK(map.covers(range) == inserted);
            CHECK(map.next_covered(2 * kBlock, kMaxOffset) == (inserted ? range.begin : kMaxOffset));
            return failing.fired();
          }) > 2);
  }
}
