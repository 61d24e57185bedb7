// B1, B2, B9, B16: what it costs to be served what is there.
#include <bench/baseline/simple_resource.h>
#include <bench/support/scene.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <mutex>
#include <numeric>
#include <thread>

namespace {

using namespace strandline;
using namespace strandline::bench;

// Appends 4 KiB about every 60 us for as long as it lives, so that the state that a hit looks at keeps changing.
// Paced: a writer at full speed would fill the memory before the reader has been measured.
template <class Scene>
class BusyWriter {
 public:
  BusyWriter(Scene& scene, std::uint64_t from)
      : thread_([&scene, from](const std::stop_token& stop) {
          const auto bytes = random_bytes(4 * kKiB);
          for (std::uint64_t at = from; !stop.stop_requested(); at += bytes.size()) {
            must(scene.writer.write_at(at, bytes));
            std::this_thread::sleep_for(std::chrono::microseconds(10));
          }
        }) {}

 private:
  std::jthread thread_;
};

double gate_of_hit(std::uint64_t size) {
  return size == 4 * kKiB ? 1.10 : size == 64 * kKiB ? 1.05 : 1.02;
}

// The raw copy takes the very bytes that read_at() takes, where they lie, found once through a view.
template <class Scene>
void read_hits(const Context& context, Scene& scene, std::uint64_t working_set) {
  scene.fill({0, working_set});
  const View view = must(scene.resource.view({0, working_set}));
  const std::byte* const raw = view.bytes().data();
  const BusyWriter<Scene> writer(scene, working_set);
  for (const std::uint64_t size : {4 * kKiB, 64 * kKiB, kMiB}) {
    const auto offsets =
        random_offsets(std::max<std::uint64_t>(context.scaled(64 * kMiB, kMiB) / size, 1), working_set, size);
    std::vector<std::byte> out(size);
    const auto per_read = [&](auto&& read) {
      return timed(Clock::thread_cpu,
                   [&] {
                     for (const std::uint64_t offset : offsets) {
                       read(offset);
                       keep(out.data());
                     }
                   }) /
             static_cast<double>(offsets.size());
    };
    const Medians medians = interleaved(
        context,
        [&] {
          return per_read(
              [&](std::uint64_t offset) { must(scene.resource.read_at(offset, out) == size, "a hit that missed"); });
        },
        [&] { return per_read([&](std::uint64_t offset) { std::memcpy(out.data(), raw + offset, size); }); });
    report("B1", Scene::name() + " " + size_text(size) + " of " + size_text(working_set), "ns", 1e9, medians,
           "raw memcpy", Gate::ratio_at_most(gate_of_hit(size)));
  }
}

void b1(const Context& context) {
  for (const std::uint64_t working_set : {kMiB, context.scaled(256 * kMiB, 4 * kMiB)}) {
    {
      const ScratchFolder folder(Medium::memory);
      InFile file(folder / "b1");
      read_hits(context, file, working_set);
    }
    InMemory memory;
    read_hits(context, memory, working_set);
  }
}

void contains_hits(const Context& context, const Resource<MemoryDriver>& resource, const char* what,
                   const std::vector<ByteRange>& ranges, double limit) {
  const std::size_t rounds = context.scaled(100, 1);
  const double calls = static_cast<double>(rounds * ranges.size());
  std::mutex mutex;
  const Medians medians = interleaved(
      context,
      [&] {
        std::size_t found = 0;
        const double took = timed(Clock::thread_cpu, [&] {
          for (std::size_t round = 0; round < rounds; ++round) {
            for (const ByteRange& range : ranges) {
              found += resource.contains(range);
            }
          }
        });
        must(found == rounds * ranges.size(), "a range that is there was not found");
        return took / calls;
      },
      [&] {
        return timed(Clock::thread_cpu,
                     [&] {
                       for (std::size_t call = 0; call < rounds * ranges.size(); ++call) {
                         const std::scoped_lock lock(mutex);
                         keep(call);
                       }
                     }) /
               calls;
      });
  report("B2", what, "ns", 1e9, medians, "mutex lock and unlock", Gate::ratio_at_most(limit));
}

// 64 MiB twice: without a gap, and every other block of 4 KiB.
void b2(const Context& context) {
  constexpr std::uint64_t kBlock = 4 * kKiB;
  constexpr std::uint64_t kBlocks = 64 * kMiB / kBlock;
  std::vector<ByteRange> ranges;
  {
    InMemory prefix;
    prefix.fill({0, kBlocks * kBlock});
    for (const std::uint64_t offset : random_offsets(10000, kBlocks * kBlock, kBlock)) {
      ranges.push_back({offset, offset + kBlock});
    }
    contains_hits(context, prefix.resource, "4 KiB of a contiguous prefix", ranges, 0.25);
  }
  InMemory scattered;
  const auto bytes = random_bytes(kBlock);
  for (std::uint64_t block = 1; block < kBlocks; block += 2) {
    must(scattered.writer.write_at(block * kBlock, bytes));
  }
  for (ByteRange& range : ranges) {
    range.begin = (range.begin / kBlock | 1) * kBlock;
    range.end = range.begin + kBlock;
  }
  contains_hits(context, scattered.resource, "one of 8192 scattered 4 KiB blocks", ranges, 0.5);
}

std::uint64_t scan(std::span<const std::byte> bytes) {
  std::uint64_t sum = 0;
  for (std::size_t at = 0; at + sizeof sum <= bytes.size(); at += sizeof sum) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    sum += word;
  }
  return sum;
}

