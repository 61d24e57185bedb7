// Entries on files in memory: two of one name behave as two processes do, but for the thread that follows.
#include <tests/store/mortal_files.h>
#include <tests/store/shared/scene.h>
#include <tests/store/simulated_files.h>
#include <tests/support/failing_new.h>

#include <random>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

namespace {

constexpr std::uint64_t kBlock = 65536;

struct Place {
  TempDir directory;
  std::shared_ptr<SimulatedFiles> files = std::make_shared<SimulatedFiles>();
  std::shared_ptr<LiveFile> live = required(LiveFile::open((directory.path() / "live").native()));

  [[nodiscard]] std::shared_ptr<store::Entry> open(const std::string& validator = "1",
                                                   std::shared_ptr<FileSystem> its = {}) const {
    EntryDriver::Options options;
    options.files = its != nullptr ? std::move(its) : files;
    options.name = "entry";
    options.key = "key";
    options.validator = {Validator::Kind::strong, validator};
    options.signals = Signals(live, "entry");
    return required(store::Entry::open(std::move(options), "entry", 1));
  }
};

std::uint64_t bad_bytes(store::Entry& entry, bool repair) {
  std::uint64_t bytes = 0;
  CHECK(says(entry.verify(
            repair, [](std::uint64_t) { return true; }, [&](ByteRange bad, bool) { bytes += bad.size(); })) == "ok");
  return bytes;
}

}  // namespace

TEST_CASE("D4: bytes that were evicted before a version lost its name are not served by who hears of both at once") {
  const Place place;
  const auto here = place.open();
  auto there = place.open();
  write_and_leave(*there, {0, 4 * kBlock});
  REQUIRE(says(here->follow()) == "ok");
  REQUIRE(available(*here) == "{[0, 262144)}");
  REQUIRE(says(there->evict({kBlock, 2 * kBlock})) == "65536");
  SUBCASE("by trying to become the writer") {
    REQUIRE(says(there->retire()) == "ok");
    there = place.open("2");
    CHECK(says(here->take_writer()) == "!changed");
  }
  SUBCASE("by following") {
    REQUIRE(says(there->retire()) == "ok");
    there = place.open("2");
    CHECK(says(here->follow()) == "ok");
  }
  SUBCASE("by an eviction") {
    REQUIRE(says(there->retire()) == "ok");
    there = place.open("2");
    CHECK(says(here->evict({0, 1})) == "!changed");
  }
  SUBCASE("when it was removed") {
    REQUIRE(says(there->retire_and([&] { return place.files->remove("entry.journal"); })) == "ok");
    CHECK(says(here->retire()) == "ok");
  }
  CHECK(here->is_past());
  CHECK(available(*here) == "{[0, 65536) [131072, 262144)}");
  CHECK(read_back(here->resource(), {kBlock, 2 * kBlock}) == "!not_available");
  CHECK(read_back(here->resource(), {0, kBlock}) == "65536");
}

TEST_CASE("D4: a block that another process has evicted in part is not bad: the rest of it stays, pinned or not") {
  const Place place;
  {
    const auto before = place.open();
    write_and_leave(*before, {0, 4 * kBlock});  // and the checksums
  }
  const auto here = place.open();
  const auto there = place.open();
  REQUIRE(says(here->pin({kBlock, kBlock + 4096})) == "ok");
  REQUIRE(says(there->evict({kBlock + 8192, 2 * kBlock})) == "57344");
  SUBCASE("it is read") {
    CHECK(read_back(here->resource(), {kBlock, kBlock + 4096}) == "4096");
    CHECK(read_back(here->resource(), {kBlock + 8192, 2 * kBlock}) == "!not_available");
  }
  SUBCASE("it is verified") {
    CHECK(bad_bytes(*here, false) == 0);
  }
  SUBCASE("it is verified, and repaired") {
    CHECK(bad_bytes(*here, true) == 0);
  }
  REQUIRE(says(here->follow()) == "ok");
  CHECK(available(*here) == "{[0, 73728) [131072, 262144)}");
}

