// SealedData: what of an entry's data file is sealed, and how: reads verify and decrypt, writes encrypt.
// Threads: thread-safe. Blocks: on the disk. Errors: the file's; corrupt for bytes that are not what was sealed, or of
// which nobody knows how they were; no_memory. Cost: a read decrypts whole pieces, up to 64 KiB for one byte.
// Lifetime: that of its driver.
#pragma once

#include <strandline/store/io/file_system.h>
#include <strandline/store/sealing/piece_table.h>
#include <strandline/store/sealing/sealer.h>

#include <cstdint>
#include <memory>
#include <span>

namespace strandline::store {

class SealedData {
 public:
  explicit SealedData(std::unique_ptr<Sealer> sealer) noexcept : sealer_(std::move(sealer)) {}

  [[nodiscard]] const Cipher& cipher() const noexcept { return sealer_->cipher(); }
  [[nodiscard]] PieceTable& table() noexcept { return table_; }
  [[nodiscard]] const Sealer& sealer() const noexcept { return *sealer_; }

  // Some bytes from `offset` on, at least one.
  [[nodiscard]] Result<std::size_t> read(const File& data, std::uint64_t offset,
                                         std::span<std::byte> out) const noexcept;
  // What a read from the range's begin that was corrupt is about: a piece, or bytes that are in none.
  [[nodiscard]] ByteRange unit_of(ByteRange range) const noexcept;
  // Is a byte of the range in no piece, or in one that is not what was sealed? No, when that cannot be told.
  [[nodiscard]] bool is_bad(const File& data, ByteRange range) const noexcept;

  // A piece, read and decrypted whole.
  [[nodiscard]] Result<void> open(const File& data, const Piece& piece, std::span<std::byte> plain) const noexcept;

  struct Sealed {
    Piece piece;
    std::unique_ptr<std::byte[]> bytes;
    [[nodiscard]] std::span<const std::byte> span() const noexcept { return {bytes.get(), piece.range.size()}; }
  };
  [[nodiscard]] Result<Sealed> seal(ByteRange range, std::span<const std::byte> plain) const noexcept;

 private:
  const std::unique_ptr<Sealer> sealer_;
  PieceTable table_;
};

}  // namespace strandline::store
