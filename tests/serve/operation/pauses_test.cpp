// For how long origins that ask for a pause are left alone, and which of their objects are.
#include <strandline/serve/objects/pauses.h>

#include <doctest/doctest.h>

using namespace strandline;
using namespace strandline::serve;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr Pauses::Time kStart{std::chrono::hours(1)};

origin::Failure refused(std::optional<milliseconds> retry_after) {
  return {Error::make(Errc::io, "503"), true, retry_after};
}

struct Heard {
  Pauses pauses;
  void pause(const std::string& key, milliseconds asked, seconds at = seconds(0), const std::string& server = "s") {
    const auto failure = refused(asked);
    pauses.heard(server, key, &failure, kStart + at);
  }
  // What is left of it, in milliseconds; -1: the origin is asked.
  [[nodiscard]] std::int64_t left(const std::string& key, milliseconds at = seconds(0),
                                  const std::string& server = "s") const {
    const auto failure = pauses.standing(server, key, kStart + at);
    return failure ? failure->retry_after.value().count() : -1;
  }
};

}  // namespace

TEST_CASE("pauses: an object is left alone for as long as was asked, a minute at the most") {
  Heard heard;
  CHECK(heard.left("a") == -1);
  heard.pause("a", seconds(7));
  CHECK(heard.left("a") == 7000);
  CHECK(heard.left("a", milliseconds(6999)) == 1);
  CHECK(heard.left("a", seconds(7)) == -1);
  heard.pause("a", std::chrono::hours(24), seconds(10));
  CHECK(heard.left("a", seconds(69)) == (24 * 3600 - 59) * 1000);  // as it was asked
  CHECK(heard.left("a", seconds(70)) == -1);
  heard.pause("a", milliseconds::max(), seconds(100));
  CHECK(heard.left("a", seconds(159)) > 0);
  CHECK(heard.left("a", seconds(160)) == -1);
  const auto failure = heard.pauses.standing("s", "a", kStart + seconds(101));
  REQUIRE(failure);
  CHECK(failure->error.code == Errc::io);
  CHECK(failure->may_pass);
}

TEST_CASE("pauses: what asks for none is none") {
  Heard heard;
  heard.pause("a", milliseconds(0));
  CHECK(heard.left("a") == -1);
  heard.pause("a", milliseconds(-5));
  CHECK(heard.left("a") == -1);
  const auto failure = refused(std::nullopt);
  heard.pauses.heard("s", "a", &failure, kStart);
  heard.pauses.heard("s", "a", nullptr, kStart);
  CHECK(heard.left("a") == -1);
}

TEST_CASE("pauses: one object's is no other's; two objects' are their server's, and no other server's") {
  Heard heard;
  heard.pause("a", seconds(7));
  heard.pause("a", seconds(7));
  CHECK(heard.left("b") == -1);
  heard.pause("b", seconds(5));
  CHECK(heard.left("a") == 7000);
  CHECK(heard.left("b") == 5000);
  CHECK(heard.left("c") == 5000);
  CHECK(heard.left("c", seconds(5)) == -1);
  CHECK(heard.left("a", seconds(5)) == 2000);
  CHECK(heard.left("a", seconds(0), "other") == -1);
  heard.pause("c", std::chrono::hours(1));
  CHECK(heard.left("d", seconds(59)) > 0);
  CHECK(heard.left("d", seconds(60)) == -1);
}

TEST_CASE("pauses: a server that answers for others is not left alone for two that it refuses") {
  Heard heard;
  heard.pause("a", seconds(30));
  heard.pauses.heard("s", "fine", nullptr, kStart);
  heard.pause("b", seconds(30));
  CHECK(heard.left("b") == 30'000);
  CHECK(heard.left("c") == -1);
  // That there is no such object is an answer, too; that it does not answer is none.
  const origin::Failure missing{Error::make(Errc::not_found), false};
  heard.pauses.heard("s", "missing", &missing, kStart);
  heard.pause("c", seconds(30));
  CHECK(heard.left("d") == -1);
  const auto failure = refused(std::nullopt);
  heard.pauses.heard("s", "broken", &failure, kStart);
  heard.pause("d", seconds(30));
  CHECK(heard.left("e") == 30'000);
  // A pause that has passed is no reason any more.
  heard.pause("a", seconds(30), seconds(100));
  CHECK(heard.left("e", seconds(100)) == -1);
}

TEST_CASE("pauses: no more are remembered than have room, and those that have passed make some") {
  Heard heard;
  for (std::size_t i = 0; i < Pauses::kMost + 5; ++i) {
    heard.pause("a", seconds(10), seconds(0), "s" + std::to_string(i));
  }
  CHECK(heard.left("a", seconds(1), "s0") > 0);
  CHECK(heard.left("a", seconds(1), "s" + std::to_string(Pauses::kMost - 1)) > 0);
  CHECK(heard.left("a", seconds(1), "s" + std::to_string(Pauses::kMost)) == -1);
  heard.pause("a", seconds(10), seconds(10), "late");
  CHECK(heard.left("a", seconds(11), "late") > 0);
}
