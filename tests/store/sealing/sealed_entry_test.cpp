// An encrypted entry: it reads as a plain one does, its files give nothing away, and what somebody has changed is
// missing instead of wrong.
#include <tests/store/sealing/sealed_scene.h>
#include <tests/support/failing_new.h>

#include <algorithm>
#include <functional>
#include <random>
#include <string_view>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

namespace {

constexpr std::uint64_t kBlocks = 3 * kPieceBlock;

bool holds(const std::vector<std::byte>& file, std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return std::search(file.begin(), file.end(), bytes.begin(), bytes.end()) != file.end();
}

}  // namespace

TEST_CASE("encrypted: written in random pieces and orders, given up in parts, reopened: always the right bytes") {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    SealedEntry entry;
    RangeSet there;
    CHECK(entry.open() == "{}");
    for (int step = 0; step < 150; ++step) {
      CAPTURE(step);
      const std::uint64_t begin = random() % kBlocks;
      const ByteRange range{begin, std::min(kBlocks, begin + 1 + random() % (step % 3 == 0 ? 70000 : 500))};
      switch (random() % 8) {
        case 0:
        case 1:
          REQUIRE(says(entry.driver->evict(range)) == "ok");
          static_cast<void>(required(there.erase(range)));
          break;
        case 2:
          if (const std::uint64_t prefix = there.covered_prefix({0, kBlocks})) {
            const std::uint64_t length = 1 + random() % prefix;
            REQUIRE(says(entry.driver->commit(length)) == "ok");
            REQUIRE(says(entry.driver->reactivate()) == "ok");
            static_cast<void>(required(there.erase({length, kMaxOffset})));
          }
          break;
        case 3:
          REQUIRE(entry.reopen() == to_string(there));
          break;
        default:
          for (const ByteRange gap : required(there.gaps(range))) {
            REQUIRE(entry.write(gap) == "ok");
          }
          static_cast<void>(required(there.insert(range)));
      }
      for (const ByteRange run : there) {
        REQUIRE(entry.read(run) == "ok");
      }
    }
    REQUIRE(entry.reopen() == to_string(there));
  }
}

TEST_CASE("encrypted: neither file holds what was written") {
  SealedEntry entry;
  CHECK(entry.open() == "{}");
  const std::string text = "a line that nobody else shall read; ";
  std::vector<std::byte> bytes;
  while (bytes.size() < kBlocks) {
    const auto more = std::as_bytes(std::span(text));
    bytes.insert(bytes.end(), more.begin(), more.end());
  }
  for (std::size_t done = 0; done < bytes.size();) {
    done += required(entry.driver->write_at(
        done, std::span(bytes).subspan(done, std::min<std::size_t>(bytes.size() - done, 30000))));
  }
  CHECK(says(entry.driver->evict({1000, 2000})) == "ok");
  CHECK(says(entry.driver->write_at(1000, std::span(bytes).subspan(1000, 10))) == "10");
  CHECK(says(entry.driver->sync()) == "ok");
  for (const std::string path : {"entry.data", "entry.journal"}) {
    const auto file = entry.files->contents(path);
    for (std::size_t at = 0; at + 6 <= text.size(); ++at) {
      CHECK_FALSE(holds(file, text.substr(at, 6)));
    }
    // Nor the key: neither the caller's, nor, of course, any other.
    const auto secret = entry.options.secret->bytes();
    CHECK_FALSE(holds(file, {reinterpret_cast<const char*>(secret.data()), 8}));
  }
  CHECK(entry.files->contents("entry.data").size() == bytes.size());
  // The entry's own key is not hidden.
  CHECK(holds(entry.files->contents("entry.journal"), "key"));
}

