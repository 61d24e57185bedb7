#include <strandline/store/journal/replay.h>

#include <algorithm>
#include <array>
#include <bit>
#include <deque>
#include <new>
#include <vector>

namespace strandline::store {
namespace {

// What they refuse, they lack memory for.
void add(BlockMap& map, ByteRange range) {
  if (!map.insert(range)) {
    throw std::bad_alloc();
  }
}
void add(BlockMap& map, std::uint64_t first, std::span<const std::uint64_t> words) {
  if (!map.insert_words(first, words)) {
    throw std::bad_alloc();
  }
}
void take(BlockMap& map, ByteRange range) {
  if (!map.erase(range)) {
    throw std::bad_alloc();
  }
}

// A rewriting ends with records that nobody appends, and what may follow them directly.
bool is_rewritten(const DecodedRecord& record, bool follows_rewritten) noexcept {
  const auto type = static_cast<RecordType>(record.type);
  return type == RecordType::blocks || type == RecordType::ranges ||
         (follows_rewritten && (type == RecordType::commit || type == RecordType::checksums));
}

// The runs of bits that are set, in order: of blocks of 2^shift bytes, of which the first is block `first`.
std::vector<ByteRange> runs_of(std::span<const std::byte> words, std::uint64_t first, std::uint64_t shift) {
  std::vector<ByteRange> runs;
  bool within = false;  // a run that begins at `begin` and has not ended
  std::uint64_t begin = 0;
  for (std::uint64_t word = 0; word * 8 < words.size(); ++word) {
    const std::uint64_t bits = get(words, word * 8, 8);
    for (unsigned bit = 0; bit < 64;) {
      const std::uint64_t rest = bits >> bit;
      const auto same = static_cast<unsigned>(within ? std::countr_one(rest) : std::countr_zero(rest));
      bit += std::min(same, 64 - bit);
      if (bit == 64) {
        break;
      }
      const std::uint64_t at = (first + word * 64 + bit) << shift;
      if (within) {
        runs.push_back({begin, at});
      }
      within = !within;
      begin = at;
    }
  }
  if (within) {
    runs.push_back({begin, (first + words.size() * 8) << shift});
  }
  return runs;
}

// The rules of a journal, record by record. Invariant, where barriers count: durable_ is what would be left after a
// power cut at this record.
class Replayer {
 public:
  Replayer(Replay& result, Trust trust) : result_(result), trust_(trust) {}

  // False when the record contradicts those before it. `begin`: where it stands in the journal.
  [[nodiscard]] bool apply(const DecodedRecord& record, std::uint64_t begin);
  void finish();

 private:
  struct Pending {
    std::uint64_t end;  // of its record: what a barrier's size is compared with
    ByteRange range;
    bool evicted;
  };

  [[nodiscard]] bool may_hold(ByteRange range) const noexcept {
    return range.valid() && !range.empty() && range.end <= result_.length.value_or(kMaxOffset) &&
           (!result_.cipher || result_.pieces.covers(range));
  }
  void hold(ByteRange range, bool durable, std::uint64_t end) {
    add(result_.available, range);
    if (trust_ == Trust::barriers) {
      if (durable) {
        add(durable_, range);
      } else {
        pending_.push_back({end, range, false});
      }
    }
  }
  // All of them or none.
  [[nodiscard]] bool hold_all(std::span<const ByteRange> runs, bool durable, std::uint64_t end) {
    if (!std::all_of(runs.begin(), runs.end(), [this](ByteRange run) { return may_hold(run); })) {
      return false;
    }
    for (const ByteRange run : runs) {
      hold(run, durable, end);
    }
    return true;
  }
  [[nodiscard]] bool hold_words(std::span<const std::byte> bytes, std::uint64_t first, bool durable);
  void give_up(ByteRange range, std::uint64_t end);
  void barrier(std::uint64_t covered);
  [[nodiscard]] bool set_length(std::uint64_t length);
  [[nodiscard]] bool blocks(std::span<const std::byte> payload, std::uint64_t end);
  [[nodiscard]] bool ranges(std::span<const std::byte> payload, std::uint64_t end);
  [[nodiscard]] bool checksums(std::span<const std::byte> payload);
  [[nodiscard]] bool cipher(std::span<const std::byte> payload);
  [[nodiscard]] bool pieces(std::span<const std::byte> payload, std::uint64_t end);
  // Of those that overlap the range.
  void forget_empty_pieces(ByteRange range) {
    result_.pieces.erase_if(range, [&](const Piece& piece) { return !result_.available.intersects(piece.range); });
  }

