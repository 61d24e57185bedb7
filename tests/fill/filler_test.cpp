// The filler, with an origin that answers by hand: what it asks for, and what it makes of the answers.
#include <tests/fill/filler_scene.h>

#include <numeric>

using namespace strandline;
using namespace strandline::testing;
using origin::ObjectInfo;
using Scene = FillerScene;

namespace {

fill::FillerOptions quick_retries() {
  fill::FillerOptions options;
  options.retry.first = options.retry.longest = fill::Seconds(0.001);
  return options;
}

}  // namespace

TEST_CASE("filler: fetches an object and commits it") {
  Scene scene;
  auto first = scene.origin->read_number(0);
  CHECK(first->request.range == ByteRange{0, 4 * kMiB});
  CHECK(first->request.if_match == Validator());
  first->serve(object(1000));
  CHECK(says(scene.fill.wait()) == "ok");
  CHECK(says(scene.resource.status().state) == "committed");
  CHECK(says(scene.resource.length()) == "1000");
  CHECK(read_back(scene.resource, {0, 1000}) == "1000");
  CHECK(scene.origin->count() == 1);
  CHECK(scene.fill.progress().fetched == 1000);
}

TEST_CASE("filler: what all fills did together outlives them") {
  Scene scene;
  auto first = scene.origin->read_number(0);
  CHECK(scene.filler.stats().requests == 1);
  CHECK(scene.filler.stats().transfers == 1);
  CHECK(scene.filler.stats().fetched == 0);
  first->serve(object(1000));
  CHECK(says(scene.fill.wait()) == "ok");
  scene.fill.stop();
  const auto stats = scene.filler.stats();
  CHECK(stats.transfers == 0);
  CHECK(stats.fetched == 1000);
  CHECK(stats.retries == 0);
  CHECK(std::accumulate(stats.first_byte.counts.begin(), stats.first_byte.counts.end(), std::uint64_t{0}) == 1);
}

TEST_CASE("filler: durations are in the class that has them as its bound") {
  fill::Durations durations;
  durations.add(std::chrono::microseconds(100));
  durations.add(std::chrono::microseconds(101));
  durations.add(std::chrono::minutes(1));
  durations.add(-std::chrono::seconds(1));
  const auto taken = durations.snapshot();
  CHECK(taken.counts.front() == 2);
  CHECK(taken.counts[1] == 1);
  CHECK(taken.counts.back() == 1);
  CHECK(taken.microseconds == 60'000'201);
}

TEST_CASE("filler: an empty object") {
  Scene scene;
  auto read = scene.origin->read_number(0);
  CHECK(read->begin(object(0)) == "ok");
  read->succeed();
  CHECK(says(scene.fill.wait()) == "ok");
  CHECK(says(scene.resource.length()) == "0");
}

TEST_CASE("filler: what somebody waits for is asked for first, and once for all who wait") {
  Scene scene(Policy::demand_only);
  std::vector<Outcome> waits;
  for (int i = 0; i < 20; ++i) {
    waits.push_back(async(scene.resource, {50 * kMiB, 50 * kMiB + 100}));
  }
  auto read = scene.origin->read_number(0);
  CHECK(read->request.range == ByteRange{50 * kMiB, 50 * kMiB + 100});
  read->serve(object(100 * kMiB));
  for (const auto& wait : waits) {
    CHECK(wait.wait() == "ready");
  }
  CHECK(async(scene.resource, {50 * kMiB, 50 * kMiB + 200}).answer() == "pending");
  CHECK(scene.origin->read_number(1)->request.range == ByteRange{50 * kMiB + 100, 50 * kMiB + 200});
  CHECK(scene.origin->read_number(1)->request.if_match == object(0).validator);
  CHECK(scene.origin->count() == 2);
}

TEST_CASE("filler: a wait that comes while others are served goes before the rest") {
  Scene scene;
  auto first = scene.origin->read_number(0);
  CHECK(first->begin(object(100 * kMiB)) == "ok");
  // 8 at once to begin with, in order; then whoever waits.
  CHECK(scene.origin->read_number(7)->request.range == ByteRange{28 * kMiB, 32 * kMiB});
  const auto wait = async(scene.resource, {90 * kMiB, 90 * kMiB + 10});
  auto urgent = scene.origin->read_number(8);
  CHECK(urgent->request.range == ByteRange{90 * kMiB, 94 * kMiB});
  CHECK(urgent->begin(object(100 * kMiB)) == "ok");
  CHECK(urgent->bytes(10) == "ok");
  CHECK(wait.wait() == "ready");
}