TEST_CASE("encrypted: another key, or none, is denied, and nothing is changed") {
  SealedEntry entry;
  entry.options.validator = {Validator::Kind::strong, "v1"};
  CHECK(entry.open() == "{}");
  CHECK(entry.write({0, 100}) == "ok");
  CHECK(says(entry.driver->sync()) == "ok");
  entry.driver.reset();
  // A torn tail, which whoever may write would cut off.
  auto journal = entry.files->contents("entry.journal");
  journal.push_back(std::byte{1});
  entry.files->set_contents("entry.journal", journal);
  const auto data = entry.files->contents("entry.data");
  const auto right = entry.options.secret;
  for (const auto& secret : {std::make_shared<const SecretKey>(some_secret(1)), std::shared_ptr<const SecretKey>()}) {
    for (const std::string version : {"v1", "v2"}) {
      for (const bool restarted : {false, true}) {
        std::mt19937_64 random(1);
        entry.options.secret = secret;
        entry.options.validator.value = version;
        restarted ? entry.files->lose_power(random) : entry.files->restart();
        EntryDriver driver;
        const auto opened = driver.open(entry.options);
        REQUIRE_FALSE(opened);
        CHECK(opened.error().code == Errc::permission_denied);
        CHECK(opened.error().message().find("entry.journal") != std::string::npos);
        CHECK(opened.error().message().find("encrypted") != std::string::npos);
        CHECK(entry.files->contents("entry.journal") == journal);
        CHECK(entry.files->contents("entry.data") == data);
        entry.files->set_contents("entry.journal", journal);  // a power cut may have cost what was not synced
        entry.files->set_contents("entry.data", data);
      }
    }
  }
}

TEST_CASE("encrypted: what is not encrypted is of another version, and is begun anew") {
  SealedEntry entry;
  const auto secret = std::exchange(entry.options.secret, nullptr);
  CHECK(entry.open() == "{}");
  CHECK(entry.write({0, 100}) == "ok");
  entry.options.secret = secret;
  entry.options.must_exist = true;
  CHECK(entry.reopen() == "!not_found");
  entry.options.must_exist = false;
  CHECK(entry.reopen() == "{}");
  CHECK(entry.driver->header().generation == 2);
  CHECK(entry.write({0, 50}, 2) == "ok");
  CHECK(entry.reopen() == "{[0, 50)}");
  CHECK(entry.read({0, 50}, 2) == "ok");
}

TEST_CASE(
    "encrypted: each byte of a piece, of its nonce and of its tag: the piece is corrupt, its neighbours are not") {
  SealedEntry entry;
  CHECK(entry.open() == "{}");
  CHECK(entry.write({0, 100}) == "ok");
  CHECK(entry.write({100, 120}) == "ok");
  CHECK(entry.write({120, 300}) == "ok");
  ByteRange told;
  const auto check_one = [&] {
    CHECK(entry.reopen() == "{[0, 300)}");
    entry.driver->on_bad_block = [&](ByteRange range) { told = range; };
    CHECK(entry.read({100, 120}) == "!corrupt");
    CHECK(told == ByteRange{100, 120});
    CHECK(entry.read({0, 100}) == "ok");
    CHECK(entry.read({120, 300}) == "ok");
    CHECK(entry.read({90, 130}) == "!corrupt");
    CHECK(entry.driver->is_still_bad({100, 120}));
    CHECK_FALSE(entry.driver->is_still_bad({0, 100}));
  };
  for (std::size_t at = 100; at < 120; ++at) {
    entry.damage("entry.data", at);
    check_one();
    entry.damage("entry.data", at);
  }
  const auto journal = entry.files->contents("entry.journal");
  for (std::size_t at = 16; at < kPieceBytes; ++at) {
    entry.edit_journal([&](JournalHeader&, std::vector<SealedEntry::Record>& records) {
      REQUIRE(records.size() == 7);
      records[3].payload[at] ^= std::byte{0x80};
    });
    check_one();
    entry.driver.reset();
    entry.files->set_contents("entry.journal", journal);
  }
  CHECK(entry.reopen() == "{[0, 300)}");
  CHECK(entry.read({0, 300}) == "ok");
  entry.damage("entry.data", 110);
  CHECK(entry.reopen() == "{[0, 300)}");
  // What the store does about it: see the tests of a whole store.
  CHECK(says(entry.driver->evict({100, 120})) == "ok");
  CHECK(entry.write({100, 120}) == "ok");
  CHECK(entry.reopen() == "{[0, 300)}");
  CHECK(entry.read({0, 300}) == "ok");
}

