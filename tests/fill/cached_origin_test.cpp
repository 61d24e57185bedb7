// CachedOrigin: as any origin, and what of its objects is fetched, kept, and served when the origin is not there.
#include <strandline/fill/cached_origin.h>
#include <strandline/fill/opening/relay.h>
#include <strandline/origin/blocking.h>
#include <strandline/origin/http/http_origin.h>
#include <strandline/origin/memory_origin.h>
#include <tests/origin/conformance.h>
#include <tests/resource/subjects.h>
#include <tests/support/http/served_object.h>

#include <future>

using strandline::fill::CachedOrigin;
using strandline::fill::CachedOriginOptions;
using strandline::fill::Filler;
using strandline::fill::FillerOptions;
using strandline::store::Store;
using strandline::store::StoreOptions;
using strandline::testing::required;
using strandline::testing::TempDir;

namespace strandline::origin::conformance {
namespace {

struct Cached final : Subject {
  static constexpr Can kCan{.write = false, .list = false, .keep_rate = false, .refuse = false};
  [[nodiscard]] Origin& origin() override { return *origin_; }
  void end_origin() override { origin_.reset(); }
  void put(const std::string& name, const Bytes& content) override {
    REQUIRE(says(blocking::write(*memory_, {.key = name, .content = content})) == "ok");
  }

 private:
  const TempDir directory_;
  const std::shared_ptr<MemoryOrigin> memory_ = std::make_shared<MemoryOrigin>();
  std::unique_ptr<CachedOrigin> origin_ =
      std::make_unique<CachedOrigin>(required(Store::open((directory_.path() / "store").native())),
                                     std::make_shared<Filler>(required(Filler::create())), memory_);
};
STRANDLINE_ORIGIN_CONFORMS(Cached);

}  // namespace
}  // namespace strandline::origin::conformance

using namespace strandline;
using namespace strandline::testing;
using Note = CachedOriginOptions::Note;

namespace {

struct Scene {
  TempDir directory;
  std::string path = (directory.path() / "store").native();
  HttpServer server;
  std::shared_ptr<origin::Origin> http = required(origin::HttpOrigin::open());
  std::atomic<unsigned> stale{0}, past{0};  // how often each was noted

  std::unique_ptr<CachedOrigin> open(std::uint64_t cap = 0, std::uint64_t step = 4 * kMiB,
                                     std::chrono::milliseconds untold_for = std::chrono::hours(1)) {
    StoreOptions storing;
    storing.max_bytes = cap;
    FillerOptions filling;
    filling.retry.give_up = fill::Seconds(0);
    CachedOriginOptions options;
    options.step = step;
    options.capped = cap != 0;
    options.untold_for = untold_for;
    options.note = [this](Note note, const Error&) { ++(note == Note::stale ? stale : past); };
    return std::make_unique<CachedOrigin>(required(Store::open(path, std::move(storing))),
                                          std::make_shared<Filler>(required(Filler::create(filling))), http,
                                          std::move(options));
  }
  std::shared_ptr<ServedObject> serve(ObjectSettings settings) {
    auto object = ServedObject::make(std::move(settings));
    server.on("/a", object->script());
    return object;
  }
  // "right", or what is wrong.
  std::string read(CachedOrigin& origin, ByteRange range, std::uint64_t version = 1) {
    const auto got = origin::blocking::read(origin, {.key = server.url("/a"), .range = range}, 1 << 30);
    if (!got) {
      return std::string(to_string(got.error().error.code));
    }
    range = range.clamped_to({0, got->object.size.value_or(kMaxOffset)});
    return got->bytes == content(version, range) ? "right" : "wrong";
  }
};

constexpr ByteRange kAll{0, kMaxOffset};

}  // namespace

TEST_CASE("cached: what is there is not fetched again, and no byte is that nobody asked for") {
  Scene scene;
  const auto object = scene.serve({.size = 20 * kMiB});
  {
    const auto origin = scene.open();
    CHECK(scene.read(*origin, {5 * kMiB, 7 * kMiB}) == "right");
    CHECK(object->sent_bytes() == 2 * kMiB);
    CHECK(scene.read(*origin, {4 * kMiB, 10 * kMiB}) == "right");
    CHECK(object->sent_bytes() == 6 * kMiB);
  }
  const auto origin = scene.open();
  CHECK(scene.read(*origin, kAll) == "right");
  CHECK(object->sent_bytes() == 20 * kMiB);
  CHECK(scene.read(*origin, kAll) == "right");
  CHECK(object->sent_bytes() == 20 * kMiB);
}

