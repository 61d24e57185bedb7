// B19: a store of many entries starts at once, because an index says what its entries' files would.
#include <bench/support/scene.h>
#include <strandline/store/index/index.h>
#include <strandline/store/io/file_system.h>
#include <strandline/store/journal/format.h>
#include <strandline/store/store.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <utility>

namespace {

using namespace strandline;
using namespace strandline::bench;
using namespace strandline::store;

// 40 letters in no order, as of a hash.
IndexRow row_of(std::uint64_t number) {
  std::mt19937_64 random(number);
  char name[41];
  std::snprintf(name, sizeof name, "%016llx%016llx%08llx", static_cast<unsigned long long>(random()),
                static_cast<unsigned long long>(random()), static_cast<unsigned long long>(number));
  IndexRow row;
  row.name = name;
  row.key =
      "https://media.example.org/library/" + std::to_string(number % 1000) + "/" + std::to_string(number) + ".mkv";
  row.length = number * 1000;
  row.allocated = number % 1000 * 4096;
  row.used = number;
  row.complete = number % 3 != 0;
  row.open = number % 50000 == 0;
  return row;
}

std::unique_ptr<Index> open_in(const ScratchFolder& folder) {
  return must(Index::open({(folder / "store/index-1.sqlite").native(), must(system_files()->boot_id())}));
}

// Seconds of wall time per row. Who has listed a folder has sorted the names.
double rebuilt(const ScratchFolder& folder, std::uint64_t rows) {
  constexpr std::uint64_t kBatch = 10000;
  const auto index = open_in(folder);
  std::vector<std::pair<std::string, std::uint64_t>> names;
  for (std::uint64_t row = 0; row < rows; ++row) {
    names.emplace_back(row_of(row).name, row);
  }
  std::sort(names.begin(), names.end());
  return timed(Clock::wall,
               [&] {
                 const auto rebuild = must(index->rebuild());
                 std::vector<IndexRow> found;
                 for (std::uint64_t row = 0; row < rows;) {
                   found.clear();
                   while (row < rows && found.size() < kBatch) {
                     found.push_back(row_of(names[row++].second));
                   }
                   must(rebuild->add(found));
                 }
                 must(rebuild->finish());
               }) /
         static_cast<double>(rows);
}

// What a store does when it starts.
double started(const ScratchFolder& folder, std::uint64_t rows) {
  std::unique_ptr<Index> index;
  const double taken = timed(Clock::wall, [&] {
    index = open_in(folder);
    must(must(index->totals()).entries == rows, "another number of rows");
    static_cast<void>(must(index->left_open()));
    static_cast<void>(must(index->oldest(nullptr, 1000)));
  });
  return taken;
}

// The header of an entry's journal, opened, read and closed, over and over: all of it in the cache, as a million others
// would not be.
double header_read(const ScratchFolder& folder) {
  const std::uint64_t reads = 2000;
  const std::string path = (folder / "entry.journal").native();
  JournalHeader header;
  header.key = row_of(1).key;
  JournalEncoder encoded;
  encoded.header(header);
  must(write_all(*must(system_files()->open(path, OpenFile::fresh)), 0, encoded.bytes()));
  return timed(Clock::wall,
               [&] {
                 for (std::uint64_t read = 0; read < reads; ++read) {
                   const auto file = must(system_files()->open(path, OpenFile::to_read));
                   must(must(decode_header(must(read_all(*file)))).header.key == header.key, "another key");
                 }
               }) /
         static_cast<double>(reads);
}

void b19(const Context& context) {
  const std::uint64_t rows = context.scaled(1000000, 2000);
  const ScratchFolder folder(Medium::disk);
  must(system_files()->make_directory((folder / "store").native()));
  const double per_row = rebuilt(folder, rows);
  const double per_row_again = rebuilt(folder, rows);
  const std::string many = std::to_string(rows) + " rows, " + folder.file_system();
  const auto report_value = [](std::string what, double seconds, std::optional<Gate> gate) {
    Row row;
    row.id = "B19";
    row.what = std::move(what);
    row.unit = "us";
    row.value = seconds * 1e6;
    row.gate = std::move(gate);
    report(row);
  };
  report_value("rebuilding, per row, " + many, per_row, Gate::value_at_most(10));
  report_value("rebuilding, all as it was, per row, " + many, per_row_again, std::nullopt);
  const Medians start = interleaved(
      context, [&] { return started(folder, rows); }, [&] { return header_read(folder) * static_cast<double>(rows); });
  report("B19", "start: open, totals, left open, 1000 oldest, " + many, "ms", 1e3, start, "as many headers read",
         Gate::value_at_most(2000) && Gate::ratio_at_most(1.0 / 50));

  // The whole of it: also the shared memory, the thread, and what was left open. Of the entries there are no files,
  // which it does not look at.
  std::vector<double> opened;
  for (std::size_t repetition = 0; repetition < context.repetitions(); ++repetition) {
    opened.push_back(timed(Clock::wall, [&] { static_cast<void>(must(Store::open(folder / "store"))); }));
  }
  report_value("Store::open and closing, " + many, median(std::move(opened)), Gate::value_at_most(2e6));

  const auto index = open_in(folder);
  const auto timed_calls = [&](std::string_view what, std::uint64_t calls, auto&& call) {
    const double taken = timed(Clock::wall, [&] {
      for (std::uint64_t i = 0; i < calls; ++i) {
        call(row_of(i * 7919 % rows));
      }
    });
    report_value(std::string(what) + ", " + many, taken / static_cast<double>(calls), std::nullopt);
  };
  const std::uint64_t calls = context.scaled(20000, 200);
  timed_calls("find", calls, [&](const IndexRow& row) { static_cast<void>(must(index->find(row.name))); });
  timed_calls("put", calls, [&](const IndexRow& row) { must(index->put(row)); });
  std::vector<std::pair<std::string, std::uint64_t>> used;
  timed_calls("touch in hundreds", calls, [&](const IndexRow& row) {
    used.emplace_back(row.name, rows + used.size());
    if (used.size() == 100) {
      must(index->touch(used));
      used.clear();
    }
  });
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, {{"B19", b19}});
}