TEST_CASE("F46: an origin that answers a range with everything: used from 0, and nothing else is asked for") {
  Scene scene(Policy::demand_only);
  const auto wait = async(scene.resource, {500, 600});
  auto read = scene.origin->read_number(0);
  ObjectInfo whole = object(1000);
  whole.accepts_ranges = false;
  CHECK(read->begin(whole, 0) == "ok");
  CHECK(read->bytes(550) == "ok");
  CHECK(wait.answer() == "pending");
  CHECK(read->bytes(50) == "ok");
  read->succeed();  // an origin sends nothing past the range
  CHECK(wait.wait() == "ready");
  const auto more = async(scene.resource, {700, 800});
  auto rest = scene.origin->read_number(1);
  CHECK(rest->request.range == ByteRange{0, kMaxOffset});
  CHECK(rest->begin(whole, 0) == "ok");
  CHECK(rest->bytes(1000) == "ok");
  rest->succeed();
  CHECK(more.wait() == "ready");
  CHECK(says(scene.fill.wait()) == "ok");
  CHECK(scene.origin->count() == 2);
}

TEST_CASE("F46: an origin that has no ranges is asked for one thing at a time, though it was asked for the beginning") {
  Scene scene;
  ObjectInfo whole = object(10 * kMiB);
  whole.accepts_ranges = false;
  auto first = scene.origin->read_number(0);
  const auto wait = async(scene.resource, {9 * kMiB, 9 * kMiB + 1});
  CHECK(first->begin(whole, 0) == "ok");
  CHECK(first->bytes(kMiB) == "ok");
  const auto other = async(scene.resource, {8 * kMiB, 8 * kMiB + 1});
  CHECK(first->bytes(first->request.range.size() - kMiB) == "ok");
  first->succeed();
  auto second = scene.origin->read_number(1);
  CHECK(second->request.range == ByteRange{0, kMaxOffset});
  CHECK(second->begin(whole, 0) == "ok");
  CHECK(second->bytes(10 * kMiB) == "ok");
  second->succeed();
  CHECK(says(scene.fill.wait()) == "ok");
  CHECK(wait.wait() == "ready");
  CHECK(other.wait() == "ready");
  CHECK(scene.origin->count() == 2);
}

TEST_CASE("F46: what comes as a whole is ended when nobody has a use for it, as much later as had been wanted") {
  auto filler = required(Filler::create());
  const auto origin = std::make_shared<ManualOrigin>();
  const auto resource = required(Resource<MemoryDriver>::open({}));
  auto request = request_for(origin, resource);
  request.limits.policy = Policy::window;
  request.limits.window = 64 << 10;
  request.limits.min_subrange = 1000;
  auto fill = required(filler.fill(std::move(request)));
  ObjectInfo endless = object(0);
  endless.size.reset();
  endless.accepts_ranges = false;
  const auto first = async(resource, {0, 1});
  auto opening = origin->read_number(0);
  CHECK(opening->begin(endless) == "ok");
  CHECK(opening->bytes(1000) == "ok");
  opening->succeed();
  CHECK(first.wait() == "ready");
  const auto second = async(resource, {1000, 1001});
  auto read = origin->read_number(1);
  CHECK(read->begin(endless, 0) == "ok");
  {
    // A cursor is a reader that may be slow: for that it goes on.
    const auto cursor = required(resource.cursor(0));
    CHECK(read->bytes(kMiB) == "ok");
    CHECK(second.wait() == "ready");
    for (std::uint64_t at = kMiB; at < 51 * kMiB; at += kMiB) {
      const auto wait = async(resource, {at, at + 1});
      CHECK(read->bytes(kMiB) == "ok");
      CHECK(wait.wait() == "ready");
    }
    CHECK_FALSE(read->stopped());
  }
  for (int i = 0; i < 60 && read->bytes(kMiB) == "ok"; ++i) {
  }
  CHECK(eventually([&] {
    static_cast<void>(read->bytes(1));  // else it would be ended for its silence
    return read->stopped();
  }));
  CHECK(resource.contains({0, 51 * kMiB}));
  CHECK(origin->count() == 2);
  // Who comes again has it begun anew.
  const auto again = async(resource, {500 * kMiB, 500 * kMiB + 1});
  CHECK(origin->read_number(2)->request.range == ByteRange{0, kMaxOffset});
}

