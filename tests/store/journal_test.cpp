// The journal's format: the example of docs/format.md, what is believed of it, and every kind of damage.
#include <strandline/store/journal/snapshot.h>
#include <tests/resource/subjects.h>

#include <rapidcheck.h>

#include <algorithm>
#include <fstream>
#include <sstream>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

namespace {

JournalHeader some_header() {
  JournalHeader header;
  header.generation = 2;
  for (std::size_t i = 0; i < header.boot.size(); ++i) {
    header.boot[i] = static_cast<std::byte>(0xa0 + i);
  }
  header.data = {1234, 1700000000000000000};
  header.validator = {Validator::Kind::strong, "\"v1\""};
  header.key = "films/a";
  return header;
}

JournalEncoder begun() {
  JournalEncoder out;
  out.header(some_header());
  return out;
}

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::string there(const JournalEncoder& journal, Trust trust = Trust::everything) {
  const auto found = replay(journal.bytes(), trust);
  return found ? to_string(found->available) : "!" + std::string(to_string(found.error().code));
}
std::string sure(const JournalEncoder& journal) {
  return there(journal, Trust::barriers);
}

// The bytes of the example: what stands in its code block before the words.
std::vector<std::byte> example() {
  std::ifstream in(STRANDLINE_FORMAT_DOCUMENT);
  REQUIRE(in);
  std::vector<std::byte> bytes;
  bool within = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("```")) {
      within = !within;
    } else if (within) {
      std::istringstream words(line.substr(0, line.find("  ")));
      for (std::string word; words >> word;) {
        bytes.push_back(static_cast<std::byte>(std::stoul(word, nullptr, 16)));
      }
    }
  }
  return bytes;
}

}  // namespace

TEST_CASE("journal: the example of docs/format.md is what is written, and says what it says there") {
  JournalEncoder out = begun();
  out.record(RecordType::range, {0, 131072});
  out.record(RecordType::range, {200000, 200010});
  out.record(RecordType::barrier, {127});
  out.record(RecordType::evict, {65536, 131072});
  out.record(RecordType::note, bytes_of("from a"));
  CHECK(out.bytes() == example());
  CHECK(there(out) == "{[0, 65536) [200000, 200010)}");
  CHECK(sure(out) == "{[0, 65536)}");
  const auto found = replay(out.bytes(), Trust::everything);
  REQUIRE(found);
  CHECK(found->header == some_header());
  CHECK(found->records == 5);
  CHECK(found->note == bytes_of("from a"));
  CHECK(found->torn_bytes == 0);
}

TEST_CASE("D2: a barrier covers what was appended before it began, and what is evicted later is gone") {
  JournalEncoder out = begun();
  out.record(RecordType::range, {0, 10});
  const auto first = out.bytes().size();
  out.record(RecordType::range, {20, 30});
  CHECK(sure(out) == "{}");
  out.record(RecordType::barrier, {first});
  CHECK(sure(out) == "{[0, 10)}");
  out.record(RecordType::evict, {5, 25});
  CHECK(sure(out) == "{[0, 5)}");
  out.record(RecordType::barrier, {out.bytes().size()});
  CHECK(sure(out) == "{[0, 5) [25, 30)}");
  out.record(RecordType::range, {5, 6});
  CHECK(sure(out) == "{[0, 5) [25, 30)}");
  out.record(RecordType::barrier, {out.bytes().size()});
  CHECK(sure(out) == "{[0, 6) [25, 30)}");
  CHECK(there(out) == "{[0, 6) [25, 30)}");
}

