// What a rewritten journal is made of, and when one is rewritten.
#include <strandline/store/journal/journal.h>
#include <strandline/store/journal/snapshot.h>
#include <tests/resource/subjects.h>
#include <tests/store/simulated_files.h>
#include <tests/support/failing_new.h>

#include <random>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

namespace {

constexpr std::uint64_t kBlock = BlockMap::kBlockBytes;
constexpr std::uint64_t kWord = BlockMap::kWordBytes;

JournalEncoder begun_with(std::optional<std::uint64_t> length = std::nullopt) {
  JournalEncoder out;
  JournalHeader header;
  header.length = length;
  out.header(header);
  return out;
}

void blocks(JournalEncoder& out, std::uint32_t flags, std::uint64_t shift, std::uint64_t first,
            std::initializer_list<std::uint64_t> words) {
  std::vector<std::byte> payload;
  put(payload, flags, 4);
  put(payload, shift, 4);
  put(payload, first, 8);
  for (const std::uint64_t word : words) {
    put(payload, word, 8);
  }
  out.record(RecordType::blocks, payload);
}

std::string claimed(const JournalEncoder& journal, Trust trust = Trust::everything) {
  const auto found = replay(journal.bytes(), trust);
  REQUIRE(found);
  found->available.check_invariants();
  return to_string(found->available) + (found->torn_bytes == 0 ? "" : ", torn");
}

// Of a journal that says `set`, of which `durable` is on the disk: rewritten, it says the same, in no more room.
void check_round_trip(const RangeSet& set, const RangeSet& durable) {
  JournalEncoder out = begun_with();
  for (const ByteRange range : durable) {
    out.record(RecordType::range, {range.begin, range.end});
  }
  out.record(RecordType::barrier, {out.bytes().size()});
  for (const ByteRange range : set) {
    out.record(RecordType::range, {range.begin, range.end});
  }
  const Replay all = required(replay(out.bytes(), Trust::everything));
  const Replay sure = required(replay(out.bytes(), Trust::barriers));
  REQUIRE(required(all.available.ranges()) == set);
  REQUIRE(required(sure.available.ranges()) == durable);
  const JournalEncoder snapshot = encode_snapshot(all.header, all, sure.available);
  CHECK(required(replay(snapshot.bytes(), Trust::everything)).available == all.available);
  CHECK(required(replay(snapshot.bytes(), Trust::barriers)).available == sure.available);
  // No more than as ranges, the durable ones and the others, each in a record or few.
  std::size_t ranges = durable.range_count();
  for (const ByteRange range : set) {
    ranges += required(durable.gaps(range)).size();
  }
  CHECK(snapshot.bytes().size() <= begun_with().bytes().size() + ranges * 16 + 4 * 16);
}

}  // namespace

TEST_CASE("replay: words of blocks of 4 KiB are what runs of them are") {
  for (const std::uint64_t first : std::initializer_list<std::uint64_t>{0, 64, 100, 640}) {
    for (const std::uint32_t flags : {0U, kDurable}) {
      JournalEncoder out = begun_with();
      blocks(out, flags, 12, first, {0, 0x8000000000000001, 1, 6});
      RangeSet expected;
      for (const std::uint64_t block : std::initializer_list<std::uint64_t>{64, 127, 128, 193, 194}) {
        REQUIRE(expected.insert({(first + block) * kBlock, (first + block + 1) * kBlock}).has_value());
      }
      CHECK(claimed(out) == to_string(expected));
      CHECK(claimed(out, Trust::barriers) == (flags == kDurable ? to_string(expected) : "{}"));
    }
  }
}

TEST_CASE("replay: words that reach past the length, or past all, contradict it") {
  for (const std::uint64_t length : {3 * kBlock, 3 * kBlock + 1, 4 * kBlock - 1}) {
    JournalEncoder fits = begun_with(length);
    blocks(fits, 0, 12, 0, {0b101, 0});
    CHECK(claimed(fits) == "{[0, 4096) [8192, 12288)}");
    JournalEncoder past = begun_with(length);
    past.record(RecordType::range, {0, 10});
    blocks(past, kDurable, 12, 0, {0b1101});
    CHECK(claimed(past) == "{[0, 10)}, torn");
  }
  const std::uint64_t last = kMaxOffset / kWord * 64;  // the first block of the last word
  JournalEncoder fits = begun_with();
  blocks(fits, 0, 12, last, {std::uint64_t{1} << 62});
  CHECK(claimed(fits) ==
        "{[" + std::to_string(kMaxOffset + 1 - 2 * kBlock) + ", " + std::to_string(kMaxOffset + 1 - kBlock) + ")}");
  JournalEncoder past = begun_with();
  blocks(past, 0, 12, last, {std::uint64_t{1} << 63});
  CHECK(claimed(past) == "{}, torn");
}

