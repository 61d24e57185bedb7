#include <strandline/store/journal/pieces.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace strandline::store {
namespace {

constexpr std::size_t kCipherBytes = 40;
constexpr std::size_t kMost = 256;  // pieces to a chunk: as much as may be moved by an insertion

template <std::size_t N>
void copy_from(std::span<const std::byte> bytes, std::size_t at, std::array<std::byte, N>& out) noexcept {
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), N, out.begin());
}

bool is_before(const Piece& a, const Piece& b) noexcept {
  return a.range.begin < b.range.begin;
}

}  // namespace

void put(std::vector<std::byte>& out, const Cipher& cipher) {
  put(out, cipher.algorithm, 8);
  out.insert(out.end(), cipher.salt.begin(), cipher.salt.end());
  out.insert(out.end(), cipher.check.begin(), cipher.check.end());
}

std::optional<Cipher> decode_cipher(std::span<const std::byte> payload) noexcept {
  if (payload.size() < 8 || get(payload, 0, 4) == 0 || get(payload, 4, 4) != 0) {
    return std::nullopt;
  }
  Cipher cipher;
  cipher.algorithm = static_cast<std::uint32_t>(get(payload, 0, 4));
  if (cipher.algorithm == Cipher::kAes256Gcm) {
    if (payload.size() != kCipherBytes) {
      return std::nullopt;
    }
    copy_from(payload, 8, cipher.salt);
    copy_from(payload, 24, cipher.check);
  }
  return cipher;
}

void put(std::vector<std::byte>& out, const Piece& piece) {
  put(out, piece.range.begin, 8);
  put(out, piece.range.end, 8);
  out.insert(out.end(), piece.nonce.begin(), piece.nonce.end());
  out.insert(out.end(), piece.tag.begin(), piece.tag.end());
}

std::optional<std::vector<Piece>> decode_pieces(std::span<const std::byte> payload) {
  if (payload.empty() || payload.size() % kPieceBytes != 0) {
    return std::nullopt;
  }
  std::vector<Piece> pieces(payload.size() / kPieceBytes);
  for (Piece& piece : pieces) {
    piece.range = {get(payload, 0, 8), get(payload, 8, 8)};
    if (!piece.range.valid() || piece.range.empty() || first_piece(piece.range) != piece.range) {
      return std::nullopt;
    }
    copy_from(payload, 16, piece.nonce);
    copy_from(payload, 28, piece.tag);
    payload = payload.subspan(kPieceBytes);
  }
  return pieces;
}

PieceMap::Place PieceMap::ending_after(std::uint64_t offset) const noexcept {
  if (chunks_.empty() || chunks_.rbegin()->second.back().range.end <= offset) {
    return {chunks_.end(), 0};  // they mostly come in order
  }
  auto chunk = chunks_.upper_bound(offset);
  if (chunk == chunks_.begin()) {
    return {chunk, 0};
  }
  --chunk;
  const auto ends_before = [offset](const Piece& piece) { return piece.range.end <= offset; };
  const auto found = std::partition_point(chunk->second.begin(), chunk->second.end(), ends_before);
  const auto index = static_cast<std::size_t>(found - chunk->second.begin());
  // One that begins before the chunk may reach into it.
  if (index == 0 && chunk != chunks_.begin() && !ends_before(std::prev(chunk)->second.back())) {
    --chunk;
    return {chunk, chunk->second.size() - 1};
  }
  return index < chunk->second.size() ? Place{chunk, index} : Place{std::next(chunk), 0};
}

PieceMap::Chunks::iterator PieceMap::home_of(std::uint64_t begin) noexcept {
  // Likewise.
  if (!chunks_.empty() && chunks_.rbegin()->first <= begin) {
    return std::prev(chunks_.end());
  }
  const auto next = chunks_.upper_bound(begin);
  return next == chunks_.begin() ? chunks_.end() : std::prev(next);
}

void PieceMap::replace(std::span<const Piece> pieces) {
  if (pieces.empty()) {
    return;
  }
  const Piece& piece = pieces.front();
  const auto home = home_of(piece.range.begin);
  if (pieces.size() > 1 || home == chunks_.end() || overlaps(piece.range)) {
    rebuild(pieces);
    return;
  }
  Chunk& chunk = home->second;
  if (chunk.size() < kMost) {
    chunk.insert(std::upper_bound(chunk.begin(), chunk.end(), piece, is_before), piece);
  } else if (is_before(chunk.back(), piece)) {
    chunks_.emplace_hint(std::next(home), piece.range.begin, Chunk(1, piece));
  } else {
    rebuild(pieces);
    return;
  }
  ++size_;
}