TEST_CASE("cached: a new version is fetched when the old one is not asked for") {
  Scene scene;
  const auto object = scene.serve({.size = kMiB});
  const auto origin = scene.open();
  CHECK(scene.read(*origin, kAll) == "right");
  object->change({.size = 2 * kMiB, .version = 2});
  CHECK(scene.read(*origin, kAll, 2) == "right");
  const auto old = origin::blocking::read(
      *origin, {.key = scene.server.url("/a"), .if_match = {Validator::Kind::strong, "\"v1\""}}, 1 << 30);
  CHECK(origin::says(old) == "changed");
  CHECK(scene.past == 0);
}

TEST_CASE("cached: through a store that is smaller than the object, every byte once") {
  Scene scene;
  const auto object = scene.serve({.size = 40 * kMiB});
  const auto origin = scene.open(4 * kMiB, kMiB);
  CHECK(scene.read(*origin, kAll) == "right");
  CHECK(object->sent_bytes() == 40 * kMiB);
  CHECK(scene.past == 0);
}

TEST_CASE("cached: what is waited for is not pushed out before it has been handed on") {
  Scene scene;
  const auto object = scene.serve({.size = 40 * kMiB});
  const auto origin = scene.open(4 * kMiB, kMiB);
  std::promise<void> others;
  const auto slow = std::make_shared<origin::Reading>(ByteRange{0, kMiB});
  slow->on_bytes = [over = others.get_future().share()]() -> Result<void> {
    over.wait();
    return {};
  };
  origin->read({.key = scene.server.url("/a"), .range = {0, kMiB}}, slow, {});
  REQUIRE(slow->wait_begun());
  CHECK(scene.read(*origin, {10 * kMiB, 30 * kMiB}) == "right");
  others.set_value();
  CHECK(slow->wait() == "ok");
  CHECK(slow->bytes() == content(1, {0, kMiB}));
  CHECK(object->sent_bytes() == 21 * kMiB);
}

TEST_CASE("cached: what a store has no room for goes past it") {
  Scene scene;
  const auto object = scene.serve({.size = 40 * kMiB});
  SUBCASE("from the middle on") {
    auto full = required(Store::open(scene.path, {.max_bytes = 8 * kMiB}));
    auto lease = required(full.acquire("other"));
    const auto origin = scene.open(8 * kMiB, 16 * kMiB);  // a step that cannot be held
    CHECK(scene.read(*origin, kAll) == "right");
    CHECK(object->sent_again() <= 16 * kMiB);
  }
  SUBCASE("at once, when it only comes as a whole") {
    object->change({.size = 40 * kMiB, .ranges = false});
    const auto origin = scene.open(8 * kMiB, kMiB);
    CHECK(scene.read(*origin, {30 * kMiB, 31 * kMiB}) == "right");
    CHECK(scene.read(*origin, kAll) == "right");
  }
  CHECK(scene.past == 1);
}

TEST_CASE("cached: while the origin does not answer, what is complete is served, and nothing else") {
  Scene scene;
  const auto object = scene.serve({.size = 5 * kMiB});
  {
    const auto origin = scene.open();
    CHECK(scene.read(*origin, {0, 4 * kMiB}) == "right");
  }
  const auto refusal = [](int status) {
    return [status](HttpExchange& exchange) { static_cast<void>(exchange.answer(status)); };
  };
  scene.server.on("/a", refusal(503));
  CHECK(scene.read(*scene.open(), {0, 1000}) == "io");
  scene.server.on("/a", object->script());
  CHECK(scene.read(*scene.open(), kAll) == "right");
  CHECK(scene.stale == 0);
  scene.server.on("/a", refusal(503));
  {
    const auto origin = scene.open();
    const auto info = origin::blocking::stat(*origin, scene.server.url("/a"));
    REQUIRE(info);
    CHECK(info->size == 5 * kMiB);
    CHECK(scene.read(*origin, kAll) == "right");
    CHECK(scene.stale == 1);
  }
  scene.server.on("/a", refusal(404));
  CHECK(scene.read(*scene.open(), kAll) == "not_found");
  scene.server.stop_listening();
  CHECK(scene.read(*scene.open(), {1000, 2000}) == "right");
  CHECK(scene.stale == 2);
}