TEST_CASE("F39: a pin keeps what is there then, though a process was killed while it gave some of it up") {
  unsigned kept = 0;
  unsigned gone = 0;
  for (unsigned change = 1; gone == 0 || kept == 0; ++change) {
    CAPTURE(change);
    REQUIRE(change < 8);
    const Place place;
    const auto here = place.open();
    const auto mortal = std::make_shared<MortalFiles>(place.files);
    auto there = place.open("1", mortal);
    write_and_leave(*there, {0, 4 * kBlock});
    REQUIRE(says(here->follow()) == "ok");
    mortal->die_within(change);
    static_cast<void>(there->evict({kBlock, 2 * kBlock}));
    REQUIRE(mortal->dead());
    there.reset();
    REQUIRE(says(here->pin({kBlock, 2 * kBlock})) == "ok");
    const bool has = here->resource().contains({kBlock, 2 * kBlock});
    REQUIRE(says(here->follow()) == "ok");
    CHECK(here->resource().contains({kBlock, 2 * kBlock}) == has);
    (has ? kept : gone) += 1;
  }
}

TEST_CASE("D6: a length below what was written and evicted: who knew of those bytes follows all the same") {
  const Place place;
  const auto here = place.open();
  {
    const auto there = place.open();
    write_and_leave(*there, {0, 4 * kBlock});
  }
  REQUIRE(says(here->follow()) == "ok");
  REQUIRE(says(here->evict({2 * kBlock, 4 * kBlock})) == "131072");
  const auto there = place.open();
  auto writer = required(there->take_writer());
  REQUIRE(says(writer->set_length(3 * kBlock)) == "ok");
  CHECK(says(here->follow()) == "ok");
  CHECK(here->resource().length() == 3 * kBlock);
  there->end_writing(std::move(*writer));
  CHECK(required(here->take_writer()).has_value());
}

TEST_CASE("D6: what a writer has journalled, and was killed before it told of, is found when its death is") {
  const Place place;
  const auto here = place.open();
  const auto mortal = std::make_shared<MortalFiles>(place.files);
  auto there = place.open("1", mortal);
  auto writer = required(there->take_writer());
  REQUIRE(write_to(*writer, {0, 100}) == "100");
  REQUIRE(says(here->follow()) == "ok");
  const auto waiting = async(here->resource(), {100, 200});
  auto& slot = place.live->slot_of("entry");
  const std::uint32_t told = slot.changes.count();
  REQUIRE(write_to(*writer, {100, 200}) == "100");
  mortal->die();
  writer.reset();
  there.reset();
  std::construct_at(&slot.changes);
  while (slot.changes.count() != told) {
    static_cast<void>(slot.changes.raise());
  }
  CHECK(waiting.answer() == "pending");
  CHECK(says(here->follow()) == "ok");
  CHECK(waiting.answer() == "ready");
}

TEST_CASE("D6: who finds by a pin that what was complete has been reopened elsewhere has its writer looked after") {
  const Place place;
  const auto here = place.open();
  const auto there = place.open();
  {
    auto writer = required(there->take_writer());
    REQUIRE(write_to(*writer, {0, kBlock}) == "65536");
    REQUIRE(says(writer->commit()) == "ok");
    there->end_writing(std::move(*writer));
  }
  REQUIRE(says(here->follow()) == "ok");
  REQUIRE(here->resource().status().state == State::committed);
  // A writer that has reopened it, and may be killed before it tells anybody.
  const auto data = required(place.files->open("entry.data", OpenFile::to_write));
  REQUIRE(says(data->try_hold(File::kWriterRole, File::Hold::exclusive)) == "ok");
  REQUIRE(says(required(Journal::open(place.files, "entry.journal")).journal->append(RecordType::reopen, {})) == "ok");
  const std::uint32_t bell = place.live->bell();
  REQUIRE(says(here->pin({0, 10})) == "ok");
  CHECK(here->is_written_elsewhere());
  CHECK(place.live->bell() != bell);
}

TEST_CASE("F18: an entry that there is no memory to open is no_memory, and the next try opens it") {
  const StoreScene scene;
  auto store = scene.open();
  {
    auto lease = required(store.acquire("key"));
    REQUIRE(write(lease, {0, 100}) == "100");
  }
  const std::uint64_t last = for_each_failing_allocation([&](std::uint64_t k) {
    REQUIRE(eventually([&] { return required(store.stats()).open_entries == 0; }));
    bool fired = false;
    {
      Result<Lease> opened = fail(Errc::not_found);
      {
        const FailAllocation failing(k);
        opened = store.peek("key");
        fired = failing.fired();
      }
      CAPTURE(k);
      CHECK((opened || (fired && opened.error().code == Errc::no_memory)));
    }
    CHECK(read(required(store.peek("key")), {0, 100}) == "100");
    return fired;
  });
  CHECK(last > 10);
}
