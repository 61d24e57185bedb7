#include <strandline/store/journal/snapshot.h>

namespace strandline::store {
namespace {

constexpr std::uint64_t kShift = 12;  // blocks of 4 KiB, as the resource's own bookkeeping has them
constexpr std::uint64_t kBlock = std::uint64_t{1} << kShift;
constexpr std::uint64_t kWindowWords = 64;
constexpr std::uint64_t kWindow = kWindowWords * 64 * kBlock;
// A window's words take as much as this many ranges.
constexpr std::size_t kDense = kWindowWords * 8 / 16;

// Writes runs, window by window: as bits where they are many, as ranges where they are few.
class RunEncoder {
 public:
  RunEncoder(JournalEncoder& out, bool durable) : out_(out), flags_(durable ? kDurable : 0) {}

  // In order; they do not touch.
  void add(ByteRange run) {
    const std::uint64_t window = run.begin / kWindow;
    if (window != window_ || (run.end - 1) / kWindow != window) {
      flush();
      window_ = window;
    }
    runs_.push_back(run);
  }
  void finish() {
    flush();
    write_ranges();
  }

 private:
  void flush() {
    if (runs_.size() <= kDense) {
      ranges_.insert(ranges_.end(), runs_.begin(), runs_.end());
    } else {
      write_blocks();
    }
    runs_.clear();
    if (ranges_.size() >= 65536) {
      write_ranges();
    }
  }

  void write_blocks() {
    std::vector<std::uint64_t> words(kWindowWords);
    const std::uint64_t base = window_ * kWindow;
    for (const ByteRange run : runs_) {
      const std::uint64_t begin = (run.begin - base + kBlock - 1) >> kShift;
      const std::uint64_t end = (run.end - base) >> kShift;
      if (begin >= end) {
        ranges_.push_back(run);
        continue;
      }
      for (std::uint64_t block = begin; block < end; ++block) {
        words[block / 64] |= std::uint64_t{1} << (block % 64);
      }
      const ByteRange whole{base + (begin << kShift), base + (end << kShift)};
      if (run.begin < whole.begin) {
        ranges_.push_back({run.begin, whole.begin});
      }
      if (whole.end < run.end) {
        ranges_.push_back({whole.end, run.end});
      }
    }
    std::vector<std::byte> payload;
    put(payload, flags_, 4);
    put(payload, kShift, 4);
    put(payload, base >> kShift, 8);
    for (const std::uint64_t word : words) {
      put(payload, word, 8);
    }
    out_.record(RecordType::blocks, payload);
  }

  void write_ranges() {
    if (ranges_.empty()) {
      return;
    }
    std::vector<std::byte> payload;
    put(payload, flags_, 8);
    for (const ByteRange range : ranges_) {
      put(payload, range.begin, 8);
      put(payload, range.end, 8);
    }
    out_.record(RecordType::ranges, payload);
    ranges_.clear();
  }

  JournalEncoder& out_;
  const std::uint32_t flags_;
  std::uint64_t window_ = 0;
  std::vector<ByteRange> runs_;    // of this window
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
  for (const auto& [begin, piece] : all.pieces.pieces()) {
    put(payload, piece);
    if (payload.size() > kMaxPayload / 2) {
      out.record(RecordType::pieces, payload);
      payload.clear();
    }
  }
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
  // Explains the gaps of what was complete once.
  if (all.committed && !all.available.covers({0, *all.length})) {
    out.record(RecordType::evict, {0, *all.length});
  }
  encode_pieces(out, all);  // behind that, which would end them, and before what lies in them
  RunEncoder sure(out, true);
  for (const ByteRange run : durable.runs()) {
    sure.add(run);
  }
  sure.finish();
  RunEncoder rest(out, false);
  for (const ByteRange run : all.available.runs()) {
    for (const ByteRange gap : durable.gaps(run)) {
      rest.add(gap);
    }
  }
  rest.finish();
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
