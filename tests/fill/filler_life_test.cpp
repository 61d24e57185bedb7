// Fills as their users have them: stopped, paused, cancelled, many at once.
#include <strandline/fill/engine/fill_state.h>
#include <strandline/fill/late_target.h>
#include <strandline/fill/lease_target.h>
#include <strandline/store/store.h>
#include <tests/fill/filler_scene.h>

#include <latch>
#include <thread>

using namespace strandline;
using namespace strandline::testing;
using origin::ObjectInfo;
using Scene = FillerScene;

TEST_CASE("filler: stopped, it ends what runs and those who wait") {
  Scene scene;
  auto read = scene.origin->read_number(0);
  CHECK(read->begin(object(1000)) == "ok");
  const auto wait = async(scene.resource, {0, 100});
  scene.fill.stop();
  CHECK(read->stopped());
  CHECK(wait.wait() == "!no_writer");
}

TEST_CASE("filler: paused, it ends what runs, and those who wait go on waiting") {
  Scene scene;
  auto read = scene.origin->read_number(0);
  CHECK(read->begin(object(1000)) == "ok");
  CHECK(read->bytes(100) == "ok");
  scene.fill.pause();
  REQUIRE(eventually([&] { return read->stopped(); }));
  const auto wait = async(scene.resource, {100, 200});
  CHECK(scene.origin->count() == 1);
  CHECK(wait.answer() == "pending");
  scene.fill.resume();
  auto again = scene.origin->read_number(1);
  CHECK(again->request.range == ByteRange{100, 1000});
  again->serve(object(1000));
  CHECK(wait.wait() == "ready");
}

TEST_CASE("filler: ended with fills under way") {
  const auto origin = std::make_shared<ManualOrigin>();
  auto resource = required(Resource<MemoryDriver>::open({}));
  Fill fill;
  {
    auto filler = required(Filler::create());
    auto request = request_for(origin, resource);
    fill = required(filler.fill(std::move(request)));
    static_cast<void>(origin->read_number(0));
  }
  CHECK(origin->read_number(0)->stopped());
  CHECK(says(fill.wait()) == "!interrupted");
  CHECK(says(resource.wait_range({0, 1}, at_once())) == "!no_writer");
}

TEST_CASE("filler: many objects share the connections of their server") {
  fill::FillerOptions options;
  options.connections = 3;
  auto filler = required(Filler::create(options));
  const auto origin = std::make_shared<ManualOrigin>();
  std::vector<Resource<MemoryDriver>> resources;
  std::vector<Fill> fills;
  std::vector<Outcome> reads;
  for (int i = 0; i < 50; ++i) {
    resources.push_back(required(Resource<MemoryDriver>::open({})));
    if (i == 0) {
      reads.push_back(async(resources[0], {0, 10}));
    }
    auto request = request_for(origin, resources.back());
    request.key = std::to_string(i);
    fills.push_back(required(filler.fill(std::move(request))));
  }
  const auto wait = async(resources[49], {0, 10});
  for (std::size_t i = 0; i < 50; ++i) {
    auto read = origin->read_number(i);
    const std::size_t running = origin->count() - i;
    CHECK(running <= 3);
    if (i == 3) {
      CHECK(wait.answer() == "ready");  // one connection is kept for who waits, as somebody has been reading
    }
    read->serve(object(10));
  }
  for (auto& fill : fills) {
    CHECK(says(fill.wait()) == "ok");
  }
}

TEST_CASE("filler: until somebody reads all connections are used; then one is given up for who waits") {
  fill::FillerOptions options;
  options.connections = 3;
  Scene scene(Policy::whole, options);
  auto first = scene.origin->read_number(0);
  CHECK(first->begin(object(100 * kMiB)) == "ok");
  std::vector<std::shared_ptr<ManualOrigin::Read>> running{first, scene.origin->read_number(1),
                                                           scene.origin->read_number(2)};
  const auto wait = async(scene.resource, {90 * kMiB, 90 * kMiB + 10});
  auto urgent = scene.origin->read_number(3);
  CHECK(urgent->request.range.begin == 90 * kMiB);
  CHECK(std::count_if(running.begin(), running.end(), [](const auto& read) { return read->stopped(); }) == 1);
}

