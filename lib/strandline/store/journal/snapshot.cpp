#include <strandline/store/journal/snapshot.h>

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

namespace strandline::store {
namespace {

constexpr std::uint64_t kShift = 12;
static_assert(std::uint64_t{1} << kShift == BlockMap::kBlockBytes);
constexpr std::size_t kWindowWords = 64;
constexpr std::uint64_t kWindow = kWindowWords * BlockMap::kWordBytes;
constexpr std::uint64_t kBlock = BlockMap::kBlockBytes;
constexpr std::size_t kRangeBytes = 16;
constexpr std::size_t kWordsBytes = kRecordHead + 16 + kWindowWords * 8;  // of a window's words
constexpr std::size_t kRanges = 65536;                                    // to a record

using Words = std::array<std::uint64_t, kWindowWords>;

// Runs of bits that are set.
std::size_t runs_in(const Words& words) noexcept {
  std::size_t runs = 0;
  std::uint64_t before = 0;
  for (const std::uint64_t word : words) {
    runs += static_cast<std::size_t>(std::popcount(word & ~(word << 1 | before)));
    before = word >> 63;
  }
  return runs;
}

// Writes what is in one map and not in another, window by window: as bits where that takes less room than ranges. Of a
// block of which the other has a part, it may write all.
class RunEncoder {
 public:
  RunEncoder(JournalEncoder& out, const BlockMap& map, const BlockMap& without, bool durable)
      : out_(out), map_(map), without_(without), flags_(durable ? kDurable : 0) {}

  void encode() {
    const std::uint64_t end = map_.end_offset();
    for (std::uint64_t at = map_.next_covered(0, end); at < end; at = map_.next_covered(at, end)) {
      const ByteRange window{at, std::min((at / kWindow + 1) * kWindow, end)};
      const std::uint64_t alike_to = alike_from(at, end);
      if (alike_to < window.end) {
        write_window(window);
        at = window.end;
      } else {
        if (!without_.intersects({at, alike_to})) {
          add({at, alike_to});
        }
        at = alike_to;
      }
    }
    write_ranges();
  }

 private:
  // Up to where all is to be written, or nothing, of what the map has.
  [[nodiscard]] std::uint64_t alike_from(std::uint64_t at, std::uint64_t end) const noexcept {
    const std::uint64_t run_end = map_.next_missing(at, end);
    const std::uint64_t to_write = without_.next_covered(at, run_end);
    return to_write > at ? to_write : without_.next_missing(at, run_end);
  }

  void write_window(ByteRange window) {
    const std::uint64_t base = window.begin / kWindow * kWindow;
    Words words{};
    Words other{};
    map_.whole_blocks(base, words);
    without_.whole_blocks(base, other);
    for (std::size_t i = 0; i < words.size(); ++i) {
      words[i] &= ~other[i];
    }
    collect_ragged(window);
    if (runs_in(words) * kRangeBytes <= kWordsBytes + joints(words, base) * kRangeBytes) {
      for (const ByteRange run : map_.runs(window)) {
        for (const ByteRange range : without_.gaps(run)) {
          add(range);
        }
      }
      return;
    }
    std::vector<std::byte> payload;
    payload.reserve(kWordsBytes);
    put(payload, flags_, 4);
    put(payload, kShift, 4);
    put(payload, base >> kShift, 8);
    for (const std::uint64_t word : words) {
      put(payload, word, 8);
    }
    out_.record(RecordType::blocks, payload);
    for (const ByteRange run : ragged_) {
      add(run);
    }
  }

  void collect_ragged(ByteRange window) {
    found_.clear();
    ragged_.clear();
    map_.collect_ragged(window, found_);
    for (const ByteRange run : found_) {
      for (const ByteRange range : without_.gaps(run)) {
        ragged_.push_back(range);
      }
    }
  }

