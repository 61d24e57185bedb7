// Script and ScriptedDriver: the calls do what was planned for them. tests/contract/ is their home because every other
// test of a driver in trouble leans on them.
#include <strandline/testing/scripted_driver.h>

#include <doctest/doctest.h>
#include <tests/contract/contract.h>

#include <atomic>
#include <stdexcept>
#include <thread>

namespace strandline::contract {

namespace {

struct Opened {
  Opened() { REQUIRE(says(driver.open({.script = script})) == "ok"); }
  std::shared_ptr<Script> script = std::make_shared<Script>();
  ScriptedDriver driver;
};

std::string joined(const std::vector<LoggedCall>& log) {
  std::string text;
  for (const LoggedCall& logged : log) {
    text += (text.empty() ? "" : ", ") + to_string(logged);
  }
  return text;
}

}  // namespace

TEST_CASE("script: the k-th call of a kind fails and changes nothing, the others work") {
  Opened opened;
  ScriptedDriver& driver = opened.driver;
  opened.script->fail(DriverCall::write, 2, Errc::no_space);
  opened.script->fail(DriverCall::commit, 1, Errc::io);
  opened.script->fail(DriverCall::reactivate, 1, Errc::no_memory);
  opened.script->fail(DriverCall::rewrite, 1, Errc::busy);
  opened.script->fail(DriverCall::view, 1, Errc::io);
  opened.script->fail(DriverCall::sync, 1, Errc::io);
  opened.script->fail(DriverCall::read, 1, Errc::io);

  CHECK(write(driver, {0, 10}) == "ok");
  CHECK(write(driver, {10, 20}) == "no_space");
  CHECK(driver.storage_len() == 10);
  CHECK(write(driver, {10, 20}) == "ok");
  CHECK(read(driver, {0, 20}) == "io");
  CHECK(read(driver, {0, 20}) == "ok");
  CHECK(says(driver.view({0, 5})) == "io");
  CHECK(says(driver.sync()) == "io");
  CHECK(says(driver.commit(15)) == "io");
  CHECK(driver.storage_len() == 20);
  CHECK(says(driver.commit(15)) == "ok");
  CHECK(driver.storage_len() == 15);
  CHECK(says(driver.reactivate()) == "no_memory");
  CHECK(says(driver.rewrite()) == "busy");
  CHECK(says(driver.reactivate()) == "ok");
  CHECK(opened.script->breaches().empty());
}

TEST_CASE("script: fail_from goes on until heal") {
  Opened opened;
  opened.script->fail_from(DriverCall::write, 2, Errc::no_space);
  CHECK(write(opened.driver, {0, 10}) == "ok");
  CHECK(write(opened.driver, {10, 20}) == "no_space");
  CHECK(write(opened.driver, {10, 20}) == "no_space");
  opened.script->heal(DriverCall::write);
  CHECK(write(opened.driver, {10, 20}) == "ok");
}

TEST_CASE("script: a shortened call covers the front only") {
  Opened opened;
  opened.script->shorten(DriverCall::write, 1, 3);
  const Bytes bytes = bytes_for(0, 10, 1);
  CHECK(opened.driver.write_at(0, bytes).value() == 3);
  CHECK(opened.driver.storage_len() == 3);
  CHECK(opened.driver.write_at(3, std::span(bytes).subspan(3)).value() == 7);
  opened.script->shorten(DriverCall::read, 1, 0);
  opened.script->shorten(DriverCall::read, 2, 100);
  Bytes read(10);
  CHECK(opened.driver.read_at(0, read).value() == 0);
  CHECK(opened.driver.read_at(0, read).value() == 10);
  opened.script->shorten_all(DriverCall::read, 4);
  CHECK(opened.driver.read_at(0, read).value() == 4);
  CHECK(opened.driver.read_at(0, read).value() == 4);
  opened.script->shorten_all(DriverCall::read, std::nullopt);
  CHECK(opened.driver.read_at(0, read).value() == 10);
}

TEST_CASE("script: a call throws, and changes nothing") {
  Opened opened;
  opened.script->throw_at(DriverCall::write, 1, std::make_exception_ptr(std::runtime_error("scripted")));
  opened.script->throw_at(DriverCall::commit, 1, std::make_exception_ptr(std::bad_alloc()));
  CHECK_THROWS_AS((void)write(opened.driver, {0, 10}), std::runtime_error);
  CHECK(opened.driver.storage_len() == 0);
  CHECK(write(opened.driver, {0, 10}) == "ok");
  CHECK_THROWS_AS((void)opened.driver.commit(5), std::bad_alloc);
  CHECK(says(opened.driver.commit(5)) == "ok");
  CHECK(opened.script->breaches().empty());
}

TEST_CASE("script: a blocked call stands at its gate until it is opened, the others pass") {
  Opened opened;
  const Gate gate = opened.script->block(DriverCall::write, 1);
  std::atomic<bool> passed = false;
  std::jthread writer([&] {
    (void)write(opened.driver, {0, 10});
    passed = true;
  });
  REQUIRE(gate.wait_until_blocked());
  CHECK(!passed);
  CHECK(opened.driver.storage_len() == 0);
  CHECK(opened.script->count(DriverCall::write) == 1);
  CHECK(opened.script->next(DriverCall::write) == 2);
  CHECK(write(opened.driver, {10, 20}) == "ok");
  gate.open();
  writer.join();
  CHECK(read(opened.driver, {0, 20}) == "ok");
  CHECK(gate.wait_until_blocked());  // it has been there
}

TEST_CASE("script: a gate that nobody holds any more is open, and one nobody comes to is given up on") {
  Opened opened;
  CHECK(!opened.script->block(DriverCall::sync, 1).wait_until_blocked(std::chrono::seconds(0)));
  CHECK(says(opened.driver.sync()) == "ok");
  auto gate = std::make_unique<Gate>(opened.script->block(DriverCall::sync, 2));
  std::jthread caller([&] { (void)opened.driver.sync(); });
  REQUIRE(gate->wait_until_blocked());
  gate.reset();
}

TEST_CASE("script: a gate and an error go together") {
  Opened opened;
  const Gate gate = opened.script->block(DriverCall::sync, 1);
  opened.script->fail(DriverCall::sync, 1, Errc::io);
  std::string answer;
  std::jthread caller([&] { answer = says(opened.driver.sync()); });
  REQUIRE(gate.wait_until_blocked());
  gate.open();
  caller.join();
  CHECK(answer == "io");
}

TEST_CASE("script: the log has every call, of the next generation too") {
  Opened opened;
  (void)write(opened.driver, {5, 15});
  (void)read(opened.driver, {6, 8});
  (void)opened.driver.view({5, 6});
  (void)opened.driver.sync();
  (void)opened.driver.commit(15);
  (void)opened.driver.reactivate();
  auto next = opened.driver.rewrite();
  REQUIRE(says(next) == "ok");
  (void)write(**next, {0, 1});
  opened.driver.discard({5, 7});
  CHECK(joined(opened.script->take_log()) ==
        "open [0, 0), write [5, 15), read [6, 8), view [5, 6), sync [0, 0), commit [0, 15), reactivate [0, 0), "
        "rewrite [0, 0), write [0, 1), discard [5, 7)");
  CHECK(opened.script->take_log().empty());
  CHECK(opened.script->count(DriverCall::write) == 2);
}

TEST_CASE("scripted driver: what open finds, or says that it found") {
  ScriptedDriver driver;
  ScriptedDriver::Options options;
  options.content[10] = bytes_for(10, 20, 1);
  options.content[10'000] = bytes_for(10'000, 1, 1);
  const auto parts = driver.open(std::move(options));
  REQUIRE(says(parts) == "ok");
  CHECK(parts->available == RangeSet{{10, 30}, {10'000, 10'001}});
  CHECK(!parts->committed);
  CHECK(read(driver, {10, 30}) == "ok");

  ScriptedDriver liar;
  ScriptedDriver::Options lies;
  lies.state.emplace().committed = true;
  lies.state->length = 99;
  const auto lie = liar.open(std::move(lies));
  REQUIRE(says(lie) == "ok");
  CHECK(lie->committed);
  CHECK(lie->length == 99);
  CHECK(lie->available.empty());
}

TEST_CASE("scripted driver: a caller that breaks the contract is found out") {
  const auto breaches = [](auto&& breaking) {
    Opened opened;
    breaking(opened);
    const auto found = opened.script->breaches();
    return found.empty() ? std::string("none") : found.front();
  };
  CHECK(breaches([](Opened&) {}) == "none");
  CHECK(breaches([](Opened& o) { (void)read(o.driver, {0, 1}); }) == "a read of bytes that were never written");
  CHECK(breaches([](Opened& o) { (void)o.driver.view({0, 1}); }) == "a view of bytes that were never written");
  CHECK(breaches([](Opened& o) { (void)o.driver.write_at(0, {}); }) == "an empty write, or one past 2^63 - 1");
  CHECK(breaches([](Opened& o) { (void)o.driver.open({.script = o.script}); }) == "open() a second time");
  CHECK(breaches([](Opened& o) { (void)o.driver.reactivate(); }) == "reactivate() without a commit");
  CHECK(breaches([](Opened& o) {
          (void)o.driver.commit(0);
          (void)write(o.driver, {0, 1});
        }) == "a write while not writable");
  CHECK(breaches([](Opened& o) {
          const Gate gate = o.script->block(DriverCall::write, 1);
          std::jthread writer([&] { (void)write(o.driver, {0, 10}); });
          REQUIRE(gate.wait_until_blocked());
          (void)write(o.driver, {9, 11});
          gate.open();
        }) == "two writes over one byte at a time");
  CHECK(breaches([](Opened& o) {
          const Gate gate = o.script->block(DriverCall::write, 1);
          std::jthread writer([&] { (void)write(o.driver, {0, 10}); });
          REQUIRE(gate.wait_until_blocked());
          (void)o.driver.commit(0);
          gate.open();
        }) == "a commit during a write");
}

}  // namespace strandline::contract
