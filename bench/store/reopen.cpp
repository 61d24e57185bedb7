// B15: what it costs to open an entry in which a million ranges are recorded.
#include <bench/baseline/interval_set.h>
#include <bench/support/scene.h>
#include <fcntl.h>
#include <malloc.h>
#include <strandline/store/entry/entry_driver.h>
#include <strandline/store/journal/crc32c.h>
#include <strandline/store/journal/snapshot.h>
#include <tests/store/forwarding_files.h>
#include <unistd.h>

#include <memory>
#include <random>
#include <utility>
#include <vector>

namespace {

using namespace strandline;
using namespace strandline::bench;
using namespace strandline::store;

// Its files have no holes: else a million aligned ranges would take 4 GiB of memory here. What asking for holes costs
// has a row of its own.
class WithoutHoles final : public testing::ForwardingFiles {
 public:
  using ForwardingFiles::ForwardingFiles;
  Result<std::unique_ptr<File>> open(const std::string& path, OpenFile how) noexcept override {
    auto file = files_->open(path, how);
    return file ? Result<std::unique_ptr<File>>(std::make_unique<One>(std::move(*file))) : std::move(file);
  }

 private:
  class One final : public testing::ForwardingFile {
   public:
    using ForwardingFile::ForwardingFile;
    Result<std::optional<ByteRange>> next_data(std::uint64_t from) const noexcept override {
      return file_->size().map([from](std::uint64_t size) {
        return from < size ? std::optional(ByteRange{from, size}) : std::nullopt;
      });
    }
  };
};

enum class Journal : std::uint8_t { rewritten, record_each };

// The two files of an entry, which open as in the process that wrote them.
class Entry {
 public:
  Entry(const ScratchFolder& folder, const std::vector<ByteRange>& ranges, Journal journal)
      : name_(folder / "entry"), ranges_(ranges) {
    JournalHeader header;
    header.key = "key";
    header.boot = must(files_->boot_id());
    {
      const auto data = must(files_->open(name_ + ".data", OpenFile::fresh));
      must(data->set_size(ranges.back().end));
      header.data = must(data->identity());
    }
    JournalEncoder records;
    records.header(header);
    for (const ByteRange range : ranges) {
      records.record(RecordType::range, {range.begin, range.end});
    }
    records_ = records.bytes();
    bytes_ = records_;
    if (journal == Journal::rewritten) {
      const Replay all = must(replay(records_, Trust::everything));
      bytes_ = encode_snapshot(all.header, all, all.available).bytes();
    }
    must(write_all(*must(files_->open(name_ + ".journal", OpenFile::fresh)), 0, bytes_));
  }

  // Seconds until the ranges can be read; what is in no range is in the files a hole or not.
  [[nodiscard]] double open(std::shared_ptr<FileSystem> files) const {
    EntryDriver::Options options;
    options.files = std::move(files);
    options.name = name_;
    options.key = "key";
    std::optional<Resource<EntryDriver>> resource;
    const double time =
        timed(Clock::thread_cpu, [&] { resource.emplace(must(Resource<EntryDriver>::open(std::move(options)))); });
    for (const ByteRange range : {ranges_.front(), ranges_[ranges_.size() / 2], ranges_.back()}) {
      must(resource->contains(range) && !resource->contains({range.begin, range.end + 1}), "other ranges");
    }
    return time;
  }
  // What a competent engineer writes first.
  [[nodiscard]] double insert_each() const {
    const double time = timed(Clock::thread_cpu, [&] {
      baseline::IntervalSet set;
      const auto header = must(decode_header(records_));
      std::size_t at = header.size;
      std::uint32_t chain = header.chain;
      while (const auto record = decode_record(std::span(records_).subspan(at), chain)) {
        set.insert({get(record->payload, 0, 8), get(record->payload, 8, 8)});
        at += record->size;
        chain = record->chain;
      }
    });
    ::malloc_trim(0);  // else the next large allocation joins its million nodes again, and is blamed for it
    return time;
  }
  // The least that can be: to read the journal, and to see that it is whole.
  [[nodiscard]] double read() const {
    return timed(Clock::thread_cpu, [&] {
      const auto bytes = must(read_all(*must(files_->open(name_ + ".journal", OpenFile::to_read))));
      keep(crc32c(0, bytes));
    });
  }
  [[nodiscard]] double journal_size() const noexcept { return static_cast<double>(bytes_.size()); }

