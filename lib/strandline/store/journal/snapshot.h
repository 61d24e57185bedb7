// encode_snapshot(): a journal of few records that says what a long one says.
// Threads: a pure function. Blocks: never. Errors: throws std::bad_alloc. Cost: O(runs). Lifetime: none.
#pragma once

#include <strandline/store/journal/replay.h>

namespace strandline::store {

// Says what `all` says, under `header`; of its bytes those in `durable`, which are among them, are flagged so.
[[nodiscard]] JournalEncoder encode_snapshot(const JournalHeader& header, const Replay& all, const BlockMap& durable);

}  // namespace strandline::store
