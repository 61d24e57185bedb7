// A resource on an entry: what survives, and what is made of files that somebody or something has damaged.
#include <tests/store/entry_fixture.h>

#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <random>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

namespace {

constexpr std::uint64_t kBlocks = 3 * kChecksumBlock;

}  // namespace

TEST_CASE("D1: a resource on an entry goes on where it was") {
  const TempDir directory;
  EntryDriver::Options options;
  options.name = (directory.path() / "entry").native();
  options.key = "key";
  options.validator = {Validator::Kind::strong, "v1"};
  {
    auto resource = required(Resource<EntryDriver>::open(options));
    auto writer = required(resource.writer());
    CHECK(write_to(writer, {10, 20}) == "10");
    CHECK(write_to(writer, {100, 200}) == "100");
    CHECK(says(writer.sync()) == "ok");
  }
  {
    auto resource = required(Resource<EntryDriver>::open(options));
    CHECK(says(required(resource.available())) == "{[10, 20) [100, 200)}");
    CHECK(read_back(resource, {10, 20}) == "10");
    CHECK(read_back(resource, {0, 20}) == "!not_available");
    auto writer = required(resource.writer());
    CHECK(write_to(writer, {0, 300}) == "190");
    CHECK(says(writer.commit(300)) == "ok");
  }
  {
    auto resource = required(Resource<EntryDriver>::open(options));
    CHECK(says(resource.status().state) == "committed");
    CHECK(read_back(resource, {0, 300}) == "300");
    CHECK(resource.path() == directory.path() / "entry.data");
  }
  options.validator.value = "v2";
  auto resource = required(Resource<EntryDriver>::open(options));
  CHECK(says(resource.status().state) == "active");
  CHECK(says(required(resource.available())) == "{}");
}

TEST_CASE("D5: another version begins anew, and readers of the old one keep it") {
  EntryFixture entry;
  entry.options.validator = {Validator::Kind::strong, "v1"};
  CHECK(entry.open() == "{}");
  CHECK(entry.write({0, 100}) == "100");
  CHECK(says(entry.driver->commit(100)) == "ok");
  EntryFixture later;
  later.files = entry.files;
  later.options = entry.options;
  later.options.validator.value = "v2";
  CHECK(later.open() == "!busy");
  entry.driver->retire();
  CHECK(later.open() == "{}");
  CHECK(entry.write({100, 110}) == "!unsupported");
  CHECK(later.driver->header().generation == 2);
  CHECK(later.write({0, 50}, 2) == "50");
  CHECK(entry.read({0, 100}) == "ok");
  later.driver.reset();
  CHECK(later.open() == "{[0, 50)}");
  CHECK(later.read({0, 50}, 2) == "ok");
  // Who does not know the version takes what there is; who knows another length does not.
  later.options.validator = {};
  CHECK(later.reopen() == "{[0, 50)}");
  later.options.length = 40;
  CHECK(later.reopen() == "{}");
}

TEST_CASE("F37: one driver at a time has a name, in whatever process") {
  const TempDir directory;
  EntryDriver::Options options;
  options.name = (directory.path() / "entry").native();
  auto first = std::make_unique<EntryDriver>();
  CHECK(says(first->open(options)) == "ok");
  CHECK(says(first->write_at(0, content({0, 10}))) == "10");
  EntryDriver second;
  CHECK(says(second.open(options)) == "!busy");
  const auto in_child = [](const std::function<bool()>& body) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::_exit(body() ? 0 : 1);
    }
    int status = 1;
    return child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  };
  // F28: a child may read what it has inherited, and neither change it nor give the name away.
  CHECK(in_child([&] {
    std::vector<std::byte> bytes(10);
    const bool reads = first->read_at(0, bytes) == 10U && bytes == content({0, 10});
    const bool changes = says(first->write_at(10, bytes)) != "!unsupported" || says(first->sync()) != "!unsupported" ||
                         says(first->commit(10)) != "!unsupported" || says(first->reactivate()) != "!unsupported" ||
                         says(first->evict({0, 10})) != "!unsupported";
    EntryDriver another;
    return reads && !changes && says(another.open(options)) == "!busy";
  }));
  CHECK(says(first->write_at(10, content({10, 20}))) == "10");
  int wake[2];
  REQUIRE(::pipe(wake) == 0);
  const pid_t sleeper = ::fork();  // it has the same open file for as long as it lives
  if (sleeper == 0) {
    char byte;
    ::close(wake[1]);
    ::_exit(::read(wake[0], &byte, 1) == 0 ? 0 : 1);
  }
  first.reset();
  EntryDriver third;
  const auto state = third.open(options);
  ::close(wake[0]);
  ::close(wake[1]);
  int status = 1;
  CHECK(::waitpid(sleeper, &status, 0) == sleeper);
  REQUIRE(state);
  CHECK(to_string(state->blocks) == "{[0, 20)}");
}