TEST_CASE("encrypted: a piece is worth nothing in another place, version or entry") {
  SealedEntry entry;
  CHECK(entry.open() == "{}");
  CHECK(entry.write({0, 100}) == "ok");
  CHECK(entry.write({100, 200}) == "ok");
  entry.driver.reset();
  const auto data = entry.files->contents("entry.data");
  const auto journal = entry.files->contents("entry.journal");
  SUBCASE("place") {
    auto swapped = data;
    std::rotate(swapped.begin(), swapped.begin() + 100, swapped.end());
    entry.files->set_contents("entry.data", swapped);
    entry.edit_journal([](JournalHeader&, std::vector<SealedEntry::Record>& records) {
      // Nonces and tags go along with their bytes.
      std::swap_ranges(records[1].payload.begin() + 16, records[1].payload.end(), records[3].payload.begin() + 16);
    });
    CHECK(entry.open() == "{[0, 200)}");
    CHECK(entry.read({0, 100}) == "!corrupt");
    CHECK(entry.read({100, 200}) == "!corrupt");
  }
  SUBCASE("generation") {
    entry.edit_journal([](JournalHeader& header, std::vector<SealedEntry::Record>&) { ++header.generation; });
    CHECK(entry.open() == "{[0, 200)}");
    CHECK(entry.read({0, 100}) == "!corrupt");
  }
  SUBCASE("another version's pieces and bytes") {
    entry.options.validator = {Validator::Kind::strong, "v2"};
    CHECK(entry.open() == "{}");
    CHECK(entry.write({0, 100}, 2) == "ok");
    CHECK(entry.write({100, 200}, 2) == "ok");
    entry.driver.reset();
    entry.files->set_contents("entry.data", data);
    CHECK(entry.open() == "{[0, 200)}");
    CHECK(entry.read({0, 100}, 2) == "!corrupt");
  }
  SUBCASE("entry") {
    entry.edit_journal([](JournalHeader& header, std::vector<SealedEntry::Record>&) { header.key = "other"; });
    entry.options.key = "other";
    CHECK(entry.open() == "!permission_denied");
  }
  SUBCASE("cut short") {
    auto cut = data;
    cut.resize(150);
    entry.files->set_contents("entry.data", cut);
    CHECK(entry.open() == "{[0, 150)}");
    CHECK(entry.read({0, 100}) == "ok");
    CHECK(entry.read({100, 150}) == "!corrupt");
  }
}

TEST_CASE("encrypted: what is given up in parts leaves the rest, and is punched once nothing of a piece is there") {
  SealedEntry entry;
  CHECK(entry.open() == "{}");
  CHECK(entry.write({0, 3 * kPieceBlock}) == "ok");
  const auto is_hole = [&](std::uint64_t at) { return entry.files->contents("entry.data").at(at) == std::byte{0}; };
  const auto zeros = [&](ByteRange range) {
    std::uint64_t count = 0;
    for (std::uint64_t at = range.begin; at < range.end; at += 512) {
      count += is_hole(at) && is_hole(at + 1) && is_hole(at + 2) ? 1 : 0;
    }
    return count * 512 == range.size();
  };
  CHECK(says(entry.driver->evict({30000, 2 * kPieceBlock + 20000})) == "ok");
  CHECK(entry.read({0, 30000}) == "ok");
  CHECK(entry.read({2 * kPieceBlock + 20000, kBlocks}) == "ok");
  CHECK(zeros({kPieceBlock, 2 * kPieceBlock}));
  CHECK_FALSE(zeros({32768, kPieceBlock}));  // what is left of the piece needs it
  CHECK(entry.reopen() == "{[0, 30000) [151072, 196608)}");
  CHECK(entry.read({0, 30000}) == "ok");
  // Written there again: what stays is sealed anew with it.
  CHECK(entry.write({40000, 41000}) == "ok");
  CHECK(entry.read({0, 30000}) == "ok");
  CHECK(entry.read({40000, 41000}) == "ok");
  CHECK(entry.reopen() == "{[0, 30000) [40000, 41000) [151072, 196608)}");
  CHECK(says(entry.driver->evict({2 * kPieceBlock + 10000, kBlocks})) == "ok");
  CHECK(zeros({2 * kPieceBlock, 3 * kPieceBlock}));  // all of it, though a part was given up before
  CHECK(entry.read({0, 30000}) == "ok");
  CHECK(entry.write({30000, 40000}) == "ok");
  CHECK(entry.reopen() == "{[0, 41000)}");
  CHECK(entry.read({0, 41000}) == "ok");
}

