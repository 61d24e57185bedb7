// Cipher, Piece, PieceMap: what a journal says of an encrypted version: its salt, and what each piece was sealed with.
// Threads: values. Blocks: never. Errors: nothing, for bytes that are no such record; std::bad_alloc where said.
// Cost: O(log pieces) a look, some 60 to 110 bytes a piece. Lifetime: values.
#pragma once

#include <strandline/base/byte_range.h>
#include <strandline/store/journal/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <span>
#include <vector>

namespace strandline::store {

inline constexpr std::uint64_t kPieceBlock = kChecksumBlock;  // bytes; no piece crosses the border of one

// How a version is encrypted. None of it is secret.
struct Cipher {
  static constexpr std::uint32_t kAes256Gcm = 1;
  std::uint32_t algorithm = kAes256Gcm;  // of another one only this is known
  std::array<std::byte, 16> salt{};
  std::array<std::byte, 16> check{};  // tells the right key from another
  friend bool operator==(const Cipher&, const Cipher&) = default;
};
void put(std::vector<std::byte>& out, const Cipher& cipher);
[[nodiscard]] std::optional<Cipher> decode_cipher(std::span<const std::byte> payload) noexcept;

// Bytes that were sealed at once, and can be opened only at once.
struct Piece {
  ByteRange range;
  std::array<std::byte, 12> nonce{};
  std::array<std::byte, 16> tag{};
  friend bool operator==(const Piece&, const Piece&) = default;
};
inline constexpr std::size_t kPieceBytes = 44;  // of a piece in a record

// Of a range, what a piece may hold from its begin on.
[[nodiscard]] constexpr ByteRange first_piece(ByteRange range) noexcept {
  return range.clamped_to({range.begin, (range.begin / kPieceBlock + 1) * kPieceBlock});
}
void put(std::vector<std::byte>& out, const Piece& piece);
// Throws std::bad_alloc.
[[nodiscard]] std::optional<std::vector<Piece>> decode_pieces(std::span<const std::byte> payload);

// Invariant: no two pieces overlap. They are in order, in chunks that are never empty; a chunk is kept by an offset at
// or before its first piece and behind the first of the chunk before it.
class PieceMap {
 public:
  // In place of all that they overlap; they do not overlap each other. Throws std::bad_alloc, and nothing has changed.
  void replace(std::span<const Piece> pieces);
  // Those that overlap the range and for which `gone` holds.
  template <class Gone>
  void erase_if(ByteRange range, Gone&& gone);
  // The piece that a byte is in; null when it is in none.
  [[nodiscard]] const Piece* at(std::uint64_t offset) const noexcept;
  // Of the range, from its begin to the next piece; nothing of it when a piece is there.
  [[nodiscard]] ByteRange gap_at(ByteRange range) const noexcept;
  [[nodiscard]] bool overlaps(ByteRange range) const noexcept;
  // Is every byte of the range in a piece?
  [[nodiscard]] bool covers(ByteRange range) const noexcept;
  // Throws std::bad_alloc.
  [[nodiscard]] std::vector<Piece> overlapping(ByteRange range) const;
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  // Calls visit(piece), in order.
  template <class Visit>
  void visit(Visit&& visit) const {
    for (const auto& [begin, chunk] : chunks_) {
      for (const Piece& piece : chunk) {
        visit(piece);
      }
    }
  }

  // Aborts when the invariant is broken. O(pieces).
  void check_invariants() const;

 private:
  using Chunk = std::vector<Piece>;
  using Chunks = std::map<std::uint64_t, Chunk>;
  struct Place {
    Chunks::const_iterator chunk;
    std::size_t index = 0;
  };

  // The first piece that ends behind the offset; at the end of chunks_ there is none.
  [[nodiscard]] Place ending_after(std::uint64_t offset) const noexcept;
  [[nodiscard]] const Piece* piece_at(Place place) const noexcept {
    return place.chunk != chunks_.end() ? &place.chunk->second[place.index] : nullptr;
  }
  static void advance(Place& place) noexcept {
    if (++place.index == place.chunk->second.size()) {
      place = {std::next(place.chunk), 0};
    }
  }
  // The chunk that a piece which begins there belongs to; the end when it would be before all chunks.
  [[nodiscard]] Chunks::iterator home_of(std::uint64_t begin) noexcept;
  void rebuild(std::span<const Piece> pieces);

  Chunks chunks_;
  std::size_t size_ = 0;
};

template <class Gone>
void PieceMap::erase_if(ByteRange range, Gone&& gone) {
  const auto begins_before_end = [&](const Piece& piece) { return piece.range.begin < range.end; };
  auto [place, index] = ending_after(range.begin);
  bool more = true;
  // To erase nothing makes an iterator of a const one.
  for (auto chunk = chunks_.erase(place, place); more && chunk != chunks_.end(); index = 0) {
    Chunk& pieces = chunk->second;
    const auto first = pieces.begin() + static_cast<std::ptrdiff_t>(index);
    const auto last = std::partition_point(first, pieces.end(), begins_before_end);
    more = last == pieces.end();
    const auto kept = std::remove_if(first, last, gone);
    size_ -= static_cast<std::size_t>(last - kept);
    pieces.erase(kept, last);
    chunk = pieces.empty() ? chunks_.erase(chunk) : std::next(chunk);
  }
}

}  // namespace strandline::store
