// The drivers that the conformance suite runs on. To join: a subject (see contract.h), and its name in Subjects.
#pragma once

#include <strandline/drivers/memory.h>
#include <strandline/drivers/mmap.h>
#include <strandline/drivers/ring.h>
#include <strandline/store/entry/entry_driver.h>
#include <strandline/testing/scripted_driver.h>

#include <examples/custom_driver.h>
#include <tests/contract/contract.h>

namespace strandline::contract {

struct Memory {
  using DriverType = MemoryDriver;
  MemoryDriver::Options options() { return {}; }
  MemoryDriver::Options complete(Bytes bytes) { return {.initial = std::move(bytes)}; }
};

// With all its memory set aside at open.
struct ExpectedMemory {
  using DriverType = MemoryDriver;
  MemoryDriver::Options options() { return {.expected_length = kRoom, .initial = {}}; }
};

struct Mmap {
  using DriverType = MmapDriver;
  static constexpr bool kLasting = true;

  MmapDriver::Options options() {
    MmapDriver::Options options;
    options.path = directory / "content";
    options.durable_commit = false;
    return options;
  }
  MmapDriver::Options complete(const Bytes& bytes) {
    std::ofstream out(directory / "content", std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return options();
  }
  MmapDriver::Options refused() {
    MmapDriver::Options options;
    options.path = directory / "no such directory" / "content";
    return options;
  }
  void cut(std::uint64_t length) { std::filesystem::resize_file(directory / "content", length); }
  void break_commit() { std::filesystem::create_directory(directory / "content"); }
  void mend_commit() { std::filesystem::remove(directory / "content"); }

  testing::ScratchDir directory;
};

struct Ring {
  using DriverType = RingDriver;
  RingDriver::Options options() { return {.capacity = kRoom}; }
  RingDriver::Options refused() { return {.capacity = 0}; }
};

struct Scripted {
  using DriverType = ScriptedDriver;
  ScriptedDriver::Options options() { return {.script = script}; }
  ScriptedDriver::Options complete(Bytes bytes) {
    ScriptedDriver::Options options{.script = script, .committed = true};
    options.content[0] = std::move(bytes);
    return options;
  }
  ScriptedDriver::Options refused() {
    script->fail(DriverCall::open, script->next(DriverCall::open), Errc::io);
    return options();
  }
  void break_commit() { script->fail_from(DriverCall::commit, 1, Errc::io); }
  void mend_commit() { script->heal(DriverCall::commit); }

  ~Scripted() { CHECK(script->breaches() == std::vector<std::string>()); }
  std::shared_ptr<Script> script = std::make_shared<Script>();
};

// All reads and writes are short: the suite itself must allow for that.
struct ShortScripted : Scripted {
  ShortScripted() {
    script->shorten_all(DriverCall::read, 1'009);
    script->shorten_all(DriverCall::write, 2'003);
  }
};

struct WindowedScripted {
  using DriverType = WindowedScriptedDriver;
  WindowedScriptedDriver::Options options() { return {.capacity = kRoom}; }
};

struct RunLength {
  using DriverType = examples::RunLengthDriver;
  examples::RunLengthDriver::Options options() { return {}; }
};

struct Entry {
  using DriverType = store::EntryDriver;
  static constexpr bool kLasting = true;
  static constexpr bool kRemembers = true;

  store::EntryDriver::Options options() {
    store::EntryDriver::Options options;
    options.name = directory / "entry";
    options.key = "key";
    return options;
  }
  store::EntryDriver::Options complete(const Bytes& bytes) {
    std::filesystem::remove(directory / "entry.data");  // what was there before
    const auto driver = opened<store::EntryDriver>(options());
    REQUIRE((bytes.empty() || driver->write_at(0, bytes) == bytes.size()));
    REQUIRE(says(driver->commit(bytes.size())) == "ok");
    return options();
  }
  store::EntryDriver::Options refused() {
    store::EntryDriver::Options options;
    options.name = directory / "no such directory" / "entry";
    return options;
  }
  void cut(std::uint64_t length) { std::filesystem::resize_file(directory / "entry.data", length); }

  testing::ScratchDir directory;
};

using Subjects =
    std::tuple<Memory, ExpectedMemory, Mmap, Ring, Scripted, ShortScripted, WindowedScripted, RunLength, Entry>;

// The cases of a check that needs what the traits name: STRANDLINE_CONTRACT(id, Views, Rewrites).
#define STRANDLINE_CONTRACT(id, ...) TEST_CASE_TEMPLATE_APPLY(id, Those<Subjects, __VA_ARGS__>::type)

}  // namespace strandline::contract