  // Writes the ranges, and answers how long a bare loop takes to ask for as many holes.
  void write() const {
    const auto data = must(files_->open(name_ + ".data", OpenFile::to_write));
    for (const ByteRange range : ranges_) {
      must(write_all(*data, range.begin, random_bytes(range.size())));
    }
  }
  [[nodiscard]] double ask_for_holes() const {
    const int data = ::open((name_ + ".data").c_str(), O_RDONLY | O_CLOEXEC);
    const double time = timed(Clock::thread_cpu, [&] {
      for (const ByteRange range : ranges_) {
        must(::lseek(data, static_cast<off_t>(range.begin), SEEK_HOLE) == static_cast<off_t>(range.end), "no hole");
      }
    });
    ::close(data);
    return time;
  }

 private:
  const std::shared_ptr<FileSystem> files_ = system_files();
  const std::string name_;
  const std::vector<ByteRange> ranges_;
  std::vector<std::byte> records_;  // one for each range
  std::vector<std::byte> bytes_;    // of the journal
};

// Every other block of 4 KiB: nothing joins its neighbour.
std::vector<ByteRange> aligned(std::uint64_t count) {
  std::vector<ByteRange> ranges;
  for (std::uint64_t index = 0; index < count; ++index) {
    ranges.push_back({index * 8 * kKiB, index * 8 * kKiB + 4 * kKiB});
  }
  return ranges;
}

// As those of B8, in order.
std::vector<ByteRange> ragged(std::uint64_t count) {
  std::mt19937_64 random(8);
  std::vector<ByteRange> ranges;
  for (std::uint64_t index = 0; index < count; ++index) {
    const std::uint64_t begin = index * 16 * kKiB + (random() % (4 * kKiB) | 1);
    ranges.push_back({begin, begin + (random() % (11 * kKiB) & ~std::uint64_t{1}) + 2});
  }
  return ranges;
}

void b15(const Context& context) {
  const ScratchFolder folder(Medium::memory);
  const std::uint64_t count = context.scaled(1000000, 1000);
  const auto files = std::make_shared<WithoutHoles>(system_files());
  for (const bool is_ragged : {false, true}) {
    const auto ranges = is_ragged ? ragged(count) : aligned(count);
    for (const Journal journal : {Journal::rewritten, Journal::record_each}) {
      const Entry entry(folder, ranges, journal);
      const std::string name = std::to_string(count) + (is_ragged ? " ragged" : " aligned") + " ranges, " +
                               (journal == Journal::rewritten ? "rewritten journal" : "a record each");
      const bool gated = !is_ragged && journal == Journal::rewritten;
      report("B15", name, "ms", 1e3,
             interleaved(
                 context, [&] { return entry.open(files); }, [&] { return entry.insert_each(); }),
             "a record each into interval_set",
             gated ? std::optional(Gate::value_at_most(5) && Gate::ratio_at_most(1.0 / 50)) : std::nullopt);
      report("B15", name, "ms", 1e3,
             interleaved(
                 context, [&] { return entry.open(files); }, [&] { return entry.read(); }),
             "its " + size_text(static_cast<std::uint64_t>(entry.journal_size() / 1024) * kKiB) + " read and summed",
             std::nullopt);
    }
  }
  const auto some = aligned(count / 10);
  const Entry entry(folder, some, Journal::rewritten);
  entry.write();
  report("B15", std::to_string(some.size()) + " aligned ranges and as many holes", "ms", 1e3,
         interleaved(
             context, [&] { return entry.open(system_files()); }, [&] { return entry.ask_for_holes(); }),
         "a bare lseek for each", std::nullopt);
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, {{"B15", b15}});
}
