// The program behind tools/block_replay, which says what it does.
#include <tests/store/blocks/replay.h>

#include <cstdio>
#include <cstdlib>
#include <exception>

namespace strandline::testing {
namespace {

enum Exit { kGood = 0, kViolation = 1, kUsage = 2, kTrouble = 3, kSkipped = 77 };

struct Settings {
  std::vector<std::string> types;
  std::uint64_t states = 1000;
  std::uint64_t seed = 1;
  bool canaries = false;
  std::string keep;  // a path
};

using Number = unsigned long long;

int sound(RecordedDisk& disk, const std::string& type, const Settings& settings) {
  Replay replay(disk, file_system_kinds(type), Broken::nowhere);
  const char* const name = type.c_str();
  for (std::uint64_t seed = settings.seed; replay.counts().states() < settings.states; ++seed) {
    if (!replay.run(seed, settings.states)) {
      std::printf("%s: VIOLATION: %s\n", name, replay.violation().c_str());
      if (!settings.keep.empty()) {
        disk.save(settings.keep);
        std::printf("%s: what was mounted is in %s\n", name, settings.keep.c_str());
      }
      return kViolation;
    }
  }
  const Counts& counts = replay.counts();
  std::printf(
      "%s: %llu crash states, nothing wrong: %llu after a flush, %llu between two, %llu in a recovery; of %llu "
      "recordings with %llu writes, %llu flushes, %llu promises\n",
      name, Number{counts.states()}, Number{counts.after_flushes}, Number{counts.between_flushes},
      Number{counts.in_recovery}, Number{counts.recordings}, Number{counts.writes}, Number{counts.flushes},
      Number{counts.promises});
  return kGood;
}

int canaries(RecordedDisk& disk, const std::string& type, const Settings& settings) {
  int result = kGood;
  for (const Broken broken : kBrokenForPower) {
    Replay replay(disk, file_system_kinds(type), broken);
    bool good = true;
    for (std::uint64_t seed = settings.seed; good && replay.counts().states() < settings.states; ++seed) {
      good = replay.run(seed, settings.states);
    }
    const bool found = replay.shown_by_crash();
    std::printf("%s: %s: %s, after %llu crash states that show nothing%s%s\n", type.c_str(), to_string(broken),
                found ? "found" : "NOT FOUND", Number{replay.counts().states()}, good ? "" : ": ",
                replay.violation().c_str());
    if (!found) {
      result = kViolation;
    }
  }
  return result;
}

int run(const Settings& settings) {
  int result = kSkipped;
  try {
    RecordedDisk disk(kDiskSize);
    for (const std::string& type : settings.types) {
      try {
        const int one = (settings.canaries ? canaries : sound)(disk, type, settings);
        result = result == kSkipped || one != kGood ? one : result;
      } catch (const NotPossible& reason) {
        std::printf("%s: skipped: %s\n", type.c_str(), reason.what());
      }
      std::fflush(stdout);
    }
  } catch (const NotPossible& reason) {
    std::printf("block_replay: skipped: not possible here: %s\n", reason.what());
  } catch (const std::exception& error) {
    std::printf("block_replay: broke off: %s\n", error.what());
    return kTrouble;
  }
  return result;
}

}  // namespace
}  // namespace strandline::testing

int main(int count, char** words) {
  using namespace strandline::testing;
  Settings settings;
  const auto usage = [] {
    std::fputs("Usage: block_replay [--fs ext4|xfs] [--states N] [--seed N] [--canaries] [--keep FILE]\n", stderr);
    return kUsage;
  };
  for (int i = 1; i < count; ++i) {
    const std::string option = words[i];
    if (option == "--canaries") {
      settings.canaries = true;
      continue;
    }
    if (++i == count) {
      return usage();
    }
    const std::string value = words[i];
    char* end = nullptr;
    const std::uint64_t number = std::strtoull(value.c_str(), &end, 10);
    const bool is_number = *end == '\0' && number > 0;
    if (option == "--fs" && !file_system_kinds(value).empty()) {
      settings.types.push_back(value);
    } else if (option == "--states" && is_number) {
      settings.states = number;
    } else if (option == "--seed" && is_number) {
      settings.seed = number;
    } else if (option == "--keep" && !value.empty()) {
      settings.keep = value;
    } else {
      return usage();
    }
  }
  if (settings.types.empty()) {
    settings.types = {"ext4", "xfs"};
  }
  return run(settings);
}
