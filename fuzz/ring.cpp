// A program of operations on a Resource over a very small ring, side by side with the reference model: windows of 1
// to 8 bytes, both overflow policies, cursors and views that hold the writer back, writes that are larger than the
// window, behind it, or half of each.
//
// Input: byte 0 picks the window, byte 1 where it starts; then three bytes an operation: kind, place, details.
#include <tests/support/program.h>

#include <array>
#include <cstdio>
#include <cstdlib>

namespace {

using strandline::kMaxOffset;
using strandline::Overflow;
using strandline::testing::Operation;
using strandline::testing::Program;
using strandline::testing::Setting;
using Kind = Operation::Kind;

constexpr std::uint64_t kBytes = 48;
constexpr std::array<std::uint64_t, 6> kBases = {0, 1, 4090, (std::uint64_t{1} << 32) - 7, kMaxOffset - kBytes, 8191};

// What moves a window or is moved by it comes often.
constexpr std::array<Kind, 32> kKinds = {
    Kind::write,       Kind::write,       Kind::write,       Kind::write,       Kind::write,       Kind::write,
    Kind::write,       Kind::write,       Kind::read,        Kind::wait,        Kind::async_wait,  Kind::async_wait,
    Kind::open_cursor, Kind::read_cursor, Kind::read_cursor, Kind::read_cursor, Kind::seek_cursor, Kind::drop_cursor,
    Kind::open_view,   Kind::open_view,   Kind::drop_view,   Kind::drop_view,   Kind::take_writer, Kind::reactivate,
    Kind::commit,      Kind::set_length,  Kind::abandon,     Kind::interrupt,   Kind::next_gap,    Kind::wait_read,
    Kind::fail,        Kind::write};

// The window wanders upwards: places are near where the last operation was, and seldom behind it.
Operation decode(const Program& program, std::uint64_t& around, const std::uint8_t* code) {
  const auto& universe = program.setting.universe;
  Operation operation;
  operation.kind = kKinds[code[0] % kKinds.size()];
  operation.slot = code[0] >> 7U;
  const std::uint64_t place = around + code[1] % 16;
  operation.begin = universe.base + (place < 6 ? 0 : std::min<std::uint64_t>(place - 6, universe.size));
  operation.end = std::min(universe.end(), operation.begin + (code[1] >> 4U));
  operation.variant = (code[2] & 12U) == 12 ? 2 : 0;
  operation.flag = (code[2] & 1U) != 0;
  operation.stopped = (code[2] & 48U) == 48;
  operation.fault = (code[2] & 192U) == 192 ? code[2] % 16 : 0;
  if (operation.kind == Kind::write) {
    around = operation.end - universe.base;
  }
  return operation;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) {
    return 0;
  }
  Program program;
  Setting& setting = program.setting;
  setting.driver = Setting::Driver::ring;
  setting.capacity = data[0] % 8 + 1U;
  setting.overflow = (data[0] & 8U) != 0 ? Overflow::block : Overflow::overwrite;
  setting.faults = (data[0] & 48U) == 48 ? Setting::Faults::allocations : Setting::Faults::none;
  setting.universe = {kBases[data[1] % kBases.size()], kBytes};
  std::uint64_t around = 0;
  Operation first;
  first.kind = Kind::take_writer;
  program.operations.push_back(first);
  for (std::size_t at = 2; at + 3 <= size; at += 3) {
    program.operations.push_back(decode(program, around, data + at));
  }
  const std::string report = strandline::testing::run_program(program);
  if (!report.empty()) {
    std::fputs(report.c_str(), stderr);
    std::abort();
  }
  return 0;
}