TEST_CASE("encrypted: a commit below what was written keeps the piece that it cuts, until others come behind it") {
  SealedEntry entry;
  CHECK(entry.open() == "{}");
  CHECK(entry.write({0, 50000}) == "ok");
  CHECK(entry.write({50000, 140000}) == "ok");
  CHECK(says(entry.driver->commit(60000)) == "ok");
  CHECK(entry.files->contents("entry.data").size() == kPieceBlock);
  CHECK(entry.driver->storage_len() == 60000);
  CHECK(entry.reopen() == "{[0, 60000)}");
  CHECK(entry.committed);
  CHECK(entry.read({0, 60000}) == "ok");
  CHECK(says(entry.driver->commit(60000)) == "ok");
  CHECK(entry.read({55000, 60000}) == "ok");
  CHECK(says(entry.driver->reactivate()) == "ok");
  CHECK(entry.write({60000, 62000}, 2) == "ok");
  CHECK(entry.read({0, 60000}) == "ok");
  CHECK(entry.read({60000, 62000}, 2) == "ok");
  CHECK(entry.reopen() == "{[0, 62000)}");
  CHECK(entry.read({0, 60000}) == "ok");
  CHECK(entry.read({60000, 62000}, 2) == "ok");
}

TEST_CASE("F30: encrypted: what a killed process gave up to seal it anew stays given up once others stand there") {
  SealedEntry entry;
  CHECK(entry.open() == "{}");
  CHECK(entry.write({0, 9000}) == "ok");
  CHECK(says(entry.driver->sync()) == "ok");
  CHECK(says(entry.driver->evict({8000, 9000})) == "ok");
  // Over what is left of the piece: that is given up in the journal, which is not synced any more.
  entry.files->die_within(2);
  CHECK(entry.write({8500, 9000}) == "!io");
  CHECK(entry.reopen() == "{}");
  SUBCASE("written again") {
    CHECK(entry.write({5000, 9000}) == "ok");
  }
  SUBCASE("and in a process after that one") {
    CHECK(entry.reopen() == "{}");
    CHECK(entry.write({5000, 9000}) == "ok");
  }
  SUBCASE("cut off") {
    CHECK(says(entry.driver->commit(5000)) == "ok");
  }
  entry.driver.reset();
  check_power_cuts(entry, "{}");
}

TEST_CASE("encrypted: a piece that is damaged is lost when others are written beside what is left of it; no other is") {
  SealedEntry entry;
  CHECK(entry.open() == "{}");
  CHECK(entry.write({0, 1000}) == "ok");
  CHECK(entry.write({1000, 2000}) == "ok");
  CHECK(says(entry.driver->evict({500, 1500})) == "ok");
  entry.damage("entry.data", 900);
  CHECK(entry.write({600, 1200}) == "ok");
  CHECK(entry.read({0, 500}) == "!corrupt");
  CHECK(entry.read({600, 1200}) == "ok");
  CHECK(entry.read({1500, 2000}) == "ok");
  CHECK(entry.reopen() == "{[600, 1200) [1500, 2000)}");
}

TEST_CASE("encrypted: a full disk costs the write that met it, and what it had to seal anew is missing, not wrong") {
  for (const std::string full : {"entry.data", "entry.journal"}) {
    CAPTURE(full);
    SealedEntry entry;
    CHECK(entry.open() == "{}");
    CHECK(entry.write({0, 1000}) == "ok");
    CHECK(entry.write({2000, 3000}) == "ok");
    CHECK(says(entry.driver->evict({500, 1000})) == "ok");
    entry.fail_at("write", full, Errc::no_space);
    CHECK(entry.write({1500, 1600}) == "!no_space");
    CHECK(entry.read({0, 500}) == "ok");
    CHECK(entry.write({700, 800}) == "!no_space");
    entry.files->fault = nullptr;
    const std::string still = entry.read({0, 500});
    CHECK(still == (full == "entry.data" ? "!corrupt" : "ok"));  // given up before it was to be overwritten, or not
    CHECK(entry.read({2000, 3000}) == "ok");
    CHECK(entry.write({1500, 1600}) == "ok");
    CHECK(entry.reopen() ==
          (full == "entry.data" ? "{[1500, 1600) [2000, 3000)}" : "{[0, 500) [1500, 1600) [2000, 3000)}"));
    CHECK(entry.read({2000, 3000}) == "ok");
  }
}