TEST_CASE("F46: and when it breaks off, everything comes once more, and is compared") {
  Scene scene(Policy::whole, quick_retries());
  ObjectInfo whole = object(1000);
  whole.accepts_ranges = false;
  auto first = scene.origin->read_number(0);
  CHECK(first->begin(whole, 0) == "ok");
  CHECK(first->bytes(400) == "ok");
  first->end({Error::make(Errc::io, "reset"), true});
  auto second = scene.origin->read_number(1);
  CHECK(second->request.range == ByteRange{0, kMaxOffset});
  CHECK(second->begin(whole, 0) == "ok");
  CHECK(second->bytes(300) == "ok");
  CHECK(second->bytes(700) == "ok");
  second->succeed();
  CHECK(says(scene.fill.wait()) == "ok");
  CHECK(read_back(scene.resource, {0, 1000}) == "1000");
}

TEST_CASE("F49: another version in the midst of it: an error, and never a mix") {
  Scene scene(Policy::whole, quick_retries());
  auto read = scene.origin->read_number(0);
  const auto wait = async(scene.resource, {900, 1000});
  CHECK(read->begin(object(1000)) == "ok");
  CHECK(read->bytes(400) == "ok");
  read->end({Error::make(Errc::io, "reset"), true});
  for (std::size_t i = 1; !scene.fill.ended(); ++i) {
    auto again = scene.origin->read_number(i);
    CHECK(again->request.if_match == object(0).validator);
    CHECK(again->begin(object(1000, "2")) == "!changed");
    again->end({Error::make(Errc::changed)});
    static_cast<void>(eventually([&] { return scene.fill.ended() || scene.origin->count() > i + 1; }));
  }
  CHECK(says(scene.fill.wait()) == "!changed");
  CHECK(wait.wait() == "!failed");
  CHECK(read_back(scene.resource, {0, 400}) == "400");
}

TEST_CASE("F49: another length, or other bytes, is another version whatever its validator says") {
  SUBCASE("length") {
    Scene scene(Policy::whole, quick_retries());
    auto read = scene.origin->read_number(0);
    CHECK(read->begin(object(1000)) == "ok");
    read->end({Error::make(Errc::io, "reset"), true});
    CHECK(scene.origin->read_number(1)->begin(object(1001)) == "!changed");
  }
  SUBCASE("bytes") {
    Scene scene(Policy::whole, quick_retries());
    ObjectInfo unknown = object(1000);
    unknown.validator = {};
    unknown.accepts_ranges = false;
    auto read = scene.origin->read_number(0);
    CHECK(read->begin(unknown, 0) == "ok");
    CHECK(read->bytes(400) == "ok");
    read->end({Error::make(Errc::io, "reset"), true});
    auto again = scene.origin->read_number(1);
    CHECK(again->begin(unknown, 0) == "ok");
    CHECK(again->bytes(400, 2) == "!changed");
  }
}

TEST_CASE("F59: two copies with different validators behind one name: that of ours is asked until it answers") {
  Scene scene(Policy::whole, quick_retries());
  auto read = scene.origin->read_number(0);
  CHECK(read->begin(object(1000)) == "ok");
  CHECK(read->bytes(400) == "ok");
  read->end({Error::make(Errc::io, "reset"), true});
  auto other = scene.origin->read_number(1);
  other->end({Error::make(Errc::changed)});
  auto ours = scene.origin->read_number(2);
  CHECK(ours->request.range == ByteRange{400, 1000});
  ours->serve(object(1000));
  CHECK(says(scene.fill.wait()) == "ok");
}

TEST_CASE("F57: a connection that breaks: on from that byte, as often as it takes") {
  Scene scene(Policy::whole, quick_retries());
  for (std::uint64_t at = 0, i = 0; at < 1000; at += 7, ++i) {
    auto read = scene.origin->read_number(i);
    CHECK(read->request.range.begin == at);
    CHECK(read->begin(object(1000)) == "ok");
    CHECK(read->bytes(std::min<std::uint64_t>(7, 1000 - at)) == "ok");
    read->end({Error::make(Errc::io, "reset"), true});
  }
  CHECK(says(scene.fill.wait()) == "ok");
  CHECK(scene.fill.progress().fetched == 1000);
}

