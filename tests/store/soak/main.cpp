// The conductor: starts processes that use one store, stops and kills them at random, watches the disk, and has
// everything checked when they are gone. It never opens the store itself.
#include <tests/store/soak/soak.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <new>
#include <random>
#include <thread>

namespace strandline::soak {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

struct Settings {
  std::uint64_t seed = std::random_device()();
  unsigned cycles = 200;
  unsigned milliseconds = 100;  // of a cycle
  std::string directory;        // where the stores are made
};

// One store lives for so many cycles.
constexpr unsigned kCyclesOfStore = 10;

struct Child {
  ::pid_t id = 0;
  bool stopped = false;
};

class Conductor {
 public:
  Conductor(Page& page, std::uint64_t seed) : page_(page), random_(seed) {}

  void cycle(const std::string& path, unsigned length) {
    page_.over = false;
    std::array<Child, kSeats> children;
    const std::uint64_t seats = 2 + random_() % (kSeats - 1);
    const auto begin = [&](unsigned seat) {
      children[seat] = {start([this, path, seat, seed = random_()] { use_store(path, seed, page_, seat); }), false};
    };
    for (unsigned seat = 0; seat < seats; ++seat) {
      begin(seat);
    }
    const auto end = Clock::now() + milliseconds(length / 2 + random_() % length);
    while (Clock::now() < end && page_.complaints.load() == 0) {
      std::this_thread::sleep_for(std::chrono::microseconds(random_() % 8000));
      watch(path, children);
      const auto seat = static_cast<unsigned>(random_() % seats);
      switch (random_() % 12) {
        case 0:
          kill(children[seat]);
          begin(seat);
          break;
        case 1:
          stop(children[seat], seat);
          break;
        default:
          resume(children[seat]);
      }
    }
    // Some are killed, the others go by themselves.
    page_.over = true;
    for (unsigned seat = 0; seat < seats; ++seat) {
      if (random_() % 2 == 0) {
        kill(children[seat]);
      } else {
        resume(children[seat]);
      }
    }
    // All by now: one who was stopped may have had what another waits for.
    for (unsigned seat = 0; seat < seats; ++seat) {
      if (children[seat].id > 0) {
        await(children[seat], page_.seats.at(seat).doing.load());
      }
    }
    watch(path, children);
    // Whoever checks may die of it too.
    if (random_() % 4 == 0) {
      Child checker{start([&] { check_store(path, page_); }), false};
      std::this_thread::sleep_for(std::chrono::microseconds(random_() % 20'000));
      kill(checker);
    }
    Child checker{start([&] { check_store(path, page_); }), false};
    await(checker, "check");
  }

 private:
  ::pid_t start(const std::function<void()>& body) {
    const ::pid_t id = ::fork();
    if (id == 0) {
      try {
        body();
      } catch (const std::exception& error) {
        page_.complain(std::string("an exception: ") + error.what());
      }
      ::_exit(0);
    }
    return id;
  }
  static void kill(Child& child) {
    if (child.id > 0) {
      ::kill(child.id, SIGKILL);
      ::waitpid(child.id, nullptr, 0);
    }
    child = {};
  }
  void stop(Child& child, unsigned seat) {
    if (child.id > 0 && !child.stopped) {
      page_.seats.at(seat).stops += 1;
      ::kill(child.id, SIGSTOP);
      child.stopped = true;
    }
  }
  static void resume(Child& child) {
    if (child.stopped) {
      ::kill(child.id, SIGCONT);
      child.stopped = false;
    }
  }
  // Until it ends by itself, which it must.
  void await(Child& child, const char* doing) {
    const auto give_up = Clock::now() + std::chrono::seconds(60);
    int status = 0;
    while (::waitpid(child.id, &status, WNOHANG) == 0) {
      if (Clock::now() > give_up) {
        page_.complain(std::string("a process does not end: ") + doing + ", its id is " + std::to_string(child.id));
        if (std::getenv("STRANDLINE_SOAK_WAIT") != nullptr) {
          ::pause();  // for a debugger
        }
        kill(child);
        return;
      }
      std::this_thread::sleep_for(milliseconds(1));
    }
    if (status != 0) {
      page_.complain("a process ended with status " + std::to_string(status) + ", doing " + doing);
    }
    child = {};
  }

  // A sum over files that change meanwhile is no sum: what looks too much is counted again while all stand still.
  void watch(const std::string& path, std::array<Child, kSeats>& children) {
    constexpr std::uint64_t kMost = kCap + kChunk;
    if (bytes_on_disk(path) <= kMost) {
      return;
    }
    for (unsigned seat = 0; seat < kSeats; ++seat) {
      if (children[seat].id > 0 && !children[seat].stopped) {
        stop(children[seat], seat);
        ::waitpid(children[seat].id, nullptr, WUNTRACED);
      }
    }
    const std::uint64_t bytes = bytes_on_disk(path);
    if (bytes > kMost) {
      page_.complain("the disk holds " + std::to_string(bytes) + " bytes, the cap is " + std::to_string(kCap));
    }
    for (Child& child : children) {
      resume(child);
    }
  }

  Page& page_;
  std::mt19937_64 random_;
};

int run(const Settings& settings, Page& page) {
  const std::string place = settings.directory + "/store-soak-" + std::to_string(::getpid());
  for (unsigned cycle = 0; cycle < settings.cycles; cycle += kCyclesOfStore) {
    const std::uint64_t seed = settings.seed + cycle / kCyclesOfStore;
    const unsigned count = std::min(kCyclesOfStore, settings.cycles - cycle);
    std::filesystem::create_directories(place);
    const std::string path = place + "/store";
    Conductor conductor(page, seed);
    for (unsigned i = 0; i < count && page.complaints.load() == 0; ++i) {
      conductor.cycle(path, settings.milliseconds);
    }
    if (page.complaints.load() != 0) {
      std::printf("soak: FAILED in cycle %u: %s\n", cycle, page.complaint[0].data());
      for (std::size_t i = 1; i < page.complaint.size() && page.complaint[i][0] != 0; ++i) {
        std::printf("  and: %s\n", page.complaint[i].data());
      }
      std::printf("  the store is %s; again: --seed %llu --cycles %u\n", path.c_str(),
                  static_cast<unsigned long long>(seed), kCyclesOfStore);
      for (const Page::Seat& seat : page.seats) {
        std::printf("  a process did last: %s\n", seat.doing.load());
      }
      return 1;
    }
    std::filesystem::remove_all(place);
    if (cycle % 500 == 0) {
      std::printf("soak: cycle %u of %u, seed %llu\n", cycle, settings.cycles, static_cast<unsigned long long>(seed));
      std::fflush(stdout);
    }
  }
  std::uint64_t operations = 0;
  std::uint64_t bytes = 0;
  std::uint64_t waits = 0;
  std::uint64_t full = 0;
  for (const Page::Seat& seat : page.seats) {
    operations += seat.operations;
    bytes += seat.bytes_read;
    waits += seat.waits_met;
    full += seat.no_space;
  }
  std::printf("soak: %u cycles, %llu operations, %llu MiB read and compared, %llu waits met, %llu times no space\n",
              settings.cycles, static_cast<unsigned long long>(operations),
              static_cast<unsigned long long>(bytes >> 20), static_cast<unsigned long long>(waits),
              static_cast<unsigned long long>(full));
  return 0;
}

}  // namespace
}  // namespace strandline::soak

int main(int count, char** words) {
  using namespace strandline::soak;
  Settings settings;
  const char* const place = std::getenv("TMPDIR");
  settings.directory = place != nullptr ? place : "/tmp";
  for (int i = 1; i < count; i += 2) {
    const std::string option = words[i];
    const char* const value = i + 1 < count ? words[i + 1] : "";
    if (option == "--seed") {
      settings.seed = std::strtoull(value, nullptr, 10);
    } else if (option == "--cycles") {
      settings.cycles = static_cast<unsigned>(std::strtoul(value, nullptr, 10));
    } else if (option == "--milliseconds") {
      settings.milliseconds = static_cast<unsigned>(std::max(2UL, std::strtoul(value, nullptr, 10)));
    } else if (option == "--directory") {
      settings.directory = value;
    } else {
      std::fputs("Usage: store_soak [--seed N] [--cycles N] [--milliseconds N] [--directory D]\n", stderr);
      return 2;
    }
  }
  void* const memory = ::mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return 2;
  }
  std::printf("soak: --seed %llu\n", static_cast<unsigned long long>(settings.seed));
  std::fflush(stdout);
  return run(settings, *new (memory) Page);
}
