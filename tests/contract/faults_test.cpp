// What a driver answers when the world fails it, and that it is as good as before afterwards.
#include <tests/contract/subjects.h>
#include <tests/support/failing_new.h>

namespace strandline::contract {

using testing::FailAllocation;
using testing::for_each_failing_allocation;

namespace {

// Rule R13: an error, or an exception that the core turns into one.
template <class Call>
std::string outcome(Call&& call) {
  try {
    return says(call());
  } catch (const std::bad_alloc&) {
    return "no_memory";
  }
}

}  // namespace

TEST_CASE_TEMPLATE_DEFINE("F21: driver read_at: storage that lost bytes answers io, never made-up bytes", S,
                          loses_bytes) {
  S subject;
  const auto driver = committed(subject, kRoom);
  subject.cut(100'001);
  CHECK(read(*driver, {100'001, kRoom}) == "io");
  CHECK(read(*driver, {100'001, 100'002}) == "io");
  CHECK(read(*driver, {kRoom - 1, kRoom}) == "io");
  if constexpr (Views<S>::value) {
    CHECK(says(driver->view({100'000, 100'002})) == "io");
    CHECK(says(driver->view({150'000, kRoom})) == "io");
  }
  subject.cut(0);
  CHECK(read(*driver, {0, 1}) == "io");
}
STRANDLINE_CONTRACT(loses_bytes, LosesBytes);

TEST_CASE_TEMPLATE_DEFINE("driver commit: after an error the storage is writable, and commit may come again", S,
                          commits_again) {
  S subject;
  const auto check = [&](auto& driver, std::uint64_t written) {
    subject.break_commit();
    for (int tries = 0; tries < 2; ++tries) {
      REQUIRE(says(driver.commit(written)) != "ok");
      CHECK(read(driver, {0, written}) == "ok");
      CHECK(write(driver, {written, written + 1'000}) == "ok");
      written += 1'000;
    }
    REQUIRE(says(driver.commit(written - 1'500)) != "ok");  // may drop what is past its length
    subject.mend_commit();
    CHECK(write(driver, {written - 1'500, written}) == "ok");
    CHECK(read(driver, {0, written}) == "ok");
    CHECK(says(driver.commit(written)) == "ok");
    CHECK(read(driver, {0, written}) == "ok");
  };
  {
    const auto driver = opened<typename S::DriverType>(subject.options());
    REQUIRE(write(*driver, {0, 50'000}) == "ok");
    check(*driver, 50'000);
  }
  if constexpr (Lasts<S>::value) {
    CHECK(found(subject) == "52000 ok");
  }
}
STRANDLINE_CONTRACT(commits_again, FailsCommit);

TEST_CASE_TEMPLATE_DEFINE("F18: driver: the k-th allocation fails in every call, and the next try succeeds", S,
                          out_of_memory) {
  const std::int64_t before = testing::live_allocations();
  const Bytes bytes = bytes_for(0, 70'000, 1);
  const auto walk = [&](const char* name, auto prepare, auto call) {
    for_each_failing_allocation([&](std::uint64_t k) {
      CAPTURE(name);
      CAPTURE(k);
      S subject;
      auto driver = opened<typename S::DriverType>(subject.options());
      REQUIRE(write(*driver, {70'000, 80'000}) == "ok");
      prepare(*driver);
      bool fired = false;
      {
        std::string answer;
        answer.reserve(64);
        const FailAllocation scope(k);
        answer = outcome([&] { return call(*driver); });
        fired = scope.fired();
        // An error names nothing without memory, but it is an answer; success despite a failure is fine.
        CHECK((answer == "ok" || (fired && answer == "no_memory")));
        if (answer == "ok") {
          return fired;
        }
      }
      CHECK(read(*driver, {70'000, 80'000}) == "ok");
      CHECK(outcome([&] { return call(*driver); }) == "ok");
      CHECK(read(*driver, {70'000, 80'000}) == "ok");
      return fired;
    });
  };
  const auto nothing = [](auto&) {};
  const auto fill = [&](auto& driver) { REQUIRE(write(driver, {0, 70'000}) == "ok"); };
  const auto complete = [&](auto& driver) {
    fill(driver);
    REQUIRE(says(driver.commit(80'000)) == "ok");
  };
  walk("write", nothing, [&](auto& driver) { return driver.write_at(0, bytes); });
  walk("read", nothing, [&](auto& driver) {
    std::byte byte;
    return std::as_const(driver).read_at(75'000, std::span(&byte, 1));
  });
  walk("commit", fill, [](auto& driver) { return driver.commit(80'000); });
  walk("reactivate", complete, [](auto& driver) { return driver.reactivate(); });
  if constexpr (Rewrites<S>::value) {
    walk("rewrite", complete, [](auto& driver) { return driver.rewrite(); });
  }
  if constexpr (Views<S>::value) {
    walk("view", fill, [](auto& driver) { return driver.view({0, 80'000}); });
  }
  if constexpr (Syncs<S>::value) {
    walk("sync", fill, [](auto& driver) { return driver.sync(); });
  }
  CHECK(testing::live_allocations() - before == 1);  // `bytes`
}
STRANDLINE_CONTRACT(out_of_memory, All);

TEST_CASE_TEMPLATE_DEFINE("F18: driver open: the k-th allocation fails, and another driver opens", S,
                          opens_out_of_memory) {
  S subject;
  for_each_failing_allocation([&](std::uint64_t k) {
    CAPTURE(k);
    auto options = subject.options();
    bool fired = false;
    {
      typename S::DriverType driver;
      const FailAllocation scope(k);
      const std::string answer = outcome([&] { return driver.open(std::move(options)); });
      fired = scope.fired();
      CHECK((answer == "ok" || (fired && answer == "no_memory")));
    }
    CHECK(found(subject) == "nothing");
    return fired;
  });
}
STRANDLINE_CONTRACT(opens_out_of_memory, All);

}  // namespace strandline::contract