TEST_CASE("F48: an answer that ends early without a word is asked for again") {
  Scene scene(Policy::whole, quick_retries());
  auto read = scene.origin->read_number(0);
  CHECK(read->begin(object(1000)) == "ok");
  CHECK(read->bytes(10) == "ok");
  read->succeed();
  CHECK(scene.origin->read_number(1)->request.range == ByteRange{10, 1000});
}

TEST_CASE("F58: what cannot succeed any more fails those who wait, with the cause; what came stays") {
  Scene scene(Policy::whole, quick_retries());
  auto read = scene.origin->read_number(0);
  const auto wait = async(scene.resource, {500, 600});
  CHECK(read->begin(object(1000)) == "ok");
  CHECK(read->bytes(100) == "ok");
  read->end({Error::make(Errc::permission_denied, "403 Forbidden")});
  CHECK(wait.wait() == "!failed");
  CHECK(wait.context().find("403 Forbidden") != std::string::npos);
  CHECK(says(scene.fill.wait()) == "!permission_denied");
  CHECK(read_back(scene.resource, {0, 100}) == "100");
}

TEST_CASE("F58: an origin that is gone is asked until patience is over") {
  auto options = quick_retries();
  options.retry.give_up = fill::Seconds(0.05);
  Scene scene(Policy::whole, options);
  std::size_t asked = 0;
  for (; !scene.fill.ended(); ++asked) {
    scene.origin->read_number(asked)->end({Error::make(Errc::io, "connection refused"), true});
    static_cast<void>(eventually([&] { return scene.fill.ended() || scene.origin->count() > asked + 1; }));
  }
  CHECK(asked > 2);
  CHECK(says(scene.fill.wait()) == "!io");
}

TEST_CASE("F53: a refusal that tells the length") {
  Scene scene(Policy::demand_only);
  const auto wait = async(scene.resource, {2000, 2100});
  origin::Failure past{Error::make(Errc::invalid_range)};
  past.size = 1000;
  scene.origin->read_number(0)->end(std::move(past));
  CHECK(wait.wait() == "eof");
  CHECK(says(scene.resource.length()) == "1000");
}

TEST_CASE("F49: a length that a refusal told does not make what is there of an old version complete") {
  const auto origin = std::make_shared<ManualOrigin>();
  auto filler = required(Filler::create());
  auto resource = required(Resource<MemoryDriver>::open({}));
  auto writer = required(resource.writer());
  REQUIRE(write_to(writer, {0, 1000}) == "1000");
  FillRequest request;
  request.origin = origin;
  request.validator = {Validator::Kind::weak, "old"};
  request.target = std::make_unique<ResourceTarget<MemoryDriver>>(resource, std::move(writer));
  auto fill = required(filler.fill(std::move(request)));
  auto read = origin->read_number(0);
  CHECK(read->request.range.begin == 1000);
  origin::Failure past{Error::make(Errc::invalid_range)};
  past.size = 1000;
  read->end(std::move(past));
  auto asked = origin->read_number(1);
  CHECK(asked->request.range == ByteRange{999, 1000});
  CHECK(asked->request.if_match == Validator{Validator::Kind::weak, "old"});
  asked->end({Error::make(Errc::changed)});
  CHECK_FALSE(resource.status().state == State::committed);
}

TEST_CASE("filler: bytes that were there already are no progress, however many come") {
  auto options = quick_retries();
  options.retry.give_up = fill::Seconds(0.05);
  Scene scene(Policy::whole, options);
  ObjectInfo whole = object(1000);
  whole.accepts_ranges = false;
  std::size_t asked = 0;
  for (; !scene.fill.ended() && asked < 100'000; ++asked) {
    auto read = scene.origin->read_number(asked);
    static_cast<void>(read->begin(whole, 0));
    static_cast<void>(read->bytes(400));
    read->end({Error::make(Errc::io, "reset"), true});
    static_cast<void>(eventually([&] { return scene.fill.ended() || scene.origin->count() > asked + 1; }));
  }
  CHECK(says(scene.fill.wait()) == "!io");
}

TEST_CASE("filler: an origin that is silent every time is given up") {
  fill::FillerOptions options;
  options.retry.give_up = fill::Seconds(0.01);
  Scene scene(Policy::whole, options);
  auto first = scene.origin->read_number(0);
  CHECK(first->begin(object(1000)) == "ok");
  CHECK(first->bytes(10) == "ok");
  auto second = scene.origin->read_number(1);
  CHECK(says(scene.fill.wait()) == "!timed_out");
  CHECK(second->stopped());
}