TEST_CASE("filler: a resource that its reader has cancelled ends the fill, whatever the policy, and whenever it was") {
  for (const Policy policy : {Policy::demand_only, Policy::window, Policy::whole}) {
    Scene scene(policy);
    scene.resource.cancel();
    CHECK(says(scene.fill.wait()) == "!cancelled");
  }
  auto filler = required(Filler::create());
  auto resource = required(Resource<MemoryDriver>::open({}));
  auto request = request_for(std::make_shared<ManualOrigin>(), resource);
  resource.cancel();
  CHECK(says(filler.fill(std::move(request))) == "!cancelled");
}

namespace {

// A disk that takes its time over a commit.
class SlowToCommit final : public ResourceTarget<MemoryDriver> {
 public:
  SlowToCommit(Resource<MemoryDriver> resource, Writer<MemoryDriver> writer, const std::latch& go_on)
      : ResourceTarget(std::move(resource), std::move(writer)), go_on_(go_on) {}
  Result<void> commit(std::uint64_t length) noexcept override {
    go_on_.wait();
    return ResourceTarget::commit(length);
  }

 private:
  const std::latch& go_on_;
};

}  // namespace

TEST_CASE("filler: a commit that takes long holds no other fill up; stopped meanwhile, it is committed still") {
  auto filler = required(Filler::create());
  const auto origin = std::make_shared<ManualOrigin>();
  std::latch go_on{1};
  auto slow = required(Resource<MemoryDriver>::open({}));
  FillRequest request;
  request.origin = origin;
  request.target = std::make_unique<SlowToCommit>(slow, required(slow.writer()), go_on);
  auto held_up = required(filler.fill(std::move(request)));
  origin->read_number(0)->serve(object(10));

  auto other = required(Resource<MemoryDriver>::open({}));
  auto second = request_for(origin, other);
  auto fill = required(filler.fill(std::move(second)));
  const auto wait = async(other, {0, 10});
  origin->read_number(1)->serve(object(10));
  CHECK(wait.wait() == "ready");
  CHECK_FALSE(held_up.ended());

  std::thread stopper([&] { held_up.stop(); });
  go_on.count_down();
  stopper.join();
  CHECK(says(slow.status().state) == "committed");
  CHECK(says(fill.wait()) == "ok");
}

TEST_CASE("filler: who has committed is left when nothing writes any more, not before") {
  struct Left final : ResourceTarget<MemoryDriver> {
    Left(Resource<MemoryDriver> resource, Writer<MemoryDriver> writer, std::atomic<int>& times)
        : ResourceTarget(std::move(resource), std::move(writer)), times_(times) {}
    void leave() noexcept override { ++times_; }
    std::atomic<int>& times_;
  };
  std::atomic<int> left{0};
  auto filler = required(Filler::create());
  const auto origin = std::make_shared<ManualOrigin>();
  auto resource = required(Resource<MemoryDriver>::open({}));
  FillRequest request;
  request.origin = origin;
  request.target = std::make_unique<Left>(resource, required(resource.writer()), left);
  auto fill = required(filler.fill(std::move(request)));
  auto read = origin->read_number(0);
  CHECK(read->begin(object(10)) == "ok");
  CHECK(read->bytes(10) == "ok");
  REQUIRE(eventually([&] { return resource.status().state == State::committed; }));
  CHECK_FALSE(fill.ended());
  CHECK(left == 0);
  read->succeed();
  CHECK(says(fill.wait()) == "ok");
  CHECK(left == 1);
}