TEST_CASE("D3: lengths, commits and reopening") {
  JournalEncoder out = begun();
  out.record(RecordType::range, {0, 100});
  out.record(RecordType::commit, {60});
  auto found = replay(out.bytes(), Trust::everything);
  REQUIRE(found);
  CHECK(found->committed);
  CHECK(found->gave_up);
  CHECK(found->length == 60);
  CHECK(to_string(found->available) == "{[0, 60)}");
  out.record(RecordType::reopen, std::initializer_list<std::uint64_t>{});
  out.record(RecordType::range, {60, 80});
  out.record(RecordType::length, {90});
  found = replay(out.bytes(), Trust::everything);
  REQUIRE(found);
  CHECK_FALSE(found->committed);
  CHECK(found->length == 90);
  CHECK(to_string(found->available) == "{[0, 80)}");
  CHECK(found->torn_bytes == 0);
}

TEST_CASE("F30: whether a record takes back what others said") {
  const auto gave_up = [](const JournalEncoder& journal) {
    return required(replay(journal.bytes(), Trust::everything)).gave_up;
  };
  JournalEncoder out = begun();
  out.record(RecordType::range, {0, 100});
  out.record(RecordType::evict, {100, 200});
  out.record(RecordType::commit, {100});
  CHECK_FALSE(gave_up(out));
  out.record(RecordType::evict, {99, 200});
  CHECK(gave_up(out));
  const Replay found = required(replay(out.bytes(), Trust::everything));
  CHECK_FALSE(gave_up(encode_snapshot(found.header, found, found.available)));
}

TEST_CASE("D3: a record that contradicts those before it is the beginning of a torn tail") {
  const auto torn = [](RecordType type, std::initializer_list<std::uint64_t> numbers) {
    JournalEncoder out = begun();
    out.record(RecordType::range, {0, 10});
    out.record(RecordType::length, {50});
    const std::size_t before = out.bytes().size();
    out.record(type, numbers);
    out.record(RecordType::range, {20, 30});
    const auto found = replay(out.bytes(), Trust::everything);
    REQUIRE(found);
    CHECK(to_string(found->available) == "{[0, 10)}");
    CHECK(found->valid_bytes == before);
    CHECK(found->torn_bytes == out.bytes().size() - before);
  };
  torn(RecordType::range, {40, 51});
  torn(RecordType::range, {9, 9});
  torn(RecordType::range, {9, 3});
  torn(RecordType::range, {0, std::uint64_t{1} << 63});
  torn(RecordType::range, {0});
  torn(RecordType::evict, {7, 3});
  torn(RecordType::length, {49});
  torn(RecordType::commit, {50});  // over a gap
  torn(RecordType::commit, {10});  // another length
  torn(RecordType::barrier, {1000000});
  torn(RecordType::reopen, {1});
  torn(RecordType::doomed, {1});
  torn(RecordType::blocks, {std::uint64_t{12} << 32, 0, 1});  // a block past the length
  torn(RecordType::blocks, {std::uint64_t{31} << 32, 0, 1});
  torn(RecordType::blocks, {std::uint64_t{12} << 32, ~std::uint64_t{0}, 1});
  torn(RecordType::ranges, {0, 20, 30, 45, 55});  // the second is wrong: none of them counts
  torn(RecordType::checksums, {~std::uint64_t{0}, 1});
  torn(static_cast<RecordType>(77), {1});
}

TEST_CASE("D3: a type that may be skipped is skipped") {
  JournalEncoder out = begun();
  out.record(static_cast<RecordType>(200), {1, 2, 3});
  out.record(RecordType::range, {0, 10});
  CHECK(there(out) == "{[0, 10)}");
}

TEST_CASE("D4: nothing of a doomed journal is believed") {
  JournalEncoder out = begun();
  out.record(RecordType::range, {0, 10});
  out.record(RecordType::doomed, std::initializer_list<std::uint64_t>{});
  CHECK(there(out) == "{}");
  CHECK(sure(out) == "{}");
}

