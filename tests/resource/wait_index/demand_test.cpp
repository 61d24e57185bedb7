// What is waited for, and who is told: demand(), the demand observer, where cursors stand.
#include <tests/resource/subjects.h>

#include <atomic>
#include <mutex>

using namespace strandline;
using namespace strandline::testing;

namespace {

// Notes what it is told, and calls `then` from inside the call.
class RecordingDemand final : public DemandObserver {
 public:
  void on_demand(ByteRange missing) noexcept override {
    {
      const std::scoped_lock lock(mutex_);
      log_ += (log_.empty() ? "" : " ") + to_string(missing);
    }
    if (then) {
      then(missing);
    }
    ++calls;  // who waits for this may end the wait
  }
  [[nodiscard]] std::string take() {
    const std::scoped_lock lock(mutex_);
    return std::exchange(log_, {});
  }

  std::function<void(ByteRange)> then;  // set before it is told anything
  std::atomic<unsigned> calls{0};

 private:
  std::mutex mutex_;
  std::string log_;
};

std::string all_of(const std::vector<Demand>& all) {
  std::string text;
  for (const Demand& demand : all) {
    text += (text.empty() ? "" : " ") + to_string(demand.missing) + "/" + std::to_string(demand.enough) +
            (demand.urgency == Urgency::background ? "b" : "") + (demand.deadline ? "!" : "");
  }
  return text;
}
template <class D>
std::string demand(const Resource<D>& resource, std::size_t limit = 100) {
  return all_of(required(resource.demand(limit)));
}
WaitOptions in_background(WaitFor until = WaitFor::all) {
  return {{}, {}, until, Urgency::background};
}

template <class D>
struct Told : Opened<D> {
  using Opened<D>::Opened;
  std::shared_ptr<RecordingDemand> observer = std::make_shared<RecordingDemand>();
  void listen() { this->resource.set_demand_observer(observer); }
};

}  // namespace

TEST_CASE_TEMPLATE("demand: from the first byte that is missing to the end of what is asked for, by offset", D,
                   STRANDLINE_BACKENDS) {
  Opened<D> opened;
  CHECK(demand(opened.resource).empty());
  CHECK(opened.write({100, 104}) == "4");
  const auto far = async(opened.resource, {300, 400});
  const auto near = async(opened.resource, {96, 108});
  const auto past = async(opened.resource, {100, 110}, {{}, {}, WaitFor::any});
  CHECK(past.answer() == "ready");
  CHECK(demand(opened.resource) == "[96, 108)/108 [300, 400)/400");
  CHECK(opened.write({96, 100}) == "4");
  CHECK(demand(opened.resource) == "[104, 108)/108 [300, 400)/400");
  CHECK(opened.write({104, 108}) == "4");
  CHECK(near.answer() == "ready");
  CHECK(demand(opened.resource) == "[300, 400)/400");
  CHECK(says(opened.writer.set_length(350)) == "ok");
  CHECK(demand(opened.resource) == "[300, 350)/350");
  CHECK(says(opened.writer.abandon(Abandon::stop)) == "ok");
  CHECK(far.answer() == "!no_writer");
  CHECK(demand(opened.resource).empty());
}

TEST_CASE("demand: what lacks the same byte is one, with the furthest end and the soonest; urgencies apart") {
  Opened<MemoryDriver> opened;
  std::vector<Outcome> waits;
  waits.push_back(async(opened.resource, {0, 8}));
  waits.push_back(async(opened.resource, {0, 100}));
  waits.push_back(async(opened.resource, {0, 1000}, in_background()));
  waits.push_back(async(opened.resource, {50, 60}, in_background(WaitFor::any)));
  CHECK(demand(opened.resource) == "[0, 100)/8 [0, 1000)/1000b [50, 60)/51b");
  waits.push_back(async(opened.resource, {0, 20}, {{}, {}, WaitFor::any}));
  CHECK(demand(opened.resource) == "[0, 100)/1 [0, 1000)/1000b [50, 60)/51b");
  waits.push_back(async(opened.resource, {50, 55}));
  CHECK(demand(opened.resource) == "[0, 100)/1 [0, 1000)/1000b [50, 55)/55 [50, 60)/51b");
  // Over the limit readers stay, and what is nearest to the start.
  CHECK(demand(opened.resource, 3) == "[0, 100)/1 [0, 1000)/1000b [50, 55)/55");
  CHECK(demand(opened.resource, 2) == "[0, 100)/1 [50, 55)/55");
  CHECK(demand(opened.resource, 1) == "[0, 100)/1");
  CHECK(demand(opened.resource, 0).empty());
  CHECK(opened.write({0, 50}) == "50");
  CHECK(demand(opened.resource) == "[50, 100)/55 [50, 1000)/51b");
  opened.resource.cancel();
  CHECK(demand(opened.resource).empty());
}