TEST_CASE("F35: a data file that is gone, shorter, or another") {
  EntryFixture entry;
  CHECK(entry.open() == "{}");
  CHECK(entry.write({0, kBlocks}) == std::to_string(kBlocks));
  CHECK(says(entry.driver->sync()) == "ok");
  SUBCASE("gone") {
    CHECK(says(entry.files->remove("entry.data")) == "ok");
    CHECK(entry.reopen() == "{}");
    CHECK(entry.driver->header().generation == 2);
  }
  SUBCASE("shorter") {
    auto bytes = entry.files->contents("entry.data");
    bytes.resize(8192);
    entry.files->set_contents("entry.data", bytes);
    CHECK(entry.reopen() == "{[0, 8192)}");
    CHECK(entry.read({0, 8192}) == "ok");
    CHECK(entry.reopen() == "{[0, 8192)}");
  }
  SUBCASE("another, of the same size") {
    const auto bytes = entry.files->contents("entry.data");
    CHECK(says(entry.files->remove("entry.data")) == "ok");
    CHECK(required(entry.files->open("entry.data", OpenFile::fresh)) != nullptr);
    entry.files->set_contents("entry.data", bytes);
    CHECK(entry.reopen() == "{}");
  }
  SUBCASE("with a hole") {
    auto file = required(entry.files->open("entry.data", OpenFile::to_write));
    CHECK(says(file->punch({8192, 16384})) == "ok");
    CHECK(entry.reopen() == "{[0, 8192) [16384, 196608)}");
    CHECK(entry.write({8192, 16384}) == "8192");
    CHECK(entry.reopen() == "{[0, 196608)}");
  }
}

TEST_CASE("D4: a block that is not what it was is corrupt, and its neighbours are served") {
  EntryFixture entry;
  CHECK(entry.open() == "{}");
  CHECK(entry.write({0, kBlocks - 100}) == std::to_string(kBlocks - 100));
  CHECK(says(entry.driver->commit(kBlocks - 100)) == "ok");
  entry.damage("entry.data", kChecksumBlock + 7);
  CHECK(entry.reopen() == "{[0, 196508)}");
  CHECK(entry.read({0, 10}) == "ok");
  CHECK(entry.read({kChecksumBlock, kChecksumBlock + 1}) == "!corrupt");
  CHECK(entry.read({kChecksumBlock - 1, kChecksumBlock + 1}) == "!corrupt");
  CHECK(entry.read({2 * kChecksumBlock, kBlocks - 100}) == "ok");
  entry.damage("entry.data", kChecksumBlock + 7);
  CHECK(entry.read({kChecksumBlock, kChecksumBlock + 1}) == "ok");
  entry.damage("entry.data", kChecksumBlock + 7);
  CHECK(entry.read({kChecksumBlock, kChecksumBlock + 1}) == "ok");  // once per opening
  // A short last block is checked too, and not for what it was when it has grown since.
  entry.damage("entry.data", kBlocks - 101);
  CHECK(entry.reopen() == "{[0, 196508)}");
  CHECK(entry.read({2 * kChecksumBlock, 2 * kChecksumBlock + 1}) == "!corrupt");
  entry.damage("entry.data", kBlocks - 101);
  CHECK(says(entry.driver->reactivate()) == "ok");
  CHECK(entry.write({kBlocks - 100, kBlocks}) == "100");
  CHECK(entry.reopen() == "{[0, 196608)}");
  CHECK(entry.read({2 * kChecksumBlock, kBlocks}) == "ok");
}

