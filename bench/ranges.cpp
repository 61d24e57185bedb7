// B7, B8: the library's own record of what is there, against a plain interval_set.
#include <bench/baseline/interval_set.h>
#include <bench/support/scene.h>
#include <malloc.h>
#include <strandline/base/block_map/block_map.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <random>

namespace {

using namespace strandline;
using namespace strandline::bench;
using baseline::IntervalSet;

void add(BlockMap& set, ByteRange range) {
  must(set.insert(range));
}
void add(IntervalSet& set, ByteRange range) {
  set.insert(range);
}

template <class Set>
double insert_all(Set& set, const std::vector<ByteRange>& ranges) {
  const double took = timed(Clock::thread_cpu, [&] {
    for (const ByteRange range : ranges) {
      add(set, range);
    }
  });
  return took / static_cast<double>(ranges.size());
}

template <class Set>
double find_all(const Set& set, const std::vector<ByteRange>& ranges) {
  std::size_t found = 0;
  const double took = timed(Clock::thread_cpu, [&] {
    for (const ByteRange range : ranges) {
      found += set.covers(range);
    }
  });
  must(found == ranges.size(), "a range that is there was not found");
  return took / static_cast<double>(ranges.size());
}

// What the heap has handed out, and what the process has in memory: a set that maps its memory itself shows
// in the second only.
struct Memory {
  double heap = 0;
  double resident = 0;

  [[nodiscard]] static Memory now() {
    std::ifstream file("/proc/self/statm");
    double total_pages = 0;
    double resident_pages = 0;
    must(static_cast<bool>(file >> total_pages >> resident_pages), "/proc/self/statm");
    return {heap_bytes(), resident_pages * static_cast<double>(::sysconf(_SC_PAGESIZE))};
  }
  [[nodiscard]] double grown_since(const Memory& before) const noexcept {
    return std::max(heap - before.heap, resident - before.resident);
  }
};

template <class Set>
double bytes_per_range(const std::vector<ByteRange>& ranges) {
  ::malloc_trim(0);
  const Memory before = Memory::now();
  Set set;
  for (const ByteRange range : ranges) {
    add(set, range);
  }
  return Memory::now().grown_since(before) / static_cast<double>(ranges.size());
}

struct Gates {
  Gate insert;
  Gate hit;
  std::optional<Gate> memory;
};

void measure(const Context& context, const char* id, const char* what, const std::vector<ByteRange>& ranges,
             const std::vector<ByteRange>& asked, const Gates& gates) {
  const std::string name = std::to_string(ranges.size()) + " " + what + ": ";
  const std::string plain = "plain interval_set";
  // First, while the heap has no free blocks left over in which a set could hide.
  const double ours = bytes_per_range<BlockMap>(ranges);
  report(Row{id, name + "memory per range", "B", ours, bytes_per_range<IntervalSet>(ranges), plain, gates.memory});
  const Medians insert = interleaved(
      context,
      [&] {
        BlockMap set;
        return insert_all(set, ranges);
      },
      [&] {
        IntervalSet set;
        return insert_all(set, ranges);
      });
  report(id, name + "insert", "ns", 1e9, insert, plain, gates.insert);
  BlockMap recorded;
  insert_all(recorded, ranges);
  IntervalSet set;
  insert_all(set, ranges);
  const Medians hit = interleaved(
      context, [&] { return find_all(recorded, asked); }, [&] { return find_all(set, asked); });
  report(id, name + "hit", "ns", 1e9, hit, plain, gates.hit);
}

// Every other block of 4 KiB: nothing ever joins, which is the most that can be asked of either.
void b7(const Context& context) {
  std::vector<ByteRange> ranges;
  for (const std::uint64_t index : shuffled(context.scaled(1000000, 20000))) {
    ranges.push_back({index * 8 * kKiB, index * 8 * kKiB + 4 * kKiB});
  }
  std::vector<ByteRange> asked = ranges;
  std::shuffle(asked.begin(), asked.end(), std::mt19937_64(7));
  measure(context, "B7", "blocks of 4 KiB at random", ranges, asked,
          {Gate::value_at_most(40) && Gate::ratio_at_most(1.0 / 30), Gate::value_at_most(20), Gate::value_at_most(2)});
}

// One to three blocks long, at odd offsets on both sides; some hold whole blocks, most do not.
void b8(const Context& context) {
  std::mt19937_64 random(8);
  std::vector<ByteRange> ranges;
  for (const std::uint64_t index : shuffled(context.scaled(1000000, 20000))) {
    const std::uint64_t begin = index * 16 * kKiB + (random() % (4 * kKiB) | 1);
    ranges.push_back({begin, begin + (random() % (11 * kKiB) & ~std::uint64_t{1}) + 2});
  }
  std::vector<ByteRange> asked = ranges;
  std::shuffle(asked.begin(), asked.end(), random);
  measure(context, "B8", "ragged ranges at random", ranges, asked,
          {Gate::ratio_at_most(1.0), Gate::ratio_at_most(0.6), std::nullopt});
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, {{"B7", b7}, {"B8", b8}});
}