TEST_CASE("F33: every byte of a journal, in all its bits: a subset is believed, or nothing") {
  JournalEncoder out = begun();
  out.record(RecordType::range, {0, 10});
  out.record(RecordType::range, {20, 30});
  out.record(RecordType::barrier, {out.bytes().size()});
  out.record(RecordType::checksums, {3, 7});
  out.record(RecordType::range, {40, 50});
  const RangeSet all{{0, 10}, {20, 30}, {40, 50}};
  for (std::size_t at = 0; at < out.bytes().size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      auto bytes = out.bytes();
      bytes[at] ^= static_cast<std::byte>(1 << bit);
      const auto found = replay(bytes, Trust::everything);
      if (!found) {
        CHECK((found.error().code == Errc::corrupt || found.error().code == Errc::unsupported));
        CHECK(at < begun().bytes().size());
        continue;
      }
      CHECK(at >= begun().bytes().size());
      CHECK(found->valid_bytes <= at);
      for (const ByteRange run : found->available.runs()) {
        CHECK(all.covers(run));
      }
    }
  }
}

TEST_CASE("F34: cut at every length: what whole records say is believed, and the rest counted") {
  JournalEncoder out = begun();
  const std::size_t header = out.bytes().size();
  std::vector<std::size_t> ends{header};
  for (std::uint64_t i = 0; i < 5; ++i) {
    out.record(RecordType::range, {i * 20, i * 20 + 10});
    ends.push_back(out.bytes().size());
  }
  for (std::size_t size = 0; size <= out.bytes().size(); ++size) {
    const auto found = replay(std::span(out.bytes()).first(size), Trust::everything);
    if (size < header) {
      CHECK_FALSE(found);
      continue;
    }
    REQUIRE(found);
    const auto whole = std::upper_bound(ends.begin(), ends.end(), size) - ends.begin() - 1;
    CHECK(found->records == static_cast<std::uint64_t>(whole));
    CHECK(required(found->available.ranges()).range_count() == static_cast<std::size_t>(whole));
    CHECK(found->valid_bytes == ends[static_cast<std::size_t>(whole)]);
    CHECK(found->torn_bytes == size - found->valid_bytes);
  }
}

TEST_CASE("F33: a record counts only in its place: not behind another tail, and not in another journal") {
  JournalEncoder first = begun();
  first.record(RecordType::range, {0, 10});
  const std::size_t cut = first.bytes().size();
  first.record(RecordType::range, {20, 30});
  JournalEncoder second = begun();
  second.record(RecordType::range, {0, 11});  // as long as the first's
  auto bytes = second.bytes();
  bytes.insert(bytes.end(), first.bytes().begin() + static_cast<std::ptrdiff_t>(cut), first.bytes().end());
  const auto found = replay(bytes, Trust::everything);
  REQUIRE(found);
  CHECK(to_string(found->available) == "{[0, 11)}");
}

TEST_CASE("F36: a journal of a newer version is refused as such, and one of a newer minor version is read") {
  auto bytes = begun().bytes();
  bytes[8] = std::byte{2};
  auto found = replay(bytes, Trust::everything);
  REQUIRE_FALSE(found);
  CHECK(found.error().code == Errc::unsupported);
}

TEST_CASE("F44: keys and validators of any bytes, up to their sizes") {
  for (const std::string& key :
       {std::string(), std::string("a\0b", 3), std::string("../../etc/passwd"), std::string(kMaxKey, 'k')}) {
    JournalHeader header = some_header();
    header.key = key;
    header.validator.value = std::string(kMaxValidator, '\xff');
    JournalEncoder out;
    out.header(header);
    const auto decoded = decode_header(out.bytes());
    REQUIRE(decoded);
    CHECK(decoded->header == header);
  }
  JournalHeader header = some_header();
  header.key = std::string(kMaxKey + 1, 'k');
  JournalEncoder out;
  out.header(header);
  CHECK_FALSE(decode_header(out.bytes()));
}

