#include <strandline/store/sealing/sealer.h>
#include <tests/store/blocks/busy_system.h>
#include <tests/store/blocks/replay.h>

#include <algorithm>
#include <array>
#include <numeric>

namespace strandline::testing {
namespace {

constexpr std::uint64_t kRounds = 2;
constexpr std::uint64_t kEncrypted = 5;  // one seed in so many
constexpr std::uint64_t kAgain = 4;      // one state in so many: the power fails again in its recovery

}  // namespace

bool Replay::run(std::uint64_t seed, std::uint64_t most) {
  seed_ = seed;
  random_.seed(seed);
  kind_ = kinds_[seed % kinds_.size()];
  const bool encrypted = seed % kEncrypted == 0 && store::Sealer::supported();
  secret_ =
      encrypted ? std::make_shared<const store::SecretKey>(std::array<std::byte, store::SecretKey::kBytes>{}) : nullptr;
  disk_.format(kind_.make);
  EntryWorkload workload(seed, secret_);
  EntryWorkload::Model first;
  first.version = 1 + seed % 3;  // they differ in what is known of the length, and in what commits promise
  workload.set_model(std::move(first));
  for (std::uint64_t round = 0; round < kRounds && counts_.states() < most; ++round) {
    History history;
    bool recorded = false;
    try {
      recorded = record(workload, round == 0 ? Crash::none : Crash::power, history);
    } catch (const MountFailed& failure) {
      if (round == 0) {
        throw;  // nothing has crashed yet
      }
      violation_ = "seed " + std::to_string(seed_) + ", going on after a power cut: " + failure.what();
      shown_by_crash_ = true;
    }
    const Recording recording = disk_.take_recording();
    if (!recorded) {
      disk_.restore();
      if (violation_.empty()) {
        violation_ = to_string(kind_) + ", " + workload.violation() + ", while at work";
      }
      return false;
    }
    count(recording);
    if (!check_all(recording, history, most)) {
      return false;
    }
    const DiskState left = random_state(recording, random_);
    disk_.restore();
    disk_.apply(left.changes, recording.bytes);
    disk_.make_base();
    workload.set_model(at(history, left.reached).clone());
  }
  counts_.promises += workload.promises();
  return true;
}

bool Replay::record(EntryWorkload& workload, Crash after, History& history) {
  const auto remember = [&](const EntryWorkload::Model& model) {
    history.insert_or_assign(disk_.recorded(), model.clone());
  };
  remember(workload.model());
  MountedDisk mounted(disk_, kind_);
  const auto system = std::make_shared<BusySystem>(mounted.path(), ++boots_, 1 + random_() % 1000);
  workload.on_change = remember;
  if (workload.open({broken_files(system, broken_), mounted.path() + "/entry"}, after)) {
    for (std::uint64_t steps = 20 + random_() % 30; steps > 0 && workload.step(); --steps) {
    }
  }
  workload.on_change = [](const EntryWorkload::Model&) {};
  workload.close();
  mounted.unmount();
  if (!system->trouble().empty()) {
    throw Trouble(system->trouble());
  }
  return workload.violation().empty();
}

const EntryWorkload::Model& Replay::at(const History& history, std::uint64_t reached) {
  return std::prev(history.upper_bound(reached))->second;
}

void Replay::count(const Recording& recording) {
  const auto flushes = std::count_if(recording.changes.begin(), recording.changes.end(),
                                     [](const DiskChange& change) { return change.kind == DiskChange::Kind::flush; });
  ++counts_.recordings;
  counts_.flushes += static_cast<std::uint64_t>(flushes);
  counts_.writes += recording.changes.size() - static_cast<std::uint64_t>(flushes);
}

// As many between flushes as after them, in no order: where there are enough of them, each kind has its part.
bool Replay::check_all(const Recording& recording, const History& history, std::uint64_t most) {
  auto states = states_after_flushes(recording);
  const std::size_t after_flushes = states.size();
  for (std::size_t i = 0; i < after_flushes; ++i) {
    states.push_back(random_state(recording, random_));
  }
  std::vector<std::size_t> order(states.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::shuffle(order.begin(), order.end(), random_);
  for (const std::size_t i : order) {
    if (counts_.states() >= most) {
      break;
    }
    if (!check(recording, states[i], at(history, states[i].reached))) {
      return false;
    }
    ++(i < after_flushes ? counts_.after_flushes : counts_.between_flushes);
  }
  return true;
}

bool Replay::check(const Recording& recording, const DiskState& state, const EntryWorkload::Model& model) {
  const auto put = [&] {
    disk_.restore();
    disk_.apply(state.changes, recording.bytes);
  };
  put();
  bool sound = recovers(model);
  const Recording recovery = disk_.take_recording();
  if (!sound) {
    put();
    return wrong("power cut", recording, state);
  }
  if (random_() % kAgain != 0) {
    return true;
  }
  const DiskState again = random_state(recovery, random_);
  const auto put_again = [&] {
    put();
    disk_.apply(again.changes, recovery.bytes);
  };
  put_again();
  sound = recovers(model);
  static_cast<void>(disk_.take_recording());
  if (!sound) {
    put_again();
    return wrong("power cut", recording, state) || wrong("and again in the recovery", recovery, again);
  }
  ++counts_.in_recovery;
  return true;
}

bool Replay::recovers(const EntryWorkload::Model& model) {
  try {
    MountedDisk mounted(disk_, kind_);
    const auto system = std::make_shared<BusySystem>(mounted.path(), ++boots_, 1 + random_() % 1000);
    EntryWorkload found(seed_, secret_);
    found.set_model(model.clone());
    if (!found.open({broken_files(system, broken_), mounted.path() + "/entry"}, Crash::power)) {
      violation_ = to_string(kind_) + ", " + found.violation();
    }
    found.close();
    mounted.unmount();
    if (!system->trouble().empty()) {
      throw Trouble(system->trouble());
    }
  } catch (const MountFailed& failure) {
    violation_ = "seed " + std::to_string(seed_) + ": " + failure.what();
  }
  return violation_.empty();
}

bool Replay::wrong(const char* what, const Recording& recording, const DiskState& state) {
  shown_by_crash_ = true;
  violation_ += std::string("; ") + what + " at change " + std::to_string(state.reached) + " of " +
                std::to_string(recording.changes.size()) + ", " + std::to_string(state.pending) +
                " since the last flush, of these " + state.words;
  return false;
}

}  // namespace strandline::testing
