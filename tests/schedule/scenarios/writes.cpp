// Writes against each other and against what ends writing.
#include <strandline/testing/scripted_driver.h>
#include <tests/schedule/scenarios/scenario.h>

namespace strandline::schedule {

namespace {

void overlap_equal() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  std::size_t fresh = 0;
  spawn("writer 1", [&] { fresh += required(writer.write_at(0, content({0, 6}))); });
  spawn("writer 2", [&] { fresh += required(writer.write_at(2, content({2, 8}))); });
  spawn("reader", [&] {
    wait(resource, {1, 7}, {"ready"});
    read(resource, {1, 7});
  });
  join();
  expect(fresh == 8, "a byte was newly available twice, or never");
  check(resource);
}

void overlap_different() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  std::string_view one, two;
  spawn("writer 1", [&] { one = word(writer.write_at(0, content({0, 6}, 1))); });
  spawn("writer 2", [&] { two = word(writer.write_at(2, content({2, 8}, 2))); });
  spawn("reader", [&] {
    wait(resource, {2, 6}, {"ready"});
    const std::uint64_t first = try_read(resource, {2, 6}, {});
    expect(first == try_read(resource, {2, 6}, {}), "bytes changed within a generation");
  });
  join();
  expect_word(one, {"ok", "conflict"}, "writer 1");
  expect(two == (one == "ok" ? "conflict" : "ok"), "both writes went through, or none");
  read(resource, {2, 6}, one == "ok" ? 1 : 2);
  expect(!resource.contains({0, 1}) || one == "ok", "a write that conflicts changed something");
  expect(!resource.contains({7, 8}) || two == "ok", "a write that conflicts changed something");
  check(resource);
}

void write_commit() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  write(writer, {0, 4});
  std::string_view wrote;
  spawn("writer", [&] { wrote = word(writer.write_at(4, content({4, 8}))); });
  spawn("committer", [&] { required(writer.commit()); });
  spawn("waiter", [&] { wait(resource, {4, 8}, {"ready", "eof"}); });
  join();
  expect_word(wrote, {"ok", "committed"}, "a write");
  expect(resource.length() == (wrote == "ok" ? 8U : 4U), "a write that is neither before the commit nor rejected");
  check(resource);
}

void write_fail() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  std::string_view wrote;
  spawn("writer", [&] { wrote = word(writer.write_at(0, content({0, 8}))); });
  spawn("failer", [&] { required(writer.fail(Error{Errc::io, {}, ""})); });
  spawn("waiter", [&] { wait(resource, {0, 8}, {"ready", "failed"}); });
  join();
  expect_word(wrote, {"ok", "failed"}, "a write");
  if (wrote == "ok") {
    read(resource, {0, 8});
  }
  check(resource);
}

void commit_fail() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  write(writer, {0, 4});
  std::string_view sealed, failed;
  spawn("committer", [&] { sealed = word(writer.commit()); });
  spawn("failer", [&] { failed = word(writer.fail(Error{Errc::io, {}, ""})); });
  spawn("waiter", [&] { wait(resource, {2, 8}, {"ready", "failed"}); });
  join();
  expect((sealed == "ok") != (failed == "ok"), "both the commit and the failure went through, or none");
  read(resource, {0, 4});
  check(resource);
}

void two_commits() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  write(writer, {0, 8});
  std::string_view short_one, whole;
  spawn("short", [&] { short_one = word(writer.commit(4)); });
  spawn("whole", [&] { whole = word(writer.commit(8)); });
  spawn("reader", [&] { read(resource, {0, 4}); });
  join();
  expect((short_one == "ok") != (whole == "ok"), "two commits of different lengths went through, or none");
  expect(resource.length() == (whole == "ok" ? 8U : 4U), "another length than the commit's");
  check(resource);
}

// On the scripted driver, which checks that it is called as the contract says.
void short_writes() {
  const auto script = std::make_shared<Script>();
  script->shorten_all(DriverCall::write, 3);
  ScriptedDriver::Options options;
  options.script = script;
  auto resource = required(Resource<ScriptedDriver>::open(std::move(options)));
  auto writer = required(resource.writer());
  spawn("writer 1", [&] { required(writer.write_at(0, content({0, 5}))); });
  spawn("writer 2", [&] { required(writer.write_at(3, content({3, 8}))); });
  spawn("reader", [&] {
    wait(resource, {0, 8}, {"ready"});
    read(resource, {0, 8});
  });
  join();
  expect(script->breaches().empty(), "the driver's contract was broken");
  check(resource);
}

void failing_write() {
  const auto script = std::make_shared<Script>();
  script->fail(DriverCall::write, 1, Errc::no_space);
  ScriptedDriver::Options options;
  options.script = script;
  auto resource = required(Resource<ScriptedDriver>::open(std::move(options)));
  auto writer = required(resource.writer());
  std::string_view one, two;
  spawn("writer 1", [&] { one = word(writer.write_at(0, content({0, 6}))); });
  spawn("writer 2", [&] { two = word(writer.write_at(2, content({2, 8}))); });
  spawn("reader", [&] {
    try_read(resource, {2, 6}, {"not_available"});
    try_read(resource, {0, 1}, {"not_available"});
  });
  join();
  expect(one == "no_space" || two == "no_space", "no write failed");
  expect(script->breaches().empty(), "the driver's contract was broken");
  check(resource);
}

void failing_commit() {
  const auto script = std::make_shared<Script>();
  script->fail(DriverCall::commit, 1, Errc::no_memory);
  ScriptedDriver::Options options;
  options.script = script;
  auto resource = required(Resource<ScriptedDriver>::open(std::move(options)));
  auto writer = required(resource.writer());
  required(writer.write_at(0, content({0, 8})));
  spawn("committer", [&] { expect_word(word(writer.commit(4)), {"no_memory"}, "a commit"); });
  spawn("reader", [&] { try_read(resource, {0, 8}, {"not_available"}); });
  spawn("waiter", [&] { wait(resource, {2, 8}, {"ready"}); });
  join();
  read(resource, {0, 8});
  expect(script->breaches().empty(), "the driver's contract was broken");
  check(resource);
}

constexpr Scenario kWrites[] = {
    {"overlap_equal", "overlapping writes of equal bytes: each byte is newly available once", overlap_equal},
    {"overlap_different", "overlapping writes of different bytes: one wins whole, the other changes nothing",
     overlap_different},
    {"write_commit", "a write that races a commit is wholly before it or rejected", write_commit},
    {"write_fail", "a write that races fail() is readable if it succeeded", write_fail},
    {"commit_fail", "of commit and fail, at the same time, the first stands", commit_fail},
    {"two_commits", "of two commits with different lengths one succeeds", two_commits},
    {"short_writes", "short driver writes are published piece by piece, and each is awaited by who overlaps it",
     short_writes},
    {"failing_write", "a write that fails publishes nothing and leaves its claim to the next", failing_write},
    {"failing_commit", "a commit that is undone leaves its bytes readable and their waits ready", failing_commit},
};

}  // namespace

std::span<const Scenario> write_scenarios() {
  return kWrites;
}

}  // namespace strandline::schedule