TEST_CASE("snapshot: says what the journal said, of every shape and in little room") {
  rc::check("a snapshot replays to what it was made of", [] {
    JournalEncoder out = begun();
    const auto dense = *rc::gen::arbitrary<bool>();
    const auto steps = *rc::gen::inRange<std::size_t>(0, 300);
    for (std::size_t i = 0; i < steps; ++i) {
      const std::uint64_t unit = dense ? 4096 : 100000;
      const std::uint64_t begin = *rc::gen::inRange<std::uint64_t>(0, 4000) * unit + (dense ? 0 : 7);
      const std::uint64_t size = *rc::gen::inRange<std::uint64_t>(1, 3) * unit - (*rc::gen::arbitrary<bool>() ? 5 : 0);
      switch (*rc::gen::inRange(0, 8)) {
        case 0:
          out.record(RecordType::evict, {begin, begin + size});
          break;
        case 1:
          out.record(RecordType::barrier, {out.bytes().size()});
          break;
        case 2:
          out.record(RecordType::checksums, {begin / kChecksumBlock, begin});
          break;
        default:
          out.record(RecordType::range, {begin, begin + size});
      }
    }
    const auto all = replay(out.bytes(), Trust::everything);
    const auto durable = replay(out.bytes(), Trust::barriers);
    RC_ASSERT(all.has_value());
    RC_ASSERT(durable.has_value());
    RC_ASSERT(all->torn_bytes == 0U);
    const JournalEncoder snapshot = encode_snapshot(all->header, *all, durable->available);
    const auto again = replay(snapshot.bytes(), Trust::everything);
    const auto still = replay(snapshot.bytes(), Trust::barriers);
    RC_ASSERT(again.has_value());
    RC_ASSERT(still.has_value());
    RC_ASSERT(again->torn_bytes == 0U);
    RC_ASSERT(again->available == all->available);
    RC_ASSERT(still->available == durable->available);
    RC_ASSERT(again->checksums == all->checksums);
    RC_ASSERT(again->length == all->length);
    RC_ASSERT(again->header == all->header);
  });
}

namespace {

JournalEncoder encrypted() {
  JournalEncoder out = begun();
  std::vector<std::byte> payload;
  put(payload, Cipher{});
  out.record(RecordType::cipher, payload);
  return out;
}
// Each with a tag of its own.
void seal(JournalEncoder& out, std::initializer_list<ByteRange> ranges) {
  std::vector<std::byte> payload;
  for (const ByteRange range : ranges) {
    Piece piece;
    piece.range = range;
    piece.tag[0] = static_cast<std::byte>(range.begin + out.bytes().size());
    put(payload, piece);
  }
  out.record(RecordType::pieces, payload);
}
std::string pieces(const JournalEncoder& out, Trust trust = Trust::everything) {
  const auto found = replay(out.bytes(), trust);
  REQUIRE(found);
  CHECK(found->torn_bytes == 0);
  std::string text;
  found->pieces.check_invariants();
  found->pieces.visit([&](const Piece& piece) { text += to_string(piece.range); });
  return text;
}

}  // namespace

TEST_CASE("pieces: make nothing available; those of which nothing is there are forgotten, later ones replace") {
  JournalEncoder out = encrypted();
  seal(out, {{0, 100}, {100, 200}, {300, 400}});
  CHECK(there(out) == "{}");
  CHECK(pieces(out).empty());
  out.record(RecordType::range, {0, 200});
  CHECK(pieces(out) == "[0, 100)[100, 200)");
  CHECK(pieces(out, Trust::barriers).empty());
  out.record(RecordType::barrier, {out.bytes().size()});
  CHECK(pieces(out, Trust::barriers) == "[0, 100)[100, 200)");
  out.record(RecordType::evict, {50, 200});
  CHECK(pieces(out) == "[0, 100)");
  out.record(RecordType::evict, {0, 50});
  CHECK(pieces(out).empty());
  seal(out, {{0, 80}});
  out.record(RecordType::range, {10, 80});
  CHECK(pieces(out) == "[0, 80)");
  CHECK(there(out) == "{[10, 80)}");
  // Its writer should have given the others up before: they are gone, with their ciphertext.
  seal(out, {{70, 90}});
  CHECK(there(out) == "{}");
}