  Replay& result_;
  const Trust trust_;
  BlockMap durable_;
  std::deque<Pending> pending_;  // what no barrier covers yet, in order
  bool evicted_ = false;
};

void Replayer::give_up(ByteRange range, std::uint64_t end) {
  result_.gave_up = result_.gave_up || result_.available.intersects(range);
  take(result_.available, range);
  if (trust_ == Trust::barriers) {
    take(durable_, range);
    pending_.push_back({end, range, true});
  }
  result_.checksums.erase(range.begin / kChecksumBlock, (range.end - 1) / kChecksumBlock + 1);
  forget_empty_pieces(range);
}

void Replayer::barrier(std::uint64_t covered) {
  BlockMap fresh;
  while (!pending_.empty() && pending_.front().end <= covered) {
    const Pending& front = pending_.front();
    front.evicted ? take(fresh, front.range) : add(fresh, front.range);
    pending_.pop_front();
  }
  // What has been evicted since is gone, covered or not; from what was durable before it has been taken already.
  for (const Pending& later : pending_) {
    if (later.evicted) {
      take(fresh, later.range);
    }
  }
  for (const ByteRange run : fresh.runs()) {
    add(durable_, run);
  }
}

bool Replayer::set_length(std::uint64_t length) {
  if (length > kMaxOffset || (result_.length && *result_.length != length)) {
    return false;
  }
  result_.length = length;
  return true;
}

bool Replayer::blocks(std::span<const std::byte> payload, std::uint64_t end) {
  if (payload.size() < 16 || payload.size() % 8 != 0) {
    return false;
  }
  const bool durable = (get(payload, 0, 4) & kDurable) != 0;
  const std::uint64_t shift = get(payload, 4, 4);
  const std::uint64_t first = get(payload, 8, 8);
  const std::uint64_t count = (payload.size() - 16) * 8;
  if (shift > 30) {
    return false;
  }
  // The words may reach past the last offset, if their bits do not: so that the last window can be written like any.
  const std::uint64_t blocks = (kMaxOffset >> shift) + 1;
  if (first > blocks || count > blocks - first) {
    return false;
  }
  // As the map has them itself; and neither pieces nor barriers ask where each run is.
  const bool same = std::uint64_t{1} << shift == BlockMap::kBlockBytes && first % 64 == 0;
  if (same && !result_.cipher && (durable || trust_ == Trust::everything)) {
    return hold_words(payload.subspan(16), first, durable);
  }
  return hold_all(runs_of(payload.subspan(16), first, shift), durable, end);
}

bool Replayer::hold_words(std::span<const std::byte> bytes, std::uint64_t first, bool durable) {
  std::vector<std::uint64_t> words(bytes.size() / 8);
  std::uint64_t end = 0;  // in blocks
  for (std::size_t i = 0; i < words.size(); ++i) {
    words[i] = get(bytes, i * 8, 8);
    if (words[i] != 0) {
      end = first + i * 64 + static_cast<unsigned>(std::bit_width(words[i]));
    }
  }
  if (end > result_.length.value_or(kMaxOffset) / BlockMap::kBlockBytes) {
    return false;
  }
  add(result_.available, first * BlockMap::kBlockBytes, words);
  if (durable && trust_ == Trust::barriers) {
    add(durable_, first * BlockMap::kBlockBytes, words);
  }
  return true;
}

bool Replayer::ranges(std::span<const std::byte> payload, std::uint64_t end) {
  if (payload.size() < 8 || payload.size() % 16 != 8) {
    return false;
  }
  const bool durable = (get(payload, 0, 4) & kDurable) != 0;
  const auto range_at = [&](std::size_t at) { return ByteRange{get(payload, at, 8), get(payload, at + 8, 8)}; };
  for (std::size_t at = 8; at < payload.size(); at += 16) {
    if (!may_hold(range_at(at))) {
      return false;
    }
  }
  for (std::size_t at = 8; at < payload.size(); at += 16) {
    hold(range_at(at), durable, end);
  }
  return true;
}

bool Replayer::checksums(std::span<const std::byte> payload) {
  if (payload.size() < 8 || payload.size() % 4 != 0) {
    return false;
  }
  const std::uint64_t first = get(payload, 0, 8);
  const std::uint64_t count = (payload.size() - 8) / 4;
  if (first > kMaxOffset / kChecksumBlock || count > kMaxOffset / kChecksumBlock - first) {
    return false;
  }
  std::array<std::uint32_t, 256> sums{};
  for (std::uint64_t done = 0; done < count;) {
    const std::size_t part = std::min<std::uint64_t>(count - done, sums.size());
    for (std::size_t i = 0; i < part; ++i) {
      sums[i] = static_cast<std::uint32_t>(get(payload, 8 + (done + i) * 4, 4));
    }
    result_.checksums.set(first + done, std::span(sums).first(part));
    done += part;
  }
  return true;
}

// Before anything else, so that whoever has no key has changed nothing when it learns that it needs one.
bool Replayer::cipher(std::span<const std::byte> payload) {
  if (result_.records != 0) {
    return false;
  }
  result_.cipher = decode_cipher(payload);
  return result_.cipher.has_value();
}

// What is sealed in the place of other bytes destroys them. Who does so gives them up first; this is for the others.
bool Replayer::pieces(std::span<const std::byte> payload, std::uint64_t end) {
  const auto pieces = decode_pieces(payload);
  if (!result_.cipher || !pieces) {
    return false;
  }
  for (const Piece& piece : *pieces) {
    for (const Piece& old : result_.pieces.overlapping(piece.range)) {
      if (result_.available.intersects(old.range)) {
        give_up(old.range, end);
      }
    }
    result_.pieces.replace(std::span(&piece, 1));
  }
  return true;
}

bool Replayer::apply(const DecodedRecord& record, std::uint64_t begin) {
  if (record.type >= kSkippable) {
    // One that is too long is skipped, as by who knows of none: all read the same journal as far as each other.
    if (is_note(record)) {
      result_.note.assign(record.payload.begin(), record.payload.end());
    }
    return true;
  }
  const auto payload = record.payload;
  const std::uint64_t end = begin + record.size;
  const auto number = [&](std::size_t index) { return get(payload, index * 8, 8); };
  switch (static_cast<RecordType>(record.type)) {
    case RecordType::range:
    case RecordType::evict: {
      if (payload.size() != 16) {
        return false;
      }
      const ByteRange range{number(0), number(1)};
      if (record.type == static_cast<std::uint8_t>(RecordType::range)) {
        return hold_all(std::span(&range, 1), false, end);
      }
      if (!range.valid() || range.empty()) {
        return false;
      }
      evicted_ = true;
      give_up(range, end);
      return true;
    }
    case RecordType::barrier:
      if (payload.size() != 8 || number(0) > begin) {
        return false;
      }
      barrier(number(0));
      return true;
    case RecordType::length:
      return payload.size() == 8 && number(0) <= kMaxOffset && !result_.available.intersects({number(0), kMaxOffset}) &&
             set_length(number(0));
    case RecordType::commit:
      if (payload.size() != 8 || number(0) > kMaxOffset || (!evicted_ && !result_.available.covers({0, number(0)})) ||
          !set_length(number(0))) {
        return false;
      }
      if (number(0) < kMaxOffset) {
        give_up({number(0), kMaxOffset}, end);
      }
      result_.committed = true;
      return true;
    case RecordType::reopen:
      if (!payload.empty()) {
        return false;
      }
      if (result_.length && *result_.length % kChecksumBlock != 0) {
        const std::uint64_t last = *result_.length / kChecksumBlock;  // a short block, which may grow
        result_.checksums.erase(last, last + 1);
      }
      result_.committed = false;
      result_.length.reset();
      return true;
    case RecordType::blocks:
      return blocks(payload, end);
    case RecordType::ranges:
      return ranges(payload, end);
    case RecordType::checksums:
      return checksums(payload);
    case RecordType::doomed:
      result_.doomed = result_.doomed || payload.empty();
      return payload.empty();
    case RecordType::cipher:
      return cipher(payload);
    case RecordType::pieces:
      return pieces(payload, end);
    case RecordType::note:
      break;  // above
  }
  return false;  // of a newer version, and not to be skipped
}

void Replayer::finish() {
  if (trust_ == Trust::barriers) {
    result_.available = std::move(durable_);
  }
  if (result_.doomed) {
    result_.available = BlockMap();
  }
  result_.available.lower_end(result_.available.covered_end());
  forget_empty_pieces({0, kMaxOffset});
}

}  // namespace

Result<Replay> replay(std::span<const std::byte> journal, Trust trust) noexcept {
  auto decoded = decode_header(journal);
  if (!decoded) {
    return fail(std::move(decoded.error()));
  }
  try {
    Replay result;
    result.header = std::move(decoded->header);
    result.length = result.header.length;
    result.valid_bytes = decoded->size;
    result.chain = decoded->chain;
    Replayer replayer(result, trust);
    while (const auto record = decode_record(journal.subspan(result.valid_bytes), result.chain)) {
      if (!replayer.apply(*record, result.valid_bytes)) {
        break;
      }
      const bool rewritten = is_rewritten(*record, result.rewritten_bytes == result.valid_bytes);
      result.valid_bytes += record->size;
      if (rewritten) {
        result.rewritten_bytes = result.valid_bytes;
      }
      result.chain = record->chain;
      ++result.records;
    }
    result.torn_bytes = journal.size() - result.valid_bytes;
    replayer.finish();
    return result;
  } catch (const std::bad_alloc&) {
    return fail(Errc::no_memory, "journal");
  }
}

}  // namespace strandline::store
