// The bytes of a journal: its header and its records, as docs/format.md has them.
// Threads: values and pure functions. Blocks: never. Errors: corrupt for what contradicts the format, unsupported for a
// newer version; encoding throws std::bad_alloc. Cost: a CRC of the bytes. Lifetime: decoded records point into the
// input.
#pragma once

#include <strandline/base/byte_range.h>
#include <strandline/driver/validator.h>
#include <strandline/store/io/identity.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace strandline::store {

using strandline::Validator;

inline constexpr std::uint32_t kChecksumBlock = 65536;
inline constexpr std::size_t kMaxKey = 65536;
inline constexpr std::size_t kMaxValidator = 4096;

struct JournalHeader {
  std::uint64_t generation = 1;
  BootId boot{};
  DataIdentity data;
  std::optional<std::uint64_t> length;
  Validator validator;
  std::string key;
  friend bool operator==(const JournalHeader&, const JournalHeader&) = default;
};

enum class RecordType : std::uint8_t {
  range = 1,
  evict = 2,
  barrier = 3,
  length = 4,
  commit = 5,
  reopen = 6,
  blocks = 7,
  ranges = 8,
  checksums = 9,
  doomed = 10,
  cipher = 11,
  pieces = 12,
  note = 128
};
inline constexpr std::uint8_t kSkippable = 128;  // types from here on
inline constexpr std::size_t kRecordHead = 8;
inline constexpr std::size_t kMaxPayload = (std::size_t{1} << 24) - 1;
inline constexpr std::uint32_t kDurable = 1;  // flag of blocks and ranges
// Bytes of a note's payload. With its head a record has 4 KiB at the most: who follows reads it at once.
inline constexpr std::size_t kMaxNotePayload = 4096 - kRecordHead;

// Little-endian numbers.
inline void put(std::vector<std::byte>& out, std::uint64_t value, std::size_t bytes) {
  std::array<std::byte, 8> raw{};
  for (std::size_t i = 0; i < raw.size(); ++i) {
    raw[i] = static_cast<std::byte>(value >> (8 * i));
  }
  out.insert(out.end(), raw.begin(), raw.begin() + static_cast<std::ptrdiff_t>(bytes));
}
[[nodiscard]] inline std::uint64_t get(std::span<const std::byte> in, std::size_t at, std::size_t bytes) noexcept {
  // Whole and by a constant number of bytes, which compilers turn into one load.
  std::array<std::byte, 8> raw{};
  std::memcpy(raw.data(), in.data() + at, bytes);
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    value |= static_cast<std::uint64_t>(raw[i]) << (8 * i);
  }
  return value;
}

// Appends headers and records to a buffer, and keeps the chain of their CRCs.
class JournalEncoder {
 public:
  // Goes on behind a journal whose last record, or header, has the CRC `chain`.
  explicit JournalEncoder(std::uint32_t chain = 0) noexcept : chain_(chain) {}

  void header(const JournalHeader& header);
  void record(RecordType type, std::span<const std::byte> payload);
  // A record whose payload is numbers of 8 bytes.
  void record(RecordType type, std::initializer_list<std::uint64_t> numbers);

  [[nodiscard]] const std::vector<std::byte>& bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::uint32_t chain() const noexcept { return chain_; }

 private:
  std::vector<std::byte> bytes_;
  std::uint32_t chain_;
};

struct DecodedHeader {
  JournalHeader header;
  std::size_t size = 0;  // bytes
  std::uint32_t chain = 0;
};
// corrupt, too, when the bytes end before the header does; unsupported when the major version is another.
[[nodiscard]] Result<DecodedHeader> decode_header(std::span<const std::byte> bytes) noexcept;

struct DecodedRecord {
  std::uint8_t type = 0;
  std::span<const std::byte> payload;
  std::size_t size = 0;  // bytes, head and payload
  std::uint32_t chain = 0;
};
// Is it one that counts?
[[nodiscard]] constexpr bool is_note(const DecodedRecord& record) noexcept {
  return record.type == static_cast<std::uint8_t>(RecordType::note) && record.payload.size() <= kMaxNotePayload;
}
// The record that `bytes` begin with, behind one with the CRC `chain`; nothing when it is cut off or its CRC is wrong.
[[nodiscard]] std::optional<DecodedRecord> decode_record(std::span<const std::byte> bytes,
                                                         std::uint32_t chain) noexcept;

}  // namespace strandline::store
