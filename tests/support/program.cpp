#include <tests/support/program.h>

#include <strandline/drivers/memory.h>
#include <strandline/drivers/mmap.h>
#include <strandline/drivers/ring.h>
#include <strandline/testing/scripted_driver.h>
#include <tests/support/duel.h>

#include <unistd.h>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace strandline::testing {
namespace {

namespace fs = std::filesystem;

// One folder for all programs of this process. In memory if the system has such a place: thousands of files a
// second are no test of a disk.
class Scratch {
 public:
  Scratch() {
    const fs::path shared_memory = "/dev/shm";
    const bool choose = std::getenv("TMPDIR") == nullptr && access(shared_memory.c_str(), W_OK) == 0;
    std::string name = ((choose ? shared_memory : fs::temp_directory_path()) / "strandline-model-XXXXXX").string();
    folder_ = mkdtemp(name.data()) == nullptr ? fs::path() : fs::path(name);
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  [[nodiscard]] fs::path file() const { return folder_ / "bytes"; }
  // Names of what is left, and none of it any more.
  std::string empty() const {
    std::string names;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder_, error)) {
      names += " " + entry.path().filename().string();
      fs::remove(entry.path(), error);
    }
    return names;
  }

 private:
  fs::path folder_;
};

const Scratch& scratch() {
  static const Scratch instance;
  return instance;
}

std::string listing(const Setting& setting, std::span<const Operation> operations) {
  std::string text = to_string(setting) + "\n";
  for (const Operation& operation : operations) {
    text += "  " + to_string(operation) + "\n";
  }
  return text;
}

template <Driver D>
std::string fight(Duel<D>& duel, const Program& program) {
  const std::span<const Operation> operations = program.operations;
  std::size_t steps = 0;
  while (steps < operations.size() && duel.step(operations[steps])) {
    ++steps;
  }
  if (steps == operations.size() && duel.finish()) {
    return {};
  }
  const std::size_t shown = std::min(steps + 1, operations.size());
  return listing(program.setting, operations.first(shown)) +
         (steps < operations.size() ? "differs: " : "differs at the end: ") + duel.mismatch() + "\n";
}

std::optional<std::vector<std::byte>> initial_bytes(const Setting& setting) {
  if (!setting.committed) {
    return std::nullopt;
  }
  std::vector<std::byte> bytes;
  for (std::uint64_t i = 0; i < *setting.committed; ++i) {
    bytes.push_back(Model::pattern(setting.universe, i, 0));
  }
  return bytes;
}

std::string run_memory(const Program& program) {
  Traits traits;
  traits.sync = false;
  auto initial = initial_bytes(program.setting);
  if (initial && initial->empty()) {
    initial.reset();  // no bytes: opens empty, and active
  }
  MemoryDriver::Options options;
  options.initial = initial.value_or(std::vector<std::byte>());
  const auto duel = std::make_unique<Duel<MemoryDriver>>(program.setting, traits, std::move(options), initial);
  return fight(*duel, program);
}

std::string run_mmap(const Program& program) {
  const auto initial = initial_bytes(program.setting);
  if (initial) {
    std::ofstream file(scratch().file(), std::ios::binary);
    for (const std::byte byte : *initial) {
      file.put(static_cast<char>(byte));
    }
  }
  MmapDriver::Options options;
  options.path = scratch().file();
  options.durable_commit = false;
  std::string report;
  {
    const auto duel = std::make_unique<Duel<MmapDriver>>(program.setting, Traits(), std::move(options), initial);
    report = fight(*duel, program);
  }
  // Content that was committed stays, and nothing else does.
  const std::string left = scratch().empty();
  if (report.empty() && !left.empty() && left != " bytes") {
    report = listing(program.setting, program.operations) + "differs: left behind:" + left + "\n";
  }
  return report;
}

std::string run_ring(const Program& program) {
  Traits traits;
  traits.capacity = program.setting.capacity;
  traits.overflow = program.setting.overflow;
  traits.sync = false;
  const RingDriver::Options options{program.setting.capacity, program.setting.overflow};
  const auto duel = std::make_unique<Duel<RingDriver>>(program.setting, traits, options);
  return fight(*duel, program);
}

DriverCall scripted_call(Fault::Call call) {
  constexpr std::array<DriverCall, 8> kCalls = {DriverCall::read,       DriverCall::write,   DriverCall::commit,
                                                DriverCall::reactivate, DriverCall::rewrite, DriverCall::view,
                                                DriverCall::sync,       DriverCall::evict};
  return kCalls.at(static_cast<std::size_t>(call));
}

std::string run_scripted(const Program& program) {
  const auto script = std::make_shared<Script>();
  const auto arm = [&script, armed = DriverCall::open](const std::optional<Fault>& fault) mutable {
    if (!fault) {
      script->heal(armed);
      script->shorten_all(armed, std::nullopt);
      (void)script->take_log();
      return;
    }
    armed = scripted_call(fault->call);
    if (fault->part) {
      script->shorten_all(armed, fault->part);
    } else {
      script->fail_from(armed, script->count(armed) + fault->nth, fault->error);
    }
  };
  std::string report;
  {
    ScriptedDriver::Options options;
    options.script = script;
    Traits traits;
    traits.evict = true;
    const auto duel =
        std::make_unique<Duel<ScriptedDriver>>(program.setting, traits, std::move(options), std::nullopt, arm);
    report = fight(*duel, program);
  }
  for (const std::string& breach : script->breaches()) {
    report += report.empty() ? listing(program.setting, program.operations) : "";
    report += "the driver's contract was broken: " + breach + "\n";
  }
  return report;
}

}  // namespace

Program decode_program(std::span<const std::uint8_t> input) {
  Program program;
  if (input.size() >= kSettingBytes) {
    program.setting = decode_setting(input);
    for (input = input.subspan(kSettingBytes); input.size() >= kOperationBytes;
         input = input.subspan(kOperationBytes)) {
      program.operations.push_back(decode_operation(program.setting.universe, input));
    }
  }
  return program;
}

std::string to_string(const Program& program) {
  return listing(program.setting, program.operations);
}

std::string run_program(const Program& program) {
  switch (program.setting.driver) {
    case Setting::Driver::mmap:
      return run_mmap(program);
    case Setting::Driver::ring:
      return run_ring(program);
    case Setting::Driver::scripted:
      return run_scripted(program);
    case Setting::Driver::memory:
      break;
  }
  return run_memory(program);
}

}  // namespace strandline::testing