TEST_CASE("filler: of a store's entry, bytes that come once more after the commit find a writer that has finished") {
  const TempDir directory;
  auto store = required(store::Store::open((directory.path() / "store").native()));
  auto lease = required(store.acquire("key"));
  REQUIRE(lease.writer() != nullptr);
  const auto given_up = std::make_shared<fill::GivenUp>();
  fill::LeaseTarget target(lease, given_up);
  CHECK(says(target.begin(object(10))) == "ok");
  CHECK(says(target.write(0, content({0, 10}), {})) == "10");
  CHECK(says(target.commit(10)) == "ok");
  CHECK(lease.writer() == nullptr);
  const auto again = target.write(0, content({0, 10}), {});
  REQUIRE_FALSE(again);
  CHECK(again.error().code == Errc::committed);  // said by the entry: a writer that is gone knows of no commit
  target.leave();
  CHECK(says(lease.resource().status().state) == "committed");
}

TEST_CASE("filler: an origin that has a fill of the same filler's ends where its user lets go of it") {
  struct Nesting final : ManualOrigin {
    Fill inner;
  };
  auto filler = required(Filler::create());
  const auto resource = required(Resource<MemoryDriver>::open({}));
  const auto outer = required(Resource<MemoryDriver>::open({}));
  auto origin = std::make_shared<Nesting>();
  const std::weak_ptr<Nesting> there = origin;
  origin->inner = required(filler.fill(request_for(std::make_shared<ManualOrigin>(), resource)));
  Fill fill = required(filler.fill(request_for(origin, outer)));
  static_cast<void>(origin->read_number(0));
  origin.reset();
  fill.stop();
  CHECK(eventually([&] { return there.expired(); }));  // a read may still be known to its giver
}

// What the engine goes by, without its thread and its clock: a time to look at, which is past, would have it look for
// ever.
TEST_CASE("filler: paused or committing, there is no time at which to look again") {
  const auto origin = std::make_shared<ManualOrigin>();
  auto resource = required(Resource<MemoryDriver>::open({}));
  const auto fill = std::make_shared<fill::FillState>(std::weak_ptr<fill::Engine>(), request_for(origin, resource),
                                                      std::make_shared<fill::Server>(16U), fill::FillerOptions());
  const auto now = fill::Clock::now();
  const auto break_off = [&](std::size_t number) {
    origin->read_number(number)->end({Error::make(Errc::io, "broken"), true});
    fill->obey();
    fill->collect(now);
  };
  CHECK_FALSE(fill->look(now));
  SUBCASE("paused") {
    break_off(0);  // asked again at once
    CHECK_FALSE(fill->look(now));
    break_off(1);  // and this time later
    CHECK_FALSE(fill->look(now));
    REQUIRE(fill->not_before().value_or(now) > now);
    fill->ask_to_pause(true);
    fill->obey();
    CHECK_FALSE(fill->look(now));
    CHECK_FALSE(fill->not_before());
    fill->ask_to_pause(false);
    CHECK_FALSE(fill->look(now));
    CHECK(fill->not_before());
  }
  SUBCASE("committing, after an answer that broke behind its last byte") {
    CHECK(origin->read_number(0)->begin(object(10)) == "ok");
    CHECK(origin->read_number(0)->bytes(10) == "ok");
    CHECK_FALSE(fill->look(now));  // all of it is there
    break_off(0);
    CHECK_FALSE(fill->look(now));
    CHECK_FALSE(fill->not_before());
    fill->commit_target();
  }
  fill->request_stop();
  fill->obey();
  fill->collect(now);
  CHECK(fill->ended());
  fill->let_go_of_origin();  // whose reads hold the fill
}

TEST_CASE("filler: a late target whose length a refusal told is made once") {
  const auto origin = std::make_shared<ManualOrigin>();
  auto filler = required(Filler::create());
  auto resource = required(Resource<MemoryDriver>::open({}));
  {
    auto writer = required(resource.writer());
    REQUIRE(says(writer.write_at(0, content({0, 1000}))) == "1000");
    REQUIRE(says(writer.abandon(Abandon::handover)) == "ok");
  }
  FillRequest request;
  request.origin = origin;
  request.validator = object(0).validator;
  request.target = std::make_unique<fill::LateTarget>(
      [&](const ObjectInfo&) -> Result<std::unique_ptr<fill::Target>> {
        auto writer = resource.writer();
        if (!writer) {
          return fail(std::move(writer.error()));
        }
        return std::make_unique<ResourceTarget<MemoryDriver>>(resource, std::move(*writer));
      },
      ByteRange{1000, kMaxOffset});
  auto fill = required(filler.fill(std::move(request)));
  origin::Failure past{Error::make(Errc::invalid_range, "416")};
  past.size = 1000;
  origin->read_number(0)->end(std::move(past));
  auto last = origin->read_number(1);
  CHECK(last->request.range == ByteRange{999, 1000});
  CHECK(last->begin(object(1000)) == "ok");  // which is enough: all of it is there
  CHECK(says(fill.wait()) == "ok");
}

