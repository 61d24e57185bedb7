// A program of operations on a Resource, over the memory, the mmap, the ring or the scripted driver, side by side with
// the reference model of tests/support/model.h. An allocation or a driver call of a step may be told to fail.
//
// Input: see tests/support/operation.h.
#include <tests/support/program.h>

#include <cstdio>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto program = strandline::testing::decode_program({data, size});
  const std::string report = strandline::testing::run_program(program);
  if (!report.empty()) {
    std::fputs(report.c_str(), stderr);
    std::abort();
  }
  return 0;
}