// The chunks that are concerned are made anew, beside the old ones.
void PieceMap::rebuild(std::span<const Piece> pieces) {
  Chunk added(pieces.begin(), pieces.end());
  std::sort(added.begin(), added.end(), is_before);
  const ByteRange span{added.front().range.begin, added.back().range.end};
  auto first = home_of(span.begin);
  if (first != chunks_.begin() && first != chunks_.end() && std::prev(first)->second.back().range.end > span.begin) {
    --first;
  }
  const std::uint64_t key = first != chunks_.end() ? first->first : 0;
  first = first != chunks_.end() ? first : chunks_.begin();
  const auto last = chunks_.lower_bound(span.end);
  Chunk kept;
  std::size_t before = 0;
  for (auto chunk = first; chunk != last; ++chunk) {
    before += chunk->second.size();
    std::copy_if(chunk->second.begin(), chunk->second.end(), std::back_inserter(kept), [&](const Piece& old) {
      return std::none_of(added.begin(), added.end(),
                          [&](const Piece& piece) { return piece.range.intersects(old.range); });
    });
  }
  Chunk merged(kept.size() + added.size());
  std::merge(kept.begin(), kept.end(), added.begin(), added.end(), merged.begin(), is_before);
  Chunks fresh;
  const std::size_t count = (merged.size() + kMost - 1) / kMost;
  for (std::size_t i = 0; i < count; ++i) {
    const auto begin = merged.begin() + static_cast<std::ptrdiff_t>(merged.size() * i / count);
    const auto end = merged.begin() + static_cast<std::ptrdiff_t>(merged.size() * (i + 1) / count);
    fresh.emplace_hint(fresh.end(), i == 0 ? key : begin->range.begin, Chunk(begin, end));
  }
  // Nothing fails from here on.
  size_ += merged.size() - before;
  chunks_.erase(first, last);
  chunks_.merge(fresh);
}

const Piece* PieceMap::at(std::uint64_t offset) const noexcept {
  const Piece* const piece = piece_at(ending_after(offset));
  return piece != nullptr && piece->range.contains(offset) ? piece : nullptr;
}

ByteRange PieceMap::gap_at(ByteRange range) const noexcept {
  const Piece* const next = piece_at(ending_after(range.begin));
  return next == nullptr ? range : range.clamped_to({range.begin, std::max(range.begin, next->range.begin)});
}

bool PieceMap::overlaps(ByteRange range) const noexcept {
  const Piece* const next = piece_at(ending_after(range.begin));
  return next != nullptr && next->range.begin < range.end;
}

bool PieceMap::covers(ByteRange range) const noexcept {
  for (Place place = ending_after(range.begin); !range.empty(); advance(place)) {
    const Piece* const piece = piece_at(place);
    if (piece == nullptr || !piece->range.contains(range.begin)) {
      return false;
    }
    range.begin = std::min(piece->range.end, range.end);
  }
  return true;
}

std::vector<Piece> PieceMap::overlapping(ByteRange range) const {
  std::vector<Piece> found;
  Place place = ending_after(range.begin);
  for (const Piece* piece = piece_at(place); piece != nullptr && piece->range.begin < range.end;
       piece = piece_at(place)) {
    found.push_back(*piece);
    advance(place);
  }
  return found;
}

void PieceMap::check_invariants() const {
  bool sound = true;
  std::size_t count = 0;
  std::uint64_t last_end = 0;
  for (auto it = chunks_.begin(); it != chunks_.end(); ++it) {
    const auto& [begin, chunk] = *it;
    sound = sound && !chunk.empty() && chunk.size() <= kMost && begin <= chunk.front().range.begin &&
            (it == chunks_.begin() || std::prev(it)->second.back().range.begin < begin);
    for (const Piece& piece : chunk) {
      sound = sound && !piece.range.empty() && last_end <= piece.range.begin;
      last_end = piece.range.end;
      ++count;
    }
  }
  if (!sound || count != size_) {
    std::fputs("PieceMap: an invariant is broken\n", stderr);
    std::abort();
  }
}

}  // namespace strandline::store
