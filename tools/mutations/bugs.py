"""The bugs that tools/planted_bugs plants: each a name, what it breaks, its changes (file, text, new text) and the
test programs, with options, that should catch it, the likeliest first."""

RESOURCE = "tests/resource/test_resource"
ALLOCATION = "tests/resource/test_resource_allocation --test-case=F18*"
BASE = "tests/base/test_base"
CONTRACT = "tests/contract/test_contract"
DRIVERS = "tests/drivers/test_drivers"

LIB = "lib/strandline/"
CORE = LIB + "resource/core/"
WAIT_INDEX = LIB + "resource/wait_index/"
# One scenario of the schedule explorer.
SCHEDULE = "tests/schedule/test_schedule --schedules=30000 --scenario="
MMAP = "drivers/strandline/drivers/mmap.cpp"
STORE = "tests/store/test_store"
CRASH = "tests/store/test_store_crash"
ENTRY = LIB + "store/entry/entry_driver.cpp"
ENTRY_OPEN = LIB + "store/entry/entry_open.cpp"
REPLAY = LIB + "store/journal/replay.cpp"
SHARED = "tests/store/shared/test_store_shared"
ORIGIN = "tests/origin/test_origin"
FILES = LIB + "origin/file/"
HTTP = LIB + "origin/http/"
ORIGIN_HTTP = "tests/origin/http/test_origin_http"

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
        "changes": [(LIB + "resource/availability/availability.cpp", "range.clamped_to({0, length_.load(std::memory_order_relaxed)})",
                     "range.clamped_to({0, std::max(length_.load(std::memory_order_relaxed), "
                     "length_.load(std::memory_order_relaxed) + 1)})")],
        "tests": [RESOURCE],
    },
    {
        "name": "eof-off-by-one",
        "breaks": "R6: a range that starts at the length is not the end",
        "changes": [(LIB + "resource/availability/availability.cpp", "range.begin >= length_.load(",
                     "range.begin > length_.load(")],
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
                     "availability.set_length(length);\n      judge_all_locked(effects);",
                     "availability.set_length(length);")],
        "tests": [RESOURCE],
    },
    {
        "name": "missed-re-key",
        "breaks": "R5: a wait is looked for at its last byte, not at the first it lacks",
        "changes": [(LIB + "resource/wait_index/wait_index.cpp",
                     "join(*heap, end);", "join(*heap, heap->satisfied_at() - 1);")],
        "tests": [RESOURCE],
    },
    {
        "name": "missed-re-key-on-drop",
        "breaks": "R5: bytes taken from under a wait are not waited for again",
        "changes": [(CORE + "core_content.cpp",
                     "update_hints_locked();\n    waits_.on_dropped(content.availability);", "update_hints_locked();")],
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
        "changes": [(CORE + "core_write.cpp", "if (!capacity_ || !pinned_locked(content, pieces.missing)) {",
                     "if (!capacity_ || window <= kMaxOffset || !pinned_locked(content, pieces.missing)) {")],
        "tests": [RESOURCE],
    },
    {
        "name": "claims-ignored",
        "breaks": "R3: two writes are in the driver over the same bytes",
        "changes": [(CORE + "core_write.cpp", "!chunk->empty() && !claimed_locked(*chunk)", "!chunk->empty()")],
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
        "changes": [(LIB + "resource/availability/availability.cpp", "return std::max(begin, window_begin_);", "return begin;")],
        "tests": [RESOURCE],
    },
    {
        "name": "observer-after-unsubscribe",
        "breaks": "R10: unsubscribe does not wait for a call in progress",
        "changes": [(LIB + "resource/event_queue.cpp",
                     "while (slot->running && slot->runner != Sync::this_thread()) {",
                     "while (slot->running && slot->runner == Sync::ThreadId()) {")],
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
                     "  const Verdict verdict = verdict_of(readable_->availability.check(range, until));",
                     "  if (life_.state() == State::failed) {\n    return Verdict::failed;\n  }\n"
                     "  const Verdict verdict = verdict_of(readable_->availability.check(range, until));")],
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
        "changes": [(CORE + "core_read.cpp", "return content.drops.load(std::memory_order_relaxed) == drops;",
                     "return content.drops.load(std::memory_order_relaxed) >= drops;")],
        "tests": [RESOURCE],
    },
    {
        "name": "silent-writer",
        "breaks": "R8: a writer that goes away leaves its readers waiting",
        "changes": [(CORE + "core_state.cpp", "static_cast<void>(end_with_failure(writer, writer_gone_));",
                     "static_cast<void>(writer);")],
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
        "name": "held-while-waiting",
        "breaks": "R10: a write that moves the window runs observers with its claim in hand",
        "changes": [(CORE + "core_write.cpp", "        lock.unlock();\n        effects.run();\n        lock.lock();\n        continue;",
                     "        exclusive_ = true;\n        lock.unlock();\n        effects.run();\n        lock.lock();\n"
                     "        leave_exclusive_locked();\n        continue;")],
        "tests": [RESOURCE],
    },
    {
        "name": "prefix-too-long",
        "breaks": "R2: the prefix that readers trust runs over the first gap",
        "changes": [(LIB + "base/block_map/block_map.cpp", "prefix_.store(next_missing(to, std::max(to, end_))",
                     "prefix_.store(std::max(to, end_)")],
        "tests": [BASE, RESOURCE],
    },
    {
        "name": "partial-block-as-whole",
        "breaks": "R2: a block that is partly there counts as there",
        "changes": [(LIB + "base/block_map/block_map.cpp", "if (fragments.run_end(in_word(block)) >= in_word(block) + kBlockBytes) {",
                     "if (fragments.run_end(in_word(block)) > in_word(block)) {")],
        "tests": [BASE, RESOURCE],
    },
    {
        "name": "withdrawn-yet-woken",
        "breaks": "R11: a wait that was withdrawn after it was decided is called back",
        "changes": [(LIB + "resource/wait_index/wait_index.cpp",
                     "(previous != nullptr ? previous->next_ : list->callbacks_.first) = waiter.next_;",
                     "if (previous == nullptr) {\n    list->callbacks_.first = waiter.next_;\n  }")],
        "tests": [RESOURCE],
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
                     "    impl_->stash.reserve(1);\n    // Nothing fails from here on.\n    set.subtract",
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
    # Those that only an unlucky schedule shows: the explorer finds it.
    {
        "name": "deadline-swallows-wake",
        "breaks": "R5: a wake-up that comes with the deadline is forgotten, and the wait sleeps on",
        "changes": [(WAIT_INDEX + "parker.h",
                     "return !state_.compare_exchange_strong(seen, kRunning, std::memory_order_acquire);",
                     "state_.store(kRunning);\n        return false;")],
        "tests": [SCHEDULE + "wait_deadline"],
    },
    {
        "name": "unpark-in-two-steps",
        "breaks": "R5: a thread that parks between the look and the release is not woken",
        "changes": [(WAIT_INDEX + "parker.h",
                     "if (state_.exchange(kReleased, std::memory_order_acq_rel) == kParked) {",
                     "const std::uint32_t before = state_.load();\n    state_.store(kReleased);\n    if (before == kParked) {")],
        "tests": [SCHEDULE + "wait_write"],
    },
    {
        "name": "link-read-after-wake",
        "breaks": "R11: a waiter is used after its wake() has let it go",
        "changes": [(WAIT_INDEX + "wait_index.cpp", "std::exchange(waiter, waiter->next_)->wake();",
                     "waiter->wake();\n      waiter = waiter->next_;")],
        "tests": [SCHEDULE + "wait_write"],
    },
    {
        "name": "deadline-does-not-meet-its-wake",
        "breaks": "R5: a wait that times out while it is being woken returns with the wake still to come",
        "changes": [(CORE + "core_wait.cpp", "    static_cast<void>(waiter.sleep(time_point::max()));\n", "")],
        "tests": [SCHEDULE + "wait_deadline"],
    },
    {
        "name": "followers-forgotten",
        "breaks": "R5: a woken thread wakes one of the two that it should",
        "changes": [(WAIT_INDEX + "blocked_waiter.h", "if (follower != nullptr) {",
                     "if (follower != nullptr && follower == first) {")],
        "tests": [SCHEDULE + "wake_tree"],
    },
    {
        "name": "demand-told-before-it-is-there",
        "breaks": "whoever fetches is told of a wait that its snapshot does not have yet, and sleeps on",
        "changes": [(CORE + "core_wait.cpp",
                     "    const std::uint64_t first_missing = waits_.add(waiter, readable_->availability);\n"
                     "    if (demand_observer_) {",
                     "    if (const auto told = demand_observer_) {\n      mutex_.unlock();\n"
                     "      told->on_demand(waiter.range());\n      mutex_.lock();\n    }\n"
                     "    const std::uint64_t first_missing = waits_.add(waiter, readable_->availability);\n"
                     "    if (demand_observer_ == nullptr) {")],
        "tests": [SCHEDULE + "demand_filler"],
    },
    {
        "name": "demand-of-coroutines-untold",
        "breaks": "the demand observer hears of blocked waits only",
        "changes": [(CORE + "core_wait.cpp", "  demand.run();\n  return verdict;", "  return verdict;")],
        "tests": [RESOURCE],
    },
    {
        "name": "reclaim-under-a-reader",
        "breaks": "R9: a replaced generation is freed while a reader without a lock is in it",
        "changes": [(CORE + "core_content.cpp", "if ((*at)->counted_readers > 0 || Hazard::held(at->get())) {",
                     "if ((*at)->counted_readers > 0) {")],
        "tests": [SCHEDULE + "rewrite_read"],
    },
    {
        "name": "hazard-not-rechecked",
        "breaks": "R9: a reader protects what had been replaced before it said so",
        "changes": [(LIB + "base/hazard.h", "T* const again = source.load(std::memory_order_acquire);",
                     "T* const again = seen;")],
        "tests": [SCHEDULE + "rewrite_read"],
    },
    {
        "name": "reader-does-not-look-again",
        "breaks": "R1: bytes that a commit dropped while they were copied are answered",
        "changes": [(CORE + "core_read.cpp", "return content.drops.load(std::memory_order_relaxed) == drops;",
                     "return content.drops.load(std::memory_order_relaxed) >= drops;")],
        "tests": [SCHEDULE + "commit_below_page"],
    },
    {
        "name": "new-generation-announced-early",
        "breaks": "R9: a new generation's bytes are found before a read finds the generation",
        "changes": [(CORE + "core_content.cpp", "    if (prefix < before) {", "    if (prefix != before) {")],
        "tests": [SCHEDULE + "hit_new_generation"],
    },
    {
        "name": "question-not-asked-again",
        "breaks": "R6: bytes that were never there together are found together",
        "changes": [(CORE + "core_read.cpp",
                     "return content->availability.surely_covers(range) && still_there(*content, drops, false);",
                     "return content->availability.surely_covers(range) && drops != kMaxOffset;")],
        "tests": [SCHEDULE + "hit_never_both"],
    },
    {
        "name": "nobody-reclaims",
        "breaks": "a replaced generation is never freed",
        "changes": [(CORE + "core_read.cpp", "        core_.sure_content_.load(std::memory_order_relaxed) != content_) {",
                     "        core_.sure_content_.load(std::memory_order_relaxed) == content_) {")],
        "tests": [RESOURCE],
    },
    {
        "name": "drops-counted-late",
        "breaks": "R1: a commit tells readers that bytes are gone only once the driver has dropped them",
        "changes": [(CORE + "core_state.cpp", "  drop_locked(content);\n  return plan;", "  return plan;"),
                    (CORE + "core_state.cpp",
                     "    lock.lock();\n    leave_exclusive_locked();\n    Availability& availability",
                     "    lock.lock();\n    if (plan->past) {\n      drop_locked(filling_locked());\n    }\n"
                     "    leave_exclusive_locked();\n    Availability& availability")],
        "tests": [SCHEDULE + "commit_below_page"],
    },
    # The store: what only a crash shows.
    {
        "name": "barrier-without-sync",
        "breaks": "D2: a barrier is appended though the data has not been synced",
        "changes": [(ENTRY, "auto synced = data_->sync();", "auto synced = Result<void>();")],
        "tests": [CRASH],
    },
    {
        "name": "barrier-covers-too-much",
        "breaks": "D2: a barrier covers what was appended while the data was synced",
        "changes": [(REPLAY, "while (!pending_.empty() && pending_.front().end <= covered) {",
                     "while (!pending_.empty() && covered > 0) {")],
        "tests": [STORE],
    },
    {
        "name": "hole-before-journal",
        "breaks": "D4: a hole is punched before its eviction has been journalled",
        "changes": [(ENTRY, "  {\n    MutexLock lock(checks_mutex_);\n    if (auto told = journal_->append(RecordType::evict",
                     "  static_cast<void>(data_->punch(range));\n"
                     "  {\n    MutexLock lock(checks_mutex_);\n    if (auto told = journal_->append(RecordType::evict"),
                    (LIB + "store/inspection.cpp", "      lost.push_back(range);", "      static_cast<void>(range);")],
        "tests": [CRASH],
    },
    {
        "name": "directory-left-unsynced",
        "breaks": "D3: what was synced is lost with the name that nobody synced",
        "changes": [(LIB + "store/journal/journal.cpp", "  if (synced && !name_synced) {", "  if (synced && name_synced) {")],
        "tests": [STORE],
    },
    {
        "name": "another-data-file-believed",
        "breaks": "D5: a journal is believed of a data file that it does not name",
        "changes": [(ENTRY_OPEN, "found.doomed || *identity != found.header.data) {",
                     "found.doomed || identity->inode == 0) {")],
        "tests": [STORE],
    },
    {
        "name": "record-out-of-its-chain",
        "breaks": "D3: a record counts wherever it stands",
        "changes": [(LIB + "store/journal/format.cpp", "  chain_ = crc32c(chain_, std::span(bytes_).subspan(begin + 4));",
                     "  chain_ = crc32c(0, std::span(bytes_).subspan(begin + 4));"),
                    (LIB + "store/journal/format.cpp", "  record.chain = crc32c(chain, bytes.subspan(4, record.size - 4));",
                     "  record.chain = crc32c(chain * 0, bytes.subspan(4, record.size - 4));")],
        "tests": [STORE],
    },
    {
        "name": "failed-commit-keeps-its-length",
        "breaks": "D4: after a commit that was not journalled a block that grows on is summed as a short one",
        "changes": [(ENTRY, "  if (!told && !known) {", "  if (!told && known) {")],
        "tests": [STORE],
    },
    {
        "name": "block-not-verified",
        "breaks": "D4: a block that is not what it was is served",
        "changes": [(LIB + "store/entry/block_checks.cpp", "    if (*checksum != expected) {",
                     "    if (*checksum != expected && range.empty()) {")],
        "tests": [STORE],
    },
    # Bytes given up, and processes side by side.
    {
        "name": "erase-below-the-prefix",
        "breaks": "R2: bytes evicted from below the watermark go on being there",
        "changes": [(LIB + "base/block_map/block_map_erase.cpp", "prefix_.store(std::min(prefix(), range.begin)",
                     "prefix_.store(prefix()")],
        "tests": [BASE, RESOURCE],
    },
    {
        "name": "evict-without-looking-again",
        "breaks": "R1: a reader does not learn that what it copied has been given up",
        "changes": [(CORE + "core_evict.cpp", "  drop_locked(content);", "  update_hints_locked();\n  waits_.on_dropped(content.availability);")],
        "tests": [SCHEDULE + "evict_read"],
    },
    {
        "name": "evict-beside-a-write",
        "breaks": "R3: an eviction claims nothing, so that a write may come to the same bytes",
        "changes": [(CORE + "core_evict.cpp", "    eviction.claimed = std::span(&range, 1);", "")],
        "tests": [RESOURCE + " --test-case=a*write*to*bytes*", SCHEDULE + "evict_write"],
    },
    {
        "name": "evict-stays-committed",
        "breaks": "R7: committed content that has lost bytes is called complete",
        "changes": [(CORE + "core_evict.cpp", "  life_.lose();", "")],
        "tests": [RESOURCE],
    },
    {
        "name": "trust-a-copy-of-a-hole",
        "breaks": "docs/store.md: a reader in another process does not look whether bytes were destroyed",
        "changes": [(ENTRY, "|| options_.signals.intact(drops)) {", "|| drops == drops) {")],
        "tests": [SHARED + " --test-case=F39*readers*"],
    },
    {
        "name": "destroy-unannounced",
        "breaks": "docs/store.md: who punches a hole does not say so first",
        "changes": [(ENTRY, "  options_.signals.destroying();\n  auto punched", "  auto punched")],
        "tests": [SHARED + " --test-case=F39*readers*"],
    },
    {
        "name": "watch-without-a-mark",
        "breaks": "docs/store.md: a follower sleeps without asking to be told",
        "changes": [(LIB + "store/live/notice.h", "compare_exchange_weak(seen, seen | 1,", "compare_exchange_weak(seen, seen,")],
        "tests": [SHARED + " --test-case=live*"],
    },
    {
        "name": "demand-unannounced",
        "breaks": "docs/store.md: a follower puts its demand in the table and wakes nobody",
        "changes": [(LIB + "store/live/shared_demand.cpp", "  if (news) {\n    signals_.demanded();", "  if (news && table == nullptr) {\n    signals_.demanded();")],
        "tests": [SHARED + " --test-case=demand*"],
    },
    {
        "name": "the-dead-are-believed",
        "breaks": "docs/store.md: what a killed process waited for is wanted for ever",
        "changes": [(LIB + "store/live/demand_table.cpp", "return nanoseconds(now) <= until && until", "return until")],
        "tests": [SHARED + " --test-case=demand*"],
    },
    {
        "name": "revival-untold",
        "breaks": "docs/store.md: who was stopped and goes on says its demand again, and tells nobody",
        "changes": [(LIB + "store/live/shared_demand.cpp", "return goes_on(one.demand, demand) && now - one.when < DemandTable::kBelieved;", "return goes_on(one.demand, demand);")],
        "tests": [SHARED + " --test-case=demand*"],
    },
    {
        "name": "demand-slot-not-looked-at-again",
        "breaks": "docs/store.md: a slot of demand is read while it is written",
        "changes": [(LIB + "store/live/demand_table.cpp", "if (slot.state.load(std::memory_order_relaxed) != state) {", "if (is_written(state)) {")],
        "tests": [SCHEDULE + "shared_slot_whole"],
    },
    {
        "name": "successor-too-late",
        "breaks": "docs/store.md: waits end with no_writer though a successor is there",
        "changes": [(CORE + "core_wait.cpp", "life_.supply() == Supply::stopped && !writer_expected_ ?", "life_.supply() == Supply::stopped ?")],
        "tests": [SHARED + " --test-case=F38*"],
    },
    {
        "name": "successor-called-once",
        "breaks": "docs/store.md: a successor that failed to take over is not called again",
        "changes": [(LIB + "store/entry/entry.cpp", "next_call_ = now + kBetween;", "next_call_ = std::chrono::steady_clock::time_point::max();")],
        "tests": [SHARED + " --test-case=F38*"],
    },
    {
        "name": "cap-forgotten",
        "breaks": "D4: reservations pass the cap",
        "changes": [(LIB + "store/open_store_evict.cpp", "      while (before <= cap && bytes <= cap - before) {",
                     "      while (before <= cap || bytes > 0) {")],
        "tests": [SHARED + " --test-case=*cap*"],
    },
    {
        "name": "pins-of-others-forgotten",
        "breaks": "D4: an eviction does not ask other processes",
        "changes": [(LIB + "store/entry/entry_evict.cpp", "if (auto excluded = driver_.exclude(range); !excluded) {",
                     "if (auto excluded = Result<void>(); !excluded) {")],
        "tests": [SHARED + " --test-case=F39*pinned*"],
    },
    {
        "name": "any-version-serves",
        "breaks": "D5: another validator does not begin a new version",
        "changes": [(LIB + "store/entry/entry.cpp", "(validator.kind == Validator::Kind::none || validator == this->validator())",
                     "(validator.kind == Validator::Kind::none || !validator.value.empty())")],
        "tests": [SHARED + " --test-case=D5*"],
    },
    {
        "name": "two-writers",
        "breaks": "D6: who writes does not claim the role",
        "changes": [(LIB + "store/entry/entry.cpp", "if (auto claimed = driver_.claim_role(); !claimed) {",
                     "if (auto claimed = Result<void>(); !claimed) {")],
        "tests": [SHARED + " --test-case=F37*,F38*"],
    },
    {
        "name": "let-go-and-trust",
        "breaks": "docs/store.md: an entry that has let go of its name does not ask whether bytes were destroyed",
        "changes": [(ENTRY, "(alone && !retired_.load(std::memory_order_acquire)) || options_.signals.intact(drops)",
                     "alone || retired_.load(std::memory_order_acquire) || options_.signals.intact(drops)")],
        "tests": [SHARED + " --test-case=F39*let*go*"],
    },
    {
        "name": "leave-in-a-hurry",
        "breaks": "store.h: who ends the last Store does not wait for the store's thread",
        "changes": [(LIB + "store/open_store_follow.cpp", "    MutexLock no_round(*rounds);\n", "")],
        "tests": [SHARED + " --test-case=store*last*copy*"],
    },
    {
        "name": "any-version-is-read",
        "breaks": "origin.h: if_match is not compared",
        "changes": [(LIB + "origin/memory_origin.cpp", "request.if_match != info.validator) {",
                     "request.if_match.value.empty()) {")],
        "tests": [ORIGIN + " --test-case=origin:*if_match*"],
    },
    {
        "name": "one-key-twice",
        "breaks": "origin.h: a page of a list begins with the key that the last one ended with",
        "changes": [(FILES + "file_list.cpp", "path > after ||", "path >= after ||")],
        "tests": [ORIGIN + " --test-case=origin:*list*"],
    },
    {
        "name": "reads-left-hanging",
        "breaks": "origin.h: an origin that goes does not answer what it has not begun",
        "changes": [(FILES + "work_queue.cpp", "    if (going) {\n      job->refuse(cancelled(), false);\n",
                     "    if (going) {\n")],
        "tests": [ORIGIN + " --test-case=*take?turns*,*an?origin?that?goes*File*"],
    },
    {
        "name": "out-of-the-root",
        "breaks": "file_origin.h: links lead out of the root",
        "changes": [(FILES + "place.cpp", "how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;", "how.resolve = 0;")],
        "tests": [ORIGIN + " --test-case=*no?link?leads?out*"],
    },
    {
        "name": "a-mix-of-two-files",
        "breaks": "file_origin.h: a file that changes while it is read is read on",
        "changes": [(FILES + "read_job.cpp", "if (auto same = check_version(); !same) {",
                     "if (auto same = check_version(); !same && false) {")],
        "tests": [ORIGIN + " --test-case=*others?write?to*"],
    },
    {
        "name": "a-stop-that-is-missed",
        "breaks": "work_queue.h: a job hastened within its step waits nevertheless",
        "changes": [(FILES + "work_queue.cpp", "job.hastened_ ? Sync::time_point::min() : due;", "due;")],
        "tests": [ORIGIN + " --test-case=*hastened*"],
    },
    {
        "name": "litter",
        "breaks": "file_origin.h: a write that fails leaves its file",
        "changes": [(FILES + "file_tree.cpp", "::unlinkat(folder_, name_.c_str(), 0);", "")],
        "tests": [ORIGIN + " --test-case=*no?write?leaves*"],
    },
    {
        "name": "replaces-what-is-there",
        "breaks": "origin.h: if_absent replaces",
        "changes": [(FILES + "file_tree.cpp", "folder, name, RENAME_NOREPLACE)", "folder, name, 0)")],
        "tests": [ORIGIN + " --test-case=origin:*if_absent*"],
    },
    {
        "name": "sooner-than-the-rate",
        "breaks": "origin.h: max_rate is not kept",
        "changes": [(FILES + "read_job.cpp", "return std::max(before, now - each) + each;", "return now;")],
        "tests": [ORIGIN + " --test-case=*a?rate?is?not?passed*,*slow?by?max_rate*File*"],
    },
    {
        "name": "any-part-is-taken",
        "breaks": "F47: a 206 of another range is put where this one was asked for",
        "changes": [(HTTP + "protocol/judgement.cpp", "range->first != question.range.begin || ", "")],
        "tests": [ORIGIN_HTTP + " --test-case=F47*"],
    },
    {
        "name": "whole-at-the-offset",
        "breaks": "F46: a 200 to a range request is put at the range's begin",
        "changes": [(HTTP + "protocol/judgement.cpp", "head.content_type}, 0, body, false};",
                     "head.content_type}, question.range.begin, body, false};")],
        "tests": [ORIGIN_HTTP + " --test-case=F46*"],
    },
    {
        "name": "any-etag",
        "breaks": "F49: the ETag of an answer is not compared",
        "changes": [(HTTP + "protocol/judgement.cpp", "if (answer && !agree(",
                     "if (answer && question.head && !agree(")],
        "tests": [ORIGIN_HTTP + " --test-case=F49*,F59*"],
    },
    {
        "name": "short-is-whole",
        "breaks": "F48: a body of known length that ends early is all of it",
        "changes": [(HTTP + "reception.cpp", "if (!full_ && answer_->length && body_bytes_ != *answer_->length) {",
                     "if (!full_ && answer_->length && body_bytes_ > *answer_->length) {")],
        "tests": [ORIGIN_HTTP + " --test-case=F48*"],
    },
    {
        "name": "zipped",
        "breaks": "F51: an encoding that was not asked for is taken for the bytes",
        "changes": [(HTTP + "protocol/judgement.cpp", "if (!head.content_encoding.empty()) {",
                     "if (!head.content_encoding.empty() && question.head) {")],
        "tests": [ORIGIN_HTTP + " --test-case=F51*"],
    },
    {
        "name": "secrets-follow",
        "breaks": "F54: credentials and headers go wherever a redirect leads",
        "changes": [(HTTP + "transfer_options.cpp", "if (route_.trusted()) {", "if (route_.trusted() || own.http2) {")],
        "tests": [ORIGIN_HTTP + " --test-case=F54*credentials*"],
    },
    {
        "name": "into-the-private-network",
        "breaks": "F54: the address that a redirect's name leads to is not looked at",
        "changes": [(HTTP + "transfer.cpp", "route_.guarded() && !proxied_ && is_private;",
                     "route_.guarded() && proxied_ && is_private;")],
        "tests": [ORIGIN_HTTP + " --test-case=F54*public*,F54*over*"],
    },
    {
        "name": "endless-patience",
        "breaks": "F55: a silent origin is waited for",
        "changes": [(HTTP + "protocol/stall_watch.h", "if (now - last_ >= limits_.silence) {",
                     "if (now - last_ >= 20 * limits_.silence) {")],
        "tests": [ORIGIN_HTTP + " --test-case=F55*"],
    },
]
