#include <strandline/store/journal/crc32c.h>
#include <strandline/store/journal/format.h>

#include <algorithm>
#include <array>
#include <new>

namespace strandline::store {
namespace {

constexpr std::array<std::uint8_t, 8> kMagic = {0x89, 'S', 'T', 'R', 'J', '\r', '\n', 0x1a};
constexpr std::uint16_t kMajor = 1;
constexpr std::uint16_t kMinor = 0;
constexpr std::size_t kFixed = 88;  // bytes before the key
constexpr std::uint64_t kUnknown = ~std::uint64_t{0};

std::span<const std::byte> bytes_of(const std::string& text) noexcept {
  return std::as_bytes(std::span(text));
}

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

void JournalEncoder::header(const JournalHeader& header) {
  const std::size_t begin = bytes_.size();
  for (const std::uint8_t byte : kMagic) {
    put(bytes_, byte, 1);
  }
  put(bytes_, kMajor, 2);
  put(bytes_, kMinor, 2);
  put(bytes_, kFixed + header.key.size() + header.validator.value.size() + 4, 4);
  put(bytes_, header.generation, 8);
  bytes_.insert(bytes_.end(), header.boot.begin(), header.boot.end());
  put(bytes_, header.data.inode, 8);
  put(bytes_, header.data.born, 8);
  put(bytes_, header.length.value_or(kUnknown), 8);
  put(bytes_, kChecksumBlock, 4);
  put(bytes_, static_cast<std::uint8_t>(header.validator.kind), 4);
  put(bytes_, header.key.size(), 4);
  put(bytes_, header.validator.value.size(), 4);
  put(bytes_, 0, 8);
  for (const std::string* text : {&header.key, &header.validator.value}) {
    bytes_.insert(bytes_.end(), bytes_of(*text).begin(), bytes_of(*text).end());
  }
  chain_ = crc32c(0, std::span(bytes_).subspan(begin));
  put(bytes_, chain_, 4);
}

void JournalEncoder::record(RecordType type, std::span<const std::byte> payload) {
  const std::size_t begin = bytes_.size();
  put(bytes_, 0, 4);
  put(bytes_, static_cast<std::uint8_t>(type), 1);
  put(bytes_, payload.size(), 3);
  bytes_.insert(bytes_.end(), payload.begin(), payload.end());
  chain_ = crc32c(chain_, std::span(bytes_).subspan(begin + 4));
  for (std::size_t i = 0; i < 4; ++i) {
    bytes_[begin + i] = static_cast<std::byte>(chain_ >> (8 * i));
  }
}

void JournalEncoder::record(RecordType type, std::initializer_list<std::uint64_t> numbers) {
  std::vector<std::byte> payload;
  for (const std::uint64_t number : numbers) {
    put(payload, number, 8);
  }
  record(type, payload);
}

Result<DecodedHeader> decode_header(std::span<const std::byte> bytes) noexcept {
  const auto is = [](std::byte a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; };
  if (bytes.size() < kFixed + 4 ||
      !std::equal(kMagic.begin(), kMagic.end(), bytes.begin(), [&](auto b, auto a) { return is(a, b); })) {
    return fail(Errc::corrupt, "no journal");
  }
  if (get(bytes, 8, 2) != kMajor) {
    return fail(Errc::unsupported, "a journal of another version");
  }
  const std::uint64_t size = get(bytes, 12, 4);
  const std::uint64_t key = get(bytes, 72, 4);
  const std::uint64_t validator = get(bytes, 76, 4);
  if (key > kMaxKey || validator > kMaxValidator || size != kFixed + key + validator + 4 || size > bytes.size() ||
      crc32c(0, bytes.first(size - 4)) != get(bytes, size - 4, 4)) {
    return fail(Errc::corrupt, "a journal's header");
  }
  const std::uint64_t length = get(bytes, 56, 8);
  if (get(bytes, 64, 4) != kChecksumBlock || get(bytes, 68, 4) > 2 || get(bytes, 80, 8) != 0 ||
      (length > kMaxOffset && length != kUnknown)) {
    return fail(Errc::corrupt, "a journal's header");
  }
  try {
    DecodedHeader decoded;
    decoded.header.generation = get(bytes, 16, 8);
    std::copy_n(bytes.begin() + 24, decoded.header.boot.size(), decoded.header.boot.begin());
    decoded.header.data = {get(bytes, 40, 8), get(bytes, 48, 8)};
    decoded.header.length = length == kUnknown ? std::nullopt : std::optional(length);
    decoded.header.validator.kind = static_cast<Validator::Kind>(get(bytes, 68, 1));
    decoded.header.key = text_of(bytes.subspan(kFixed, key));
    decoded.header.validator.value = text_of(bytes.subspan(kFixed + key, validator));
    decoded.size = size;
    decoded.chain = static_cast<std::uint32_t>(get(bytes, size - 4, 4));
    return decoded;
  } catch (const std::bad_alloc&) {
    return fail(Errc::no_memory, "journal");
  }
}

std::optional<DecodedRecord> decode_record(std::span<const std::byte> bytes, std::uint32_t chain) noexcept {
  if (bytes.size() < kRecordHead || bytes.size() - kRecordHead < get(bytes, 5, 3)) {
    return std::nullopt;
  }
  DecodedRecord record;
  record.type = static_cast<std::uint8_t>(get(bytes, 4, 1));
  record.size = kRecordHead + get(bytes, 5, 3);
  record.payload = bytes.subspan(kRecordHead, record.size - kRecordHead);
  record.chain = crc32c(chain, bytes.subspan(4, record.size - 4));
  if (record.chain != get(bytes, 0, 4)) {
    return std::nullopt;
  }
  return record;
}

}  // namespace strandline::store
