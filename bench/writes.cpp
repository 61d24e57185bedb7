// B3, B11: what it costs to take bytes in.
#include <bench/support/scene.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace {

using namespace strandline;
using namespace strandline::bench;

// A file that is written by bare pwrite(2).
class BareFile {
 public:
  explicit BareFile(std::filesystem::path path)
      : path_(std::move(path)), descriptor_(::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644)) {
    if (descriptor_ < 0) {
      throw std::system_error(errno, std::system_category(), path_.native());
    }
  }
  ~BareFile() {
    ::close(descriptor_);
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  BareFile(const BareFile&) = delete;
  BareFile& operator=(const BareFile&) = delete;

  void write_at(std::uint64_t offset, std::span<const std::byte> data) {
    if (::pwrite(descriptor_, data.data(), data.size(), static_cast<off_t>(offset)) !=
        static_cast<ssize_t>(data.size())) {
      throw std::system_error(errno, std::system_category(), path_.native());
    }
  }

 private:
  const std::filesystem::path path_;
  const int descriptor_;
};

struct Pattern {
  const char* name;
  std::uint64_t piece;
  std::vector<std::uint64_t> offsets;  // in the order of writing; together, without a gap
};

std::vector<Pattern> patterns(std::uint64_t total) {
  Pattern sequential{"64 KiB in order", 64 * kKiB, {}};
  for (std::uint64_t at = 0; at < total; at += sequential.piece) {
    sequential.offsets.push_back(at);
  }
  Pattern random{"16 KiB in random order", 16 * kKiB, shuffled(total / (16 * kKiB))};
  for (std::uint64_t& offset : random.offsets) {
    offset *= random.piece;
  }
  // One thread takes the streams in turn: what is asked is the cost of the pattern, not of 16 threads on two cores.
  constexpr std::uint64_t kStreams = 16;
  Pattern streams{"16 streams, 64 KiB in turn", 64 * kKiB, {}};
  for (std::uint64_t at = 0; at < total / kStreams; at += streams.piece) {
    for (std::uint64_t stream = 0; stream < kStreams; ++stream) {
      streams.offsets.push_back(stream * (total / kStreams) + at);
    }
  }
  return {std::move(sequential), std::move(random), std::move(streams)};
}

// Seconds of CPU time per write, into a file that is fresh; making and removing it is not counted.
template <class Writer>
double write_all(Writer& writer, const Pattern& pattern, std::span<const std::byte> bytes) {
  const double took = timed(Clock::thread_cpu, [&] {
    for (const std::uint64_t offset : pattern.offsets) {
      writer.write_at(offset, bytes);
    }
  });
  return took / static_cast<double>(pattern.offsets.size());
}

// The same call as BareFile's, which throws: so that both loops are one.
struct ThrowingWriter {
  InFile& file;
  void write_at(std::uint64_t offset, std::span<const std::byte> data) {
    must(must(file.writer.write_at(offset, data)) == data.size(), "a short write");
  }
};

void b3(const Context& context) {
  const auto bytes = random_bytes(64 * kKiB);
  std::vector<std::string> seen;
  for (const Medium medium : {Medium::memory, Medium::disk}) {
    const ScratchFolder folder(medium);
    const std::string file_system = folder.file_system();
    if (std::find(seen.begin(), seen.end(), file_system) != seen.end()) {
      continue;  // TMPDIR is a tmpfs itself, or there is none
    }
    seen.push_back(file_system);
    for (const Pattern& pattern : patterns(context.scaled(256 * kMiB, 4 * kMiB))) {
      const auto piece = std::span(bytes).first(pattern.piece);
      const Medians medians = interleaved(
          context,
          [&] {
            InFile file(folder / "b3");
            ThrowingWriter writer{file};
            return write_all(writer, pattern, piece);
          },
          [&] {
            BareFile file(folder / "b3-bare");
            return write_all(file, pattern, piece);
          });
      report("B3", std::string(pattern.name) + ", " + file_system, "us", 1e6, medians, "pwrite(2)",
             Gate::ratio_at_most(1.05));
    }
  }
}

struct Appended {
  double bytes_per_second = 0;
  double worst = 0;  // seconds, of one write
};

// Times each write: thread CPU time, for the worst of 4096 must not be one in which another program had the core.
template <class Append>
Appended append_all(std::uint64_t total, std::span<const std::byte> piece, Append&& append) {
  Appended result;
  double sum = 0;
  for (std::uint64_t at = 0; at < total; at += piece.size()) {
    const double took = timed(Clock::thread_cpu, [&] { append(at, piece); });
    sum += took;
    result.worst = std::max(result.worst, took);
  }
  result.bytes_per_second = static_cast<double>(total) / sum;
  return result;
}

void b11(const Context& context) {
  const std::uint64_t total = context.scaled(256 * kMiB, 4 * kMiB);
  const auto piece = random_bytes(64 * kKiB);
  // Both figures are of the same runs, so the second is kept while the first is asked for.
  std::vector<double> worst_of_driver;
  std::vector<double> worst_of_vector;
  const Medians rate = interleaved(
      context,
      [&] {
        InMemory memory;
        const Appended result = append_all(total, piece, [&](std::uint64_t at, std::span<const std::byte> data) {
          must(memory.writer.write_at(at, data));
        });
        worst_of_driver.push_back(result.worst);
        return result.bytes_per_second;
      },
      [&] {
        std::vector<std::byte> bytes;
        const Appended result = append_all(total, piece, [&](std::uint64_t, std::span<const std::byte> data) {
          bytes.insert(bytes.end(), data.begin(), data.end());
        });
        keep(bytes.data());
        worst_of_vector.push_back(result.worst);
        return result.bytes_per_second;
      });
  report("B11", "256 MiB in 64 KiB", "GB/s", 1e-9, rate, "std::vector doubling", Gate::ratio_at_least(2.5));
  report("B11", "the worst write of these", "us", 1e6,
         {median(std::move(worst_of_driver)), median(std::move(worst_of_vector))}, "std::vector doubling",
         Gate::ratio_at_most(1.0 / 20));
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, {{"B3", b3}, {"B11", b11}});
}