TEST_CASE("filler: an origin that does not say how long the object is: its end tells") {
  Scene scene;
  auto read = scene.origin->read_number(0);
  ObjectInfo unknown = object(0);
  unknown.size.reset();
  CHECK(read->begin(unknown) == "ok");
  CHECK(read->bytes(777) == "ok");
  read->succeed();
  CHECK(says(scene.fill.wait()) == "ok");
  CHECK(says(scene.resource.length()) == "777");
}

TEST_CASE("filler: a connection that falls silent is not waited for: the rest is asked for on another") {
  Scene scene;
  auto read = scene.origin->read_number(0);
  const auto wait = async(scene.resource, {0, 1000});
  CHECK(read->begin(object(1000)) == "ok");
  CHECK(read->bytes(700) == "ok");
  auto again = scene.origin->read_number(1);  // after 2.5 s at the most
  CHECK(read->stopped());
  CHECK(again->request.range == ByteRange{700, 1000});
  CHECK(again->request.new_connection);
  again->serve(object(1000));
  CHECK(wait.wait() == "ready");
}

TEST_CASE("filler: who waits for what comes next is not forgotten when it does not come") {
  for (const bool fails : {true, false}) {
    Scene scene(Policy::demand_only);
    const auto first = async(scene.resource, {0, 1000}, {.stop = {}, .deadline = {}, .until = WaitFor::any});
    auto read = scene.origin->read_number(0);
    CHECK(read->begin(object(5000)) == "ok");
    CHECK(read->bytes(500) == "ok");
    CHECK(first.wait() == "ready");
    const auto next = async(scene.resource, {500, 1000});
    if (fails) {
      read->end({Error::make(Errc::io, "broken"), true});
    } else {
      read->succeed();
    }
    auto again = scene.origin->read_number(1);
    CHECK(again->request.range == ByteRange{500, 1000});
    again->serve(object(5000));
    CHECK(next.wait() == "ready");
  }
}

TEST_CASE("filler: a target that refuses is not asked again, but one whose cap is reached where that is waited for") {
  struct Full final : fill::Target {
    explicit Full(Error error, int times) : error_(std::move(error)), left_(times) {}
    Result<void> begin(const ObjectInfo&) noexcept override { return {}; }
    Result<std::size_t> write(std::uint64_t, std::span<const std::byte> data,
                              const std::stop_token&) noexcept override {
      return left_-- > 0 ? strandline::fail(error_.clone()) : Result<std::size_t>(data.size());
    }
    Result<void> set_length(std::uint64_t) noexcept override { return {}; }
    Result<void> commit(std::uint64_t) noexcept override { return {}; }
    void fail(Error error) noexcept override { CHECK(error.code == Errc::no_space); }
    void leave() noexcept override {}
    std::optional<ByteRange> next_gap(std::uint64_t from, std::uint64_t limit) const noexcept override {
      return from < limit ? std::optional(ByteRange{from, limit}) : std::nullopt;
    }
    Result<std::vector<Demand>> demand(std::size_t) const noexcept override { return std::vector<Demand>(); }
    std::vector<std::uint64_t> readers(std::size_t) const override { return {}; }
    Result<void> observe(std::shared_ptr<DemandObserver>) noexcept override { return {}; }

    const Error error_;
    int left_;
  };
  for (const bool waits : {false, true}) {
    for (const bool by_the_system : {false, true}) {
      auto filler = required(Filler::create());
      const auto origin = std::make_shared<ManualOrigin>();
      FillRequest request;
      request.origin = origin;
      request.target = std::make_unique<Full>(
          by_the_system ? Error::system(ENOSPC, "write") : Error::make(Errc::no_space, "the cap"), 2);
      request.limits.waits_for_room = waits;
      auto fill = required(filler.fill(std::move(request)));
      const bool goes_on = waits && !by_the_system;
      for (std::size_t i = 0; i < (goes_on ? 2 : 1); ++i) {
        auto read = origin->read_number(i);
        CHECK(read->begin(object(1000)) == "ok");
        CHECK(read->bytes(10) == "!no_space");
      }
      if (goes_on) {
        auto read = origin->read_number(2);
        CHECK(read->begin(object(1000)) == "ok");
        CHECK(read->bytes(10) == "ok");
        fill.stop();
      } else {
        CHECK(says(fill.wait()) == "!no_space");
        CHECK(origin->count() == 1);
      }
    }
  }
}
