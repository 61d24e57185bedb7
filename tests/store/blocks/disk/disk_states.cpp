#include <tests/store/blocks/disk/disk_states.h>

#include <algorithm>

namespace strandline::testing {
namespace {

// File systems take it that a block of theirs is written whole or not at all, or tell by a checksum.
constexpr std::uint64_t kBlock = 4096;

bool is_flush(const DiskChange& change) {
  return change.kind == DiskChange::Kind::flush;
}

// What is left of a change whose blocks were written one by one.
void tear(const DiskChange& change, std::mt19937_64& random, std::vector<DiskChange>& left) {
  for (std::uint64_t at = change.offset, end = at + change.size; at < end;) {
    const std::uint64_t next = std::min((at / kBlock + 1) * kBlock, end);
    if (random() % 2 == 0) {
      left.push_back({change.kind, at, next - at, change.bytes + (at - change.offset)});
    }
    at = next;
  }
}

}  // namespace

std::vector<DiskState> states_after_flushes(const Recording& recording) {
  std::vector<DiskState> states;
  std::vector<DiskChange> changes;
  for (std::uint64_t at = 0; at < recording.changes.size(); ++at) {
    if (!is_flush(recording.changes[at])) {
      changes.push_back(recording.changes[at]);
    } else if (!changes.empty() && !is_flush(recording.changes[at - 1])) {
      states.push_back({at + 1, changes, 0, "all"});
    }
  }
  return states;
}

DiskState random_state(const Recording& recording, std::mt19937_64& random) {
  DiskState state;
  state.reached = random() % (recording.changes.size() + 1);
  const auto begin = recording.changes.begin();
  const auto end = begin + static_cast<std::ptrdiff_t>(state.reached);
  const auto pending =
      std::find_if(std::make_reverse_iterator(end), std::make_reverse_iterator(begin), is_flush).base();
  std::copy_if(begin, pending, std::back_inserter(state.changes), [](const auto& change) { return !is_flush(change); });
  state.pending = static_cast<std::uint64_t>(end - pending);
  switch (random() % 8) {
    case 0:
      state.words = "none";
      break;
    case 1:
      state.words = "all";
      state.changes.insert(state.changes.end(), pending, end);
      break;
    case 2:
    case 3:
    case 4:
      state.words = "some";
      std::copy_if(pending, end, std::back_inserter(state.changes), [&](const auto&) { return random() % 2 == 0; });
      break;
    default:
      state.words = "some blocks";
      std::for_each(pending, end, [&](const auto& change) { tear(change, random, state.changes); });
  }
  return state;
}

}  // namespace strandline::testing