TEST_CASE("D4: checksums follow what commits drop, what grows again, and what was found without one") {
  const auto written = [](EntryFixture& entry) {
    CHECK(entry.open() == "{}");
    CHECK(entry.write({0, 2 * kChecksumBlock}) == "131072");
    CHECK(says(entry.driver->sync()) == "ok");
    CHECK(entry.reopen() == "{[0, 131072)}");
  };
  SUBCASE("a commit within a block") {
    EntryFixture entry;
    written(entry);
    CHECK(says(entry.driver->commit(100000)) == "ok");
    CHECK(entry.read({70000, 100000}) == "ok");
    entry.damage("entry.data", 99999);
    CHECK(entry.reopen() == "{[0, 100000)}");
    CHECK(entry.read({70000, 70001}) == "!corrupt");
  }
  SUBCASE("a commit at the edge of one, and other bytes behind it") {
    EntryFixture entry;
    written(entry);
    CHECK(says(entry.driver->commit(kChecksumBlock)) == "ok");
    CHECK(says(entry.driver->reactivate()) == "ok");
    CHECK(entry.write({kChecksumBlock, 2 * kChecksumBlock}, 2) == "65536");
    CHECK(entry.read({kChecksumBlock, 2 * kChecksumBlock}, 2) == "ok");
    CHECK(says(entry.driver->sync()) == "ok");
    CHECK(entry.reopen() == "{[0, 131072)}");
    CHECK(entry.read({kChecksumBlock, 2 * kChecksumBlock}, 2) == "ok");
  }
  SUBCASE("a block that was cut and is not whole again") {
    EntryFixture entry;
    written(entry);
    CHECK(says(entry.driver->commit(1000)) == "ok");
    CHECK(says(entry.driver->reactivate()) == "ok");
    CHECK(entry.write({1000, 2000}, 2) == "1000");
    CHECK(entry.write({131000, 131072}, 2) == "72");
    CHECK(says(entry.driver->sync()) == "ok");
    CHECK(entry.write({2000, 131000}, 2) == "129000");
    CHECK(entry.reopen() == "{[0, 131072)}");
    CHECK(entry.read({70000, 131072}, 2) == "ok");
  }
  SUBCASE("blocks from before a crash, and the last of a length that was known") {
    EntryFixture entry;
    entry.options.length = 100000;
    CHECK(entry.open() == "{}");
    CHECK(entry.write({0, kChecksumBlock}) == "65536");
    CHECK(entry.reopen() == "{[0, 65536)}");
    CHECK(entry.write({kChecksumBlock, 100000}) == "34464");
    CHECK(says(entry.driver->sync()) == "ok");
    CHECK(says(entry.driver->commit(100000)) == "ok");
    entry.damage("entry.data", 7);
    entry.damage("entry.data", 99999);
    CHECK(entry.reopen() == "{[0, 100000)}");
    CHECK(entry.read({0, 1}) == "!corrupt");
    CHECK(entry.read({kChecksumBlock, kChecksumBlock + 1}) == "!corrupt");
  }
}

TEST_CASE("F20, R7: a commit that finds no room has changed nothing") {
  EntryFixture entry;
  CHECK(entry.open() == "{}");
  CHECK(entry.write({0, 100}) == "100");
  entry.fail_at("write", "entry.journal", Errc::no_space);
  CHECK(says(entry.driver->commit(100)) == "!no_space");
  entry.files->fault = nullptr;
  CHECK(entry.write({100, 200}) == "100");
  CHECK(says(entry.driver->sync()) == "ok");
  CHECK(entry.reopen() == "{[0, 200)}");
  CHECK_FALSE(entry.committed);
  CHECK(entry.write({200, kChecksumBlock}) == "65336");
  CHECK(entry.reopen() == "{[0, 65536)}");
  CHECK(entry.read({0, kChecksumBlock}) == "ok");  // no checksum of a block of 100 bytes
}

TEST_CASE("D1: without a boot id nothing is opened, and nothing lost") {
  EntryFixture entry;
  CHECK(entry.open() == "{}");
  CHECK(entry.write({0, 100}) == "100");
  entry.files->no_boot_id = true;
  CHECK(entry.reopen() == "!unsupported");
  entry.files->no_boot_id = false;
  CHECK(entry.reopen() == "{[0, 100)}");
}