TEST_CASE("encrypted: a journal that grows is rewritten, and everything can still be read") {
  SealedEntry entry;
  CHECK(entry.open() == "{}");
  for (std::uint64_t i = 0; i < 20000; ++i) {
    REQUIRE(entry.write({i * 4, i * 4 + 3}) == "ok");
    if (i % 4 == 3) {
      REQUIRE(says(entry.driver->evict({i * 4 - 12, i * 4})) == "ok");
    }
  }
  CHECK(entry.files->contents("entry.journal").size() < 1'600'000);
  for (std::uint64_t i = 3; i < 20000; i += 4) {
    REQUIRE(entry.read({i * 4, i * 4 + 3}) == "ok");
  }
  entry.driver.reset();
  std::mt19937_64 random(3);
  CHECK(entry.open() != "{}");
  CHECK(says(entry.driver->sync()) == "ok");
  entry.driver.reset();
  entry.files->lose_power(random);
  CHECK(entry.open() != "{}");
  for (std::uint64_t i = 3; i < 20000; i += 4) {
    REQUIRE(entry.read({i * 4, i * 4 + 3}) == "ok");
  }
}

TEST_CASE("F18: encrypted: the k-th allocation fails: no_memory, and what was there is there") {
  const auto beside = content({600, 700});
  const auto fresh = content({3000, 4000});
  std::vector<std::byte> buffer(100);
  using Call = std::function<Errc(EntryDriver&, EntryDriver::Options&)>;
  const auto code_of = [](const auto& result) { return result ? Errc{} : result.error().code; };
  const Call calls[] = {
      [&](EntryDriver& driver, auto&) { return code_of(driver.write_at(3000, fresh)); },
      [&](EntryDriver& driver, auto&) { return code_of(driver.write_at(600, beside)); },  // of what is left
      [&](EntryDriver& driver, auto&) { return code_of(driver.read_at(100, buffer)); },
      [&](EntryDriver& driver, const auto&) {
        return code_of(driver.evict({2100, 2200}));
      },
      [&](EntryDriver& driver, auto& options) { return code_of(driver.open(std::move(options))); },
  };
  for (const Call& call : calls) {
    const bool opens = &call == &calls[4];
    const std::uint64_t last = for_each_failing_allocation([&](std::uint64_t k) {
      CAPTURE(k);
      const TempDir directory;
      SealedEntry entry;
      entry.options.files = system_files();
      entry.options.name = (directory.path() / "entry").native();
      REQUIRE(entry.open() == "{}");
      REQUIRE(entry.write({0, 1000}) == "ok");
      REQUIRE(entry.write({2000, 3000}) == "ok");
      REQUIRE(says(entry.driver->evict({500, 1000})) == "ok");
      if (opens) {
        entry.driver = std::make_unique<EntryDriver>();
      }
      EntryDriver::Options options = entry.options;
      bool fired = false;
      Errc code{};
      CAPTURE(&call - calls);
      {
        const FailAllocation failing(k);
        code = call(*entry.driver, options);
        fired = failing.fired();
      }
      CHECK((code == Errc{} || (fired && code == Errc::no_memory)));
      if (!opens) {
        CHECK(entry.read({2000, 2100}) == "ok");
        CHECK(entry.read({0, 500}) == "ok");
      }
      const std::string found = entry.reopen();
      CAPTURE(found);
      CHECK(found.find("[2000, ") != std::string::npos);
      CHECK(entry.read({2000, 2100}) == "ok");
      // Given up, durably, before it is sealed anew; then there was no memory.
      CHECK((entry.read({0, 500}) == "ok" || found.starts_with("{[2000")));
      return fired;
    });
    CHECK(last > 1);
  }
}