TEST_CASE("filler: a window goes on with a reader who finds all that it wants") {
  Scene scene(Policy::window);
  auto cursor = required(scene.resource.cursor());
  std::vector<std::byte> bytes(kMiB);
  const auto first = async(scene.resource, {0, 1});
  const auto serve = [&](std::size_t number) { scene.origin->read_number(number)->serve(object(200 * kMiB)); };
  for (std::size_t i = 0; scene.resource.next_gap(0, 16 * kMiB); ++i) {
    serve(i);
  }
  const std::size_t asked = scene.origin->count();
  for (int i = 0; i < 8; ++i) {
    REQUIRE(says(cursor.read(bytes)) == std::to_string(kMiB));
  }
  CHECK(scene.origin->read_number(asked)->request.range.begin >= 16 * kMiB);
}

TEST_CASE("filler: each answer is judged before any byte of it is written, not the first alone") {
  auto filler = required(Filler::create());
  const auto origin = std::make_shared<ManualOrigin>();
  const auto resource = required(Resource<MemoryDriver>::open({}));
  auto request = request_for(origin, resource);
  request.limits.policy = Policy::demand_only;
  request.accept = [](const ObjectInfo& info) {
    return info.content_type == "private" ? fail(Errc::unsupported, "not this") : Result<void>();
  };
  auto fill = required(filler.fill(std::move(request)));
  const auto first = async(resource, {0, 100});
  origin->read_number(0)->serve(object(10 * kMiB));
  CHECK(first.wait() == "ready");
  const auto second = async(resource, {kMiB, kMiB + 100});
  ObjectInfo other = object(10 * kMiB);
  other.content_type = "private";
  auto read = origin->read_number(1);
  CHECK(read->begin(other) == "!unsupported");
  read->end({Error::make(Errc::unsupported)});
  CHECK(second.wait() == "!failed");
  CHECK(says(fill.wait()) == "!unsupported");
  CHECK(resource.contains({0, 100}));
  CHECK_FALSE(resource.contains({kMiB, kMiB + 1}));
  CHECK(origin->count() == 2);
}

TEST_CASE("filler: what comes as a whole, for nobody, gives its connection to who waits") {
  const auto origin = std::make_shared<ManualOrigin>();
  auto filler = required(Filler::create({.connections = 1}));
  std::vector<Resource<MemoryDriver>> resources;
  std::vector<Fill> fills;
  for (int i = 0; i < 2; ++i) {
    resources.push_back(required(Resource<MemoryDriver>::open({})));
    auto request = request_for(origin, resources.back());
    request.limits.policy = Policy::window;
    fills.push_back(required(filler.fill(std::move(request))));
  }
  ObjectInfo whole = object(1024 * kMiB);
  whole.accepts_ranges = false;
  const auto first = async(resources[0], {0, 10});
  auto read = origin->read_number(0);
  CHECK(read->begin(whole) == "ok");
  CHECK(read->bytes(10) == "ok");
  CHECK(first.wait() == "ready");
  const auto second = async(resources[1], {0, 10});
  auto last = std::chrono::steady_clock::now();
  CHECK(eventually([&] {
    // Slowly: it is not silent, nor at its end.
    if (const auto now = std::chrono::steady_clock::now(); now - last > std::chrono::milliseconds(1)) {
      last = now;
      static_cast<void>(read->bytes(1));
    }
    return origin->count() == 2;
  }));
  CHECK(read->stopped());
}
