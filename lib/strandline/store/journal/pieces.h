// Cipher, Piece, PieceMap: what a journal says of an encrypted version: its salt, and what each piece was sealed with.
// Threads: values. Blocks: never. Errors: nothing, for bytes that are no such record; std::bad_alloc where said.
// Cost: O(log pieces) a look, some 120 bytes a piece. Lifetime: values.
#pragma once

#include <strandline/base/byte_range.h>
#include <strandline/store/journal/format.h>

#include <array>
#include <cstddef>
#include <cstdint>
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

// Invariant: no two pieces overlap.
class PieceMap {
 public:
  using Pieces = std::map<std::uint64_t, Piece>;  // by their begin

  // In place of all that they overlap; they do not overlap each other. Throws std::bad_alloc, and nothing has changed.
  void replace(std::span<const Piece> pieces);
  // Those that overlap the range and for which `gone` holds.
  template <class Gone>
  void erase_if(ByteRange range, Gone&& gone) {
    for (auto it = first_overlapping(range); it != pieces_.end() && it->first < range.end;) {
      it = gone(it->second) ? pieces_.erase(it) : std::next(it);
    }
  }
  // The piece that a byte is in; null when it is in none.
  [[nodiscard]] const Piece* at(std::uint64_t offset) const noexcept;
  // Of the range, from its begin to the next piece; nothing of it when a piece is there.
  [[nodiscard]] ByteRange gap_at(ByteRange range) const noexcept;
  [[nodiscard]] bool overlaps(ByteRange range) const noexcept;
  // Is every byte of the range in a piece?
  [[nodiscard]] bool covers(ByteRange range) const noexcept;
  // Throws std::bad_alloc.
  [[nodiscard]] std::vector<Piece> overlapping(ByteRange range) const;
  [[nodiscard]] const Pieces& pieces() const noexcept { return pieces_; }

 private:
  [[nodiscard]] Pieces::const_iterator first_overlapping(ByteRange range) const noexcept;

  Pieces pieces_;
};

}  // namespace strandline::store
