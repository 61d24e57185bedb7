"""The bugs that tools/planted_bugs plants: each a name, what it breaks, its changes (file, text, new text) and the
test programs, with options, that should catch it, the likeliest first."""

RESOURCE = "tests/resource/test_resource"
ALLOCATION = "tests/resource/test_resource_allocation --test-case=F18*"
BASE = "tests/base/test_base"
CONTRACT = "tests/contract/test_contract"
DRIVERS = "tests/drivers/test_drivers"

LIB = "lib/strandline/"
CORE = LIB + "resource/core/"
MMAP = "drivers/strandline/drivers/mmap.cpp"

BUGS = [
    {
        "name": "gap-filling-commit",
        "breaks": "R7: commit no longer asks whether everything is there",
        "changes": [(CORE + "core_state.cpp", "if (const auto gap = availability.commit_gap(length)) {",
                     "if (const auto gap = availability.commit_gap(length); gap && length == 0) {")],
        "tests": [RESOURCE],
    },
    {
        "name": "publish-before-write",
        "breaks": "R3: readers see bytes that the driver has not written",
        "changes": [(CORE + "core_write.cpp", "pieces.storage->write_at(piece.begin, bytes_of(piece));",
                     "[&] {\n        static_cast<void>(publish(piece, effects));\n"
                     "        return pieces.storage->write_at(piece.begin, bytes_of(piece));\n      }();")],
        "tests": [RESOURCE],
    },
    {
        "name": "publish-more-than-written",
        "breaks": "R3: a short driver write counts as a whole one",
        "changes": [(CORE + "core_write.cpp", "const ByteRange written{piece.begin, piece.begin + *count};",
                     "const ByteRange written{piece.begin, piece.end};")],
        "tests": [RESOURCE],
    },
    {
        "name": "clamp-off-by-one",
        "breaks": "R6: a known length clamps one byte too late",
        "changes": [(LIB + "resource/availability.cpp", "range.clamped_to({0, *length_})",
                     "range.clamped_to({0, *length_ + 1})")],
        "tests": [RESOURCE],
    },
    {
        "name": "eof-off-by-one",
        "breaks": "R6: a range that starts at the length is not the end",
        "changes": [(LIB + "resource/availability.cpp", "range.begin >= *length_", "range.begin > *length_")],
        "tests": [RESOURCE],
    },
    {
        "name": "lost-wake-on-eviction",
        "breaks": "R5: a wait behind the window sleeps on",
        "changes": [(CORE + "core_write.cpp", "waits_.on_evicted(availability, effects.ready());", "")],
        "tests": [RESOURCE],
    },
    {
        "name": "lost-wake-on-set-length",
        "breaks": "R5: a wait past the length sleeps on",
        "changes": [(CORE + "core_state.cpp",
                     "availability.set_length(length);\n    judge_all_locked(effects);",
                     "availability.set_length(length);")],
        "tests": [RESOURCE],
    },
    {
        "name": "missed-re-key",
        "breaks": "R5: a wait is looked for at its last byte, not at the first it lacks",
        "changes": [(LIB + "resource/wait_index.cpp",
                     "    waiter.first_missing_ = availability.first_missing(waiter.range_);\n"
                     "    by_missing_.insert(waiter);\n    if (verdict",
                     "    waiter.first_missing_ = std::max(run.end, waiter.range_.end - 1);\n"
                     "    by_missing_.insert(waiter);\n    if (verdict")],
        "tests": [RESOURCE],
    },
    {
        "name": "missed-re-key-on-drop",
        "breaks": "R5: bytes taken from under a wait are not waited for again",
        "changes": [(CORE + "core_state.cpp",
                     "    ++drops_;\n    waits_.on_dropped(readable_.availability);", "    ++drops_;")],
        "tests": [RESOURCE],
    },
    {
        "name": "compare-skipped",
        "breaks": "R3: different bytes pass for equal ones",
        "changes": [(CORE + "core_write.cpp", "data.data(), *count) != 0) {", "data.data(), *count) != 0 && !*count) {")],
        "tests": [RESOURCE],
    },
    {
        "name": "pin-check-dropped",
        "breaks": "R12: a ring's write overwrites bytes that a view or a read holds",
        "changes": [(CORE + "core_write.cpp", "if (!exclusive_ && !pinned_locked(pieces, window)) {", "if (!exclusive_ && (window <= kMaxOffset || pinned_locked(pieces, window))) {")],
        "tests": [RESOURCE],
    },
    {
        "name": "claims-ignored",
        "breaks": "R3: two writes are in the driver over the same bytes",
        "changes": [(CORE + "core_write.cpp", "!chunk.empty() && !claimed_locked(chunk)", "!chunk.empty()")],
        "tests": [RESOURCE],
    },
    {
        "name": "cursor-holds-nothing",
        "breaks": "R12: a blocking ring overwrites what its cursor has not read",
        "changes": [(CORE + "core_write.cpp", "if (position >= window && chunk.end > position",
                     "if (position > window && chunk.end > position")],
        "tests": [RESOURCE],
    },
    {
        "name": "window-goes-back",
        "breaks": "R12: the window's begin follows the last write, backwards too",
        "changes": [(LIB + "resource/availability.cpp", "return std::max(begin, window_begin_);", "return begin;")],
        "tests": [RESOURCE],
    },
    {
        "name": "observer-after-unsubscribe",
        "breaks": "R10: unsubscribe does not wait for a call in progress",
        "changes": [(LIB + "resource/event_queue.cpp",
                     "while (slot->running && slot->runner != std::this_thread::get_id()) {",
                     "while (slot->running && slot->runner == std::thread::id()) {")],
        "tests": [RESOURCE],
    },
    {
        "name": "observer-told-of-the-past",
        "breaks": "R10: a new observer is told of what happened before it subscribed",
        "changes": [(LIB + "resource/event_queue.cpp", "slot->since = next_sequence_;", "slot->since = 0;")],
        "tests": [RESOURCE],
    },
    {
        "name": "failed-before-ready",
        "breaks": "R4: after fail, waits on bytes that are there fail too",
        "changes": [(CORE + "core_wait.cpp",
                     "  const Verdict verdict = verdict_of(readable_.availability.check(range, until));",
                     "  if (life_.state() == State::failed) {\n    return Verdict::failed;\n  }\n"
                     "  const Verdict verdict = verdict_of(readable_.availability.check(range, until));")],
        "tests": [RESOURCE],
    },
    {
        "name": "early-stop-forgotten",
        "breaks": "R11: a stop that came before the wait was parked is lost",
        "changes": [(CORE + "core_wait.cpp", "verdict = waiter.requested_end();", "verdict = Verdict::pending;")],
        "tests": [RESOURCE],
    },
    {
        "name": "read-not-looked-at-again",
        "breaks": "R1: a read that met a commit below its bytes answers what it copied",
        "changes": [(CORE + "core_read.cpp", "return drops_ == grant.drops;", "return drops_ >= grant.drops;")],
        "tests": [RESOURCE],
    },
    {
        "name": "silent-writer",
        "breaks": "R8: a writer that goes away leaves its readers waiting",
        "changes": [(CORE + "core_state.cpp", "if (!life_.fail(writer)) {", "if (life_.fail(writer)) {")],
        "tests": [RESOURCE],
    },
    {
        "name": "generation-number-again",
        "breaks": "R9: the number of a rewrite that failed is used again",
        "changes": [(LIB + "resource/lifecycle.h", "++newest_;", "newest_ = generation_ + 1;")],
        "tests": [RESOURCE],
    },
    {
        "name": "wide-ring-wait",
        "breaks": "R5: a wait for more than a ring can hold is accepted",
        "changes": [(CORE + "core_wait.cpp", "range.size() > *capacity_", "range.size() > *capacity_ + 1")],
        "tests": [RESOURCE],
    },
    {
        "name": "claim-left-behind",
        "breaks": "R3: a write that gave up while it was held up leaves its claim for ever",
        "changes": [(CORE + "core_write.cpp", "release_locked(*admitted);", "")],
        "tests": [RESOURCE, ALLOCATION],
    },
    {
        "name": "old-bytes-as-new",
        "breaks": "R3: RangeSet::insert answers bytes that it had",
        "changes": [(LIB + "base/range_set.cpp", "    collect_gaps(set, position, range, added);\n    if (added.empty())",
                     "    added.assign(1, range);\n    if (covers(range))")],
        "tests": [BASE],
    },
    {
        "name": "no-stash-for-subtract",
        "breaks": "R14: an erase that runs out of memory loses bytes",
        "changes": [(LIB + "base/range_set.cpp",
                     "    impl_->stash.reserve();\n    // Nothing fails from here on.\n    set.subtract",
                     "    // Nothing fails from here on.\n    set.subtract")],
        "tests": [BASE],
    },
    {
        "name": "file-not-cut",
        "breaks": "R7: a committed file keeps the bytes past its length",
        "changes": [(MMAP,
                     "commit_side(std::uint64_t length) {\n  if (Result<void> cut = file_->cut(length); !cut) {",
                     "commit_side(std::uint64_t length) {\n  if (Result<void> cut; !cut) {")],
        "tests": [CONTRACT, DRIVERS],
    },
    {
        "name": "cut-file-served",
        "breaks": "R13: zeros are served for the bytes of a file that somebody cut short",
        "changes": [("drivers/strandline/drivers/file/mapped_file.cpp",
                     "if (*size < end || lost_from_.load(std::memory_order_seq_cst) < end) {",
                     "if (*size < end && lost_from_.load(std::memory_order_seq_cst) > end) {")],
        "tests": [DRIVERS, CONTRACT],
    },
    {
        "name": "ring-off-by-one",
        "breaks": "R12: the ring's window is one byte too narrow",
        "changes": [("drivers/strandline/drivers/ring.cpp", "return {end > options_.capacity ? end - options_.capacity : 0, end};",
                     "return {end > options_.capacity ? end - options_.capacity + 1 : 0, end};")],
        "tests": [CONTRACT, RESOURCE],
    },
]