TEST_CASE("cached: of many objects most are closed again") {
  Scene scene;
  const auto object = ServedObject::make({.size = 1000});
  const auto origin = scene.open();
  const auto open_files = [] {
    const std::filesystem::directory_iterator files("/proc/self/fd");
    return std::distance(begin(files), end(files));
  };
  const auto before = open_files();
  for (int i = 0; i < 200; ++i) {
    const std::string path = "/" + std::to_string(i);
    scene.server.on(path, object->script());
    const auto got = origin::blocking::read(*origin, {.key = scene.server.url(path)}, 1 << 20);
    CHECK(origin::says(got) == "ok");
  }
  CHECK(open_files() - before < 64 * 2 + 30);
}

TEST_CASE("cached: an object of unknown length, and one that tells no versions apart") {
  Scene scene;
  const auto object = scene.serve({.size = 3 * kMiB, .etag = ""});
  const auto origin = scene.open();
  CHECK(scene.read(*origin, {0, kMiB}) == "right");
  CHECK(scene.read(*origin, kAll) == "right");
  CHECK(object->sent_bytes() == 3 * kMiB);
  CHECK(scene.read(*origin, {3 * kMiB, 4 * kMiB}) == "invalid_range");
}

TEST_CASE("cached: what tells no versions apart is fetched anew after its time, also when it was not complete") {
  Scene scene;
  const auto object = scene.serve({.size = 3 * kMiB, .etag = ""});
  const auto origin = scene.open(0, 4 * kMiB, std::chrono::milliseconds(0));
  CHECK(scene.read(*origin, {0, kMiB}) == "right");
  object->change({.size = 3 * kMiB, .version = 2, .etag = ""});
  CHECK(scene.read(*origin, kAll, 2) == "right");
  object->change({.size = 3 * kMiB, .version = 3, .etag = ""});
  CHECK(scene.read(*origin, kAll, 3) == "right");
  CHECK(scene.past == 0);
}

TEST_CASE("cached: an origin that gives up fails the read with its reason") {
  Scene scene;
  const auto object = scene.serve({.size = 40 * kMiB, .rate = 20'000'000});
  const auto origin = scene.open();
  CHECK(scene.read(*origin, {0, kMiB}) == "right");
  const auto info = origin::blocking::stat(*origin, scene.server.url("/a"));
  REQUIRE(info);
  scene.server.on("/a", [](HttpExchange& exchange) { static_cast<void>(exchange.answer(410)); });
  const auto got =
      origin::blocking::read(*origin, {.key = scene.server.url("/a"), .if_match = info->validator}, 1 << 30);
  CHECK(origin::says(got) == "not_found");
  CHECK(scene.past == 0);
}

namespace {

// An origin whose objects are memory's; what one is, is answered when the test says so.
class HeldStat final : public origin::Origin {
 public:
  class Question {
   public:
    Question(origin::Origin& inner, std::string key, origin::Reply<origin::ObjectInfo> reply, std::stop_token stop)
        : inner_(inner), key_(std::move(key)), reply_(std::move(reply)), on_stop_(std::move(stop), [this] {
            if (!over_.exchange(true)) {
              reply_(tl::unexpected(origin::Failure{Error::make(Errc::interrupted)}));
            }
          }) {}
    void answer() {
      if (!over_.exchange(true)) {
        inner_.stat(key_, reply_, {});
      }
    }

   private:
    origin::Origin& inner_;
    const std::string key_;
    const origin::Reply<origin::ObjectInfo> reply_;
    std::atomic<bool> over_{false};
    std::stop_callback<std::function<void()>> on_stop_;  // the last member: it may run at once
  };

