// B14: what it costs that an entry survives. B20: and that it is encrypted.
#include <bench/support/scene.h>
#include <strandline/store/entry/entry_driver.h>
#include <strandline/store/sealing/sealer.h>

#include <memory>
#include <utility>

namespace {

using namespace strandline;
using namespace strandline::bench;
using namespace strandline::store;

// One entry of its own, begun anew each time.
struct FreshEntry {
  explicit FreshEntry(const ScratchFolder& folder, std::shared_ptr<const SecretKey> secret = nullptr) {
    EntryDriver::Options options;
    options.name = folder / "entry";
    options.key = "key";
    options.secret = std::move(secret);
    static std::uint64_t version = 0;
    options.validator = {Validator::Kind::strong, std::to_string(++version)};
    must(driver.open(options));
  }
  EntryDriver driver;
};

constexpr std::uint64_t kPiece = kMiB;

// Seconds of wall time per piece.
template <class Write>
double per_piece(std::uint64_t pieces, Write&& write) {
  return timed(Clock::wall,
               [&] {
                 for (std::uint64_t piece = 0; piece < pieces; ++piece) {
                   write(piece);
                 }
               }) /
         static_cast<double>(pieces);
}

void b14(const Context& context) {
  const auto bytes = random_bytes(kPiece);
  for (const Medium medium : {Medium::memory, Medium::disk}) {
    const ScratchFolder folder(medium);
    const std::uint64_t pieces = context.scaled(256, 4);
    const Medians medians = interleaved(
        context,
        [&] {
          FreshEntry entry(folder);
          return per_piece(pieces, [&](std::uint64_t piece) { must(entry.driver.write_at(piece * kPiece, bytes)); });
        },
        [&] {
          const auto file = must(system_files()->open(folder / "bare", OpenFile::fresh));
          return per_piece(pieces, [&](std::uint64_t piece) { must(file->write_at(piece * kPiece, bytes)); });
        });
    report("B14", "1 MiB in order, journalled, not synced, " + folder.file_system(), "us", 1e6, medians, "no journal",
           Gate::ratio_at_most(1.05));
  }
  const ScratchFolder folder(Medium::disk);
  constexpr std::uint64_t kBatch = 16;
  constexpr std::uint64_t kSmall = 64 * kKiB;  // of larger ones the disk's bandwidth is what is measured
  const auto small = std::span(bytes).first(kSmall);
  const std::uint64_t pieces = context.scaled(256, 16);
  const Medians medians = interleaved(
      context,
      [&] {
        FreshEntry entry(folder);
        return per_piece(pieces, [&](std::uint64_t piece) {
          must(entry.driver.write_at(piece * kSmall, small));
          if ((piece + 1) % kBatch == 0) {
            must(entry.driver.sync());
          }
        });
      },
      [&] {
        const auto file = must(system_files()->open(folder / "bare", OpenFile::fresh));
        return per_piece(pieces, [&](std::uint64_t piece) {
          must(file->write_at(piece * kSmall, small));
          must(file->sync());
        });
      });
  report("B14", "64 KiB in order, durable every 16, " + folder.file_system(), "us", 1e6, medians, "fdatasync per write",
         Gate::ratio_at_most(0.5));
}

// What a filler writes, and what a reader of as much, or of a little, pays.
void b20(const Context& context) {
  if (!Sealer::supported()) {
    return;
  }
  constexpr std::uint64_t kBlock = 64 * kKiB;
  const auto bytes = random_bytes(kBlock);
  const auto secret = std::make_shared<const SecretKey>(std::span(bytes).first<SecretKey::kBytes>());
  // Each its own: an entry that is encrypted is denied to who has no key.
  const ScratchFolder encrypted(Medium::memory);
  const ScratchFolder bare(Medium::memory);
  const std::uint64_t pieces = context.scaled(1024, 16);
  const auto written = [&](const ScratchFolder& folder, std::shared_ptr<const SecretKey> key) {
    FreshEntry entry(folder, std::move(key));
    return per_piece(pieces, [&](std::uint64_t piece) { must(entry.driver.write_at(piece * kBlock, bytes)); });
  };
  report("B20", "write 64 KiB, " + bare.file_system(), "us", 1e6,
         interleaved(
             context, [&] { return written(encrypted, secret); }, [&] { return written(bare, nullptr); }),
         "not encrypted", std::nullopt);
  FreshEntry sealed(encrypted, secret);
  FreshEntry plain(bare);
  for (std::uint64_t piece = 0; piece < pieces; ++piece) {
    must(sealed.driver.write_at(piece * kBlock, bytes));
    must(plain.driver.write_at(piece * kBlock, bytes));
  }
  for (const std::uint64_t size : {kBlock, 4 * kKiB}) {
    std::vector<std::byte> out(size);
    const auto read = [&](const FreshEntry& entry) {
      return per_piece(pieces, [&](std::uint64_t piece) { must(entry.driver.read_at(piece * kBlock, out)); });
    };
    report("B20", "read " + std::to_string(size / kKiB) + " KiB of 64, " + bare.file_system(), "us", 1e6,
           interleaved(
               context, [&] { return read(sealed); }, [&] { return read(plain); }),
           "not encrypted", std::nullopt);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, {{"B14", b14}, {"B20", b20}});
}