TEST_CASE("F42: once an fsync has failed the entry is failed for good, and begun anew by who opens it next") {
  EntryFixture entry;
  CHECK(entry.open() == "{}");
  CHECK(entry.write({0, 100}) == "100");
  entry.fail_at("sync", "entry.data", Errc::io);
  CHECK(says(entry.driver->sync()) == "!io");
  entry.files->fault = nullptr;
  CHECK(says(entry.driver->sync()) == "!io");
  CHECK(entry.write({100, 200}) == "!io");
  CHECK(entry.read({0, 100}) == "!io");  // the kernel may have dropped it
  CHECK(entry.reopen() == "{}");
  CHECK(entry.driver->header().generation == 2);
  CHECK(entry.write({0, 100}, 2) == "100");
  CHECK(entry.reopen() == "{[0, 100)}");
}

TEST_CASE("F42: a failed fsync that cannot be journalled either takes the journal away") {
  EntryFixture entry;
  CHECK(entry.open() == "{}");
  CHECK(entry.write({0, 100}) == "100");
  entry.files->fault = [](const std::string& call, const std::string& path) -> Result<void> {
    const bool fails = (call == "sync" && path.starts_with("entry.data")) || call == "write";
    return fails ? Result<void>(fail(Errc::io, path)) : Result<void>();
  };
  CHECK(says(entry.driver->sync()) == "!io");
  entry.files->fault = nullptr;
  CHECK(entry.reopen() == "{}");
}

TEST_CASE("F20: a full disk costs the write that met it, and no other") {
  EntryFixture entry;
  CHECK(entry.open() == "{}");
  CHECK(entry.write({0, 100}) == "100");
  for (const std::string full : {"entry.data", "entry.journal"}) {
    CAPTURE(full);
    entry.fail_at("write", full, Errc::no_space);
    CHECK(entry.write({200, 300}) == "!no_space");
    entry.files->fault = nullptr;
    CHECK(entry.reopen() == "{[0, 100)}");
  }
  CHECK(entry.write({200, 300}) == "100");
  CHECK(entry.reopen() == "{[0, 100) [200, 300)}");
}

TEST_CASE("F43: a rename that fails is an error of the opening, and leaves what was there") {
  EntryFixture entry;
  entry.options.validator = {Validator::Kind::strong, "v1"};
  CHECK(entry.open() == "{}");
  CHECK(entry.write({0, 100}) == "100");
  entry.fail_at("rename", "", Errc::permission_denied);
  entry.options.validator.value = "v2";
  CHECK(entry.reopen() == "!permission_denied");
  entry.files->fault = nullptr;
  entry.options.validator.value = "v1";
  CHECK(entry.reopen() == "{[0, 100)}");
  CHECK(entry.read({0, 100}) == "ok");
}

TEST_CASE("D3: what is synced keeps its name, though who gave it died before syncing the directory") {
  EntryFixture entry;
  SUBCASE("a first version's, which nobody syncs before its content") {
    entry.fail_at("sync", "", Errc::io);
    CHECK(entry.open() == "{}");
  }
  SUBCASE("that of one which takes the place of another") {
    entry.options.validator = {Validator::Kind::strong, "v1"};
    CHECK(entry.open() == "{}");
    entry.options.validator.value = "v2";
    entry.fail_at("sync_directory", "", Errc::io);
    CHECK(entry.reopen() == "!io");
  }
  entry.files->fault = nullptr;
  CHECK(entry.reopen() == "{}");
  CHECK(entry.write({0, 100}) == "100");
  CHECK(says(entry.driver->sync()) == "ok");
  entry.driver.reset();
  const auto synced = entry.files;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    std::mt19937_64 random(seed);
    entry.files = synced->clone();
    entry.options.files = entry.files;
    entry.files->lose_power(random);
    CHECK(entry.open() == "{[0, 100)}");
    entry.driver.reset();
  }
}

TEST_CASE("F36: an entry of a newer version, or of another key, is refused and left alone") {
  EntryFixture entry;
  CHECK(entry.open() == "{}");
  CHECK(entry.write({0, 100}) == "100");
  entry.options.key = "another";
  CHECK(entry.reopen() == "!conflict");
  entry.options.key = "key";
  auto journal = entry.files->contents("entry.journal");
  const auto before = journal;
  journal[8] = std::byte{2};
  entry.files->set_contents("entry.journal", journal);
  CHECK(entry.reopen() == "!unsupported");
  CHECK(entry.files->contents("entry.journal") == journal);
  CHECK(entry.files->contents("entry.data") == content({0, 100}));
  entry.files->set_contents("entry.journal", before);
  CHECK(entry.reopen() == "{[0, 100)}");
}

