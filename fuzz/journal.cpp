// What is read from a disk may be anything: replay() of any bytes. Whatever it believes keeps to the rules: a subset
// after a power cut, nothing past the length, and a snapshot of it says the same.
//
// Input: a byte that says how to read the rest: as a journal, or as the records of one, whose CRCs are put right.
#include <strandline/store/journal/snapshot.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

using namespace strandline;
using namespace strandline::store;

namespace {

void require(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "journal: %s\n", what);
    std::abort();
  }
}

// Records of a type, a size of at most 255 and a payload each, behind a header that is right.
std::vector<std::byte> journal_of(std::span<const std::byte> input) {
  JournalEncoder out;
  JournalHeader header;
  header.key = "key";
  out.header(header);
  while (input.size() >= 2) {
    const auto type = static_cast<RecordType>(input[0]);
    const std::size_t size = std::min<std::size_t>(static_cast<std::size_t>(input[1]), input.size() - 2);
    out.record(type, input.subspan(2, size));
    input = input.subspan(2 + size);
  }
  return out.bytes();
}

void check(std::span<const std::byte> journal) {
  const auto all = replay(journal, Trust::everything);
  const auto durable = replay(journal, Trust::barriers);
  require(all.has_value() == durable.has_value(), "a header is read or not, whatever is believed");
  if (!all) {
    return;
  }
  require(all->valid_bytes + all->torn_bytes == journal.size(), "bytes that are neither valid nor torn");
  require(all->valid_bytes == durable->valid_bytes && all->length == durable->length, "the records are the same");
  all->available.check_invariants();
  durable->available.check_invariants();
  require(all->available.end_offset() == all->available.covered_end(), "an end where nothing is");
  require(all->available.end_offset() <= all->length.value_or(kMaxOffset), "bytes past the length");
  for (const ByteRange run : durable->available.runs()) {
    require(all->available.covers(run), "more after a power cut than before");
  }
  const JournalEncoder snapshot = encode_snapshot(all->header, *all, durable->available);
  const auto again = replay(snapshot.bytes(), Trust::everything);
  const auto still = replay(snapshot.bytes(), Trust::barriers);
  require(again && still, "a snapshot cannot be read");
  require(again->torn_bytes == 0, "a snapshot has a torn tail");
  require(again->available == all->available && still->available == durable->available, "a snapshot says other things");
  require(again->length == all->length && again->committed == all->committed && again->doomed == all->doomed &&
              again->checksums == all->checksums,
          "a snapshot forgets");
  require(!again->gave_up, "a snapshot takes back what it says");
  require(all->note.size() <= kMaxNotePayload && durable->note == all->note, "a note that cannot be");
  require(again->note == all->note && still->note == all->note, "a snapshot has another note");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = std::as_bytes(std::span(data, size));
  if (input.empty()) {
    return 0;
  }
  const auto rest = input.subspan(1);
  if (input[0] == std::byte{0}) {
    check(rest);
  } else {
    check(journal_of(rest));
  }
  return 0;
}
