// What is counted of what is sent, and what is told of those who read.
#include <strandline/serve/traffic/reader.h>
#include <tests/serve/scene.h>

#include <numeric>

using namespace strandline;
using namespace strandline::testing;
using serve::Reading;
using serve::Traffic;
using serve::Waiting;

namespace {

// Of a thousand bytes these are there.
Resource<MemoryDriver> resource_with(std::initializer_list<ByteRange> ranges) {
  auto resource = required(Resource<MemoryDriver>::open({}));
  auto writer = required(resource.writer());
  REQUIRE(writer.set_length(1000));
  for (const ByteRange range : ranges) {
    const std::vector<std::byte> bytes(range.size());
    REQUIRE(writer.write_at(range.begin, bytes));
  }
  return resource;
}

}  // namespace

TEST_CASE("traffic: what was there when it was asked for is a hit, the rest is not") {
  const struct {
    std::initializer_list<ByteRange> there;
    ByteRange asked;
    std::uint64_t sent;
    std::uint64_t hits;
  } cases[] = {
      {{{0, 1000}}, {0, 1000}, 1000, 1000},
      {{}, {0, 1000}, 1000, 0},
      {{{0, 400}}, {0, 1000}, 1000, 400},
      {{{0, 400}}, {0, 1000}, 300, 300},
      {{{0, 100}, {500, 600}, {900, 1000}}, {0, 1000}, 1000, 300},
      {{{0, 100}, {500, 600}, {900, 1000}}, {50, 550}, 500, 100},
      {{{500, 1000}}, {0, 1000}, 500, 250},  // in the midst: their share
      {{{0, 100}}, {0, kMaxOffset}, 1000, 100},
  };
  for (const auto& one : cases) {
    const auto resource = resource_with(one.there);
    const auto traffic = std::make_shared<Traffic>();
    const auto reader = traffic->add_reader("x");
    reader->asks();
    const Reading reading(*reader, "name", resource, one.asked, {});
    std::uint64_t last = 0;
    for (std::uint64_t sent = 0; sent < one.sent; sent += 50) {
      reader->sent(50);
      const auto totals = traffic->totals();
      CHECK(totals.hit_bytes >= last);  // a counter never goes back
      last = totals.hit_bytes;
    }
    CAPTURE(one.asked.begin);
    CHECK(traffic->totals().hit_bytes == one.hits);
    CHECK(traffic->totals().sent_bytes() == one.sent);
  }
}

TEST_CASE("traffic: what was fetched while the object was opened for a request is no hit of it") {
  const auto resource = resource_with({{0, 1000}});
  const auto traffic = std::make_shared<Traffic>();
  const auto reader = traffic->add_reader("x");
  reader->asks();
  const Reading reading(*reader, "name", resource, {0, 1000}, std::chrono::steady_clock::now());
  reader->sent(1000);
  CHECK(traffic->totals().hit_bytes == 0);
  CHECK(traffic->totals().miss_bytes == 1000);
}

TEST_CASE("traffic: who reads, where they are, what they wait for") {
  const auto resource = resource_with({});
  const auto traffic = std::make_shared<Traffic>();
  CHECK(traffic->readers().empty());
  auto reader = traffic->add_reader("127.0.0.1:1");
  reader->asks();
  CHECK(traffic->connections() == 1);
  CHECK(traffic->readers().empty());
  {
    const Reading reading(*reader, "name", resource, {100, 900}, {});
    reader->sent(50);
    {
      const Waiting waiting(*reader, {150, 900});
      const auto readers = traffic->readers();
      REQUIRE(readers.size() == 1);
      CHECK(readers[0].client == "127.0.0.1:1");
      CHECK(readers[0].object == serve::object_id("name"));
      CHECK(readers[0].range == ByteRange{100, 900});
      CHECK(readers[0].at == 150);
      CHECK(readers[0].waiting == ByteRange{150, 900});
    }
    CHECK_FALSE(traffic->readers().at(0).waiting);
    const auto waits = traffic->totals().waits.counts;
    CHECK(std::accumulate(waits.begin(), waits.end(), std::uint64_t{0}) == 1);
  }
  CHECK(traffic->readers().empty());
  reader.reset();
  CHECK(traffic->connections() == 0);
}

TEST_CASE("traffic: each request has one status; what breaks off is an error beside that") {
  const auto traffic = std::make_shared<Traffic>();
  const auto reader = traffic->add_reader("x");
  reader->answered(206);
  reader->answered(502);
  reader->answered(200);
  reader->breaks_off();
  const auto totals = traffic->totals();
  CHECK(totals.answers == std::map<int, std::uint64_t>{{200, 1}, {206, 1}, {502, 1}});
  CHECK(totals.requests() == 3);
  CHECK(totals.errors() == 2);
}