struct Rates {
  double reads = 0;   // per second of wall time
  double writes = 0;  // bytes per second
};

// A reader and a writer side by side, each as fast as it can, until the writer is through. Both also do the least that
// a real one does between two calls: the reader looks at its bytes, the writer fetches its own. Without that the simple
// design has one of them take its mutex again and again while the other starves, now the one and now the other.
template <class Read, class Write>
Rates side_by_side(const std::vector<std::uint64_t>& order, std::uint64_t prefix, std::uint64_t piece, Read&& read,
                   Write&& write) {
  const auto source = random_bytes(16 * kMiB);
  const auto offsets = random_offsets(4096, prefix, 4 * kKiB);
  std::vector<std::byte> out(4 * kKiB);
  std::atomic<bool> writing{true};
  std::size_t reads = 0;
  const double took = timed(Clock::wall, [&] {
    std::jthread writer([&] {
      std::vector<std::byte> fetched(piece);
      for (const std::uint64_t index : order) {
        std::memcpy(fetched.data(), source.data() + index * piece % source.size(), piece);
        write(prefix + index * piece, fetched);
      }
      writing = false;
    });
    while (writing) {
      read(offsets[reads++ % offsets.size()], out);
      keep(scan(out));
    }
  });
  return {static_cast<double>(reads) / took, static_cast<double>(order.size() * piece) / took};
}

void reads_beside_writes(const Context& context, const std::string& what, const std::vector<std::uint64_t>& order,
                         std::uint64_t piece) {
  constexpr std::uint64_t kPrefix = 16 * kMiB;
  const auto prefix = random_bytes(kPrefix);
  const ScratchFolder folder(Medium::memory);
  std::vector<double> writes_ours;
  std::vector<double> writes_simple;
  const Medians reads = interleaved(
      context,
      [&] {
        InFile file(folder / "b9");
        must(file.writer.write_at(0, prefix));
        const Rates rates = side_by_side(
            order, kPrefix, piece,
            [&](std::uint64_t offset, std::span<std::byte> out) { must(file.resource.read_at(offset, out)); },
            [&](std::uint64_t offset, std::span<const std::byte> data) { must(file.writer.write_at(offset, data)); });
        writes_ours.push_back(rates.writes);
        return rates.reads;
      },
      [&] {
        const auto simple = must(baseline::SimpleResource::open({folder / "b9-simple"}));
        must(simple->write_at(0, prefix));
        const Rates rates = side_by_side(
            order, kPrefix, piece,
            [&](std::uint64_t offset, std::span<std::byte> out) { must(simple->read_at(offset, out)); },
            [&](std::uint64_t offset, std::span<const std::byte> data) { must(simple->write_at(offset, data)); });
        writes_simple.push_back(rates.writes);
        return rates.reads;
      });
  report("B9", "reads beside a writer of " + what, "reads/s", 1, reads, "simple design", Gate::ratio_at_least(8));
  report("B9", "the writer of " + what + " meanwhile", "GB/s", 1e-9,
         {median(std::move(writes_ours)), median(std::move(writes_simple))}, "simple design", std::nullopt);
}

void b9(const Context& context) {
  std::vector<std::uint64_t> in_order(context.scaled(512 * kMiB, 16 * kMiB) / (64 * kKiB));
  std::iota(in_order.begin(), in_order.end(), 0);
  reads_beside_writes(context, "64 KiB in order", in_order, 64 * kKiB);
  reads_beside_writes(context, "16 KiB in random order", shuffled(context.scaled(64 * kMiB, 4 * kMiB) / (16 * kKiB)),
                      16 * kKiB);
}

// A peek looks at the first 64 B of a range of 1 MiB; a reader without views copies the range for it.
template <class Scene>
void views(const Context& context, Scene& scene) {
  const std::uint64_t span = context.scaled(256 * kMiB, 4 * kMiB);
  scene.fill({0, span});
  const auto offsets = random_offsets(context.scaled(256, 16), span, kMiB);
  std::vector<std::byte> out(kMiB);
  const auto per_range = [&](auto&& look) {
    return timed(Clock::thread_cpu,
                 [&] {
                   for (const std::uint64_t offset : offsets) {
                     keep(look(offset));
                   }
                 }) /
           static_cast<double>(offsets.size());
  };
  const auto by_view = [&](std::size_t size) {
    return per_range([&](std::uint64_t offset) {
      return scan(must(scene.resource.view({offset, offset + kMiB})).bytes().first(size));
    });
  };
  const auto by_read = [&](std::size_t size) {
    return per_range([&](std::uint64_t offset) {
      must(scene.resource.read_at(offset, out));
      return scan(std::span(out).first(size));
    });
  };
  report("B16", Scene::name() + " 1 MiB scanned", "ns", 1e9,
         interleaved(
             context, [&] { return by_view(kMiB); }, [&] { return by_read(kMiB); }),
         "read_at, then scanned", Gate::ratio_at_most(0.7));
  report("B16", Scene::name() + " 64 B peek into 1 MiB", "ns", 1e9,
         interleaved(
             context, [&] { return by_view(64); }, [&] { return by_read(64); }),
         "read_at of the 1 MiB", Gate::ratio_at_most(0.05));
}

void b16(const Context& context) {
  {
    const ScratchFolder folder(Medium::memory);
    InFile file(folder / "b16");
    views(context, file);
  }
  InMemory memory;
  views(context, memory);
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, {{"B1", b1}, {"B2", b2}, {"B9", b9}, {"B16", b16}});
}
