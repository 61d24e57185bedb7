// EntryFixture: an entry on simulated files, which may be closed, damaged and opened again.
// Threads: one. Blocks: never. Errors: answered in words; a broken expectation is a failed REQUIRE. Cost: none worth
// naming. Lifetime: within one test.
#pragma once

#include <strandline/store/entry/entry_driver.h>
#include <tests/resource/subjects.h>
#include <tests/store/simulated_files.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

namespace strandline::testing {

using store::EntryDriver;

struct EntryFixture {
  std::shared_ptr<SimulatedFiles> files = std::make_shared<SimulatedFiles>();
  EntryDriver::Options options;
  std::unique_ptr<EntryDriver> driver;
  bool committed = false;

  EntryFixture() {
    options.files = files;
    options.name = "entry";
    options.key = "key";
  }
  // What is there, "!error" if it cannot be opened.
  std::string open() {
    driver = std::make_unique<EntryDriver>();
    auto state = driver->open(options);
    if (!state) {
      driver.reset();
      return says(state);
    }
    committed = state->committed;
    return to_string(state->blocks);
  }
  std::string reopen() {
    driver.reset();
    files->restart();
    return open();
  }
  // In one call.
  std::string write(ByteRange range, std::uint64_t generation = 1) {
    return says(driver->write_at(range.begin, content(range, generation)));
  }
  std::string read(ByteRange range, std::uint64_t generation = 1) {
    std::vector<std::byte> bytes(range.size());
    for (std::size_t have = 0; have < bytes.size();) {
      const auto count = driver->read_at(range.begin + have, std::span(bytes).subspan(have));
      if (!count) {
        return says(count);
      }
      have += *count;
    }
    return bytes == content(range, generation) ? "ok" : "wrong bytes";
  }
  void damage(const std::string& path, std::size_t at) {
    auto bytes = files->contents(path);
    REQUIRE(at < bytes.size());
    bytes[at] ^= std::byte{0x10};
    files->set_contents(path, bytes);
  }
  // All such calls on files whose names begin so, until files->fault is taken away.
  void fail_at(const std::string& call, const std::string& path, Errc code) const {
    files->fault = [=](const std::string& made, const std::string& file) -> Result<void> {
      return made == call && file.starts_with(path) ? Result<void>(fail(code, file)) : Result<void>();
    };
  }
};

// The power fails, in many ways, with the data file written back and the journal as it may be: the same is there
// always.
inline void check_power_cuts(EntryFixture& entry, const std::string& there) {
  const auto died = entry.files;
  REQUIRE(died->open("entry.data", store::OpenFile::to_write).value()->sync());
  std::mt19937_64 random(1);
  for (int cut = 0; cut < 30; ++cut) {
    CAPTURE(cut);
    entry.options.files = entry.files = died->clone();
    entry.files->lose_power(random);
    REQUIRE(entry.open() == there);
    entry.driver.reset();
  }
}

}  // namespace strandline::testing