TEST_CASE("F33: an entry whose journal is no journal is begun anew") {
  EntryFixture entry;
  CHECK(entry.open() == "{}");
  CHECK(entry.write({0, 100}) == "100");
  entry.damage("entry.journal", 20);
  CHECK(entry.reopen() == "{}");
  CHECK(entry.write({0, 10}, 2) == "10");
  CHECK(entry.reopen() == "{[0, 10)}");
  CHECK(entry.read({0, 10}, 2) == "ok");
}

TEST_CASE("F34: a torn tail is counted, cut off, and gone") {
  EntryFixture entry;
  CHECK(entry.open() == "{}");
  CHECK(entry.write({0, 100}) == "100");
  CHECK(entry.write({200, 300}) == "100");
  auto journal = entry.files->contents("entry.journal");
  journal.resize(journal.size() - 1);
  entry.files->set_contents("entry.journal", journal);
  CHECK(entry.reopen() == "{[0, 100)}");
  CHECK(entry.driver->torn_bytes() == 23);
  CHECK(entry.write({200, 250}) == "50");
  CHECK(entry.reopen() == "{[0, 100) [200, 250)}");
  CHECK(entry.driver->torn_bytes() == 0);
}

TEST_CASE("D4: evicted bytes are gone, also after a power cut, and may be written again") {
  EntryFixture entry;
  CHECK(entry.open() == "{}");
  CHECK(entry.write({0, kBlocks}) == std::to_string(kBlocks));
  CHECK(says(entry.driver->commit(kBlocks)) == "ok");
  CHECK(says(entry.driver->sync()) == "ok");
  CHECK(says(entry.driver->evict({5000, 70000})) == "ok");
  std::mt19937_64 random(1);
  entry.driver.reset();
  entry.files->lose_power(random);
  CHECK(entry.open() == "{[0, 5000) [70000, 196608)}");
  CHECK_FALSE(entry.committed);
  CHECK(entry.read({0, 5000}) == "ok");
  CHECK(entry.read({70000, kBlocks}) == "ok");
  CHECK(entry.write({5000, 70000}) == "65000");
  CHECK(entry.reopen() == "{[0, 196608)}");
  CHECK(entry.committed);  // complete again
  CHECK(entry.read({0, kBlocks}) == "ok");
}

TEST_CASE("F30: what a killed process dropped by a commit stays dropped once others stand there") {
  EntryFixture entry;
  CHECK(entry.open() == "{}");
  CHECK(entry.write({0, 9000}) == "9000");
  CHECK(says(entry.driver->sync()) == "ok");
  // Neither the commit nor the reopening is synced: each process is killed before that.
  entry.files->die_within(2);
  CHECK(says(entry.driver->commit(5000)) == "!io");
  CHECK(entry.reopen() == "{[0, 5000)}");
  CHECK(entry.committed);
  entry.files->die_within(2);
  CHECK(says(entry.driver->reactivate()) == "!io");
  CHECK(entry.reopen() == "{[0, 5000)}");
  CHECK_FALSE(entry.committed);
  CHECK(entry.write({5000, 9000}, 2) == "4000");
  entry.driver.reset();
  check_power_cuts(entry, "{[0, 5000)}");
}

TEST_CASE("D3: a journal that grows is rewritten, and says the same") {
  EntryFixture entry;
  CHECK(entry.open() == "{}");
  constexpr std::uint64_t kWrites = 60000;
  for (std::uint64_t i = 0; i < kWrites; ++i) {
    REQUIRE(entry.write({i * 4, i * 4 + 3}) == "3");
  }
  CHECK(entry.files->contents("entry.journal").size() < kWrites * 24);
  CHECK(entry.files->names() == std::vector<std::string>{"entry.data", "entry.journal"});
  entry.driver.reset();
  entry.files->restart();
  EntryDriver driver;
  auto state = driver.open(entry.options);
  REQUIRE(state);
  const RangeSet found = required(state->blocks.ranges());
  CHECK(found.range_count() == kWrites);
  CHECK(found.byte_count() == kWrites * 3);
}