TEST_CASE("snapshot: sparse, dense, ragged and long, durable and not") {
  std::mt19937_64 random(20261121);
  constexpr std::uint64_t kWindow = 64 * kWord;
  for (int round = 0; round < 150; ++round) {
    RangeSet set;
    RangeSet durable;
    const std::uint64_t count = std::uint64_t{1} << random() % 12;
    const std::uint64_t room = kWindow * (1 + random() % 4);
    const std::uint64_t unit = std::initializer_list<std::uint64_t>{1, 100, kBlock, 3 * kBlock}.begin()[random() % 4];
    const bool all_durable = random() % 4 == 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t begin = random() % room / unit * unit;
      const ByteRange range{begin, begin + (1 + random() % 3) * unit};
      REQUIRE(set.insert(range).has_value());
      if (all_durable || random() % 3 == 0) {
        REQUIRE(durable.insert(range).has_value());
      }
    }
    const std::uint64_t far = kWindow * (10 + random() % 5) + random() % kWindow;
    const std::uint64_t reach = random() % 3 == 0 ? std::uint64_t{70} << 30 : random() % (5 * kWindow) + 1;
    if (random() % 2 == 0) {
      REQUIRE(set.insert({far, far + reach}).has_value());
      for (int i = 0; i < 40 && random() % 8 != 0; ++i) {
        const std::uint64_t begin = far + random() % reach;
        REQUIRE(durable.insert({begin, std::min(far + reach, begin + random() % (2 * kWindow) + 1)}).has_value());
      }
    }
    check_round_trip(set, durable);
  }
}

TEST_CASE("F18: a replay without memory is no_memory, whatever the records") {
  JournalEncoder out = begun_with();
  blocks(out, kDurable, 12, 0, {1, 0xf0f0, 1});
  blocks(out, 0, 16, 1000, {5});
  out.record(RecordType::range, {10 * kWord + 3, 12 * kWord + 9});
  out.record(RecordType::evict, {11 * kWord, 11 * kWord + 5});
  out.record(RecordType::barrier, {out.bytes().size()});
  out.record(RecordType::checksums, {7, 8});
  for (const Trust trust : {Trust::everything, Trust::barriers}) {
    const std::string said = claimed(out, trust);
    for_each_failing_allocation([&](std::uint64_t k) {
      const FailAllocation scope(k);
      const auto found = replay(out.bytes(), trust);
      const bool fired = scope.fired();
      REQUIRE(found.has_value() == !fired);
      if (fired) {
        REQUIRE(found.error().code == Errc::no_memory);
      }
      return fired;
    });
    CHECK(claimed(out, trust) == said);
  }
}

TEST_CASE("D3: a journal to which each opening adds a little is rewritten, too") {
  const auto files = std::make_shared<SimulatedFiles>();
  JournalHeader header;
  header.boot = required(files->boot_id());
  REQUIRE(Journal::create(files, "journal", header).has_value());
  constexpr std::uint64_t kOpenings = 16;
  constexpr std::uint64_t kEach = 3000;
  std::size_t most = 0;
  for (std::uint64_t opening = 0; opening < kOpenings; ++opening) {
    const auto opened = required(Journal::open(files, "journal"));
    REQUIRE(required(opened.found.available.ranges()).range_count() == opening * kEach);
    for (std::uint64_t i = opening * kEach; i < (opening + 1) * kEach; ++i) {
      REQUIRE(opened.journal->append(RecordType::range, {2 * i * kBlock, (2 * i + 1) * kBlock}).has_value());
      REQUIRE(opened.journal->compact_if_grown().has_value());
    }
    most = std::max(most, files->contents("journal").size());
  }
  CHECK(most <= (1 << 20) + 24);  // as if it had been opened once
  CHECK(required(required(Journal::open(files, "journal")).found.available.ranges()).range_count() ==
        kOpenings * kEach);
}
