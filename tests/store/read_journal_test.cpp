// tools/read_journal.py shares no code with the library: both must say the same of any journal, whole or damaged.
#include <strandline/store/journal/replay.h>
#include <tests/resource/subjects.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <random>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

namespace {

std::string output_of(const std::string& command) {
  std::string output;
  std::FILE* const pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 4096> part;
  while (const std::size_t count = std::fread(part.data(), 1, part.size(), pipe)) {
    output.append(part.data(), count);
  }
  REQUIRE(::pclose(pipe) == 0);
  return output;
}

// As the script's JSON has it.
std::string listed(const BlockMap& map) {
  std::string text = "\"available\": [";
  for (const ByteRange run : map.runs()) {
    text += (text.back() == '[' ? "[" : ", [") + std::to_string(run.begin) + ", " + std::to_string(run.end) + "]";
  }
  return text + "]";
}

std::string hex(std::span<const std::byte> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes) {
    text += kDigits[std::to_integer<std::size_t>(byte) >> 4];
    text += kDigits[std::to_integer<std::size_t>(byte) & 15];
  }
  return text;
}

std::vector<std::byte> random_journal(std::mt19937_64& random) {
  JournalEncoder out;
  JournalHeader header;
  header.generation = random();
  header.key = std::string(random() % 40, 'k');
  if (random() % 2 == 0) {
    header.length = 100000;
  }
  out.header(header);
  const bool encrypted = random() % 2 == 0;
  if (encrypted) {
    std::vector<std::byte> payload;
    put(payload, Cipher{});
    out.record(RecordType::cipher, payload);
  }
  const auto below = [&](std::uint64_t limit) { return random() % limit; };
  const auto seal = [&](ByteRange range) {
    std::vector<std::byte> payload;
    while (!range.empty()) {
      Piece piece;
      piece.range = first_piece(range);
      put(payload, piece);
      range.begin = piece.range.end;
    }
    out.record(RecordType::pieces, payload);
  };
  if (encrypted && below(2) == 0) {
    seal({0, 100000});
  }
  for (std::uint64_t records = below(30); records > 0; --records) {
    const std::uint64_t begin = below(90000);
    const std::uint64_t end = begin + below(5000);
    if (encrypted && below(3) != 0) {
      seal({begin, end + 1});
    }
    switch (below(13)) {
      case 0:
        out.record(RecordType::evict, {begin, end});
        break;
      case 1:
        out.record(RecordType::barrier, {out.bytes().size() - below(100)});
        break;
      case 2:
        out.record(RecordType::checksums, {begin / kChecksumBlock, 1, 2});
        break;
      case 3:
        out.record(RecordType::blocks, {std::uint64_t{9} << 32 | below(2), below(50), random(), random()});
        break;
      case 4:
        out.record(RecordType::ranges, {below(2), begin, end, end + 10, end + 20});
        break;
      case 5:
        if (below(5) == 0) {
          out.record(RecordType::commit, {100000});
        }
        break;
      case 6:
        out.record(RecordType::reopen, std::initializer_list<std::uint64_t>{});
        break;
      case 7:
        if (below(9) != 0) {
          out.record(static_cast<RecordType>(200), {1});
        } else {
          std::vector<std::byte> payload;
          below(2) == 0 ? put(payload, Cipher{}) : put(payload, Piece{{begin, begin + 65537}, {}, {}});
          out.record(payload.size() == 40 ? RecordType::cipher : RecordType::pieces, payload);
        }
        break;
      case 8:
        out.record(RecordType::note, std::vector<std::byte>(below(9) == 0 ? kMaxNotePayload + below(2) : below(20),
                                                            static_cast<std::byte>(below(256))));
        break;
      default:
        out.record(RecordType::range, {begin, end + 1});
    }
  }
  auto bytes = out.bytes();
  if (random() % 3 == 0) {
    bytes.resize(bytes.size() - below(bytes.size() - 92));
  }
  return bytes;
}

}  // namespace

TEST_CASE("D3: the independent reader agrees, of random journals, torn ones among them") {
  const TempDir directory;
  const std::string path = (directory.path() / "some.journal").native();
  std::mt19937_64 random(20261121);
  int compared = 0;
  for (int round = 0; round < 50; ++round) {
    const auto bytes = random_journal(random);
    for (const Trust trust : {Trust::everything, Trust::barriers}) {
      const auto found = replay(bytes, trust);
      if (!found) {
        continue;  // cut within the header
      }
      std::ofstream(path, std::ios::binary)
          .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
      const std::string said = output_of(std::string("python3 '" STRANDLINE_READ_JOURNAL "' --json ") +
                                         (trust == Trust::barriers ? "--after-power-cut " : "") + "'" + path + "'");
      CAPTURE(said);
      const auto says_so = [&](const std::string& what) { return said.find(what) != std::string::npos; };
      CHECK(says_so(listed(found->available)));
      CHECK(says_so("\"valid_bytes\": " + std::to_string(found->valid_bytes) + ","));
      CHECK(says_so("\"torn_bytes\": " + std::to_string(found->torn_bytes) + "}"));
      CHECK(says_so("\"checksums\": " + std::to_string(found->checksums.size()) + ","));
      CHECK(says_so("\"pieces\": " + std::to_string(found->pieces.size()) + ","));
      CHECK(says_so("\"algorithm\": " + (found->cipher ? std::to_string(found->cipher->algorithm) : "null") + ","));
      CHECK(says_so("\"note\": \"" + hex(found->note) + "\""));
      CHECK(says_so(std::string("\"committed\": ") + (found->committed ? "true" : "false")));
      CHECK(says_so("\"length\": " + (found->length ? std::to_string(*found->length) : "null")));
      ++compared;
    }
  }
  CHECK(compared > 60);
}