TEST_CASE("pieces: what contradicts is the beginning of a torn tail") {
  const auto torn = [](const JournalEncoder& out, std::size_t records) {
    const auto found = replay(out.bytes(), Trust::everything);
    REQUIRE(found);
    CHECK(found->records == records);
    CHECK(found->torn_bytes > 0);
  };
  JournalEncoder out = begun();
  seal(out, {{0, 100}});
  torn(out, 0);  // of what is not encrypted
  out = encrypted();
  out.record(RecordType::range, {0, 100});
  torn(out, 1);  // in no piece
  out = encrypted();
  seal(out, {{0, 100}});
  out.record(RecordType::range, {0, 101});
  torn(out, 2);
  for (const ByteRange bad : {ByteRange{kPieceBlock - 1, kPieceBlock + 1}, ByteRange{5, 5}, ByteRange{6, 5},
                              ByteRange{kMaxOffset, kMaxOffset + 1}}) {
    out = encrypted();
    seal(out, {{0, 100}, bad});
    torn(out, 1);
  }
  out = encrypted();
  out.record(RecordType::pieces, std::initializer_list<std::uint64_t>{});
  torn(out, 1);
  out = begun();
  out.record(RecordType::range, {0, 1});
  std::vector<std::byte> payload;
  put(payload, Cipher{});
  out.record(RecordType::cipher, payload);
  torn(out, 1);  // not the first record
  payload.pop_back();
  out = begun();
  out.record(RecordType::cipher, payload);
  torn(out, 0);
  // Of another algorithm nothing more is known, and that is for the caller to refuse.
  out = begun();
  out.record(RecordType::cipher, {2});
  const auto found = replay(out.bytes(), Trust::everything);
  REQUIRE(found);
  CHECK(found->cipher->algorithm == 2);
}

TEST_CASE("snapshot: keeps how it is encrypted, and each piece of which a byte is there") {
  JournalEncoder out = encrypted();
  for (std::uint64_t at = 0; at < 100 * kPieceBlock; at += kPieceBlock) {
    seal(out, {{at, at + 100}, {at + 100, at + kPieceBlock}});
    out.record(RecordType::range, {at, at + kPieceBlock});
  }
  out.record(RecordType::barrier, {out.bytes().size() / 2});
  out.record(RecordType::evict, {50, 20 * kPieceBlock + 100});
  for (const bool committed : {false, true}) {
    CAPTURE(committed);
    if (committed) {
      out.record(RecordType::commit, {70 * kPieceBlock + 5000});
    }
    const auto all = replay(out.bytes(), Trust::everything);
    const auto durable = replay(out.bytes(), Trust::barriers);
    REQUIRE(all);
    REQUIRE(durable);
    const JournalEncoder snapshot = encode_snapshot(all->header, *all, durable->available);
    for (const Trust trust : {Trust::everything, Trust::barriers}) {
      const auto before = replay(out.bytes(), trust);
      const auto after = replay(snapshot.bytes(), trust);
      REQUIRE(after);
      CHECK(after->torn_bytes == 0);
      CHECK(after->available == before->available);
      CHECK(after->pieces.overlapping({0, kMaxOffset}) == before->pieces.overlapping({0, kMaxOffset}));
      CHECK(after->cipher == before->cipher);
      CHECK(after->committed == before->committed);
    }
  }
}

TEST_CASE("snapshot: what was complete once and has lost bytes since stays so") {
  JournalEncoder out = begun();
  out.record(RecordType::range, {0, 100});
  out.record(RecordType::commit, {100});
  out.record(RecordType::evict, {10, 20});
  const auto all = replay(out.bytes(), Trust::everything);
  REQUIRE(all);
  const JournalEncoder snapshot = encode_snapshot(all->header, *all, BlockMap());
  const auto again = replay(snapshot.bytes(), Trust::everything);
  REQUIRE(again);
  CHECK(again->committed);
  CHECK(again->length == 100);
  CHECK(again->torn_bytes == 0);
  CHECK(to_string(again->available) == "{[0, 10) [20, 100)}");
}