  [[nodiscard]] std::string name() const override { return "held"; }
  void stat(std::string key, origin::Reply<origin::ObjectInfo> reply, std::stop_token stop) noexcept override {
    auto question = std::make_shared<Question>(memory_, std::move(key), std::move(reply), std::move(stop));
    MutexLock lock(mutex_);
    questions_.push_back(std::move(question));
    asked_.notify_all();
  }
  void read(origin::ReadRequest request, std::shared_ptr<origin::Sink> sink, std::stop_token stop) noexcept override {
    memory_.read(std::move(request), std::move(sink), std::move(stop));
  }
  origin::MemoryOrigin& memory() { return memory_; }
  // The number-th question, counted from 0, once it has been asked.
  std::shared_ptr<Question> question(std::size_t number) {
    const auto until = in_good_time();
    MutexLock lock(mutex_);
    while (questions_.size() <= number) {
      const bool in_time = asked_.wait_until(mutex_, until);
      REQUIRE(in_time);
    }
    return questions_[number];
  }

 private:
  origin::MemoryOrigin memory_;
  Mutex mutex_;
  CondVar asked_;
  std::vector<std::shared_ptr<Question>> questions_ STRANDLINE_GUARDED_BY(mutex_);
};

struct HeldScene {
  TempDir directory;
  std::shared_ptr<HeldStat> held = std::make_shared<HeldStat>();
  CachedOrigin cached{required(Store::open((directory.path() / "store").native())),
                      std::make_shared<Filler>(required(Filler::create())), held};
  HeldScene() {
    const auto bytes = content(1, {0, 1000});
    REQUIRE(origin::blocking::write(held->memory(), {.key = "a", .content = bytes}));
    const auto first = read();
    held->question(0)->answer();
    REQUIRE(first->wait() == "ok");
  }
  std::shared_ptr<origin::Reading> read(Validator version = {}, std::stop_token stop = {}) {
    auto reading = std::make_shared<origin::Reading>(ByteRange{0, 1000});
    cached.read({.key = "a", .range = {0, 1000}, .if_match = std::move(version)}, reading, std::move(stop));
    return reading;
  }
};

}  // namespace

TEST_CASE("cached: who wants the version at hand waits for nobody's question") {
  HeldScene scene;
  const auto info = origin::blocking::stat(scene.held->memory(), "a");
  REQUIRE(info);
  const auto asking = scene.read();
  const auto question = scene.held->question(1);
  CHECK(scene.read(info->validator)->wait() == "ok");
  question->answer();
  CHECK(asking->wait() == "ok");
}

TEST_CASE("cached: who waits for another's question can be stopped") {
  HeldScene scene;
  const auto asking = scene.read();
  const auto question = scene.held->question(1);
  std::stop_source stop;
  const auto waiting = scene.read({}, stop.get_token());
  stop.request_stop();
  CHECK(waiting->wait() == "interrupted");
  question->answer();
  CHECK(asking->wait() == "ok");
}

TEST_CASE("cached: when the one who asks is stopped, another asks") {
  HeldScene scene;
  std::stop_source stop;
  const auto asking = scene.read({}, stop.get_token());
  static_cast<void>(scene.held->question(1));
  const auto waiting = scene.read();
  stop.request_stop();
  CHECK(asking->wait() == "interrupted");
  scene.held->question(2)->answer();
  CHECK(waiting->wait() == "ok");
}

TEST_CASE("cached: the rest from past the store is of the version that the beginning was of") {
  const Validator version{Validator::Kind::weak, "1"};
  const auto answer = [&](const origin::ObjectInfo& object, std::optional<origin::ObjectInfo> told) {
    origin::Reading sink({0, 2000});
    return says(fill::Relay(sink, 1000, std::move(told)).begin(object, 1000));
  };
  const origin::ObjectInfo told{2000, version, true, {}};
  CHECK(answer(told, told) == "ok");
  CHECK(answer({std::nullopt, version, true, {}}, told) == "ok");
  CHECK(answer({2001, version, true, {}}, told) == "!changed");
  CHECK(answer({2000, {Validator::Kind::weak, "2"}, true, {}}, told) == "!changed");
}
