// Programs: lists of operations that run as a Duel on the driver their setting names.
// Threads: one. Blocks: never. Errors: a report for people, empty when resource and model agree; the file system's are
// reports too. Cost: see Duel. Lifetime: what a program leaves on disk goes before the call returns.
#pragma once

#include <tests/support/operation.h>

#include <span>
#include <string>
#include <vector>

namespace strandline::testing {

struct Program {
  Setting setting;
  std::vector<Operation> operations;
};

// Every input is a program; a tail too short for an operation is not used.
[[nodiscard]] Program decode_program(std::span<const std::uint8_t> input);
[[nodiscard]] std::string to_string(const Program& program);

// Empty, or the program up to the step after which they differ, and how.
[[nodiscard]] std::string run_program(const Program& program);

}  // namespace strandline::testing
