// Bytes given up in the midst of others: what readers, waits, writers and observers see of it.
#include <strandline/testing/scripted_driver.h>

#include <doctest/doctest.h>
#include <tests/resource/subjects.h>

#include <atomic>

using namespace strandline;
using namespace strandline::testing;

namespace {

using Resources = Resource<ScriptedDriver>;

struct Scripted {
  explicit Scripted(ByteRange written = {}) {
    options.script = script;
    resource.emplace(required(Resources::open(std::move(options))));
    writer = required(resource->writer());
    if (!written.empty()) {
      REQUIRE(write_to(writer, written) == std::to_string(written.size()));
    }
  }
  std::string evict(ByteRange range) { return says(resource->evict(range)); }
  std::string available() { return says(required(resource->available())); }

  std::shared_ptr<Script> script = std::make_shared<Script>();
  ScriptedDriver::Options options;
  std::optional<Resources> resource;
  Writer<ScriptedDriver> writer;
};

}  // namespace

TEST_CASE("R2: evicted bytes are missing, and may be written again") {
  Scripted it({0, 100});
  CHECK(it.evict({20, 40}) == "20");
  CHECK(it.available() == "{[0, 20) [40, 100)}");
  CHECK(read_back(*it.resource, {0, 100}) == "!not_available");
  CHECK(read_back(*it.resource, {40, 100}) == "60");
  CHECK_FALSE(it.resource->contains({19, 21}));
  CHECK(says(it.resource->next_gap(0)) == "[20, 40)");
  CHECK(says(it.writer.commit(100)) == "!incomplete");
  CHECK(write_to(it.writer, {0, 100}) == "20");
  CHECK(read_back(*it.resource, {0, 100}) == "100");
  CHECK(says(it.writer.commit()) == "ok");
  CHECK(it.script->breaches().empty());
}

TEST_CASE("R7: what was written last counts for the length, evicted or not") {
  Scripted it({0, 100});
  CHECK(it.evict({50, kMaxOffset}) == "50");
  CHECK(says(it.writer.set_length(80)) == "!conflict");
  const auto committed = it.writer.commit();
  CHECK(says(committed) == "!incomplete");
  CHECK(committed.error().context.find("[50, 100)") != std::string::npos);
}

TEST_CASE("R7: committed content that has lost bytes is active, of known length, and can be completed") {
  Scripted it({0, 100});
  CHECK(says(it.writer.commit()) == "ok");
  const auto observer = std::make_shared<RecordingObserver>();
  const auto subscription = required(it.resource->subscribe(observer));
  CHECK(it.evict({90, 1000}) == "10");
  CHECK(says(it.resource->status().state) == "active");
  CHECK(says(it.resource->length()) == "100");
  CHECK(says(it.resource->wait_range({0, 90}, at_once())) == "ready");
  CHECK(says(it.resource->wait_range({85, 95})) == "!no_writer");
  CHECK(says(it.resource->wait_range({100, 101})) == "eof");
  CHECK(write_to(it.writer, {90, 100}) == "!no_writer");

  it.writer = required(it.resource->reactivate(Reactivate::resume));
  CHECK(write_to(it.writer, {80, 101}) == "!invalid_range");
  CHECK(write_to(it.writer, {80, 100}) == "10");
  CHECK(says(it.writer.commit(99)) == "!conflict");
  CHECK(says(it.writer.commit()) == "ok");
  CHECK(observer->take() == "evict [90, 100); reactivate 1; write [90, 100); commit 100");
  CHECK(it.script->breaches().empty());
}

TEST_CASE("R5: a wait goes on for bytes that a writer may bring again") {
  Scripted it({0, 100});
  auto wait = async(*it.resource, {0, 110});
  CHECK(it.evict({0, 10}) == "10");
  CHECK(write_to(it.writer, {100, 110}) == "10");
  CHECK(wait.answer() == "pending");
  CHECK(write_to(it.writer, {0, 10}) == "10");
  CHECK(wait.answer() == "ready");
}

TEST_CASE("evicting: nothing there, all of it, refusals") {
  Scripted it({10, 20});
  CHECK(it.evict({0, 10}) == "0");
  CHECK(it.evict({20, kMaxOffset}) == "0");
  CHECK(it.evict({15, 15}) == "0");
  CHECK(it.evict({20, 10}) == "!invalid_range");
  CHECK(it.script->count(DriverCall::evict) == 0);
  CHECK(it.evict({0, kMaxOffset}) == "10");
  CHECK(it.available() == "{}");
  it.resource->cancel();
  CHECK(it.evict({0, 10}) == "!cancelled");

  const auto memory = required(Resource<MemoryDriver>::open({}));
  CHECK(says(memory.evict({0, 1})) == "!unsupported");
  const auto ring = required(Resource<RingDriver>::open(ring_of(4096)));
  CHECK(says(ring.evict({0, 1})) == "!unsupported");

  Scripted other({0, 10});
  CHECK(says(other.writer.commit()) == "ok");
  other.writer = required(other.resource->reactivate(Reactivate::rewrite));
  CHECK(other.evict({0, 5}) == "!busy");
}

