// The explorer on itself: tiny programs with planted defects, each of which it must find, and some without.
// Threads: one. Blocks: no. Errors: 1 when one is not found. Cost: seconds. Lifetime: none.
#pragma once

#include <tests/schedule/scenarios/scenario.h>

namespace strandline::schedule {

[[nodiscard]] int self_test();

}  // namespace strandline::schedule
