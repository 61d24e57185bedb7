#include <strandline/store/journal/pieces.h>

#include <algorithm>

namespace strandline::store {
namespace {

constexpr std::size_t kCipherBytes = 40;

template <std::size_t N>
void copy_from(std::span<const std::byte> bytes, std::size_t at, std::array<std::byte, N>& out) noexcept {
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), N, out.begin());
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

PieceMap::Pieces::const_iterator PieceMap::first_overlapping(ByteRange range) const noexcept {
  auto it = pieces_.upper_bound(range.begin);
  if (it != pieces_.begin() && std::prev(it)->second.range.end > range.begin) {
    --it;
  }
  return it;
}

void PieceMap::replace(std::span<const Piece> pieces) {
  Pieces nodes;
  for (const Piece& piece : pieces) {
    nodes.insert_or_assign(piece.range.begin, piece);
  }
  for (const Piece& piece : pieces) {
    erase_if(piece.range, [](const Piece&) { return true; });
  }
  pieces_.merge(nodes);
}

const Piece* PieceMap::at(std::uint64_t offset) const noexcept {
  const auto it = first_overlapping({offset, offset + 1});
  return it != pieces_.end() && it->second.range.contains(offset) ? &it->second : nullptr;
}

ByteRange PieceMap::gap_at(ByteRange range) const noexcept {
  const auto it = first_overlapping(range);
  return it == pieces_.end() ? range : range.clamped_to({range.begin, std::max(range.begin, it->first)});
}

bool PieceMap::overlaps(ByteRange range) const noexcept {
  const auto it = first_overlapping(range);
  return it != pieces_.end() && it->first < range.end;
}

bool PieceMap::covers(ByteRange range) const noexcept {
  for (auto it = first_overlapping(range); !range.empty(); ++it) {
    if (it == pieces_.end() || !it->second.range.contains(range.begin)) {
      return false;
    }
    range.begin = std::min(it->second.range.end, range.end);
  }
  return true;
}

std::vector<Piece> PieceMap::overlapping(ByteRange range) const {
  std::vector<Piece> found;
  for (auto it = first_overlapping(range); it != pieces_.end() && it->first < range.end; ++it) {
    found.push_back(it->second);
  }
  return found;
}

}  // namespace strandline::store