TEST_CASE("demand: the earliest deadline of a group, and none where none is") {
  Opened<MemoryDriver> opened;
  const auto soon = in_good_time();
  const auto sooner = soon - std::chrono::seconds(1);
  const auto never = std::chrono::steady_clock::time_point::max();
  const auto one = async(opened.resource, {0, 8}, {{}, soon, {}});
  const auto two = async(opened.resource, {0, 9}, {{}, sooner, {}});
  const auto three = async(opened.resource, {20, 28}, {{}, never, {}});
  InThread blocked(
      [&] {
        return opened.resource.wait_range({40, 44}, {{}, soon, {}});
      },
      [&] { opened.resource.cancel(); });
  until_parked(opened.resource, 4);
  const auto all = required(opened.resource.demand(10));
  REQUIRE(all.size() == 3);
  CHECK(all[0].deadline == sooner);
  CHECK_FALSE(all[1].deadline.has_value());
  CHECK(all[2].deadline == soon);
  opened.resource.interrupt();
  CHECK(blocked.join() == "interrupted");
}

TEST_CASE("demand: of very many waits on one byte some are asked, and the first to end among them") {
  Opened<MemoryDriver> opened;
  std::vector<Outcome> waits;
  for (std::uint64_t end = 1000; end > 0; --end) {
    waits.push_back(async(opened.resource, {0, end}));
  }
  const auto all = required(opened.resource.demand(10));
  REQUIRE(all.size() == 1);
  CHECK(all[0].enough == 1);
  CHECK(all[0].missing.begin == 0);
  CHECK(all[0].missing.end <= 1000);
}

TEST_CASE_TEMPLATE("demand: the observer is told of each wait that is parked, once, and of no other", D,
                   STRANDLINE_BACKENDS) {
  Told<D> opened;
  const auto before = async(opened.resource, {0, 4});
  opened.listen();
  CHECK(opened.write({8, 12}) == "4");
  CHECK(opened.observer->take().empty());
  const auto one = async(opened.resource, {8, 20});
  CHECK(opened.observer->take() == "[12, 20)");
  const auto any = async(opened.resource, {30, 50}, {{}, {}, WaitFor::any});
  CHECK(opened.observer->take() == "[30, 50)");
  // Decided at once.
  CHECK(async(opened.resource, {8, 12}).answer() == "ready");
  CHECK(opened.waits({60, 64}) == "timed_out");
  CHECK(async(opened.resource, {9, 8}).answer() == "!invalid_range");
  CHECK(opened.observer->take().empty());
  // A write that moves a parked wait on is the writer's own doing.
  CHECK(opened.write({12, 16}) == "4");
  CHECK(opened.observer->take().empty());
  CHECK(says(opened.writer.set_length(40)) == "ok");
  const auto clamped = async(opened.resource, {36, 64});
  CHECK(opened.observer->take() == "[36, 40)");
  opened.resource.set_demand_observer(nullptr);
  const auto unheard = async(opened.resource, {32, 36});
  CHECK(opened.observer->take().empty());
  CHECK(opened.observer.use_count() == 1);
}

TEST_CASE("demand: every face that blocks tells the observer, with its wait among what is waited for") {
  Told<MemoryDriver> opened;
  std::string there;
  opened.observer->then = [&](ByteRange) { there = demand(opened.resource); };
  opened.listen();
  std::array<std::byte, 8> bytes{};
  auto cursor = required(opened.resource.cursor(100));
  const auto blocks = [&](auto call, const std::string& told, const std::string& wanted) {
    InThread blocked(std::move(call), [&] { opened.resource.cancel(); });
    REQUIRE(eventually([&] { return opened.observer->calls == 1; }));
    opened.resource.interrupt();
    CHECK(blocked.join().find("interrupted") != std::string::npos);
    CHECK(opened.observer->take() == told);
    CHECK(there == wanted);
    opened.observer->calls = 0;
  };
  blocks([&] { return opened.resource.wait_range({0, 8}); }, "[0, 8)", "[0, 8)/8");
  blocks([&] { return opened.resource.wait_range({0, 8}, in_background()); }, "[0, 8)", "[0, 8)/8b");
  blocks([&] { return opened.resource.wait_read_at(16, bytes); }, "[16, 24)", "[16, 24)/24");
  blocks([&] { return cursor.read(bytes); }, "[100, 108)", "[100, 108)/101");
}

