// Random programs on every driver beside the model, with shrinking: rapidcheck's RC_PARAMS sets seed and length.
#include <tests/support/program.h>

#include <array>
#include <doctest/doctest.h>
#include <rapidcheck.h>

namespace strandline::testing {
namespace {

using Step = std::array<std::uint8_t, kOperationBytes>;

// Bytes, decoded as the fuzz target does: so whatever fails here can be added to its corpus.
bool holds_for(Setting::Driver driver) {
  return rc::check("a resource does what its model does", [driver] {
    const auto setting = *rc::gen::arbitrary<std::array<std::uint8_t, kSettingBytes>>();
    const auto steps = *rc::gen::arbitrary<std::vector<Step>>();
    Program program;
    program.setting = decode_setting(setting);
    // The place and the window of the input, but the driver of this test, and nothing told to fail.
    program.setting.faults = Setting::Faults::none;
    if (program.setting.driver != driver) {
      program.setting.driver = driver;
      program.setting.committed.reset();
      program.setting.overflow = Overflow::overwrite;
      program.setting.capacity = driver == Setting::Driver::ring ? 1 + setting[2] % program.setting.universe.size : 0;
    }
    for (const Step& step : steps) {
      program.operations.push_back(decode_operation(program.setting.universe, step));
    }
    const std::string report = run_program(program);
    if (!report.empty()) {
      RC_FAIL(report);
    }
  });
}

TEST_CASE("R1 to R12: random programs on the memory driver") { CHECK(holds_for(Setting::Driver::memory)); }
TEST_CASE("R1 to R12: random programs on the mmap driver") { CHECK(holds_for(Setting::Driver::mmap)); }
TEST_CASE("R1 to R12: random programs on the ring driver") { CHECK(holds_for(Setting::Driver::ring)); }
TEST_CASE("R1 to R12: random programs on the scripted driver") { CHECK(holds_for(Setting::Driver::scripted)); }

}  // namespace
}  // namespace strandline::testing