TEST_CASE("evicting never waits for a write: busy in its range, at once beside it") {
  Scripted it({0, 10});
  CHECK(write_to(it.writer, {20, 30}) == "10");
  const Gate gate = it.script->block(DriverCall::write, 3);
  InThread writing([&] { return it.writer.write_at(10, content({10, 22})); }, [&] { gate.open(); });
  REQUIRE(gate.wait_until_blocked());
  CHECK(it.evict({20, 21}) == "!busy");
  CHECK(it.evict({0, 30}) == "!busy");
  CHECK(it.evict({0, 10}) == "10");
  CHECK(it.evict({22, 30}) == "8");
  gate.open();
  CHECK(writing.join() == "10");
  CHECK(it.available() == "{[10, 22)}");
}

TEST_CASE("a write to bytes that are being given up waits until the storage is through with them") {
  Scripted it({0, 10});
  const Gate gate = it.script->block(DriverCall::evict, 1);
  InThread evicting([&] { return it.resource->evict({2, 8}); }, [&] { gate.open(); });
  REQUIRE(gate.wait_until_blocked());
  CHECK(it.available() == "{[0, 2) [8, 10)}");
  std::atomic<bool> wrote{false};
  InThread writing([&] {
    auto written = it.writer.write_at(0, content({0, 10}));
    wrote = true;
    return written;
  });
  CHECK_FALSE(wrote);
  gate.open();
  CHECK(evicting.join() == "6");
  CHECK(writing.join() == "6");
  CHECK(read_back(*it.resource, {0, 10}) == "10");
  CHECK(it.script->breaches().empty());
}

TEST_CASE("bytes whose eviction failed in the storage are not believed") {
  Scripted it({0, 10});
  it.script->fail(DriverCall::evict, 1, Errc::io);
  CHECK(it.evict({2, 8}) == "!io");
  CHECK(it.available() == "{[0, 2) [8, 10)}");
  CHECK(write_to(it.writer, {0, 10}) == "6");
}

TEST_CASE("a view keeps its bytes when they are given up") {
  Scripted it({0, 100});
  const auto view = required(it.resource->view({0, 100}));
  CHECK(it.evict({0, 100}) == "100");
  CHECK(says(it.writer.write_at(0, content({0, 100}, 2))) == "100");
  CHECK(std::equal(view.bytes().begin(), view.bytes().end(), content({0, 100}).begin()));
}

TEST_CASE("R1: readers beside evictions and refills get the right bytes or none") {
  Scripted it({0, 65536});
  std::atomic<bool> done{false};
  std::atomic<unsigned> wrong{0};
  std::atomic<unsigned> right{0};
  const auto reader = [&] {
    std::vector<std::byte> bytes(4096);
    for (std::uint64_t at = 0; !done || right == 0; at = (at + 4096) % 65536) {
      const auto count = it.resource->read_at(at, bytes);
      if (count) {
        (bytes == content({at, at + 4096}) ? right : wrong)++;
      } else if (count.error().code != Errc::not_available) {
        ++wrong;
      }
    }
  };
  std::thread one(reader);
  std::thread two(reader);
  for (std::uint64_t round = 0; round < 300; ++round) {
    const std::uint64_t begin = round * 1234 % 60000;
    CHECK(says(it.resource->evict({begin, begin + 5000})) == "5000");
    CHECK(write_to(it.writer, {begin, begin + 5000}) == "5000");
  }
  done = true;
  one.join();
  two.join();
  CHECK(wrong == 0);
  CHECK(it.script->breaches().empty());
}

TEST_CASE("bytes that came to be in the storage by another hand are published without a write") {
  Scripted it;
  CHECK(says(it.writer.publish_found({10, 20})) == "10");
  CHECK(says(it.writer.publish_found({5, 25})) == "10");
  CHECK(says(it.writer.publish_found({5, 25})) == "0");
  CHECK(says(it.writer.publish_found({7, 7})) == "0");
  CHECK(says(it.writer.publish_found({7, 6})) == "!invalid_range");
  CHECK(it.available() == "{[5, 25)}");
  CHECK(it.script->count(DriverCall::write) == 0);
  auto wait = async(*it.resource, {0, 25});
  CHECK(says(it.writer.set_length(25)) == "ok");
  CHECK(says(it.writer.publish_found({20, 26})) == "!invalid_range");
  CHECK(says(it.writer.publish_found({0, 5})) == "5");
  CHECK(wait.answer() == "ready");
  CHECK(says(it.writer.commit()) == "ok");
  CHECK(says(it.writer.publish_found({0, 5})) == "!committed");
}