TEST_CASE("demand: an observer that brings the bytes at once ends the wait that it is told of") {
  Told<MemoryDriver> opened;
  opened.observer->then = [&](ByteRange missing) { CHECK(opened.write(missing) == std::to_string(missing.size())); };
  opened.listen();
  CHECK(says(opened.resource.wait_range({0, 8})) == "ready");
  CHECK(async(opened.resource, {8, 16}).answer() == "ready");
  std::array<std::byte, 8> bytes{};
  CHECK(says(opened.resource.wait_read_at(20, bytes)) == "8");
  auto cursor = required(opened.resource.cursor(30));
  CHECK(says(cursor.read(bytes)) == "8");
  CHECK(opened.observer->take() == "[0, 8) [8, 16) [20, 28) [30, 38)");
  CHECK(opened.resource.stats().parked == 0);
}

TEST_CASE("demand: an observer may end the resource, from the last handle too, and replace itself") {
  SUBCASE("cancel") {
    Told<MemoryDriver> opened;
    opened.observer->then = [&](ByteRange) { opened.resource.cancel(); };
    opened.listen();
    CHECK(says(opened.resource.wait_range({0, 8})) == "!cancelled");
  }
  SUBCASE("the last handle") {
    auto opened = std::make_unique<Told<MemoryDriver>>();
    REQUIRE(says(opened->writer.abandon(Abandon::handover)) == "ok");
    opened->listen();
    const std::weak_ptr<Core> core = opened->resource.handle()->core();
    opened->observer->then = [&](ByteRange) {
      opened.reset();
      CHECK(core.expired());
    };
    struct Call final : WaitCallback {
      explicit Call(Outcome& of) : callback(of.callback()) {}
      void call(Result<WaitOutcome> result) noexcept override { callback(std::move(result)); }
      std::function<void(Result<WaitOutcome>)> callback;
    };
    Outcome outcome;
    auto call = std::make_unique<Call>(outcome);
    // Through the core, which the wait alone holds then: it goes in the midst of this.
    Core& alone = *opened->resource.handle()->core();
    alone.async_wait({0, 8}, {}, std::move(call));
    CHECK(outcome.answer() == "!cancelled");
  }
  SUBCASE("itself") {
    Told<MemoryDriver> opened;
    const auto next = std::make_shared<RecordingDemand>();
    opened.observer->then = [&](ByteRange) {
      opened.resource.set_demand_observer(next);
      opened.resource.set_demand_observer(nullptr);
    };
    opened.listen();
    const auto wait = async(opened.resource, {0, 8});
    CHECK(opened.observer->take() == "[0, 8)");
    const auto unheard = async(opened.resource, {0, 8});
    CHECK(next->calls == 0);
    CHECK(opened.observer->calls == 1);
  }
}

TEST_CASE("demand: bytes given up under a parked wait are waited for again") {
  Told<MmapDriver> opened;
  CHECK(opened.write({0, 8}) == "8");
  const auto wait = async(opened.resource, {0, 16});
  CHECK(demand(opened.resource) == "[8, 16)/16");
  CHECK(says(opened.writer.abandon(Abandon::handover)) == "ok");
  opened.next_writer(Reactivate::rewrite);
  CHECK(demand(opened.resource) == "[0, 16)/16");
  CHECK(opened.write({0, 16}) == "16");
  CHECK(wait.answer() == "ready");
}

TEST_CASE_TEMPLATE("cursors: where they stand", D, STRANDLINE_BACKENDS) {
  Opened<D> opened;
  const auto positions = [&](std::size_t limit = 10) {
    std::string text;
    for (const std::uint64_t at : required(opened.resource.reader_positions(limit))) {
      text += (text.empty() ? "" : " ") + std::to_string(at);
    }
    return text;
  };
  CHECK(positions().empty());
  CHECK(opened.write({0, 64}) == "64");
  auto one = required(opened.resource.cursor(16));
  {
    auto two = required(opened.resource.cursor());
    CHECK(positions() == "0 16");
    std::array<std::byte, 24> bytes{};
    CHECK(says(two.read(bytes)) == "24");
    CHECK(positions() == "16 24");
    CHECK(positions(1) == "16");
    CHECK(says(two.seek(1000)) == "ok");
    CHECK(positions() == "16 1000");
    auto moved = std::move(two);
    CHECK(positions() == "16 1000");
    one = std::move(moved);
    CHECK(positions() == "1000");
  }
  CHECK(positions() == "1000");
}
