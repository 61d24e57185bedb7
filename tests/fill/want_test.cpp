// What a Want says to who fetches, and for how long.
#include <strandline/fill/want.h>
#include <strandline/testing/scripted_driver.h>

#include <tests/resource/subjects.h>

using namespace strandline;
using namespace strandline::testing;
using fill::Want;

namespace {

struct Wanted {
  Wanted() : resource(required(Resource<ScriptedDriver>::open({.script = std::make_shared<Script>()}))) {}
  // What is waited for, as a fill is told.
  [[nodiscard]] std::string demand() const {
    std::string text;
    for (const Demand& each : required(resource.demand(100))) {
      text += to_string(each.missing);
    }
    return text;
  }

  Resource<ScriptedDriver> resource;
  Writer<ScriptedDriver> writer = required(resource.writer());
};

}  // namespace

TEST_CASE("want: what is missing of it, until it has come or the Want ends") {
  Wanted it;
  {
    const Want want(it.resource, {10, 100});
    CHECK(it.demand() == "[10, 100)");
    CHECK(write_to(it.writer, {50, 60}) == "10");
    CHECK(it.demand() == "[10, 100)");
    CHECK(write_to(it.writer, {10, 20}) == "10");
    CHECK(it.demand() == "[20, 100)");
  }
  CHECK(it.demand().empty());
  const Want other(it.resource, {0, 60});
  CHECK(write_to(it.writer, {0, 50}) == "40");
  CHECK(it.demand().empty());
}

TEST_CASE("want: what has come and been evicted is not asked for again") {
  Wanted it;
  const Want want(it.resource, {0, 100});
  CHECK(write_to(it.writer, {0, 40}) == "40");
  CHECK(says(it.resource.evict({0, 30})) == "30");
  CHECK(it.demand() == "[40, 100)");
  CHECK(write_to(it.writer, {40, 100}) == "60");
  CHECK(it.demand().empty());
}