  // Where ragged_ touches whole blocks, or itself: as ranges they would be so many fewer.
  [[nodiscard]] std::size_t joints(const Words& words, std::uint64_t base) const noexcept {
    const auto is_whole = [&](std::uint64_t block) {
      return block / 64 < words.size() && (words[block / 64] >> (block % 64) & 1) != 0;
    };
    std::size_t count = 0;
    std::uint64_t last_end = 0;
    for (const ByteRange run : ragged_) {
      const std::uint64_t begin = run.begin - base;
      const std::uint64_t end = run.end - base;
      count += run.begin == last_end || (begin % kBlock == 0 && begin != 0 && is_whole(begin / kBlock - 1)) ? 1 : 0;
      count += end % kBlock == 0 && is_whole(end / kBlock) ? 1 : 0;
      last_end = run.end;
    }
    return count;
  }

  void add(ByteRange range) {
    if (!ranges_.empty() && ranges_.back().end == range.begin) {
      ranges_.back().end = range.end;  // across the border of a window
      return;
    }
    if (ranges_.size() >= kRanges) {
      write_ranges();
    }
    ranges_.push_back(range);
  }

  void write_ranges() {
    if (ranges_.empty()) {
      return;
    }
    std::vector<std::byte> payload;
    payload.reserve(8 + ranges_.size() * kRangeBytes);
    put(payload, flags_, 8);
    for (const ByteRange range : ranges_) {
      put(payload, range.begin, 8);
      put(payload, range.end, 8);
    }
    out_.record(RecordType::ranges, payload);
    ranges_.clear();
  }

  JournalEncoder& out_;
  const BlockMap& map_;
  const BlockMap& without_;
  const std::uint32_t flags_;
  std::vector<ByteRange> found_;   // of this window
  std::vector<ByteRange> ragged_;  // of that, what is to be written
  std::vector<ByteRange> ranges_;  // to be written as such
};

void encode_checksums(JournalEncoder& out, const Replay& all) {
  std::vector<std::byte> payload;
  std::uint64_t next = 0;
  const auto flush = [&] {
    if (!payload.empty()) {
      out.record(RecordType::checksums, payload);
      payload.clear();
    }
  };
  all.checksums.visit([&](std::uint64_t block, std::uint32_t checksum) {
    if (block != next || payload.size() > kMaxPayload / 2) {
      flush();
    }
    if (payload.empty()) {
      put(payload, block, 8);
    }
    put(payload, checksum, 4);
    next = block + 1;
  });
  flush();
}

void encode_pieces(JournalEncoder& out, const Replay& all) {
  std::vector<std::byte> payload;
  all.pieces.visit([&](const Piece& piece) {
    put(payload, piece);
    if (payload.size() > kMaxPayload / 2) {
      out.record(RecordType::pieces, payload);
      payload.clear();
    }
  });
  if (!payload.empty()) {
    out.record(RecordType::pieces, payload);
  }
}

}  // namespace

JournalEncoder encode_snapshot(const JournalHeader& header, const Replay& all, const BlockMap& durable) {
  JournalEncoder out;
  JournalHeader next = header;
  next.length = all.length;
  out.header(next);
  if (all.cipher) {
    std::vector<std::byte> payload;
    put(payload, *all.cipher);
    out.record(RecordType::cipher, payload);
  }
  if (!all.note.empty()) {
    out.record(RecordType::note, all.note);
  }
  // Explains the gaps of what was complete once.
  if (all.committed && !all.available.covers({0, *all.length})) {
    out.record(RecordType::evict, {0, *all.length});
  }
  encode_pieces(out, all);  // behind that, which would end them, and before what lies in them
  RunEncoder(out, durable, BlockMap(), true).encode();
  if (&durable != &all.available) {
    RunEncoder(out, all.available, durable, false).encode();
  }
  if (all.committed) {
    out.record(RecordType::commit, {*all.length});
  }
  // Behind the commit, which voids that of a block that it cuts.
  encode_checksums(out, all);
  if (all.doomed) {
    out.record(RecordType::doomed, std::initializer_list<std::uint64_t>{});
  }
  return out;
}

}  // namespace strandline::store
